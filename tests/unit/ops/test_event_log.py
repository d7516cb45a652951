"""The event log: what goes in comes out, whatever ends the writing; what is no log is refused in one line."""

import json
import math
import resource
import signal
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from mmactors import messages as m
from mmactors.core.params import InventoryParams, MakerParams, QuotingParams
from mmactors.ops.event_log import (
    EventLog,
    EventLogError,
    EventLogReader,
    RecordedMaker,
    RecordedStep,
    decoded_answer,
    encoded_answer,
)
from mmactors.units import SECOND, Contracts, Micros, Nanos, Ticks

NOW = Nanos(1_795_000_000 * SECOND + 123_456_789)
MARKET = m.Market(
    "BTC-5M-x/ü",
    "BTC",
    None,
    m.MarketStatus.PENDING,
    NOW,
    Nanos(NOW + 300 * SECOND),
    settlement=m.SettlementRule("avg", 60),
)
PARAMS = MakerParams(QuotingParams(spread=0.03, refresh_ns=Nanos(7)), InventoryParams(dead_side="reduce_only"))
REASON = m.QuoteReason(
    *("because", 97_000.25, math.nan, 0.5, 0.4, -0.1, 0.47, -0.01, math.inf, 1000, -30),
    bids=((46, 30), (45, 30)),
    asks=(),
    phase="EARLY",
)
INTENT = m.QuoteIntent(
    MARKET.id,
    7,
    (m.CancelOrder("r1-7-1"),),
    (m.ReplaceOrder("r1-7-2", Ticks(45), Contracts(30)),),
    (m.PlaceOrder("r1-7-3", m.Outcome.NO, Ticks(52), Contracts(30), post_only=False, immediate=True),),
    REASON,
    priced_ns=NOW,
)
EVENTS = [
    m.MarketHydrated(
        MARKET, Contracts(3), Contracts(0), Micros(1), Micros(0), m.TradingState.REDUCING, Nanos(-5), 0.1, Micros(-9)
    ),
    m.MarketChanged(MARKET, "opened"),
    m.MarketResolved(MARKET, m.Resolution.VOID),
    m.ReferenceMoved("BTC", 97_000.1, 0.5, NOW, NOW, 0.05, ("binance", "other")),
    m.ReferenceLost("BTC", NOW, "no sign of life"),
    m.BookChanged(MARKET.id, None, Ticks(52)),
    m.VenueStatus(True, Nanos(12), 0.05, Micros(10**15)),
    m.TradingStateChanged(m.TradingState.HALTED, "operator"),
    m.OrderAccepted(MARKET.id, "r1-7-1", "o-1"),
    m.OrderReplaced(MARKET.id, "r1-7-1", Ticks(4), Contracts(5)),
    m.OrderUnchanged(MARKET.id, "r1-7-1", "cancel", "E", "no", 5, denied=True),
    m.OrderRejected(MARKET.id, "r1-7-1", "E", "no\n"),
    m.OrderDenied(MARKET.id, "r1-7-1", "cash", "no"),
    m.OrderUnknown(MARKET.id, "r1-7-1", "no ack"),
    m.OrderCancelled(MARKET.id, "r1-7-1", Contracts(3), "CANCELLED"),
    m.OrderFilled(
        *(MARKET.id, "r1-7-1", "f-1", m.Outcome.NO, Ticks(52), Contracts(30), Micros(-3), Contracts(30)),
        maker=True,
        venue_ns=NOW,
    ),
    m.TimePassed(),
    m.RequoteDue(),
]


@dataclass(frozen=True)
class SomethingNew:
    value: int


def steps(*events: object, start: int = NOW) -> m.MakerStepped:
    made = tuple(m.MakerStep(Nanos(start + n), event, (), False) for n, event in enumerate(events))
    return m.MakerStepped(MARKET.id, 7, made)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.mmlog"


@pytest.fixture
def log(path):
    log = EventLog(path, run=12, config='{"name":"sim","risk":{"max_markets":3}}')
    assert log.failed is None
    log.add(m.MakerStarted(MARKET, 7, "r12-7", PARAMS))
    yield log
    log.close()


def read(path):
    reader = EventLogReader(path)
    return list(reader), reader


def test_everything_comes_back_as_it_was(log, path):
    log.add(steps(*EVENTS))
    log.close()
    (maker, *rest), reader = read(path)
    assert maker == RecordedMaker(MARKET, 7, "r12-7", PARAMS)
    assert [step.event for step in rest] == EVENTS
    assert [step.at_ns for step in rest] == list(range(NOW, NOW + len(EVENTS)))
    assert {(step.market, step.incarnation) for step in rest} == {(MARKET.id, 7)}
    assert reader.cut is None
    assert (reader.header.run, reader.header.format) == (12, 1)
    assert json.loads(bytes(reader.header.config)) == {"name": "sim", "risk": {"max_markets": 3}}


def test_every_event_a_maker_may_be_told_is_among_those_tried():
    assert {type(event) for event in EVENTS} >= set(m.OrderEvent.__args__)


@pytest.mark.parametrize(
    ("commands", "requote"),
    [((), False), ((), True), ((INTENT,), False), ((m.FairMoved("x", "BTC", 0.5, 1e-5, -3), INTENT), True), (None, 0)],
)
def test_the_answer_is_kept_as_the_bytes_that_it_is_encoded_in(log, path, commands, requote):
    log.add(m.MakerStepped(MARKET.id, 7, (m.MakerStep(NOW, m.TimePassed(), commands, bool(requote)),)))
    log.close()
    (_, step), _ = read(path)
    assert isinstance(step, RecordedStep)
    assert step.answer == encoded_answer(commands, bool(requote))
    told = decoded_answer(step.answer)
    if commands is None:
        assert told is None
    else:
        assert told is not None
        assert told[0] == bool(requote)
        assert [kind for kind, _ in told[1]] == [type(command).__name__ for command in commands]


def test_one_tick_or_one_bit_more_is_another_answer():
    other = m.FairMoved("x", "BTC", 0.5 + 2**-53, 1e-5, -3)
    assert encoded_answer((other,), False) != encoded_answer((m.FairMoved("x", "BTC", 0.5, 1e-5, -3),), False)


def test_what_is_taken_is_on_disk_after_a_second(log, path):
    log.flush(NOW)
    before = path.stat().st_size
    log.add(steps(m.TimePassed()))
    log.flush(Nanos(NOW + SECOND // 2))
    assert path.stat().st_size == before
    log.flush(Nanos(NOW + SECOND))
    assert path.stat().st_size > before
    assert len(read(path)[0]) == 2


def test_much_does_not_wait_for_the_second_to_be_over(log, path):
    log.flush(NOW)
    before = path.stat().st_size
    for n in range(200):
        log.add(steps(*[EVENTS[3]] * 50, start=NOW + 1000 * n))
    assert path.stat().st_size > before


def test_a_log_cut_anywhere_gives_what_was_whole_and_says_so(log, path):
    ends = []
    for n in range(4):
        log.add(steps(*EVENTS, start=NOW + 1000 * n))
        log.flush(Nanos(NOW + n * SECOND))
        ends.append(path.stat().st_size)
    log.close()
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    for length in range(header, len(whole), 7):
        path.write_bytes(whole[:length])
        records, reader = read(path)
        blocks = sum(length >= end for end in ends)
        assert len(records) == (blocks * len(EVENTS) + 1 if blocks else 0)
        assert (reader.cut is None) == (length in (header, *ends))
        if reader.cut:
            at = ends[blocks - 1] if blocks else header
            assert reader.cut == f"the log breaks off at byte {at}: its last {length - at} bytes are torn or damaged"


def test_a_damaged_byte_ends_the_reading_there(log, path):
    for n in range(3):
        log.add(steps(*EVENTS, start=NOW + 1000 * n))
        log.flush(Nanos(NOW + n * SECOND))
    log.close()
    whole = bytearray(path.read_bytes())
    for at in range(whole.index(b"\n") + 1, len(whole), 11):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        records, reader = read(path)
        assert len(records) <= 1 + 2 * len(EVENTS)
        assert reader.cut is not None


@contextmanager
def files_no_longer_than(size: int):
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_refuses_ends_the_record_and_nothing_else(log, path):
    log.add(steps(*EVENTS))
    log.flush(NOW)
    with files_no_longer_than(path.stat().st_size + 20):
        log.add(steps(*EVENTS, start=NOW + 1000))
        log.flush(Nanos(NOW + SECOND))
        assert log.failed is not None
    log.add(steps(m.TimePassed()))
    log.flush(Nanos(NOW + 5 * SECOND))
    log.close()
    records, reader = read(path)
    assert len(records) == 1 + len(EVENTS)
    assert reader.cut is not None


def test_a_message_that_is_not_what_it_should_be_ends_the_record_too(log, path):
    log.add(steps(*EVENTS))
    log.flush(NOW)
    log.add(steps(m.BookChanged(MARKET.id, 1 << 80, None)))
    assert log.failed is not None
    log.add(steps(m.TimePassed()))
    log.close()
    assert len(read(path)[0]) == 1 + len(EVENTS)


def test_a_log_that_cannot_be_made_says_so_and_takes_everything(tmp_path):
    log = EventLog(tmp_path / "absent" / "x", run=1, config="{}")
    assert log.failed == "No such file or directory"
    log.add(steps(m.TimePassed()))
    log.flush(NOW)
    log.close()


def test_no_token_in_an_address_is_kept(path):
    token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhLTEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
    EventLog(path, run=1, config=json.dumps({"venue": {"ws_url": f"wss://host/ws?token={token}"}})).close()
    assert token not in path.read_text()
    assert json.loads(bytes(read(path)[1].header.config))["venue"]["ws_url"].startswith("wss://host/ws")


def test_a_log_is_never_written_over(log, path):
    assert EventLog(path, run=1, config="{}").failed == "File exists"


# --- what is refused ---


def refused(path) -> tuple[str, int]:
    with pytest.raises(EventLogError) as told:
        read(path)
    assert "\n" not in str(told.value)
    return str(told.value).removeprefix(f"{path}: "), told.value.exit_code


def test_no_such_file(path):
    assert refused(path) == ("No such file or directory", 66)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{}\n", b"[]\n", b"\xff\xfe\x00", b'{"log": 3}', b'{"log": "else", "format": 1}\n', b"[" * 100_000],
)
def test_a_file_of_another_kind(path, content):
    path.write_bytes(content)
    assert refused(path) == ("not an event log of this program", 78)


def test_a_newer_version(log, path):
    log.close()
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2,"more":[]', 1))
    assert refused(path) == ("written by a newer version of the program (format 2; this reads 1)", 78)


def test_an_event_that_this_version_does_not_know(log, path):
    log.add(steps(m.TimePassed(), SomethingNew(3)))
    log.close()
    line, code = refused(path)
    assert code == 78
    assert line == "has events of an unknown type 'SomethingNew': recorded by mmactors 0.1.0, this is 0.1.0"


def test_an_event_that_no_longer_fits(log, path):
    log.add(steps(m.BookChanged(MARKET.id, "high", None)))
    log.close()
    line, code = refused(path)
    assert code == 78
    assert line.startswith("has a BookChanged that does not fit (Expected `int | null`, got `str` - at `$.bid_ticks`)")
