"""Whom to believe on TLS: the system's authorities, or a private one's certificates instead. Verification is never off.

Owns the making of contexts and the words for a certificate that is not believed; knows no socket and no protocol.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNKNOWN_ISSUER = (18, 19, 20, 21)
"""OpenSSL's codes for a chain that ends nowhere known: self-signed, or issued by nobody we trust."""


class CertificatesError(Exception):
    """The file of trusted certificates cannot be used."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The same trust for both libraries: a context for sockets, the path of a bundle (or True) for requests."""

    context: ssl.SSLContext
    bundle: str | bool

    @property
    def sslopt(self) -> dict[str, Any]:
        """What the WebSocket library wants to be given."""
        return {"context": self.context}


def trusted(ca_file: Path | None = None) -> Trust:
    """Trust the certificates in a PEM file and nothing else, or without one the system's authorities.

    Raises:
        CertificatesError: the file cannot be read, or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError:
        raise CertificatesError(f"ca_file {ca_file} holds no certificate in PEM form") from None
    except OSError as error:
        raise CertificatesError(f"ca_file {ca_file} cannot be read: {error.strerror}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        return Trust(context, str(ca_file))
    paths = ssl.get_default_verify_paths()
    return Trust(context, paths.cafile or paths.capath or True)


def tls_reason(error: BaseException) -> str | None:
    """Return what is wrong with a peer's certificate or its TLS, for people; None if the error is about neither."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "; a private authority's certificate belongs in ca_file" if error.verify_code in _UNKNOWN_ISSUER else ""
        return f"its certificate cannot be trusted: {error.verify_message.rstrip('.')}{hint}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {str(error.reason or error.strerror or 'no reason given').lower().replace('_', ' ')}"
    return None
