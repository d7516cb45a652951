"""What others read of this program, as structures: paths of keys, names in files; and the golden copy of them.

The golden copy is tests/golden/guards.json. A change that is meant to alter it records it anew and says why in its
commit: `MMACTORS_RECORD=1 python -m pytest -n 0 tests/deterministic/test_guards.py tests/e2e/test_recorded_run.py`
"""

import json
import os
import sqlite3
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf" / "sim.yaml"
GOLDEN = ROOT / "tests" / "golden"
GUARDS = GOLDEN / "guards.json"
RECORDING = bool(os.environ.get("MMACTORS_RECORD"))

NamesByKind = dict[str, list[str]]


def known(part: str) -> Any:
    """Return one part of the golden copy."""
    return json.loads(GUARDS.read_text(encoding="utf-8"))[part]


def expect(part: str, found: Any) -> None:
    """Compare with one part of the golden copy, or record that part anew."""
    found = json.loads(json.dumps(found))
    if RECORDING:
        parts = json.loads(GUARDS.read_text(encoding="utf-8")) if GUARDS.is_file() else {}
        GUARDS.write_text(json.dumps(parts | {part: found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert found == known(part)


def paths(value: Any, at: str = "") -> Iterator[str]:
    """Yield the path of every key, `a.b[].c`; what has no keys inside is the end of one."""
    inside: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inside = [(f"{at}.{key}".removeprefix("."), each) for key, each in value.items()]
    elif isinstance(value, list | tuple):
        inside = [(f"{at}[]", each) for each in value if isinstance(each, dict | list | tuple)]
    if not inside:
        yield at
    for path, each in inside:
        yield from paths(each, path)


def names_by_kind(records: Iterable[tuple[str, Any]]) -> NamesByKind:
    """Return the paths of keys that records of each kind have, all its records together."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind, record in records:
        found[kind].update(paths(record))
    return {kind: sorted(names) for kind, names in sorted(found.items())}


def json_lines(*files: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines() if line]


# --- the venue's log ---


def venue_log(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the keys of each kind of line, in their order (the digest depends on it), and the words that are data."""
    keys: dict[str, set[str]] = defaultdict(set)
    words: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        keys[_kind(line)].add(" ".join(line))
        for side in line.get("sides", [line]):
            if side is not line:
                keys["fill's side"].add(" ".join(side))
            for name in ("account", "reason", "event", "status", "side", "outcome", "liquidity", "tie", "fees"):
                if isinstance(side.get(name), str):
                    words[f"{line['type']}.{name}"].add(side[name])
    return {
        "keys": {kind: sorted(each) for kind, each in keys.items()},
        "words": {name: sorted(each) for name, each in words.items()},
    }


def _kind(line: dict[str, Any]) -> str:
    rejected = line["type"] == "order" and line["event"] == "rejected"
    return "order rejected" if rejected else line["type"]


# --- the event log, read without the program ---


def event_log(file: Path) -> tuple[list[str], bytes]:
    """Return the header's keys, and all that follows as the bytes that were deflated."""
    data = file.read_bytes()
    at = data.index(b"\n") + 1
    header, inflate, content = list(json.loads(data[:at])), zlib.decompressobj(), b""
    while at < len(data):
        length, _ = struct.unpack_from(">II", data, at)
        content += inflate.decompress(data[at + 8 : at + 8 + length])
        at += 8 + length
    return header, content


def event_names(content: bytes) -> NamesByKind:
    """Return by type the names of fields that are in an event log's content."""
    records: list[tuple[str, Any]] = []
    unpacked = list(_blocks(content))
    for tag, *record in unpacked:
        if tag == "maker":
            market, _, _, params = record
            records += [("maker: market", market), ("maker: params", params)]
        else:
            assert tag == "steps"
            for _, kind, event, answer in record[2]:
                records.append((kind, event))
                records += [] if answer is None else [(f"command {name}", fields) for name, fields in answer[1]]
    return names_by_kind(records)


def _blocks(content: bytes) -> Iterator[Any]:
    """Each block is one msgpack array; where it ends, only reading it tells."""
    at = 0
    while at < len(content):
        block, at = _value(content, at)
        yield from block


def _value(data: bytes, at: int) -> tuple[Any, int]:
    """Read the msgpack that the log is made of."""
    head, at = data[at], at + 1
    if head <= 0x7F or head >= 0xE0:
        return (head if head <= 0x7F else head - 256), at
    if head <= 0x8F:
        return _map(data, at, head & 0x0F)
    if head <= 0x9F:
        return _array(data, at, head & 0x0F)
    if head <= 0xBF:
        end = at + (head & 0x1F)
        return data[at:end].decode(), end
    if head in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[head], at
    if head in _NUMBERS:
        form = _NUMBERS[head]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    length, at = int.from_bytes(data[at : at + _LENGTHS[head]], "big"), at + _LENGTHS[head]
    if head in (0xD9, 0xDA, 0xDB):
        return data[at : at + length].decode(), at + length
    return _array(data, at, length) if head in (0xDC, 0xDD) else _map(data, at, length)


_NUMBERS = {0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_LENGTHS = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}


def _array(data: bytes, at: int, length: int) -> tuple[list[Any], int]:
    values = []
    for _ in range(length):
        value, at = _value(data, at)
        values.append(value)
    return values, at


def _map(data: bytes, at: int, length: int) -> tuple[dict[Any, Any], int]:
    values, at = _array(data, at, 2 * length)
    return dict(zip(values[::2], values[1::2], strict=True)), at


# --- the journal ---


def journal_tables(file: Path) -> dict[str, list[str]]:
    """Return the columns of each table."""
    with closing(sqlite3.connect(file)) as journal:
        tables = [name for (name,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: [column[1] for column in journal.execute(f"PRAGMA table_info({table})")]
            for table in sorted(tables)
            if not table.startswith("sqlite_")
        }


def journal_events(*files: Path) -> NamesByKind:
    """Return by `events.type` the names in the bodies."""
    rows: list[tuple[str, Any]] = []
    for file in files:
        with closing(sqlite3.connect(file)) as journal:
            rows += [(kind, json.loads(body)) for kind, body in journal.execute("SELECT type, body FROM events")]
    return names_by_kind(rows)


def market_logs(*folders: Path) -> NamesByKind:
    """Return by type of record the keys that are in the markets' logs."""
    files = (file for folder in folders for file in sorted(folder.glob("*.jsonl")))
    return names_by_kind((record["type"], record) for record in json_lines(*files))


def within(found: NamesByKind, golden: NamesByKind) -> None:
    """Check that what was found has no name of a known kind that the golden copy lacks.

    Kinds it does not know may be there: a slow machine's run meets what a quick one's does not.
    """
    unknown = {kind: sorted(set(names) - set(golden.get(kind, names))) for kind, names in found.items()}
    assert {kind: names for kind, names in unknown.items() if names} == {}
