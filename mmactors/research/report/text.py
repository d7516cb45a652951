"""What the report says: every sentence and every column computed from the arena, none typed in.

Owns the figures that are told and their words. Knows no picture, no markup and no file.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from mmactors.backtest.session_metrics import MARKOUTS_S, PARTS, SessionFigures
from mmactors.research.arena.league_table import OURS, Arena
from mmactors.research.calibration.calibrate import DEFAULT, SCORED_F
from mmactors.research.report.charts import Panel
from mmactors.research.report.sample_session import CANDIDATES, Example

LENGTHS = {"1M": "one-minute", "5M": "five-minute", "15M": "fifteen-minute", "1H": "one-hour"}
SPECIFICATION = "specification"
SEEDS = "v1"
"""The specification's estimator, and the entrant that is its market maker."""

HEADS = (
    ("entrant", ""),
    ("P&L", "$ a session"),
    ("95 % interval", "$ a session"),
    ("sd", "$"),
    ("Sharpe", "a session"),
    ("worst 1 %", "mean, $"),
    ("within 5 %", "of sessions"),
    ("|net|", "at the close"),
    ("risk", "at the close, $"),
    ("two-sided", "of the time"),
    ("spread", "cents"),
    ("edge", "cents"),
    ("after 1 s", "cents"),
    ("after 10 s", "cents"),
    ("ours minus it", "$, 95 % interval"),
)

COLUMNS = (
    ("P&L", "Mean of the sessions, fees paid, settled by the venue; the interval is that of the mean."),
    ("Sharpe", "Mean P&L by its standard deviation (sd), per session; the table is in its order."),
    ("worst 1 %", "Mean P&L of the worst hundredth of the sessions, at least one."),
    ("within 5 %", "Sessions that reach the close with |YES - NO| of no more than 5 % of the largest position."),
    ("risk", "|net| times the standard deviation of a contract's pay-off, at the close."),
    ("two-sided", "Share of the time with a bid and an ask at the venue; the spread is between the best of them."),
    ("edge", "Gain of a contract against the true fair value at its fill, and 1 s and 10 s later (markout)."),
    ("ours minus it", "Difference of the P&L in the same sessions: same prices, same strikes, same takers."),
)


def lead(arena: Arena) -> str:
    """Return what was played, in one sentence."""
    players = [name for name, played in arena.sessions.items() if played]
    world = f"simulated prices (seed {arena.seed})"
    if arena.prices:
        world = f"the recorded prices {arena.prices} (true fair values by the volatility realised around each moment)"
    sentences = (
        f"{_counted(len(players), 'strategy', 'strategies')} on {world}, on identical paths against the same takers."
    )
    cut = "" if arena.complete else " It was interrupted: these are the sessions that were finished."
    return sentences + cut


def tiles(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return our few main figures: name, value, what it is; none if we did not play."""
    ours = found["table"].get(OURS)
    if ours is None:
        return []
    low, high = ours["pnl_ci"]
    beaten, others = _beaten(found), len(found["table"]) - 1
    return [
        ("P&L a session", _dollars(ours["pnl_mean"]), f"95 %: {_dollars(low)} to {_dollars(high)}"),
        ("Sharpe ratio", _plain(ours["sharpe"], 2), f"a session; sd ${_plain(ours['pnl_sd'], 0)}"),
        ("Closed flat", _share(ours["net_within_5pct_share"]), "within 5 % of the largest position"),
        ("Two-sided", _share(ours["two_sided_share"]), "of the time"),
        ("Gain 1 s after a fill", f"{_signed(ours['markout_1s_cents'], 2)} c", "a contract"),
        ("Surely better than", f"{len(beaten)} of {others}", "rivals by P&L, 95 %"),
    ]


# --- the league --------------------------------------------------------------------------------------------


def ranked(found: Mapping[str, Any]) -> list[str]:
    """Return the entrants, best Sharpe first."""
    return sorted(found["table"], key=lambda name: -or_least(found["table"][name]["sharpe"]))


def row(name: str, found: Mapping[str, Any]) -> list[str]:
    """Return an entrant's cells under `HEADS`."""
    figures, versus = found["table"][name], found["ours_minus"].get(name)
    low, high = figures["pnl_ci"]
    return [
        name,
        _signed(figures["pnl_mean"], 2),
        f"{_signed(low, 2)} to {_signed(high, 2)}",
        _plain(figures["pnl_sd"], 1),
        _signed(figures["sharpe"], 3),
        _signed(figures["worst_1pct_mean"], 0),
        _share(figures["net_within_5pct_share"]),
        _plain(figures["abs_net_at_close_mean"], 0),
        _plain(figures["risk_at_close_mean"], 2),
        _share(figures["two_sided_share"]),
        _plain(100 * figures["spread_mean"], 1),
        _signed(figures["edge_cents"], 2),
        *(_signed(figures[f"markout_{each}s_cents"], 2) for each in MARKOUTS_S),
        "" if versus is None else f"{_signed(versus['ci'][0], 2)} to {_signed(versus['ci'][1], 2)}",
    ]


def league(found: Mapping[str, Any]) -> list[str]:
    """Tell where we stand, and against whom that is sure."""
    table, order = found["table"], ranked(found)
    if OURS not in table:
        return [f"{order[0]} is first by Sharpe ratio ({_plain(table[order[0]]['sharpe'], 3)}); ours did not play."]
    ours = table[OURS]
    if len(order) == 1:
        return [f"Ours played alone: {_dollars(ours['pnl_mean'])} a session, Sharpe {_plain(ours['sharpe'], 3)}."]
    by_pnl = sorted(table, key=lambda name: -or_least(table[name]["pnl_mean"]))
    sentences = [
        f"Of {len(order)} entrants ours is {_place(order.index(OURS))} by Sharpe ratio "
        f"({_plain(ours['sharpe'], 3)}) and {_place(by_pnl.index(OURS))} by mean P&L "
        f"({_dollars(ours['pnl_mean'])} a session)."
    ]
    if by_pnl[0] != OURS:
        first = table[by_pnl[0]]
        sentences[0] += (
            f" {by_pnl[0]} has the highest mean, {_dollars(first['pnl_mean'])}, with a standard deviation of "
            f"${_plain(first['pnl_sd'], 0)} where ours has ${_plain(ours['pnl_sd'], 0)}."
        )
    beaten, versus = _beaten(found), found["ours_minus"]
    worse = [name for name in order if name in versus and versus[name]["ci"][1] < 0.0]
    open_ = [name for name in order if name in versus and name not in beaten and name not in worse]
    sure = f"In the same sessions ours earns more than {len(beaten)} of {len(versus)} rivals at 95 % confidence"
    if worse:
        sure += f", and less than {_listed(worse)}"
    if open_:
        sure += f"; against {_listed(open_)} this many sessions decide nothing by P&L"
    return [*sentences, sure + "."]


def coloured(found: Mapping[str, Any], most: int) -> list[str]:
    """Return the rivals that are shown in colour: the specification's, and those whose P&L is most surely good."""
    low = {name: or_least(row["pnl_ci"][0]) for name, row in found["table"].items() if name not in (OURS, SEEDS)}
    best = sorted(low, key=lambda name: -low[name])
    return [SEEDS, *best[: most - 1]] if SEEDS in found["table"] else best[:most]


def _beaten(found: Mapping[str, Any]) -> list[str]:
    return [name for name, versus in found["ours_minus"].items() if versus["ci"][0] > 0.0]


# --- over the sessions and within them ---------------------------------------------------------------------


def sums(played: Sequence[SessionFigures]) -> list[float]:
    """Return the P&L so far before the first and after every session, in dollars."""
    return list(accumulate((each.pnl for each in played), initial=0.0))


def equity(arena: Arena, shown: Sequence[str]) -> list[str]:
    """Tell where our equity went, and which others are shown in colour."""
    ends = {name: sums(played)[-1] for name, played in arena.sessions.items() if played}
    ours = arena.sessions.get(OURS)
    sentences = []
    if ours:
        so_far = sums(ours)
        peaks = list(accumulate(so_far, max))
        fall = max(peak - now for peak, now in zip(peaks, so_far, strict=True))
        won = sum(each.pnl > 0 for each in ours) / len(ours)
        sentences.append(
            f"After {_counted(len(ours), 'session', 'sessions')} ours stands at {_dollars(so_far[-1], 0)}; it gained "
            f"in {_share(won, 0)} of them, and its deepest fall from a peak was ${fall:,.0f}."
        )
    if grey := [name for name in ends if name != OURS and name not in shown]:
        words = f"In colour, besides ours: {_listed(shown)}"
        if SEEDS in shown:
            words = f"{words} ({SEEDS} is the specification's, the others have the highest lower bounds of P&L)"
        low = min(grey, key=lambda name: ends[name])
        sentences.append(
            f"{words}. The picture has their scale; grey lines may leave it, and the lowest of them, {low}, ends at "
            f"{_dollars(ends[low], 0)}."
        )
    return sentences


def pnl_columns(played: Sequence[SessionFigures]) -> list[list[float]]:
    """Return all sessions' P&L so far at each part's beginning and at the end, in dollars."""
    parts = [[each.pnl_by_part[k] for each in played if k < len(each.pnl_by_part)] for k in range(PARTS)]
    return [*parts, [each.pnl for each in played]]


def net_columns(played: Sequence[SessionFigures]) -> list[list[float]]:
    """Return all sessions' |net| at each part's beginning and at the close, in contracts."""
    parts = [[float(abs(each.net_by_part[k])) for each in played if k < len(each.net_by_part)] for k in range(PARTS)]
    return [*parts, [float(abs(each.net_at_close)) for each in played]]


def means(columns: Sequence[Sequence[float]]) -> list[float]:
    """Return each column's mean."""
    return [statistics.fmean(column) if column else math.nan for column in columns]


def middle(columns: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """Return each column's 10 % and 90 % quantiles."""
    tenths = [
        statistics.quantiles(column, n=10, method="inclusive") if len(column) > 1 else list(column) or [math.nan]
        for column in columns
    ]
    return [each[0] for each in tenths], [each[-1] for each in tenths]


def by_time(arena: Arena) -> list[str]:
    """Tell when we earn, and when we hold how much."""
    ours = arena.sessions.get(OURS)
    if not ours:
        return ["Ours did not play."]
    if not any(len(each.net_by_part) == PARTS for each in ours):
        return ["No session of ours was followed to its end."]
    pnl, net = means(pnl_columns(ours)), means(net_columns(ours))
    half, tenth = PARTS // 2, PARTS - PARTS // 10
    top = max(range(PARTS), key=lambda part: net[part])
    high = middle(net_columns(ours))[1]
    return [
        f"With half of the session left ours has earned {_dollars(pnl[half])} on average, with 10 % left "
        f"{_dollars(pnl[tenth])}, in the end {_dollars(pnl[-1])}.",
        f"Its |net| is largest with {100 * (PARTS - top) // PARTS} % left, {net[top]:.0f} contracts on average, then "
        f"worked off: {net[tenth]:.0f} with 10 % left and {net[-1]:.0f} at the close, where nine of ten sessions hold "
        f"{high[-1]:.0f} or fewer. The largest position allowed is {arena.max_position:,}.",
    ]


def session(example: Example) -> list[str]:
    """Tell which session is shown, whether it is the arena's, and what happened in it."""
    figures, samples = example.figures, example.samples
    gaps = [abs(each.ours - each.true) for each in samples if not math.isnan(each.ours)]
    yes = sum(fill.size for fill in example.fills if fill.yes)
    no = sum(fill.size for fill in example.fills if not fill.yes)
    sentences = (
        f"{example.market}, the session with the median P&L of the first {CANDIDATES}, played again with the arena's "
        f"seed: strike {example.strike:,.2f}, settled {example.outcome}, P&L {_dollars(figures.pnl)}"
    )
    if not example.same:
        sentences += (
            f" (the arena has {_dollars(example.recorded_pnl)}: this program is not quite the one that played it)"
        )
    close = "nothing" if figures.net_at_close == 0 else f"a net of {_signed(figures.net_at_close, 0)}"
    sentences += (
        f". It was quoted on both sides for {_share(figures.two_sided_share, 0)} of the time, bought {yes:,} YES and "
        f"{no:,} NO in {figures.fills} fills, and reached the close with {close}."
    )
    return [
        sentences,
        f"Our fair value was {100 * statistics.fmean(gaps):.1f} cents from the true one on average; buying NO at a "
        "price is selling YES at one minus it, and is drawn there."
        if gaps
        else "It was never priced.",
    ]


def no_session(arena: Arena, *, given: bool) -> str:
    """Tell why no session is shown; `given` is whether the recording was."""
    if not arena.sessions.get(OURS):
        return "Ours did not play."
    if arena.prices and not given:
        return f"To see one played again, give the recording: --prices {arena.prices}."
    return "The world that was played does not have the session again: this program or its world has changed."


def markouts(found: Mapping[str, Any]) -> list[str]:
    """Tell what a contract is worth after its fill, ours and the others'."""
    table = found["table"]
    last = f"markout_{MARKOUTS_S[-1]}s_cents"
    sentences = []
    if OURS in table:
        ours = table[OURS]
        later = ", ".join(f"{_signed(ours[f'markout_{each}s_cents'], 2)} after {each} s" for each in MARKOUTS_S)
        sentences.append(f"A contract of ours gains {_signed(ours['edge_cents'], 2)} cents at its fill, {later}.")
    others = [name for name in table if name != OURS]
    if others:
        keep = [name for name in others if table[name][last] > 0.0]
        verb = "gains" if len(keep) < 2 else "gain"
        who = f"{len(keep) or 'None'} of {_counted(len(others), 'rival', 'rivals')}"
        sentences.append(
            f"{who} still {verb} after {MARKOUTS_S[-1]} s; a minus is money lost to takers who knew better."
        )
    return sentences


# --- calibration -------------------------------------------------------------------------------------------


def panels(found: Mapping[str, Any]) -> list[Panel]:
    """Return the reliability of what `calibrate --json` scored, a panel a session length and one for a market's mid.

    The times left are pooled. An interval counts every session once, however many of its moments are in a bin: they
    share one outcome.

    Raises:
        KeyError, TypeError: these are not its findings.
    """
    sentences = []
    for length, result in found.items():
        if "estimators" in result:
            curves = [("ours", "ours", _pooled(result["estimators"][DEFAULT]["reliability"]))]
            if SPECIFICATION in result["estimators"]:
                other = _pooled(result["estimators"][SPECIFICATION]["reliability"])
                curves.append(("specification", "first", other))
            sentences.append(Panel(f"{length}, {result['sessions']} sessions", curves))
    market = found.get("market")
    if market is not None:
        times = market["by_time_left"]
        curves = [("ours", "ours", _pooled({left: each["reliability"] for left, each in times.items()}))]
        if all("market_reliability" in each for each in times.values()):
            mids = {left: each["market_reliability"] for left, each in times.items()}
            curves.append(("market's mid", "second", _pooled(mids)))
        sentences.append(Panel(f"a real market, {market['sessions']} sessions", curves))
    return sentences


def calibration(found: Mapping[str, Any]) -> list[str]:
    """Tell how our probabilities did against the specification's, and against a real market's mid.

    Raises:
        KeyError, TypeError: these are not the findings of `calibrate --json`.
    """
    sentences = []
    for length, result in found.items():
        if "estimators" not in result:
            continue
        ours = result["estimators"][DEFAULT]
        words = f"{length}: our log-loss is {ours['log_loss']:.4f} (z rms {ours['z_rms']:.2f}, where 1 is right)"
        if SPECIFICATION in result["estimators"]:
            other = result["estimators"][SPECIFICATION]
            low, high = other["log_loss_minus_default_ci"]
            words += (
                f", the specification's {other['log_loss']:.4f} ({other['z_rms']:.2f}); the "
                f"specification's minus ours is {_signed(low, 4)} to {_signed(high, 4)} at 95 %"
            )
        sentences.append(words + ".")
    market = found.get("market")
    if market is not None:
        low, high = market["log_loss_minus_market_ci"]
        sentences.append(
            f"On {market['sessions']} sessions of a real market our log-loss minus its mid's is "
            f"{_signed(market['log_loss_minus_market'], 4)} ({_signed(low, 4)} to {_signed(high, 4)} at 95 %)."
        )
    return sentences


def _pooled(table: Mapping[str, Sequence[Mapping[str, float]]]) -> list[tuple[float, float, float]]:
    """Return per bin of what was said: the mean said, the share that happened, half a 95 % interval of it."""
    times = {f"{f:.0%}" for f in SCORED_F}
    bins: dict[float, list[float]] = {}
    for left, entries in table.items():
        for entry in entries if left in times else ():
            count, sums_ = entry["count"], bins.setdefault(entry["from"], [0.0, 0.0, 0.0])
            for k, value in enumerate((1.0, entry["predicted"], entry["won"])):
                sums_[k] += count * value
    sentences = []
    for _, (count, predicted, won) in sorted(bins.items()):
        independent = max(count / len(times), 1.0)
        # Agresti and Coull's: it does not vanish where all or none happened.
        share, weight = (won / count * independent + 2) / (independent + 4), independent + 4
        sentences.append((predicted / count, won / count, 1.96 * math.sqrt(share * (1 - share) / weight)))
    return sentences


# --- words -------------------------------------------------------------------------------------------------


def or_least(value: float) -> float:
    """Return the value, or less than any where it is unknown."""
    return -math.inf if math.isnan(value) else value


def _signed(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:+,.{digits}f}".replace("-", "−")


def _plain(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}".replace("-", "−")


def _dollars(value: float, digits: int = 2) -> str:
    if math.isnan(value):
        return "–"
    return f"{'−' if value < 0 else '+'}${abs(value):,.{digits}f}"


def _share(value: float, digits: int = 1) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def _place(index: int) -> str:
    names = ("first", "second", "third")
    if index < len(names):
        return names[index]
    number = index + 1
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
