"""Which of the markets that the venue lists can be traded, and why the others cannot. Part of the wire's codec."""

from collections.abc import Iterable

from msgspec import Raw

from mmactors.messages import Market, MarketStatus, Resolution, SettlementRule
from mmactors.units import DOLLAR
from mmactors.venue.degen import wire
from mmactors.venue.degen.replies import MarketInvalid


def read_markets(raws: Iterable[Raw]) -> tuple[tuple[Market, ...], tuple[MarketInvalid, ...]]:
    """Return the markets that can be traded, and the others with the reason; the first of two with one id counts."""
    good: dict[str, Market] = {}
    invalid: list[MarketInvalid] = []
    for raw in raws:
        try:
            market = _market(wire.read(bytes(raw), wire.Market))
        except wire.WireError as error:
            try:
                name = wire.read(bytes(raw), wire.MarketId).id
            except wire.WireError:
                name = "?"
            invalid.append(MarketInvalid(name[:80], str(error)))
            continue
        if market.id in good:
            invalid.append(MarketInvalid(market.id, "listed twice"))
        else:
            good[market.id] = market
    return tuple(good.values()), tuple(invalid)


def _market(listed: wire.Market) -> Market:
    settlement, fees = listed.settlement or wire.Settlement(), listed.fees or wire.Fees()
    strike = None if listed.strike is None else wire.number(listed.strike)
    tick = wire.exact_micros(listed.tick_size)
    status, kind = listed.status.upper(), settlement.type.lower()
    window_s = wire.size_of(settlement.window_s)
    outcome = listed.outcome.upper() if listed.outcome else None
    wrong = (
        (not listed.id or not listed.asset, "no id or asset"),
        (status not in MarketStatus.__members__, f"unknown status {listed.status!r}"),
        (strike is None and status in ("OPEN", "HALTED"), "open without a strike"),
        (strike is not None and strike <= 0 and status != "PENDING", f"strike {strike} is not positive"),
        (listed.expires_at <= listed.opens_at, "expires before it opens"),
        (
            tick <= 0 or tick >= DOLLAR or DOLLAR % max(tick, 1) != 0,
            f"tick {listed.tick_size} does not divide a dollar",
        ),
        (
            not 1 <= wire.size_of(listed.min_size) <= wire.size_of(listed.max_size),
            f"sizes {listed.min_size}..{listed.max_size}",
        ),
        (kind not in ("spot", "avg") or (kind == "avg" and window_s < 1), f"unknown settlement {settlement.type!r}"),
        (outcome is not None and outcome not in Resolution.__members__, f"unknown outcome {listed.outcome!r}"),
        (status == "RESOLVED" and outcome is None, "resolved without an outcome"),
    )
    for is_wrong, why in wrong:
        if is_wrong:
            raise wire.WireError("invalid_market", why[:120])
    return Market(
        id=listed.id,
        asset=listed.asset,
        strike=strike,
        status=MarketStatus(status),
        opens_venue_ns=wire.ns_of(listed.opens_at),
        expires_venue_ns=wire.ns_of(listed.expires_at),
        tick_micros=tick,
        min_size=wire.size_of(listed.min_size),
        max_size=wire.size_of(listed.max_size),
        settlement=SettlementRule("avg" if kind == "avg" else "spot", window_s, wire.outcome_of(settlement.tie)),
        maker_bps=wire.finite(fees.maker_bps),
        taker_bps=wire.finite(fees.taker_bps),
        resolution=Resolution(outcome) if outcome else None,
        settlement_price=None if listed.settlement_price is None else wire.number(listed.settlement_price),
    )
