"""The venue's append-only log, one JSON object a line: what the program is audited against.

Owns format and buffer. Every line can be read alone: money in integer micro-dollars, prices in integer ticks of the
line's market, times in integer milliseconds UTC, the true spot price of that moment, and when a feed last published a
price of the asset (`tick`). It has the orders of clients (not of house accounts), all fills and cash, all markets, each
asset's price once a second, and the starts and ends of order sessions. It decides nothing and must not know a clock:
its driver calls `flush`.
"""

from collections.abc import Callable
from typing import BinaryIO

import msgspec

from mmactors.simulator.venue.ledger import Account, Fill, NewOrder, Order
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.replies import Json

FLUSH_AT_BYTES = 1 << 16


class VenueLog:
    """Writes the log to a binary file.

    Args:
        file: opened for writing or appending, unbuffered or not; closed by `close`.
        spot: returns an asset's true price now.
    """

    def __init__(self, file: BinaryIO, spot: Callable[[str], float]) -> None:
        self._file = file
        self._spot = spot
        self._assets: dict[str, str] = {}
        self._last_published: dict[str, int] = {}
        self._buffer = bytearray()
        self._encode = msgspec.json.Encoder().encode

    def begin(self, run: str, seed: int, now_ms: int) -> None:
        """Log the start of a run: accounts, cash and ids begin anew."""
        self._write({"t": now_ms, "type": "run", "run": run, "seed": seed})

    def spot(self, asset: str, price: float, sigma: float, now_ms: int) -> None:
        """Log an asset's true price and annual volatility, once a second."""
        line = {"t": now_ms, "type": "spot", "asset": asset, "price": price, "sigma": sigma}
        self._write({**line, "tick": self._last_published.get(asset)})

    def price_published(self, asset: str, now_ms: int) -> None:
        """Take the time at which a feed published a price of an asset; later lines have it."""
        self._last_published[asset] = now_ms

    def session(self, event: str, account: str, session: str, now_ms: int) -> None:
        """Log an account's order session: up with a login, down when its connection ends."""
        self._write({"t": now_ms, "type": "session", "event": event, "account": account, "session": session})

    def order(self, event: str, order: Order, reason: str, now_ms: int) -> None:
        """Log an event of a client's order: accepted, replaced, cancelled or expired."""
        self._write(
            {
                "t": now_ms,
                "type": "order",
                "event": event,
                "reason": reason,
                "account": order.account.name,
                "session": order.session,
                "market": order.market,
                "order_id": order.id,
                "client_order_id": order.client_order_id,
                "side": order.side,
                "outcome": order.outcome,
                "price_ticks": order.ticks,
                "tick_micros": order.tick,
                "size": order.size,
                "filled": order.filled,
                "remaining": order.remaining,
                "status": order.status,
                "version": order.version,
                "post_only": order.post_only,
                "ioc": order.ioc,
                "spot": self._spot_of(order.market),
                "tick": self._last_published.get(self._assets.get(order.market, "")),
            }
        )

    def rejected(self, account: Account, body: NewOrder, code: str, now_ms: int) -> None:
        """Log a refused order; its price is in micro-dollars, as it may be off the tick."""
        self._write(
            {
                "t": now_ms,
                "type": "order",
                "event": "rejected",
                "reason": code,
                "account": account.name,
                "market": body.market,
                "order_id": None,
                "client_order_id": body.client_order_id,
                "side": body.side,
                "outcome": body.outcome,
                "price_micros": body.price,
                "size": body.size,
                "filled": 0,
                "remaining": 0,
                "status": "REJECTED",
                "post_only": body.post_only,
                "ioc": body.ioc,
                "spot": self._spot_of(body.market),
            }
        )

    def fill(
        self, market: Market, trade_id: str, yes_ticks: int, size: int, sides: tuple[tuple[Order, Fill], ...]
    ) -> None:
        """Log a trade with both sides, the taker's first."""
        self._write(
            {
                "t": sides[0][1].ts,
                "type": "fill",
                "trade_id": trade_id,
                "market": market.id,
                "yes_ticks": yes_ticks,
                "tick_micros": market.tick,
                "size": size,
                "sides": [
                    {
                        "account": order.account.name,
                        "fill_id": fill.fill_id,
                        "seq": fill.seq,
                        "order_id": fill.order_id,
                        "client_order_id": fill.client_order_id,
                        "liquidity": "maker" if fill.maker else "taker",
                        "side": fill.side,
                        "outcome": fill.outcome,
                        "price_ticks": fill.ticks,
                        "fee_micros": fill.fee,
                        "order_size": order.size,
                        "filled_total": fill.filled_total,
                        "status": order.status,
                    }
                    for order, fill in sides
                ],
                "spot": self._spot_of(market.id),
            }
        )

    def cash(self, account: Account, change: int, reason: str, market: str | None, now_ms: int) -> None:
        """Log a change of cash (deposit, fill, settle, correct, merge) and the cash after it."""
        self._write(
            {
                "t": now_ms,
                "type": "cash",
                "account": account.name,
                "reason": reason,
                "market": market,
                "change_micros": change,
                "cash_micros": account.cash,
            }
        )

    def market(self, event: str, market: Market, now_ms: int) -> None:
        """Log a market's change: created, opened, halted, closed or resolved. A resolution is flushed at once."""
        self._assets[market.id] = market.asset
        self._write(
            {
                "t": now_ms,
                "type": "market",
                "event": event,
                "market": market.id,
                "asset": market.asset,
                "strike": market.strike,
                "status": market.status,
                "opens_at": market.opens_at,
                "expires_at": market.expires_at,
                "duration_s": market.duration_s,
                "tick_micros": market.tick,
                "maker_bps": market.fees.maker_bps,
                "taker_bps": market.fees.taker_bps,
                **({"fees": market.fees.name} if market.fees.name else {}),
                "tie": market.tie,
                **({"window_s": market.window_s} if market.window_s else {}),
                "outcome": market.outcome,
                "settlement_price": market.settlement_price,
                "spot": self._spot(market.asset),
                **({"revision": market.revision} if market.revision else {}),
            }
        )
        if event == "resolved":
            del self._assets[market.id]
            self.flush()

    def flush(self) -> None:
        """Write the buffer to the file."""
        if self._buffer:
            self._file.write(self._buffer)
            self._buffer.clear()
        self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        self._file.close()

    def _spot_of(self, market_id: str) -> float | None:
        asset = self._assets.get(market_id)
        return None if asset is None else self._spot(asset)

    def _write(self, line: Json) -> None:
        self._buffer += self._encode(line)
        self._buffer += b"\n"
        if len(self._buffer) >= FLUSH_AT_BYTES:
            self.flush()
