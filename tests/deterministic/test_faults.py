"""The twin's faults: each kind does what it says, and the program comes through it; a seed is a run."""

from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import pykka
import pytest

from mmactors.backtest.actor_run import ActorRun
from mmactors.backtest.environment import START_NS
from mmactors.config import Config, load
from mmactors.faults import links as faults
from mmactors.faults import search
from mmactors.faults.links import FaultyFeed, FaultyLink
from mmactors.faults.schedule import KINDS, LENGTHS_S, ORDERS, PAUSE_S, REST, Fault, FaultSchedule, draw
from mmactors.messages import OrderAccepted, OrderUnknown
from mmactors.units import SECOND, nanos

CONF = Path(__file__).resolve().parents[2] / "conf" / "sim.yaml"


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)


@cache
def config() -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": "5",
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
    }
    return load(CONF, environ)


def suffered(*faults: tuple[str, float, float], for_s: float) -> tuple[ActorRun, Counter[str]]:
    """Run a twin through these faults; count what its actors heard, by type and actor."""
    trouble = FaultSchedule([Fault(kind, START_NS + nanos(a), START_NS + nanos(b)) for kind, a, b in faults])
    heard: Counter[str] = Counter()

    def saw(_now, name, message):
        heard[f"{name} {type(message).__name__}"] += 1
        error = getattr(message, "error", None)
        heard[f"{name} {type(message).__name__} failed"] += isinstance(error, str)

    twin = ActorRun(
        config(), trace=False, observer=saw, link=partial(FaultyLink, trouble), feed=partial(FaultyFeed, trouble)
    )
    twin.run(for_s)
    return twin, heard


def resting(twin: ActorRun) -> int:
    return len(twin.venue.account("mmactors").live)


def test_without_faults_the_way_is_the_twins_own():
    twin, heard = suffered(for_s=20)
    assert resting(twin) >= 4
    assert heard["gateway VenueConnected"] == 1
    assert heard["journal OrderUnknown"] == 0


def test_a_connection_that_is_cut_comes_back_and_within_three_seconds_nothing_is_lost():
    twin, heard = suffered(("cut", 10.0, 11.0), for_s=10.9)
    assert resting(twin) >= 4, "the venue waits before it cancels"
    assert heard["gateway VenueDisconnected"] == 1
    twin.run(5)
    assert twin.desk.synced
    assert resting(twin) >= 4


def test_a_connection_that_stays_away_has_its_orders_cancelled_by_the_venue():
    twin, heard = suffered(("cut", 10.0, 16.0), for_s=14.0)
    assert resting(twin) == 0
    twin.run(5)
    assert heard["gateway VenueConnected"] == 2
    assert resting(twin) >= 4


def test_what_is_said_late_is_said_in_the_end():
    twin, heard = suffered(("late", 10.0, 12.5), for_s=12.4)
    unheard = heard["gateway BatchReported"]
    twin.run(0.5)
    assert heard["gateway BatchReported"] > unheard + 2
    assert heard["gateway VenueDisconnected"] == 0


def test_lost_answers_leave_orders_in_doubt_until_they_are_asked_about():
    twin, heard = suffered(("lost_acks", 10.0, 11.5), ("no_rest", 10.0, 15.0), for_s=25.0)
    assert heard["journal OrderUnknown"] > 0
    assert heard["gateway OrderFetched failed"] > 0
    assert heard["gateway OrderFetched"] > heard["gateway OrderFetched failed"]
    assert not any(order.unknown for order in twin.desk.table)


def test_server_errors_leave_orders_in_doubt_too():
    twin, heard = suffered(("errors", 10.0, 11.0), for_s=20.0)
    assert heard["journal OrderUnknown"] > 0
    assert not any(order.unknown for order in twin.desk.table)
    assert resting(twin) >= 4


def test_a_silent_feed_has_the_quotes_pulled_and_its_return_brings_them_back():
    twin, heard = suffered(("silent", 10.0, 14.0), for_s=12.9)
    assert resting(twin) == 0
    assert heard["journal ReferenceLost"] == 1
    twin.run(3)
    assert resting(twin) >= 4


def test_slow_rest_answers_late_and_with_what_was_so_when_it_was_asked():
    twin, heard = suffered(("errors", 10.0, 11.0), ("slow_rest", 10.0, 20.0), for_s=11.0)
    assert any(order.unknown for order in twin.desk.table)
    asked = heard["gateway OrderFetched"]
    twin.run(12.5)
    assert heard["gateway OrderFetched"] > asked
    assert heard["gateway OrderFetched failed"] == 0
    assert not any(order.unknown for order in twin.desk.table)
    assert resting(twin) >= 4


def test_lost_news_is_a_gap_in_the_stream_and_is_made_good_by_a_snapshot():
    twin, heard = suffered(("lost_news", 10.0, 11.5), for_s=20.0)
    assert heard["gateway StreamGapped"] == 1
    assert heard["gateway AccountSnapshot"] == 2
    assert heard["gateway VenueDisconnected"] == 0
    assert twin.desk.synced
    assert resting(twin) >= 4


def test_with_rest_away_orders_in_doubt_are_cancelled_over_the_session_and_quotes_come_back(monkeypatch):
    """Else the sides stay as they are, at prices of long ago, until REST answers again or the market closes."""
    monkeypatch.setattr(faults, "REST_FAILS", 1.0)
    twin, heard = suffered(("errors", 10.0, 11.0), ("no_rest", 10.0, 40.0), for_s=12.0)
    doubted = [order.client_id for order in twin.desk.table if order.unknown]
    assert len(doubted) >= 4
    twin.run(6)
    assert not set(doubted) & twin.desk.table.orders.keys()
    assert resting(twin) >= 4
    assert heard["gateway OrderFetched"] == heard["gateway OrderFetched failed"] > 0


def test_a_schedule_is_its_seeds_and_leaves_time_to_recover():
    assert draw(3, 0, 300).faults == draw(3, 0, 300).faults != draw(4, 0, 300).faults
    kinds, relapses = set(), 0
    for seed in range(20):
        faults = draw(seed, 0, 300).faults
        kinds |= {fault.kind for fault in faults}
        main = [fault for fault in faults if fault.kind not in REST]
        for fault, following in pairwise(main):
            least, most = LENGTHS_S[fault.kind]
            assert least * SECOND <= fault.until_ns - fault.from_ns + 1 <= most * SECOND + 1
            if following.from_ns == fault.until_ns:
                relapses += 1
                assert fault.kind not in ORDERS
                assert following.kind in ORDERS
            else:
                assert following.from_ns - fault.until_ns >= PAUSE_S[0] * SECOND - 1
    assert kinds == {*KINDS, *REST}
    assert relapses > 20


def test_new_orders_are_in_doubt_not_only_moved_ones():
    """A search that draws no lost answers of new orders cannot tell a timeout from a rejection."""
    placed = 0
    for seed in range(12):
        trouble = draw(seed, START_NS, 72.0)
        doubted: set[str] = set()
        known: set[str] = set()

        def saw(_now, name, message, doubted=doubted, known=known):
            if name == "journal" and isinstance(message, OrderUnknown):
                doubted.add(message.client_id) if message.client_id not in known else None
            elif name == "journal" and isinstance(message, OrderAccepted):
                known.add(message.client_id)

        link, feed = partial(FaultyLink, trouble), partial(FaultyFeed, trouble)
        twin = ActorRun(config(), trace=False, observer=saw, link=link, feed=feed)
        twin.run(72.0)
        twin.end()
        placed += len(doubted & twin.venue.account("mmactors").claims.keys())
    assert placed >= 20


@pytest.mark.parametrize("kind", KINDS)
def test_the_program_comes_through_every_kind_of_fault(kind):
    finding = search.run(config(), 1, 72.0, kinds=[kind])
    assert finding.rule is None, finding


def test_a_market_that_resolves_while_the_connection_is_away_is_settled_all_the_same():
    twin, _ = suffered(("cut", 58.0, 62.5), for_s=72.0)
    assert len(twin.sessions) == 1
    assert twin.desk.account.cash_micros == twin.venue.account("mmactors").cash
