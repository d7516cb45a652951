"""The vocabulary of the program: every command and event that one part tells another.

Commands are imperative (`CancelAll`), events past tense (`OrderFilled`); all are frozen. Prices are integer ticks of
their market, sizes integer contracts, money integer micro-dollars, times integer nanoseconds UTC on the local clock
(venue times say `venue`). "Denied" is our own gate saying no, "rejected" the venue saying no, "unknown" nobody knowing.

Groups, in the order of the data's way: prices, markets, orders as the program sees them, supervision, the venue's own
reports (`venue/` turns frames into those; `core/orders.py` turns them into the orders' events) and requests to it.
"""

from enum import StrEnum
from typing import Literal

from mmactors.units import DOLLAR, SECOND, Contracts, Micros, Nanos, Ticks
from mmactors.value import value


class Outcome(StrEnum):
    """The two contracts of a market; a pair of them is a dollar."""

    YES = "YES"
    NO = "NO"

    @property
    def opposite(self) -> "Outcome":
        """The other contract."""
        return Outcome.NO if self is Outcome.YES else Outcome.YES


class Resolution(StrEnum):
    """How a market ended; VOID pays half a dollar per contract of either outcome."""

    YES = "YES"
    NO = "NO"
    VOID = "VOID"


class MarketStatus(StrEnum):
    """A market's life as the venue tells it."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    HALTED = "HALTED"
    CLOSED = "CLOSED"
    RESOLVED = "RESOLVED"


class TradingState(StrEnum):
    """What the account may do: all; only cut |net|; only cancel; cancel while the venue refuses even that."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"
    TRAPPED = "TRAPPED"


# --- prices ---------------------------------------------------------------------------------------


@value
class SpotTicked:
    """A price source said something about an asset: a book's middle, or a trade's price.

    `event_ns` is the exchange's own time where the frame carries one (Binance's bookTicker does not).
    """

    source: str
    asset: str
    price: float
    kind: Literal["book", "trade"]
    received_ns: Nanos
    event_ns: Nanos | None = None


@value
class FeedConnected:
    """A source's socket is up and its subscription stands."""

    source: str
    asset: str
    at_ns: Nanos


@value
class FeedLived:
    """A source's subscription is alive although no price moved (an exchange's heartbeat): life, not a price."""

    source: str
    asset: str
    at_ns: Nanos


@value
class HistoryFetched:
    """An asset's past from a source's REST history: closes every `step_s` seconds, oldest first, in our time."""

    asset: str
    source: str
    step_s: float
    closes: tuple[tuple[Nanos, float], ...]


@value
class FeedWentStale:
    """A source gave no sign of life for too long, or its connection is gone."""

    source: str
    asset: str
    since_ns: Nanos
    reason: str


@value
class SubscribeReference:
    """Ask the asset's reference for its snapshot now and at every move.

    With `past_s`, first for the prices of that many seconds before now (`PricesKnown`): a market that settles on an
    average needs those of its window.
    """

    subscriber: str
    past_s: int = 0


@value
class UnsubscribeReference:
    """End a subscription."""

    subscriber: str


@value
class ReferenceMoved:
    """The asset's reference price and volatility.

    `price_ns` is when the newest price in it was received, `life_ns` the newest sign of life of any source;
    `sigma` is annualised; `feed_latency_s` the measured delay from exchange to here. `apart_bp` is how far the sources
    are from each other, `uncertainty` how many dollars the price may be off because of it.
    """

    asset: str
    price: float
    sigma: float
    price_ns: Nanos
    life_ns: Nanos
    feed_latency_s: float
    sources: tuple[str, ...]
    apart_bp: float = 0.0
    uncertainty: float = 0.0


@value
class PricesKnown:
    """The asset's reference price over `span_s` seconds: when it became this, on our clock, oldest first.

    (reference -> market)
    """

    asset: str
    span_s: int
    prices: tuple[tuple[Nanos, float], ...]


@value
class ReferenceLost:
    """No source of the asset is alive, or they contradict each other: what rests must go."""

    asset: str
    since_ns: Nanos
    reason: str


@value
class IndexSettled:
    """A market of the asset settled at this price of its index, over `window_s` seconds ending then (0: the last)."""

    asset: str
    price: float
    at_ns: Nanos
    window_s: int


# --- markets --------------------------------------------------------------------------------------


@value
class SettlementRule:
    """What decides a market: the last print, or an average of one-second prints over `window_s` ending at expiry."""

    kind: Literal["spot", "avg"] = "spot"
    window_s: int = 0
    tie: Outcome = Outcome.NO

    @property
    def prints(self) -> int:
        """How many prints' mean decides; 0 if the last one does."""
        return self.window_s if self.kind == "avg" else 0


@value
class Market:
    """One session as the venue lists it. Times are the venue's clock; `strike` is None until it is struck."""

    id: str
    asset: str
    strike: float | None
    status: MarketStatus
    opens_venue_ns: Nanos
    expires_venue_ns: Nanos
    tick_micros: Micros = Micros(10_000)
    min_size: Contracts = Contracts(1)
    max_size: Contracts = Contracts(10_000)
    settlement: SettlementRule = SettlementRule()
    maker_bps: float = 0.0
    taker_bps: float = 0.0
    resolution: Resolution | None = None
    settlement_price: float | None = None

    @property
    def duration_ns(self) -> Nanos:
        """Length of the session."""
        return Nanos(self.expires_venue_ns - self.opens_venue_ns)

    @property
    def duration_s(self) -> int:
        """Length of the session in whole seconds."""
        return round(self.duration_ns / SECOND)

    @property
    def ticks_per_dollar(self) -> int:
        """How many ticks make a dollar (100 for a cent)."""
        return DOLLAR // self.tick_micros


@value
class MarketListed:
    """The venue lists a market that we did not know (gateway -> supervisor)."""

    market: Market


@value
class MarketChanged:
    """A known market opened, halted, closed, or changed its terms (gateway -> market, supervisor)."""

    market: Market
    event: str


@value
class MarketResolved:
    """The venue settled a market (gateway -> market, risk, journal, supervisor).

    `corrected_micros` is what a second word on it changed of our cash; 0 for the first.
    """

    market: Market
    resolution: Resolution
    corrected_micros: Micros = Micros(0)


@value
class PastSettlement:
    """What an earlier run held in a market when it was settled, and how; the journal's word at the start of this."""

    market: str
    resolution: Resolution
    yes: Contracts
    no: Contracts


@value
class MarketOverdue:
    """A market has ended long ago and the venue does not say how; this much is held (gateway -> supervisor)."""

    market: Market
    yes: Contracts
    no: Contracts


@value
class MarketReady:
    """A market actor has started and asks the gateway for its state (market -> gateway)."""

    market: str
    incarnation: int


@value
class MarketHydrated:
    """What a fresh market actor must know: its market, its position, the state of trading (gateway -> market)."""

    market: Market
    yes: Contracts
    no: Contracts
    yes_cost_micros: Micros
    no_cost_micros: Micros
    state: TradingState
    offset_ns: Nanos
    order_latency_s: float
    cash_micros: Micros
    fees_micros: Micros = Micros(0)
    merged_micros: Micros = Micros(0)


@value
class PairsMerged:
    """So many pairs of YES and NO of a market became a dollar each (gateway -> market, risk, journal)."""

    market: str
    pairs: Contracts


@value
class MarketPulsed:
    """A market actor is alive; unheard for 3 s, its orders are cancelled (market -> gateway)."""

    market: str
    incarnation: int


@value
class TimePassed:
    """A timer fired: look at the clock (an actor -> itself)."""


@value
class LadderDue:
    """Look at the ladder again, once everything already known is in (a market actor -> itself)."""


@value
class MarketRetired:
    """A market actor is done: nothing rests, nothing is owed (market -> supervisor)."""

    market: str
    incarnation: int


# --- orders, as the program sees them -------------------------------------------------------------


@value
class PlaceOrder:
    """Buy `size` contracts of `outcome` at `ticks` or better. The client id is its name for life."""

    client_id: str
    outcome: Outcome
    ticks: Ticks
    size: Contracts
    post_only: bool = True
    immediate: bool = False


@value
class ReplaceOrder:
    """Move an order: new price, new total size (fills included)."""

    client_id: str
    ticks: Ticks
    size: Contracts


@value
class CancelOrder:
    """Take an order away."""

    client_id: str


@value
class QuoteReason:
    """Why a ladder is what it is; every figure an operator needs to judge it. Prices in dollars."""

    why: str
    spot: float
    strike: float
    f: float
    sigma: float
    d2: float
    fair: float
    lean: float
    half_spread: float
    room: int
    net: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    phase: str


@value
class QuoteIntent:
    """What a market wants changed, in this order: cancels, replaces, places (market -> gateway).

    `origin_ns` is when the price that caused it was received (None if time caused it); `priced_ns` when the reference
    behind it last showed life.
    """

    market: str
    incarnation: int
    cancels: tuple[CancelOrder, ...]
    replaces: tuple[ReplaceOrder, ...]
    places: tuple[PlaceOrder, ...]
    reason: QuoteReason
    priced_ns: Nanos
    origin_ns: Nanos | None = None


@value
class CancelAll:
    """Cancel every order of one market, or of the account (supervisor, risk -> gateway; gateway -> venue)."""

    market: str | None
    reason: str


@value
class OrderAccepted:
    """The venue took the order; it rests (or has filled)."""

    market: str
    client_id: str
    order_id: str


@value
class OrderReplaced:
    """The order now stands at this price and total size. `pending` counts further replaces still in flight."""

    market: str
    client_id: str
    ticks: Ticks
    size: Contracts


@value
class OrderUnchanged:
    """A replace or cancel was refused and the order stands as it was; if `denied`, by our own gate: it never left."""

    market: str
    client_id: str
    action: Literal["replace", "cancel"]
    code: str
    message: str
    retry_after_ms: int = 0
    denied: bool = False


@value
class OrderRejected:
    """The venue refused the order; it never rested. Final."""

    market: str
    client_id: str
    code: str
    message: str
    retry_after_ms: int = 0


@value
class OrderDenied:
    """Our own gate refused the order; it never left. Final."""

    market: str
    client_id: str
    rule: str
    message: str
    retry_after_ms: int = 0


@value
class OrderUnknown:
    """Nobody knows whether the order rests: it counts as live until the venue says otherwise."""

    market: str
    client_id: str
    reason: str


@value
class OrderCancelled:
    """The order is gone. `filled` is the venue's word on how much of it traded; fills still missing are owed. Final."""

    market: str
    client_id: str
    filled: Contracts
    reason: str


@value
class OrderFilled:
    """Some of an order traded. Told once per `fill_id`. Price and outcome are those of *our* order.

    `filled_total` counts all of the order's fills so far; `fee_micros` is negative for a rebate.
    """

    market: str
    client_id: str
    fill_id: str
    outcome: Outcome
    ticks: Ticks
    size: Contracts
    fee_micros: Micros
    filled_total: Contracts
    maker: bool
    venue_ns: Nanos
    tick_micros: Micros = Micros(10_000)


OrderEvent = (
    OrderAccepted
    | OrderReplaced
    | OrderUnchanged
    | OrderRejected
    | OrderDenied
    | OrderUnknown
    | OrderCancelled
    | OrderFilled
)


@value
class BookChanged:
    """Best prices of a market's whole book in YES terms, ours included (gateway -> market)."""

    market: str
    bid_ticks: Ticks | None
    ask_ticks: Ticks | None


@value
class TradingStateChanged:
    """The account may now do this much (risk -> gateway, markets, journal)."""

    state: TradingState
    reason: str


@value
class RiskPulsed:
    """Risk is alive; without it for 2 s the gate admits only reducing orders (risk -> gateway)."""

    at_ns: Nanos


@value
class SyncJournal:
    """Say when everything told so far is on disk; answered by `JournalSynced` (risk -> journal)."""


@value
class JournalSynced:
    """Everything the journal was told before it was asked is on disk (journal -> risk)."""


@value
class VenueStatus:
    """Is the venue there, its clock, its delay, our cash (gateway -> markets, risk)."""

    connected: bool
    offset_ns: Nanos
    order_latency_s: float
    cash_micros: Micros


@value
class FairMoved:
    """A market's mark for equity and exposure (market -> risk)."""

    market: str
    asset: str
    fair: float
    delta_per_dollar: float
    net: int
    spot: float = 0.0


@value
class AssetExposed:
    """What all sessions of an asset gain together per basis point that it rises (risk -> gateway, supervisor).

    `share` is that in units of `risk.max_asset_delta`; `barred` the direction in which no order may add any more:
    1 for buying the asset's rise (YES), -1 for its fall (NO), 0 for neither.
    """

    asset: str
    dollars_per_bp: float
    share: float
    barred: int


@value
class SessionReport:
    """One session, told once it is settled (market -> journal). Shares and probabilities in 0..1, NaN if not known."""

    market: str
    asset: str
    duration_s: int
    strike: float
    outcome: Resolution
    pnl_micros: Micros
    net_at_close: int
    net_at_10pct: int
    max_abs_net: int
    risk_at_close: float
    fills: int
    contracts: int
    two_sided_share: float
    order_messages: int
    yes: Contracts = Contracts(0)
    no: Contracts = Contracts(0)


# --- what earlier runs left -----------------------------------------------------------------------


@value
class PastHolding:
    """What earlier runs bought, and merged, in a market whose end none saw; the journal's word at the start of this."""

    market: str
    fills: tuple[OrderFilled, ...]
    pairs: Contracts


@value
class FillMissed:
    """A fill of an earlier run, which that did not live to write down (gateway -> risk, journal)."""

    fill: OrderFilled


@value
class SettledAway:
    """A market that earlier runs traded was settled, and paid, while none was there (gateway -> risk, journal)."""

    report: SessionReport
    at_ns: Nanos


@value
class EndUnknown:
    """What earlier runs held in a market cannot be settled, for the venue does not say how (gateway -> journal)."""

    market: str
    yes: Contracts
    no: Contracts
    cost_micros: Micros
    reason: str


# --- the record of what makers handled ------------------------------------------------------------


@value
class MakerStarted:
    """A Maker was made, for this market and life, with these `MakerParams` (market -> journal)."""

    market: Market
    incarnation: int
    prefix: str
    params: object


@value
class MakerStep:
    """What a Maker was told, when, and its answer; `commands` is None if it died of it."""

    at_ns: Nanos
    event: object
    commands: tuple[object, ...] | None
    look_again: bool


@value
class MakerStepped:
    """The latest steps of one Maker, in order, none left out (market -> journal)."""

    market: str
    incarnation: int
    steps: tuple[MakerStep, ...]


# --- supervision ----------------------------------------------------------------------------------


@value
class ActorReady:
    """An actor has started."""

    name: str
    incarnation: int


@value
class ActorDied:
    """An actor has ended; `error` is None if it was told to."""

    name: str
    incarnation: int
    error: str | None


@value
class Stop:
    """Stop trading and end the program (main -> supervisor)."""

    reason: str


@value
class AllCancelled:
    """Nothing of ours rests or is in flight (gateway -> supervisor, in answer to `CancelAll` of the account)."""

    resting: int


# --- the venue's reports, as its client hands them to the gateway ---------------------------------


@value
class VenueError:
    """The venue's refusal. `kind` is the client's reading of it: a definite no, a later yes, or nobody knows."""

    kind: Literal["refused", "later", "unknown"]
    code: str
    message: str
    retry_after_ms: int = 0


@value
class VenueOrder:
    """An order in the venue's words."""

    order_id: str
    client_id: str
    market: str
    outcome: Outcome
    price_micros: Micros
    size: Contracts
    filled: Contracts
    status: Literal["OPEN", "PARTIAL", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"]
    version: int = 0


@value
class VenueFill:
    """A fill in the venue's words."""

    fill_id: str
    seq: int
    order_id: str
    client_id: str
    market: str
    outcome: Outcome
    price_micros: Micros
    size: Contracts
    fee_micros: Micros
    maker: bool
    venue_ns: Nanos
    filled_total: Contracts


@value
class VenuePosition:
    """A position in the venue's words."""

    market: str
    yes: Contracts
    no: Contracts
    yes_cost_micros: Micros
    no_cost_micros: Micros


@value
class VenueConnected:
    """The order session is authenticated and subscribed."""

    account: str
    session: str
    capabilities: frozenset[str]
    orders_per_s: float
    burst: float
    expires_venue_ns: Nanos | None
    at_ns: Nanos


@value
class TokenRenewed:
    """The venue took a newer token on the live session; it ends then, by the venue's clock (None: nobody says)."""

    expires_venue_ns: Nanos | None
    at_ns: Nanos


@value
class VenueDisconnected:
    """The order session is gone; what was in flight is unknown.

    `fatal`: for good, our credentials are refused; or, if `unfit`, the venue lacks what we cannot do without.
    """

    reason: str
    at_ns: Nanos
    fatal: bool = False
    unfit: bool = False


@value
class ClockMeasured:
    """The venue's clock minus ours, from the exchange with the least round trip so far, and that round trip."""

    offset_ns: Nanos
    round_trip_ns: Nanos


@value
class AccountSnapshot:
    """The account at `seq`: open orders, positions, cash (`cash` includes what open orders reserve)."""

    seq: int
    orders: tuple[VenueOrder, ...]
    positions: tuple[VenuePosition, ...]
    cash_micros: Micros
    reserved_micros: Micros


@value
class OrderReported:
    """One message of the user stream about one order, with the fill if it is one."""

    seq: int
    reason: str
    order: VenueOrder
    fill: VenueFill | None


@value
class AccountReported:
    """One message of the user stream about money: a settlement, a merge, an adjustment.

    `yes` and `no` are the contracts held in the market after it, where the venue says so.
    """

    seq: int
    reason: str
    market: str | None
    cash_micros: Micros
    yes: Contracts | None = None
    no: Contracts | None = None


@value
class MergeReported:
    """The answer to a `MergePairs`; what it did to the account is told by the user stream."""

    market: str
    error: str | None


@value
class StreamGapped:
    """The user stream skipped a number; a fresh snapshot is on its way. No new orders until it and the fills are in."""

    expected_seq: int
    seen_seq: int


@value
class FillsFetched:
    """Every fill after `since_seq` over REST, oldest first; `error` if they could not be had."""

    since_seq: int
    fills: tuple[VenueFill, ...]
    error: str | None = None


@value
class OrderFetched:
    """What became of one order, by client id: the order, or None if the venue knows none; or an error."""

    client_id: str
    order: VenueOrder | None
    error: str | None = None


@value
class ItemResult:
    """What became of one item of a batch."""

    action: Literal["cancel", "replace", "place"]
    client_id: str
    order: VenueOrder | None
    error: VenueError | None
    original_cancelled: bool = False


@value
class BatchReported:
    """The acknowledgement of one `SendBatch`, or of some of its items where they travel apart."""

    op_id: int
    results: tuple[ItemResult, ...]
    received_ns: Nanos


@value
class BatchWritten:
    """The frame of one `SendBatch` has gone to the socket."""

    op_id: int
    at_ns: Nanos


@value
class CancelAllReported:
    """The acknowledgement of one `SendCancelAll`; `error` if it failed."""

    op_id: int
    order_ids: tuple[str, ...]
    error: VenueError | None


@value
class MarketReported:
    """One market in the venue's words, from the markets channel or from REST."""

    event: str
    market: Market


@value
class BookReported:
    """Best prices of one book in YES terms; None when a side is empty or the book is being rebuilt."""

    market: str
    bid_micros: Micros | None
    ask_micros: Micros | None


VenueReport = (
    VenueConnected
    | TokenRenewed
    | VenueDisconnected
    | ClockMeasured
    | AccountSnapshot
    | OrderReported
    | AccountReported
    | MergeReported
    | StreamGapped
    | FillsFetched
    | OrderFetched
    | BatchReported
    | BatchWritten
    | CancelAllReported
    | MarketReported
    | BookReported
)


# --- requests, as the gateway hands them to the venue's client ------------------------------------


@value
class PlaceItem:
    """One order on its way out."""

    client_id: str
    market: str
    outcome: Outcome
    price_micros: Micros
    size: Contracts
    post_only: bool
    immediate: bool


@value
class ReplaceItem:
    """One move on its way out; `size` is the total, fills included."""

    client_id: str
    order_id: str
    price_micros: Micros
    size: Contracts


@value
class CancelItem:
    """One cancel on its way out, by order id where there is one, else by client id."""

    client_id: str
    order_id: str | None


@value
class SendBatch:
    """One ladder refresh: cancels, then replaces, then places; answered by `BatchReported`, once or in parts."""

    op_id: int
    cancels: tuple[CancelItem, ...]
    replaces: tuple[ReplaceItem, ...]
    places: tuple[PlaceItem, ...]


@value
class SendCancelAll:
    """Cancel everything of a market or of the account; answered by `CancelAllReported`."""

    op_id: int
    market: str | None


@value
class FetchFills:
    """Ask for every fill after `since_seq` (exclusive); answered by `FillsFetched`.

    `past` says that it is about earlier runs only: nothing waits for it.
    """

    since_seq: int
    past: bool = False


@value
class FetchOrder:
    """Ask what became of an order; answered by `OrderFetched`."""

    client_id: str


@value
class FetchMarkets:
    """Ask REST for the markets of a status; each is answered by a `MarketReported` like one of a snapshot."""

    status: str = "OPEN"


@value
class MergePairs:
    """Turn so many pairs of YES and NO back into a dollar each; answered by `MergeReported`."""

    market: str
    size: Contracts


@value
class WatchBook:
    """Subscribe to a market's book, or end the subscription."""

    market: str
    on: bool


VenueRequest = SendBatch | SendCancelAll | FetchFills | FetchOrder | FetchMarkets | MergePairs | WatchBook
