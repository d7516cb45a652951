"""Recorded runs replayed: every decision is repeatable, byte for byte, and the golden logs' decisions are still made.

The golden logs hold what Makers decided when they were recorded. A change that is meant to decide otherwise records
them anew: `.venv/bin/python tests/deterministic/test_replay.py`
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from guarded import event_log

from mmactors.backtest import runner
from mmactors.backtest.actor_run import ActorRun
from mmactors.cli.main import main
from mmactors.config import Config, load
from mmactors.core.quoting import schedule
from mmactors.messages import TradingState, TradingStateChanged
from mmactors.ops.event_log import EventLog, EventLogReader, RecordedStep, decoded_answer
from mmactors.replay import replay
from mmactors.replay.what_if import contrast

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf" / "sim.yaml"
GOLDEN = ROOT / "tests" / "golden"

HARD = {
    "venue__ack_timeout_s": "0.112",
    "simulator__order_latency_ms": "60",
    "simulator__orders_per_s": "40",
    "simulator__burst": "60",
    "risk__freeze_contracts": "100",
    "risk__freeze_for": "2",
}
"""A slow venue with a narrow rate limit, an impatient desk, and a market that freezes soon."""


def config(seed: int, **more: str) -> Config:
    environ = {
        "MM__feeds__coinbase__enabled": "false",
        "MM__simulator__world__seed": str(seed),
        "MM__assets": "[BTC]",
        "MM__simulator__sessions": "[{asset: BTC, duration: 1M}]",
    }
    return load(CONF, environ | {f"MM__{key}": value for key, value in more.items()})


def a_session(twin: ActorRun) -> None:
    twin.run(61.5)


def a_rough_session(twin: ActorRun) -> None:
    """The feed is silent for 3 s, the account may only reduce for 3 s, the market's actor is taken for hung."""
    tell = twin.runtime.tell
    twin.run(15)
    exchange = twin.environment.exchanges["binance"]
    exchange.state = "silent"
    twin.run(3)
    exchange.state = "live"
    twin.run(8)
    tell("gateway", TradingStateChanged(TradingState.REDUCING, "test"))
    twin.run(3)
    tell("gateway", TradingStateChanged(TradingState.ACTIVE, "test"))
    twin.run(8)
    twin.runtime.abandon(next(name for name in twin.runtime.names() if name.startswith("market:")), "test")
    twin.run(25)


# `earlier` is `rough` as the program of November 2026 recorded it; it is kept, not recorded again.
RECIPES: dict[str, tuple[Config, int | None, Callable[[ActorRun], None]]] = {
    "calm": (config(13), None, a_session),
    "busy": (config(8), None, a_session),
    "rough": (config(9, **HARD), 9, a_rough_session),
}


def record(path: Path, what: Config, interleaving: int | None, play: Callable[[ActorRun], None]) -> None:
    log = EventLog(path, run=0, config=what.model_dump_json(exclude_unset=True))
    twin = ActorRun(what, interleaving=interleaving, trace=False, events=log)
    play(twin)
    twin.end()
    log.close()
    assert log.failed is None, log.failed


def golden(name: str) -> Path:
    return GOLDEN / f"{name}.mmlog"


# --- golden logs ---


@pytest.mark.parametrize("name", RECIPES)
def test_what_was_decided_is_decided_again(name):
    found = replay.prove(golden(name))
    assert not found.differences, "\n".join(found.lines())  # another machine's mathematics may round otherwise
    assert found.cut is None
    assert found.steps > 2500
    assert found.ladder_changes > 300
    assert found.makers == {"calm": 2, "busy": 2, "rough": 3}[name]


def test_a_log_of_an_earlier_version_is_decided_again():
    found = replay.prove(golden("earlier"))
    assert not found.differences, "\n".join(found.lines())
    assert found.cut is None
    assert found.steps > 2500


def test_the_golden_logs_are_worth_replaying():
    events, phases, takes, died = Counter(), Counter(), 0, 0
    for name in RECIPES:
        for step in EventLogReader(golden(name)):
            if isinstance(step, RecordedStep):
                events[type(step.event).__name__] += 1
                told = decoded_answer(step.answer)
                died += told is None
                for kind, fields in told[1] if told else []:
                    if kind == "QuoteIntent":
                        phases[fields["reason"]["phase"]] += 1
                        takes += sum(place["immediate"] for place in fields["places"])
    assert set(events) == {
        *("ReferenceMoved", "ReferenceLost", "MarketHydrated", "MarketChanged", "MarketResolved", "BookChanged"),
        *("VenueStatus", "TradingStateChanged", "TimePassed", "RequoteDue", "OrderAccepted", "OrderReplaced"),
        *("OrderUnchanged", "OrderRejected", "OrderDenied", "OrderUnknown", "OrderCancelled", "OrderFilled"),
    }
    assert {"EARLY", "FLATTENING", "REDUCE_ONLY", "DEAD_SIDE", "CLOSED"} <= set(phases)
    assert takes > 10
    assert not died


PLANTED = {
    "lean_weight": lambda right: lambda f: right(f) * 1.000_001,
    "position_limit": lambda right: lambda f, params: right(f, params) - 1,
    "close_at_ns": lambda right: lambda duration_ns, params: right(duration_ns, params) + 100_000_000,
}
"""Changes of the schedule, each too small for most of the other tests."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_change_of_quoting_is_noticed(name, monkeypatch):
    monkeypatch.setattr(schedule, name, PLANTED[name](getattr(schedule, name)))
    assert [log for log in RECIPES if replay.prove(golden(log)).differences]


def test_the_first_difference_is_told_in_words(monkeypatch, capsys):
    right = schedule.lean_weight
    monkeypatch.setattr(schedule, "lean_weight", lambda f: right(f) if f > 0.5 else 1 / 0)
    assert main(["replay", str(golden("calm")), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["identical"] is False
    assert told["makers_that_differ"] == 1
    first = told["first_difference"]
    assert first["got"] == "died: ZeroDivisionError: division by zero"
    assert first["event"].startswith(("ReferenceMoved(", "TimePassed(", "RequoteDue("))
    assert main(["replay", str(golden("calm"))]) == 1
    shown = capsys.readouterr().out
    assert f"market    {first['market']}, actor #{first['incarnation']}, its step {first['step']}" in shown
    assert f"expected  {first['expected']}" in shown


# --- recording and replaying ---


def test_a_session_in_any_order_of_events_is_replayed(tmp_path):
    record(tmp_path / "log", config(5), 2, lambda twin: twin.run(30))
    found = replay.prove(tmp_path / "log")
    assert found.identical, "\n".join(found.lines())
    assert found.steps > 1000


def test_a_death_is_recorded_and_happens_again(tmp_path, monkeypatch):
    def break_once(twin: ActorRun) -> None:
        twin.run(15)
        with monkeypatch.context() as patch:
            patch.setattr(schedule, "lean_weight", lambda _f: 1 / 0)
            twin.run(0.2)
        twin.run(5)

    record(tmp_path / "log", config(5), None, break_once)
    found = replay.prove(tmp_path / "log")
    assert {difference.expected for difference in found.differences} == {"died"}
    deaths = {difference.at_ns for difference in found.differences}
    assert found.makers == len(deaths) + 1

    class Broken(replay.Maker):
        def handle(self, event, now):
            with monkeypatch.context() as patch:
                if now in deaths:
                    patch.setattr(schedule, "lean_weight", lambda _f: 1 / 0)
                return super().handle(event, now)

    monkeypatch.setattr(replay, "Maker", Broken)
    assert replay.prove(tmp_path / "log").identical


def test_a_backtest_that_is_recorded_is_the_same_backtest(tmp_path):
    plain = runner.run(config(4), 1)
    log = EventLog(tmp_path / "log", run=0, config="{}")
    recorded = runner.run(config(4), 1, events=log)
    assert plain.complete
    assert recorded.complete
    assert recorded.reports == plain.reports
    assert recorded.counters == plain.counters
    found = replay.prove(tmp_path / "log")
    assert found.identical
    assert found.ladder_changes > 200


@pytest.mark.parametrize("name", RECIPES)
def test_what_was_recorded_is_recorded_again(name, tmp_path):
    """Names of types and fields included: logs of another version of the program stay readable."""
    record(tmp_path / "log", *RECIPES[name])
    assert event_log(tmp_path / "log")[1] == event_log(golden(name))[1]


# --- what cannot be replayed ---


def refused(capsys, *args: str) -> tuple[int, str]:
    code = main(["replay", *args])
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return code, err


def test_bad_input_is_one_line(tmp_path, capsys):
    log = tmp_path / "log"
    assert refused(capsys, str(log)) == (66, f"mmactors: {log}: No such file or directory\n")
    assert refused(capsys, str(tmp_path))[0] == 66, "a run's folder without a log"
    log.write_text("hello\n")
    assert refused(capsys, str(log)) == (78, f"mmactors: {log}: not an event log of this program\n")
    whole = golden("calm").read_bytes()
    log.write_bytes(whole.replace(b'"format":1', b'"format":9', 1))
    assert refused(capsys, str(log))[0] == 78
    log.write_bytes(whole[: whole.index(b"\n") + 1])
    assert refused(capsys, str(log)) == (
        78,
        f"mmactors: {log}: no maker handled anything; there is nothing to prove\n",
    )
    assert refused(capsys, str(golden("calm")), "--config", str(tmp_path / "none.yaml"))[0] == 66


def test_a_log_cut_in_the_middle_is_replayed_up_to_there(tmp_path, capsys):
    log, whole = tmp_path / "events.mmlog", golden("calm").read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    assert main(["replay", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "the log breaks off at byte" in shown
    assert "every command is identical" in shown
    assert main(["replay", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cut"]
    assert 0.3 < told["steps"] / replay.prove(golden("calm")).steps < 0.7


# --- one market, another configuration ---


def test_one_market_is_chosen_by_the_beginning_of_its_id(capsys):
    whole = replay.prove(golden("calm"))
    names = sorted(whole.markets)
    parts = [replay.prove(golden("calm"), market=name.lower()) for name in names]
    assert sum(part.steps for part in parts) == whole.steps
    assert main(["replay", str(golden("calm")), "--market", "BTC"]) == 66
    assert capsys.readouterr().err.endswith(f"'BTC' is the beginning of 2 markets: {names[0]}, {names[1]}\n")
    assert main(["replay", str(golden("calm")), "--market", "ETH"]) == 66
    assert capsys.readouterr().err.endswith(f"no market 'ETH': {names[0]}, {names[1]}\n")


@pytest.mark.parametrize("name", ["calm", "busy"])
def test_the_same_configuration_would_have_quoted_the_same(name):
    found = contrast(golden(name), config(1))
    assert sum(market.moments for market in found.markets.values()) > 300
    assert sum(market.differing for market in found.markets.values()) == 0


def test_the_recorded_side_of_a_contrast_is_close_to_what_was_done():
    did = replay.prove(golden("calm")).ladder_changes
    would = sum(market.changes[0] for market in contrast(golden("calm"), config(1)).markets.values())
    assert abs(would - did) < 0.1 * did


def test_a_wider_spread_would_have_quoted_further_away(tmp_path, capsys):
    conf = tmp_path / "c.yaml"
    conf.write_text("quoting: {spread: 0.06}")
    assert main(["replay", str(golden("busy")), "--config", str(conf), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    market = max(told["markets"], key=lambda found: found["moments"])
    assert market["differing"] > 0.5 * market["moments"]
    assert 0.3 < market["mean_abs_bid_ticks"] < 2.5
    assert 0.3 < market["mean_abs_ask_ticks"] < 2.5
    assert main(["replay", str(golden("busy")), "--config", str(conf)]) == 0
    shown = capsys.readouterr().out
    assert market["market"] in shown
    assert "Other quotes would have met other fills, which are unknown" in shown


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for made, (what, order, play) in RECIPES.items():
        golden(made).unlink(missing_ok=True)
        record(golden(made), what, order, play)
        print(f"{golden(made).name}: {golden(made).stat().st_size} bytes")
