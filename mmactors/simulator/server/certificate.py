"""The simulator's own certificate: made at its start, signed by itself, known to those who are given its file.

Owns its making. The key exists in memory and, for the moment in which it is loaded, in a file nobody else can read.
"""

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

VALID_DAYS = 30


class NoCertificateError(Exception):
    """There is no certificate to serve with; the text says what to do."""


def serve_with_own(host: str, file: Path) -> ssl.SSLContext:
    """Make a key and a certificate for `host` and the local names, write the certificate to `file`, serve with both.

    Raises:
        NoCertificateError: the cryptography package is missing, or the file cannot be written.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise NoCertificateError("simulator.tls needs cryptography: install the program with its extra 'tls'") from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mmactors simulator")])
    now = datetime.datetime.now(datetime.UTC)
    names = [_general(each) for each in dict.fromkeys((host, "localhost", "127.0.0.1", "::1"))]
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_encipherment=True, key_cert_sign=True, **usage), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown = certificate.public_bytes(serialization.Encoding.PEM)
    hidden = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(shown)
    except OSError as error:
        raise NoCertificateError(f"cannot write {file}: {error.strerror}; set simulator.certificate") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile(suffix=".pem") as both:  # mode 0600, gone at once
        both.write(hidden + shown)
        both.flush()
        context.load_cert_chain(both.name)
    return context


def _general(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
