"""The values that sections are made of: durations, symbols, URLs, bounded numbers, each with its words.

Owns what a single value may be. It knows no section.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

DURATIONS = {"1M": 60, "5M": 300, "15M": 900, "1H": 3600}
"""The sessions' names and lengths in seconds."""
_SYMBOL = re.compile(r"([a-z0-9]{2,10}?)(fdusd|usdt|usdc|usd)")


def asset_of(symbol: str) -> str | None:
    """Return the asset a feed's symbol prices (btcusdt: BTC), None if it is not priced in dollars."""
    match = _SYMBOL.fullmatch(symbol.lower())
    return match[1].upper() if match else None


def product_of(symbol: str) -> str | None:
    """Return a symbol with its dash (btc-usd or btcusd: BTC-USD), None if it is not priced in dollars."""
    match = _SYMBOL.fullmatch(symbol.lower().replace("-", "", 1))
    return f"{match[1]}-{match[2]}".upper() if match else None


def upper(value: object) -> object:
    """Return a text in capitals, anything else as it is."""
    return value.upper() if isinstance(value, str) else value


def keys_upper(value: object) -> object:
    """Return a section with its keys in capitals."""
    return {str(name).upper(): entry for name, entry in value.items()} if isinstance(value, dict) else value


def _some_path(value: object) -> object:
    if value == "":
        raise ValueError("no path")
    return value


def _dollar_symbol(value: str) -> str:
    if asset_of(value) is None:
        raise ValueError("not priced in dollars")
    return value.lower()


def _product(value: str) -> str:
    product = product_of(value)
    if product is None:
        raise ValueError("not priced in dollars")
    return product


def _url(*schemes: str) -> object:
    def check(value: str) -> str:
        parts = urlsplit(value)
        plain = parts.hostname and parts.port != 0 and parts.username is None and not re.search(r"[\s?#]", value)
        if parts.scheme not in schemes or not plain:
            raise ValueError("no such URL")
        return value.rstrip("/")

    return AfterValidator(check)


def allowed(words: str) -> Any:
    """Describe in words what a value may be, for error messages."""
    return Field(json_schema_extra={"allowed": words})


Capability = Literal[
    "ws_orders", "batch", "replace", "post_only", "mass_cancel", "cancel_on_disconnect",
    "client_order_id", "fills_since", "merge", "heartbeat",
]  # fmt: skip
Probability = Annotated[float, Field(ge=0, le=1)]
Cents = Annotated[float, Field(gt=0, lt=1)]
Asset = Annotated[str, BeforeValidator(upper), Field(pattern=r"^[A-Z0-9]{2,10}$"), allowed("an asset such as BTC")]
Duration = Annotated[Literal["1M", "5M", "15M", "1H"], BeforeValidator(upper)]
Symbol = Annotated[str, AfterValidator(_dollar_symbol), allowed("a symbol priced in dollars, such as btcusdt")]
HttpUrl = Annotated[
    str, _url("http", "https"), allowed("an http:// or https:// URL without user, password, query or spaces")
]
SocketUrl = Annotated[str, _url("ws", "wss"), allowed("a ws:// or wss:// URL without user, password, query or spaces")]
Basis = Annotated[float, Field(gt=0, le=1000)]
Millis = Annotated[int, Field(ge=0, le=10_000)]
Size = Annotated[int, Field(gt=0, le=10_000_000)]
Usd = Annotated[float, Field(gt=0, le=1e9)]
Seconds = Annotated[float, Field(gt=0, le=1e6)]
Bps = Annotated[float, Field(ge=-1000, le=1000)]
Rate = Annotated[float, Field(ge=0, le=10_000)]
Heartbeat = Annotated[int, Field(gt=0, le=600_000)]
FilePath = Annotated[Path, BeforeValidator(_some_path)]
Host = Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]+|\[?[0-9a-fA-F:.]+\]?)$"), allowed("a host name or address")]
Product = Annotated[str, AfterValidator(_product), allowed("a product priced in dollars, such as btc-usd")]
Prices = FilePath | dict[Asset, FilePath]
