"""The venue over HTTP: blocking calls for the command line and, through `RestWorker`, for the running program.

Owns timeouts, the reading of errors and the Retry-After of a 429. Knows nothing of actors and of the WebSocket. Every
error a caller sees is one of three, each with one clear line.
"""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar
from urllib.parse import quote, urlencode

import requests
from loguru import logger
from requests.auth import AuthBase

from mmactors.messages import (
    ClockMeasured,
    Market,
    VenueError,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from mmactors.net.proxies import is_direct
from mmactors.net.tls import Trust, tls_reason, trusted
from mmactors.units import Micros, Nanos, nanos
from mmactors.venue.degen.capabilities import EVERYTHING
from mmactors.venue.degen.codec import CREDENTIAL_CODES, Codec
from mmactors.venue.degen.credentials import MissingSecretError
from mmactors.venue.degen.wire import MAX_BYTES, WireError

T = TypeVar("T")

PAGE = 500
LONGEST_RETRY_S = 10.0


class VenueUnreachableError(Exception):
    """Nobody answered, or not in the venue's language: what was asked may or may not have been done.

    `status` is that of an HTTP answer, if there was one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class CredentialsRefusedError(Exception):
    """The venue does not accept our token."""


class VenueRefusedError(Exception):
    """The venue refused (or, in `error.kind`, asks for later)."""

    def __init__(self, error: VenueError, status: int | None = None, body: bytes = b"") -> None:
        super().__init__(f"refused by the venue: {error.code} {error.message}".strip())
        self.error = error
        self.status = status
        self.body = body


VENUE_FAILURES = (VenueUnreachableError, CredentialsRefusedError, VenueRefusedError, MissingSecretError)


class _Bearer(AuthBase):
    """Sets the header itself, so that neither a netrc file nor a repr gets in between."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        return request


def _no_token(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep a netrc file from adding what nobody asked for."""
    return request


class VenueRest:
    """The venue's REST interface. One thread at a time.

    Every method raises VenueUnreachableError, CredentialsRefusedError, VenueRefusedError or MissingSecretError.
    `capabilities` may be set when they are known; without, everything is tried.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str] | None,
        now: Callable[[], Nanos],
        timeout_s: float = 5.0,
        wire_asks: Literal["buy_no", "as_ask"] = "buy_no",
        attempts: int = 3,
        pause: Callable[[float], object] | None = None,
        trust: Trust | None = None,
    ) -> None:
        """Args:
        url: the venue's REST root.
        token: called at each request; None sends none.
        now: the clock, nanoseconds UTC.
        timeout_s: limit for connecting and for each silence of the venue; a whole answer may take twice that.
        wire_asks: see `Codec`.
        attempts: how often a request is made in all while the venue says 429.
        pause: waits out a Retry-After, seconds; by default an uninterrupted sleep.
        trust: whose certificates to believe; the system's without.
        """
        self._url = url.rstrip("/")
        self._now = now
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._pause = pause if pause is not None else threading.Event().wait
        self.codec = Codec(wire_asks)
        self.capabilities = EVERYTHING
        self._skipped: set[str] = set()
        self._verify = (trust or trusted()).bundle if self._url.startswith("https") else True
        self._session = requests.Session()
        self._session.trust_env = not is_direct(self._url)
        self._session.auth = _Bearer(token) if token is not None else _no_token

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def server_time(self) -> ClockMeasured:
        """Return the venue's clock minus ours, and the round trip it took to learn that."""
        for _ in range(2):  # the first call also opens the connection
            sent = self._now()
            body = self._call("GET", "/time")
            received = self._now()
        server = self._read(self.codec.server_time, body)
        return ClockMeasured(Nanos(server - (sent + received) // 2), Nanos(received - sent))

    def markets(self, status: str = "OPEN") -> tuple[Market, ...]:
        """Return the markets of a status; one that cannot be traded is skipped with one line."""
        good, invalid = self._read(self.codec.markets, self._call("GET", "/markets", {"status": status}))
        for bad in invalid:
            if bad.market not in self._skipped and len(self._skipped) < 10_000:
                self._skipped.add(bad.market)
                logger.warning("venue: market {} skipped: {}", bad.market, bad.reason)
        return good

    def open_orders(self) -> tuple[VenueOrder, ...]:
        """Return every order that rests."""
        return self._read(self.codec.orders, self._call("GET", "/orders", {"status": "OPEN"}))

    def order_by_client_id(self, client_id: str) -> VenueOrder | None:
        """Return what became of an order; None if the venue knows none of that name."""
        try:
            orders = self._read(self.codec.orders, self._call("GET", "/orders", {"client_order_id": client_id}))
        except VenueRefusedError as refused:
            if refused.error.code == "ORDER_NOT_FOUND":
                return None
            raise
        return next((order for order in orders if order.client_id == client_id), None)

    def cancel_all(self, market: str | None = None) -> tuple[str, ...]:
        """Cancel every order of a market or of the account, one by one if the venue wants it so; return their ids."""
        if self.capabilities.mass_cancel:
            try:
                body = self._call("DELETE", "/orders", {"market": market} if market is not None else {})
                return self._read(self.codec.cancelled, body)
            except VenueRefusedError as refused:
                if refused.error.kind != "refused":
                    raise
        resting = [order for order in self.open_orders() if market in (None, order.market)]
        return tuple(order.order_id for order in resting if self._cancel(order.order_id))

    def _cancel(self, order_id: str) -> bool:
        try:
            self.call("DELETE", f"/orders/{quote(order_id, safe=':')}")
        except VenueRefusedError as refused:
            if refused.error.code not in ("ORDER_NOT_OPEN", "ORDER_NOT_FOUND"):
                raise
            return False
        return True

    def merge(self, market: str, size: int) -> None:
        """Turn pairs of a market back into a dollar each."""
        self.call("POST", "/positions/merge", self.codec.merge(market, size))

    def keep_alive(self, ttl_ms: int) -> bool:
        """Set the account's dead man's switch to `ttl_ms` from now; False if the venue has none."""
        try:
            self.call("POST", "/heartbeat", self.codec.keep_alive(ttl_ms))
        except (VenueRefusedError, VenueUnreachableError) as failed:
            if failed.status in (404, 405, 501):
                return False
            raise
        return True

    def fills(self, since: int) -> tuple[VenueFill, ...]:
        """Return every fill after `since` (a seq of the orders channel, exclusive), oldest first."""
        if self.codec.wire_asks == "as_ask":  # a fill does not say whether its order was booked as a sale
            self._read(self.codec.orders, self._call("GET", "/orders"))
        if not self.capabilities.fills_since:
            return self._last_fills(since)
        found: list[VenueFill] = []
        cursor: int | None = since
        while cursor is not None:
            body = self._call("GET", "/fills", {"since": str(cursor), "limit": str(PAGE)})
            page, after = self._read(self.codec.fills, body)
            found.extend(page)
            if after is not None and after <= cursor:
                raise VenueUnreachableError(
                    f"the venue at {self._url} pages its fills in a circle ({cursor} -> {after})"
                )
            cursor = after
        return tuple(sorted(found, key=lambda fill: fill.seq))

    def _last_fills(self, since: int) -> tuple[VenueFill, ...]:
        page, _ = self._read(self.codec.fills, self._call("GET", "/fills", {"limit": str(PAGE)}))
        if len(page) >= PAGE and all(fill.seq > since for fill in page):
            raise VenueUnreachableError(
                f"the venue at {self._url} shows its last {PAGE} fills only, and there are more"
            )
        return tuple(sorted((fill for fill in page if fill.seq > since), key=lambda fill: fill.seq))

    def positions(self) -> tuple[VenuePosition, ...]:
        """Return the account's positions."""
        return self._read(self.codec.positions, self._call("GET", "/positions"))

    def balance(self) -> tuple[Micros, Micros]:
        """Return cash, and what of it is reserved, in micro-dollars."""
        return self._read(self.codec.balance, self._call("GET", "/balance"))

    def login_message(self, address: str) -> str:
        """Return what the wallet of this address is to sign."""
        return self._read(self.codec.login_message, self._call("GET", "/auth/message", {"address": address}))

    def log_in(self, address: str, message: str, signature: str) -> str:
        """Exchange a signed message for a token."""
        content = self.codec.wallet_login(address, message, signature)
        return self._read(self.codec.token, self._call("POST", "/auth", content=content))

    def call(self, method: str, path: str, content: bytes | None = None) -> bytes:
        """Make any request; return the answer's body."""
        return self._call(method, path, content=content)

    def _call(
        self, method: str, path: str, params: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> bytes:
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        for left in reversed(range(self._attempts)):
            status, headers, body = self._exchange(method, path + query, content)
            if 200 <= status < 300:
                return body
            error = self.codec.refusal(status, body)
            if status in (401, 403) or error.code in CREDENTIAL_CODES:
                raise CredentialsRefusedError(
                    f"the venue at {self._url} refuses our token: {error.code} {error.message}"
                )
            if error.kind == "unknown":
                raise VenueUnreachableError(
                    f"the venue at {self._url} answered {method} {path} with HTTP {status}", status
                )
            retry_s = _retry_s(headers.get("Retry-After"), error)
            if error.kind != "later" or left == 0 or retry_s > LONGEST_RETRY_S:
                raise VenueRefusedError(error, status, body)
            self._pause(retry_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _exchange(self, method: str, target: str, content: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        deadline = self._now() + nanos(2 * self._timeout_s)
        try:
            with self._session.request(
                method,
                self._url + target,
                data=content,
                headers={"Content-Type": "application/json"} if content is not None else None,
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
                verify=self._verify,
            ) as response:
                body = bytearray()
                for chunk in response.iter_content(65_536):
                    body += chunk
                    if len(body) > MAX_BYTES or self._now() > deadline:
                        raise VenueUnreachableError(f"the venue at {self._url} sends too much or too slowly")
                return response.status_code, response.headers, bytes(body)
        except requests.Timeout:
            raise VenueUnreachableError(
                f"the venue at {self._url} did not answer within {self._timeout_s:g} s"
            ) from None
        except requests.ConnectionError as error:
            raise VenueUnreachableError(f"no connection to the venue at {self._url}: {_root(error)}") from None
        except (requests.RequestException, UnicodeError, ValueError) as error:
            raise VenueUnreachableError(f"the venue at {self._url} cannot be asked: {_root(error)}") from None

    def _read(self, reader: Callable[[bytes], T], body: bytes) -> T:
        try:
            return reader(body)
        except WireError as error:
            raise VenueUnreachableError(f"the venue at {self._url} gave an unreadable answer ({error})") from None


def _retry_s(header: str | None, error: VenueError) -> float:
    try:
        return max(0.0, float(header)) if header is not None else error.retry_after_ms / 1000
    except ValueError:
        return error.retry_after_ms / 1000


def _root(error: BaseException) -> str:
    """The reason at the bottom, without urllib3's layers of object names."""
    seen = error
    while True:
        inner = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None) or seen.__cause__
        if not isinstance(inner, BaseException) or inner is seen:
            break
        seen = inner
    if (reason := tls_reason(seen)) is not None:
        return reason
    strerror = getattr(seen, "strerror", None)
    text = str(strerror) if strerror else str(seen).rsplit(": ", 1)[-1]
    return re.sub(r"^\[Errno -?\d+\] ", "", text) or type(seen).__name__
