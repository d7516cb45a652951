"""Reading a market's log back: which one is meant, and its ladder changes as a table, newest run first.

Knows the files that `market_log.py` writes; writes none. A line torn by a crash is passed over.
"""

import difflib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from mmactors.ops.format import aligned, clock, number, plain
from mmactors.ops.market_log import MARKETS, file_stem, ladder, sentence, takes

Record = dict[str, Any]

_HEADINGS = (
    *(
        "time (UTC)",
        "f",
        "left",
        "spot",
        "age",
        "strike",
        "sigma",
        "d2",
        "fair",
        "lean",
        "half",
        "wider",
        "room",
        "net",
    ),
    *("bids", "asks", "phase: why"),
)
_LEFT = range(len(_HEADINGS) - 3, len(_HEADINGS))


class NoSuchMarketError(Exception):
    """No log, or more than one, is meant by a name; the text says which there are."""


def find(folder: Path, name: str) -> list[Path]:
    """Return the JSON logs of the market with this id, or with the only id that begins so; newest run first.

    `folder` is an instance's (with its runs), a run's, or the folder of market logs itself.

    Raises:
        NoSuchMarketError: none or several; with the nearest ids.
    """
    logs: dict[str, list[Path]] = {}
    for path in sorted(_logs(folder), reverse=True):
        logs.setdefault(unquote(path.stem), []).append(path)
    if not logs:
        raise NoSuchMarketError(f"no market logs in {folder}")
    exact = logs.get(unquote(file_stem(name)))
    if exact is not None:
        return exact
    begins = [known for known in logs if known.lower().startswith(name.lower())]
    if len(begins) == 1:
        return logs[begins[0]]
    if begins:
        raise NoSuchMarketError(f"{name!r} is the beginning of {len(begins)} markets: {_listed(begins)}")
    near = difflib.get_close_matches(name, logs, n=5, cutoff=0.5)
    newest = sorted(logs, key=lambda known: logs[known][0].stat().st_mtime, reverse=True)
    words = "nearest" if near else "newest"
    raise NoSuchMarketError(f"no market {name!r} in {folder}; {words}: {_listed(near or newest)}")


def _logs(folder: Path) -> list[Path]:
    inside = [*folder.glob(f"{MARKETS}/*.jsonl"), *folder.glob(f"run-*/{MARKETS}/*.jsonl")]
    return inside or list(folder.glob("*.jsonl"))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def read(paths: Iterable[Path]) -> list[Record]:
    """Return the records of logs in the order they were written; what is not a record is passed over."""
    records = []
    for line in (line for path in paths for line in path.read_bytes().splitlines()):
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(record, dict) and "type" in record and isinstance(record.get("run"), int):
            records.append(record)
    return records


def by_run(records: Iterable[Record], last: int | None = None) -> list[tuple[int, list[Record]]]:
    """Return the records of each run, newest run first; of each only the `last` ones if given."""
    runs: dict[int, list[Record]] = {}
    for record in records:
        if record["type"] != "market":
            runs.setdefault(record["run"], []).append(record)
    return [(run, found[-last:] if last else found) for run, found in sorted(runs.items(), reverse=True)]


def table(paths: Sequence[Path], last: int | None = None) -> list[str]:
    """Return a market's logs as lines: a table of ladder changes for each run, other events between its rows."""
    name = plain(unquote(paths[0].stem))
    lines = []
    for run, records in by_run(read(paths), last):
        rows = [_row(record) for record in records]
        heading, *quotes = aligned([_HEADINGS, *(row for row in rows if isinstance(row, list))], _LEFT)
        quotes.reverse()
        lines += [f"{name}, run {run}", heading.rstrip()]
        lines += [quotes.pop().rstrip() if isinstance(row, list) else row for row in rows]
        lines.append("")
    return lines[:-1] or [f"{name}: nothing recorded"]


def as_json(paths: Sequence[Path], last: int | None = None) -> list[str]:
    """Return a market's records as JSON, one a line, newest run first."""
    return [json.dumps(record) for _, records in by_run(read(paths), last) for record in records]


def _sentence(record: Record) -> str:
    try:
        return sentence(record["type"], record)
    except (KeyError, TypeError, ValueError):  # written by another version
        fields = (f"{key} {value}" for key, value in record.items() if key not in ("t", "run", "type"))
        return f"{record['type']}: {', '.join(fields)}"


def _row(record: Record) -> list[str] | str:
    at = clock(record.get("t", 0))[11:]
    if record["type"] != "quote":
        return plain(f"{at}  -- {_sentence(record)}")
    get = record.get
    return [
        at,
        number(get("f"), ".3f"),
        number(get("left_s"), ".1f"),
        number(get("spot"), ".2f"),
        number(get("age_s"), ".2f"),
        number(get("strike"), ".2f"),
        number(get("sigma"), ".3f"),
        number(get("d2"), "+.2f"),
        number(get("fair"), ".4f"),
        number(get("lean"), "+.4f"),
        number(get("half_spread"), ".4f"),
        number(get("wider"), "+.4f"),
        number(get("room"), "d"),
        number(get("net"), "+d"),
        ladder(get("bids", [])),
        ladder(get("asks", [])),
        plain(f"{get('phase', '')}: {get('why', '')}{takes(get('takes', []))}"),
    ]
