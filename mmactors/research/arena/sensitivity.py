"""How the league table changes with the world: the same arena under other takers, latencies, competitors and fees.

Owns the variants, as data, and the table of them. Everybody meets the same change, and nobody is told: an entrant that
depends on latency has to measure it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from mmactors.config import Config
from mmactors.ops.format import shown
from mmactors.research.arena import arena
from mmactors.research.arena.league_table import Arena

AnySection = TypeVar("AnySection", bound=BaseModel)

AS_COMMITTED = "as committed"

VARIANTS: Mapping[str, Mapping[str, float]] = {
    AS_COMMITTED: {},
    "no informed takers": {"takers.informed_per_step": 0.0},
    "stronger informed takers": {"takers.informed_per_step": 0.6, "takers.informed_max_size": 300},
    "latency 100 ms": {"feed_latency_ms": 100, "order_latency_ms": 100},
    "latency 200 ms": {"feed_latency_ms": 200, "order_latency_ms": 200},
    "latency 400 ms": {"feed_latency_ms": 400, "order_latency_ms": 400},
    "competitor at 2 c": {"takers.outside_half_spread": 0.02, "takers.outside_size_per_s": 200},
    "taker fee 100 bp": {"taker_bps": 100},
    "maker fee 20 bp, taker 100": {"maker_bps": 20, "taker_bps": 100},
}
"""What each changes of the configuration's `simulator` section. Latencies are each way, price and orders; the committed
world's are 50 ms. Fees are of the price paid."""


@dataclass
class Sensitivity:
    """What was found: an arena of every variant, in order; an interrupted one is the last."""

    arenas: dict[str, Arena] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing cut it short."""
        return len(self.arenas) == len(VARIANTS) and all(each.complete for each in self.arenas.values())

    def figures(self) -> dict[str, Any]:
        """Return every variant's league table and paired differences, and what the variant changed."""
        return {
            "complete": self.complete,
            "variants": {
                name: {"changes": dict(VARIANTS[name]), **found.figures()} for name, found in self.arenas.items()
            },
        }

    def lines(self) -> list[str]:
        """Return one row for each variant and entrant, for a console."""
        lines = [
            f"{'world':<28}{'entrant':<12}    P&L $   95 % interval        sd  Sharpe  worst 1 %  within 5 %  $ risk"
            "  two-sided  spread  1 s c   fees $   ours minus it, 95 %"
        ]
        for name, found in self.arenas.items():
            figures = shown(found.figures())
            for entrant, row in figures["table"].items():
                versus = figures["ours_minus"].get(entrant)
                difference = "" if versus is None else f"{versus['ci'][0]:+9.2f} .. {versus['ci'][1]:+.2f}"
                lines.append(
                    f"{name:<28}{entrant:<12}{row['pnl_mean']:>+9.2f}  {row['pnl_ci'][0]:>+8.2f} .. "
                    f"{row['pnl_ci'][1]:<+8.2f}{row['pnl_sd']:>8.1f}{row['sharpe']:>8.3f}{row['worst_1pct_mean']:>11.0f}"
                    f"{row['net_within_5pct_share']:>12.1%}{row['risk_at_close_mean']:>8.2f}"
                    f"{row['two_sided_share']:>11.1%}{row['spread_mean']:>8.3f}{row['markout_1s_cents']:>+7.2f}"
                    f"{row['fees_mean']:>9.2f}{difference:>24}"
                )
        lines += [f"{name}: {found.lines()[-1]}" for name, found in self.arenas.items() if not found.complete]
        last = next(reversed(self.arenas.values()))
        wall_s = sum(each.wall_s for each in self.arenas.values())
        lines.append(f"{last.lines()[-1].rsplit(', ', 1)[0]}, {wall_s:.0f} s in all")
        return lines


def variant_of(config: Config, name: str) -> Config:
    """Return the configuration under one of the `VARIANTS`."""
    simulator = config.simulator
    for path, value in VARIANTS[name].items():
        simulator = _changed(simulator, path, value)
    return config.model_copy(update={"simulator": simulator})


def run(
    config: Config,
    entrants: Sequence[str],
    sessions: int | None,
    seed: int,
    *,
    prices: Path | None = None,
    processes: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Sensitivity:
    """Play the arena under every variant; arguments and errors are those of `arena.run`. Ctrl-C gives what is done."""
    found = Sensitivity()
    for name in VARIANTS:
        found.arenas[name] = arena.run(
            variant_of(config, name),
            entrants,
            sessions,
            seed,
            prices=prices,
            processes=processes,
            progress=lambda line, name=name: progress(f"{name}: {line}"),  # type: ignore[misc]
        )
        if not found.arenas[name].complete:
            break
    return found


def _changed(section: AnySection, path: str, value: float) -> AnySection:
    first, _, rest = path.partition(".")
    inner: Any = getattr(section, first)
    return section.model_copy(update={first: _changed(inner, rest, value) if rest else value})
