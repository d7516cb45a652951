"""Which proxy of the environment stands between us and an address, if any: this machine is always spoken to directly.

Owns that rule, the same for sockets and for requests. A proxy's own address may hold a password and is never told, only
the variable that names it.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit


def on_this_machine(host: str) -> bool:
    """Tell whether a host is this machine: a loopback address, or localhost."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def is_direct(url: str) -> bool:
    """Tell whether a URL's host is this machine, for which no proxy counts."""
    return on_this_machine(urlsplit(url).hostname or "")


def proxy_variable(url: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the name of the environment's variable whose proxy a URL goes through; None without one."""
    if is_direct(url):
        return None
    name = "https_proxy" if urlsplit(url).scheme in ("https", "wss") else "http_proxy"
    return next((variable for variable in (name, name.upper()) if environ.get(variable)), None)
