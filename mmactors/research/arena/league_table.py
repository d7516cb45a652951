"""What an arena found: every entrant's sessions, the table with paired differences, and the file that keeps them.

Owns the table's columns, the pairing and the file's form. Knows no world, no strategy and no process.

The file is a line of JSON (kind, format, program), then a deflate stream of one msgpack map: the arena's fields.
"""

import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mmactors import __version__
from mmactors.backtest.session_metrics import SessionFigures, mean_ci, summary
from mmactors.ops.format import shown

OURS = "ours"

FORMAT = 1
"""Version of the form described above."""

NO_INPUT, UNREADABLE = 66, 78

HOUR = len("2026-06-08T12")
"""The markets of a recording are named by their start in ISO form; so much of it is the hour."""

_KIND = "mmactors arena"


class ArenaFileError(Exception):
    """A saved arena cannot be read; one line says why, `exit_code` how the program ends."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class _Header(msgspec.Struct):
    kind: str
    format: int
    program: str


@dataclass
class Arena:
    """What an arena found: the sessions of every entrant, in the order of the worlds.

    `prices` is the recording's name, empty for synthetic worlds; `complete` tells whether nothing cut it short;
    `config` is what it was played with, as JSON.
    """

    duration: str
    seed: int
    max_position: int
    wall_s: float = 0.0
    complete: bool = True
    sessions: dict[str, list[SessionFigures]] = field(default_factory=dict)
    prices: str = ""
    config: str = ""

    def save(self, path: Path) -> None:
        """Write everything to a file that `load` reads.

        Raises:
            OSError: the disk refuses.
        """
        header = msgspec.json.encode(_Header(_KIND, FORMAT, __version__))
        path.write_bytes(header + b"\n" + zlib.compress(msgspec.msgpack.encode(self)))

    @classmethod
    def load(cls, path: Path) -> "Arena":
        """Read what `save` wrote.

        Raises:
            ArenaFileError: the file is missing, damaged, of a newer form, or not an arena's.
        """
        try:
            first, _, body = path.read_bytes().partition(b"\n")
        except OSError as error:
            missing = not path.exists()
            reason = "no such file" if missing else f"cannot be read ({error.strerror})"
            raise ArenaFileError(f"{path}: {reason}", NO_INPUT if missing else UNREADABLE) from None
        try:
            header = msgspec.json.decode(first, type=_Header)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            header = None
        if header is None or header.kind != _KIND:
            raise ArenaFileError(f"{path}: not a saved arena (arena --save FILE makes one)", UNREADABLE)
        if header.format > FORMAT:
            line = f"{path}: of format {header.format}, written by mmactors {header.program}; this one reads {FORMAT}"
            raise ArenaFileError(line, UNREADABLE)
        try:
            return msgspec.msgpack.decode(zlib.decompress(body), type=cls)
        except (zlib.error, msgspec.MsgspecError) as error:
            raise ArenaFileError(f"{path}: damaged, or cut off ({error}); play it again", UNREADABLE) from None

    def figures(self) -> dict[str, Any]:
        """Return the league table and the paired differences, ours minus theirs, in dollars a session."""
        table = {
            name: summary(played, self.max_position, self._clusters([each.market for each in played]))
            for name, played in self.sessions.items()
            if played
        }
        paired: dict[str, Any] = {}
        ours = self.sessions.get(OURS, [])
        for name, played in self.sessions.items():
            if name != OURS and ours and played:
                theirs = {each.market: each.pnl for each in played}
                both = {each.market: each.pnl - theirs[each.market] for each in ours if each.market in theirs}
                mean, low, high = mean_ci(list(both.values()), self._clusters(list(both)))
                paired[name] = {"sessions": len(both), "pnl_difference": mean, "ci": [low, high]}
        return {
            "session": self.duration,
            "seed": self.seed,
            "prices": self.prices,
            "intervals_clustered_by": "hour of the recording" if self.prices else "session",
            "complete": self.complete,
            "table": table,
            "ours_minus": paired,
            "wall_seconds": self.wall_s,
        }

    def lines(self) -> list[str]:
        """Return the league table for a console, best Sharpe first."""
        found = shown(self.figures())
        order = sorted(found["table"].items(), key=lambda row: -_number(row[1]["sharpe"]))
        lines = [
            "entrant          P&L $   95 % interval        sd  Sharpe  worst 1 %  within 5 %  |net|  $ risk  two-sided"
            "  spread  contracts  edge c   1 s c  10 s c  messages   ours minus it, 95 %"
        ]
        for name, row in order:
            versus = found["ours_minus"].get(name)
            difference = "" if versus is None else f"{versus['ci'][0]:+9.2f} .. {versus['ci'][1]:+.2f}"
            lines.append(
                f"{name:<13}{row['pnl_mean']:>+9.2f}  {row['pnl_ci'][0]:>+8.2f} .. {row['pnl_ci'][1]:<+8.2f}"
                f"{row['pnl_sd']:>8.1f}{row['sharpe']:>8.3f}{row['worst_1pct_mean']:>11.0f}"
                f"{row['net_within_5pct_share']:>12.1%}{row['abs_net_at_close_mean']:>7.0f}"
                f"{row['risk_at_close_mean']:>8.2f}{row['two_sided_share']:>11.1%}{row['spread_mean']:>8.3f}"
                f"{row['contracts_mean']:>11.0f}{row['edge_cents']:>+8.2f}{row['markout_1s_cents']:>+8.2f}"
                f"{row['markout_10s_cents']:>+8.2f}{row['messages_mean']:>10.0f}{difference:>24}"
            )
        count = max((row["sessions"] for _, row in order), default=0)
        world = f"recorded in {self.prices}, intervals clustered by its hours, takers'" if self.prices else "worlds'"
        cut = "" if self.complete else "; interrupted"
        lines.append(f"{count} sessions of {self.duration} each, {world} seed {self.seed}, {self.wall_s:.0f} s{cut}")
        return lines

    def _clusters(self, markets: list[str]) -> list[str] | None:
        return [market[:HOUR] for market in markets] if self.prices else None


def as_json(figures: dict[str, Any]) -> str:
    """Return figures as JSON for a reader; what is not a number, such as the sd of one session, is null."""
    return msgspec.json.format(msgspec.json.encode(figures), indent=2).decode()


def _number(value: float) -> float:
    return -math.inf if math.isnan(value) else value
