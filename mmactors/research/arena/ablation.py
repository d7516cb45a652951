"""Ablation: what every term of the strategy is worth, by playing without it on the arena's own paths.

Owns the table of terms and of plainer values, each a change of configuration and nothing else; the paired comparison
with the default; and the rule by which a term earns its place. Knows no formula of the strategy.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmactors import config
from mmactors.backtest import workers
from mmactors.backtest.session_metrics import PARTS, SessionFigures, mean_ci, summary
from mmactors.config import DURATIONS, LEADING, Config
from mmactors.ops.format import aligned, shown
from mmactors.research.arena.arena import WORLD_SESSIONS, Task, counted, play, world_of
from mmactors.research.arena.league_table import OURS

DEFAULT = "default"
"""The strategy as it is, what every variant is compared with."""

SLOW_FEED = "slow feed"
CONDITIONS: Mapping[str, Mapping[str, str]] = {
    "": {},
    SLOW_FEED: {"simulator.feed_ticks_per_s": "0.7", f"simulator.feeds.{LEADING}.trades_per_s": "0.05"},
}
"""Worlds unlike the arena's, for terms that have nothing to do there: the default plays them, too."""

_COLUMNS = ("sd", "$ risk", "within 5 %", "net at 50 %", "two-sided", "1 s, c", "messages")
_Pairs = Sequence[tuple[list[SessionFigures], list[SessionFigures]]]
_Values = Callable[[Sequence[SessionFigures]], list[float]]


@dataclass(frozen=True)
class Variant:
    """The strategy without one term, or with another value of one.

    Attributes:
        name: what is gone, or what is there instead.
        changes: the configuration's keys and their values, as text.
        term: whether something is switched off; else it is another value of what stays.
        note: the user's note that asks for the term itself, so that it stays whatever it earns.
        condition: of `CONDITIONS`.
    """

    name: str
    changes: Mapping[str, str]
    term: bool = True
    note: int | None = None
    condition: str = ""


def _off(name: str, note: int | None = None, condition: str = "", **changes: str) -> Variant:
    return Variant(name, _dotted(changes), True, note, condition)


def _instead(name: str, **changes: str) -> Variant:
    return Variant(name, _dotted(changes), False)


def _dotted(changes: Mapping[str, str]) -> dict[str, str]:
    return {key.replace("__", "."): value for key, value in changes.items()}


VARIANTS: tuple[Variant, ...] = (
    _off("no latency widening", quoting__k_lat="0"),
    _off("no age widening", condition=SLOW_FEED, quoting__pause_ms="10000"),
    _off("no hysteresis", quoting__hysteresis="0"),
    _off("no lean", inventory__lean_early="0", inventory__lean_late="0"),
    _off("no early lean", inventory__lean_early="0"),
    _off("no later lean", inventory__lean_late="0.25"),
    _off("no lean schedule", inventory__lean_early="0.75"),
    _off("no give", inventory__give="0", inventory__give_full="0"),
    _off("no constant give", inventory__give="0"),
    _off("no give in proportion", inventory__give_full="0"),
    _off("no shrinking room", inventory__late_room="1"),
    _off("no reduce-only", inventory__reduce_only_f="0.0201"),
    _off("no dead side", 4, inventory__dead_f="0.0201"),
    _off("no crossing", inventory__cross="false"),
    _off("no close in proportion", inventory__close_fraction="0.0999"),
    _off("no freeze after a burst", risk__freeze_contracts="2000"),
    _off("no limit of an asset's delta", risk__max_asset_delta="1000000"),
    _off("no liveliness in sigma", volatility__fast_share="0"),
    _off("no measured sigma", volatility__fast_share="0", volatility__prior_weight_s="1000000"),
    _instead("dead side reduces", inventory__dead_side="reduce_only"),
    _instead("level of 10 min", volatility__half_life_s="600"),
    _instead("liveliness by half", volatility__fast_share="0.5"),
    _instead("lean 2 c", inventory__lean_early="0.02", inventory__lean_late="0.02"),
    _instead("k_lat 1.5", quoting__k_lat="1.5"),
    _instead("k_lat 3.5", quoting__k_lat="3.5"),
    _instead("spread 4 c", quoting__spread="0.04"),
    _instead("size 15", quoting__size="15"),
    _instead("size 100", quoting__size="100"),
    _instead("levels 1", quoting__levels="1"),
    _instead("levels 5", quoting__levels="5"),
    _instead("spacing 2 c", quoting__spacing="0.02"),
    _instead("room 10 %", inventory__late_room="0.1"),
    _instead("reduce-only at 20 %", inventory__reduce_only_f="0.2"),
    _instead("close at 1 s", inventory__close_fraction="0"),
)
"""Every term and value that is measured. Shares just above `close_fraction` switch off what begins later than it."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "terms": tuple(variant.name for variant in VARIANTS if variant.term),
    "values": tuple(variant.name for variant in VARIANTS if not variant.term),
    **{variant.name: (variant.name,) for variant in VARIANTS},
}
"""What can be asked for: all terms, all other values, or one of either."""


@dataclass(frozen=True)
class _Piece:
    """One variant in one world; the default has the empty name of each condition."""

    variant: str
    condition: str
    seed: int
    task: Task


@dataclass
class Ablation:
    """What was played: the sessions of every variant by seed, in the order of the worlds.

    Keys of `played` are (variant or `DEFAULT`, condition, seed).
    """

    duration: str
    seeds: tuple[int, ...]
    max_position: int
    variants: tuple[Variant, ...]
    wall_s: float = 0.0
    complete: bool = True
    played: dict[tuple[str, str, int], list[SessionFigures]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Return what each variant did, the default minus it (dollars, contracts, messages a session), the verdict."""
        defaults = {
            condition or DEFAULT: summary(everything, self.max_position)
            for condition in CONDITIONS
            if (everything := [each for seed in self.seeds for each in self._of(DEFAULT, condition, seed)])
        }
        found = {variant.name: row for variant in self.variants if (row := self._row(variant)) is not None}
        return {
            "session": self.duration,
            "seeds": list(self.seeds),
            "complete": self.complete,
            "defaults": {name: {**row, **_more(self, name)} for name, row in defaults.items()},
            "variants": found,
            "wall_seconds": self.wall_s,
        }

    def lines(self) -> list[str]:
        """Return the table, in Markdown that can be read on a console."""
        found = shown(self.figures())
        seeds = ", ".join(f"seed {seed}" for seed in self.seeds)
        rows = [["without, or with", "P&L lost by it, 95 %", seeds, *_COLUMNS, "the default is better in"]]
        for name, row in found["defaults"].items():
            title = "as it is" if name == DEFAULT else f"as it is, {name}"
            rows.append([title, f"earns {row['pnl_mean']:+.2f}", "", *_cells(row), ""])
        for variant in self.variants:
            if variant.name in found["variants"]:
                row = found["variants"][variant.name]
                low, high = row["ci"]
                each = ", ".join(f"{mean:+.1f}" for mean in row["by_seed"])
                lost = f"{row['pnl_difference']:+.2f} ({low:+.1f}..{high:+.1f})"
                rows.append([variant.name, lost, each, *_cells(row["figures"]), row["verdict"]])
        table = aligned(rows, left=range(len(rows[0])), between=" | ")
        rule = "-|-".join("-" * len(cell) for cell in table[0].split(" | "))
        lines = [f"| {table[0]} |", f"|-{rule}-|", *(f"| {line} |" for line in table[1:])]
        sessions = found["defaults"].get(DEFAULT, {}).get("sessions", 0)
        lines.append(f"\n{sessions} sessions of {self.duration} each, {seeds}, {self.wall_s:.0f} s")
        return lines

    def _of(self, name: str, condition: str, seed: int) -> list[SessionFigures]:
        return self.played.get((name, condition, seed), [])

    def _row(self, variant: Variant) -> dict[str, Any] | None:
        by_seed = []
        for seed in self.seeds:
            theirs = {each.market: each for each in self._of(variant.name, variant.condition, seed)}
            ours = [each for each in self._of(DEFAULT, variant.condition, seed) if each.market in theirs]
            if ours:
                by_seed.append((ours, [theirs[each.market] for each in ours]))
        if not by_seed:
            return None
        without = [each for _, theirs in by_seed for each in theirs]
        pnl = _Difference.of(by_seed, _pnls)
        return {
            "changes": dict(variant.changes),
            "sessions": len(without),
            "pnl_difference": pnl.mean,
            "ci": [pnl.low, pnl.high],
            "by_seed": pnl.by_seed,
            "figures": {**summary(without, self.max_position), "abs_net_at_50pct_mean": _mean(map(_net_half, without))},
            "verdict": verdict(by_seed, variant.note),
        }


def verdict(by_seed: _Pairs, note: int | None) -> str:
    """Return in what the first sessions of each pair are better than the second: P&L, risk, note 5, messages, nothing.

    Better means that the 95 % interval of the paired difference over all seeds leaves out zero, and that its mean has
    the same sign on every seed. Risk is the variance of the P&L or the dollars at risk at the close; note 5 is |net| at
    the close or with half of the session left. A term that a note asks for serves that note in any case.
    """
    pnl = _Difference.of(by_seed, _pnls)
    reasons = ["P&L"] if pnl.above else []
    if any(_Difference.of(by_seed, each).below for each in (_variances, _risks)):
        reasons.append("risk")
    neutral = any(_Difference.of(by_seed, each).below for each in (_nets_close, _nets_half))
    reasons += ["note 5"] if neutral else []
    reasons += [] if note is None else [f"note {note}"]
    if _Difference.of(by_seed, _messages).below:
        reasons.append("messages")
    return (", ".join(reasons) or "nothing") + (" (worse in P&L)" if pnl.below else "")


@dataclass(frozen=True)
class _Difference:
    """The first of each pair minus the second: over all seeds with its 95 % interval, and the mean of each seed."""

    mean: float
    low: float
    high: float
    by_seed: list[float]

    @classmethod
    def of(cls, pairs: _Pairs, values: _Values) -> "_Difference":
        found = [[a - b for a, b in zip(values(one), values(other), strict=True)] for one, other in pairs]
        return cls(*mean_ci([each for seed in found for each in seed]), [statistics.fmean(seed) for seed in found])

    @property
    def above(self) -> bool:
        return self.low > 0.0 and min(self.by_seed) > 0.0

    @property
    def below(self) -> bool:
        return self.high < 0.0 and max(self.by_seed) < 0.0


def run(
    path: Path,
    environ: Mapping[str, str],
    variants: Sequence[Variant],
    sessions: int,
    seeds: Sequence[int],
    *,
    processes: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Ablation:
    """Let the default and every variant play the same worlds, several processes at once; Ctrl-C gives what is done.

    Args:
        path: the configuration of the world, as for the arena.
        environ: laid over it; a variant's changes are laid over that.
        variants: of `VARIANTS`.
        sessions: how many each plays with each seed.
        seeds: of the worlds.
        processes: how many; as many as there are cores if not given.
        progress: takes a line about every ten seconds.

    Raises:
        ConfigError: the configuration, or a variant of it, is refused.
    """
    base = config.load(path, environ)
    series = base.simulator.sessions[0]
    limits = base.maker_params(series.asset, DURATIONS[series.duration]).inventory
    found = Ablation(series.duration, tuple(seeds), limits.max_position, tuple(variants))
    configs = dict(_configs(path, environ, variants))
    worlds = [min(WORLD_SESSIONS, sessions - start) for start in range(0, sessions, WORLD_SESSIONS)]
    pieces = [
        _Piece(name, condition, seed, Task(OURS, world, count))
        for world, count in enumerate(worlds)
        for seed in seeds
        for name, condition in configs
    ]
    began = time.perf_counter()
    games = [
        (world_of(configs[piece.variant, piece.condition], piece.seed, piece.task.world), piece.task)
        for piece in pieces
    ]
    done = workers.play(_play, games, processes=processes, done=counted(len(pieces), progress))
    found.complete = len(done) == len(pieces)
    for at, piece in enumerate(pieces):
        for each in done.get(at, []):
            # Markets of different worlds have the same names.
            each.market = f"{piece.task.world}:{each.market}"
            found.played.setdefault((piece.variant, piece.condition, piece.seed), []).append(each)
    found.wall_s = time.perf_counter() - began
    return found


def _play(game: tuple[Config, Task], _stopped: workers.Stopped) -> list[SessionFigures]:
    """Play a whole world: half of one has no pairs to be compared with."""
    return play(*game)


def _configs(
    path: Path, environ: Mapping[str, str], variants: Iterable[Variant]
) -> Iterator[tuple[tuple[str, str], Config]]:
    """The configuration of the default and of each variant, by name and condition."""
    for condition in dict.fromkeys(["", *(variant.condition for variant in variants)]):
        yield (DEFAULT, condition), config.load(path, {**environ, **_variables(CONDITIONS[condition])})
    for variant in variants:
        changes = _variables({**CONDITIONS[variant.condition], **variant.changes})
        yield (variant.name, variant.condition), config.load(path, {**environ, **changes})


def _variables(changes: Mapping[str, str]) -> dict[str, str]:
    return {f"MM__{key.replace('.', '__')}": value for key, value in changes.items()}


def _more(found: Ablation, name: str) -> dict[str, float]:
    condition = "" if name == DEFAULT else name
    everything = [each for seed in found.seeds for each in found.played.get((DEFAULT, condition, seed), [])]
    return {"abs_net_at_50pct_mean": _mean(map(_net_half, everything))}


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['pnl_sd']:.1f}",
        f"{row['risk_at_close_mean']:.2f}",
        f"{row['net_within_5pct_share']:.1%}",
        f"{row['abs_net_at_50pct_mean']:.0f}",
        f"{row['two_sided_share']:.0%}",
        f"{row['markout_1s_cents']:+.2f}",
        f"{row['messages_mean']:.0f}",
    ]


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def _net_half(each: SessionFigures) -> float:
    return float(abs(each.net_by_part[PARTS // 2])) if len(each.net_by_part) > PARTS // 2 else 0.0


def _pnls(sessions: Sequence[SessionFigures]) -> list[float]:
    return [each.pnl for each in sessions]


def _variances(sessions: Sequence[SessionFigures]) -> list[float]:
    mean = statistics.fmean(_pnls(sessions))
    return [(each.pnl - mean) ** 2 for each in sessions]


def _risks(sessions: Sequence[SessionFigures]) -> list[float]:
    return [each.risk_at_close for each in sessions]


def _nets_close(sessions: Sequence[SessionFigures]) -> list[float]:
    return [float(abs(each.net_at_close)) for each in sessions]


def _nets_half(sessions: Sequence[SessionFigures]) -> list[float]:
    return [_net_half(each) for each in sessions]


def _messages(sessions: Sequence[SessionFigures]) -> list[float]:
    return [float(each.messages) for each in sessions]
