"""The simulator's own certificate: made at its start, by an authority of its own that lasts as long as it.

Owns where the authority's certificate is written, for those who are to believe it. The keys exist in memory and, while
the server's is loaded, in a file nobody else can read.
"""

import datetime
import ssl
from pathlib import Path

VALID_DAYS = 30


class NoCertificateError(Exception):
    """There is no certificate to serve with; the text says what to do."""


def serve_with_own(host: str, file: Path) -> ssl.SSLContext:
    """Make an authority and its certificate for `host` and the local names, write the authority's to `file`, serve.

    Raises:
        NoCertificateError: the trustme package is missing, or the file cannot be written.
    """
    try:
        import trustme
    except ImportError:
        raise NoCertificateError("simulator.tls needs trustme: install the program with its extra 'tls'") from None
    authority = trustme.CA(organization_name="mmactors simulator")
    certificate = authority.issue_cert(
        *dict.fromkeys((host, "localhost", "127.0.0.1", "::1")),
        organization_name="mmactors simulator",
        not_after=datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=VALID_DAYS),
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(file)
    except OSError as error:
        raise NoCertificateError(f"cannot write {file}: {error.strerror}; set simulator.certificate") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context
