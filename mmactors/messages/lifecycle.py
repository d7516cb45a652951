"""Lives: of actors and of the program, their timers, and the record of what a Maker handled."""

from mmactors.messages.markets import Market
from mmactors.messages.risk import TradingState
from mmactors.units import Contracts, Micros, Nanos
from mmactors.value import value


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
class TimePassed:
    """A timer fired: read the clock (an actor -> itself)."""


@value
class RequoteDue:
    """Evaluate the ladder again, once everything already known is in (a market actor -> itself)."""


@value
class MarketRetired:
    """A market actor is done: nothing rests, no fill is missing (market -> supervisor)."""

    market: str
    incarnation: int


@value
class MakerStarted:
    """A Maker was made, for this market and life, with these `MakerParams` (market -> journal)."""

    market: Market
    incarnation: int
    prefix: str
    params: object


@value
class MakerStep:
    """What a Maker received, when, and its answer; `commands` is None if it died of it."""

    at_ns: Nanos
    event: object
    commands: tuple[object, ...] | None
    requote: bool


@value
class MakerStepped:
    """The latest steps of one Maker, in order, none left out (market -> journal)."""

    market: str
    incarnation: int
    steps: tuple[MakerStep, ...]


@value
class ActorReady:
    """An actor has started."""

    name: str
    incarnation: int


@value
class ActorDied:
    """An actor has ended; `error` is None if it was asked to."""

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
