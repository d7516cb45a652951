"""The configuration as it holds, for a person on a console or a machine: every key, its value, origin, unit and reason.

Knows the schema's words and where values come from; shows no secret, only the names of the places it is looked for.
"""

import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mmactors.config import DURATIONS, Config, Resolved
from mmactors.config.contradictions import effective, odd
from mmactors.config.errors import masked, node_at, related
from mmactors.config.feed_sections import LEADING
from mmactors.config.schema import json_schema

WIDTH = 100
_KEY, _VALUE, _ORIGIN = 20, 15, 8


@dataclass(frozen=True, slots=True)
class Row:
    """One key: its value in words, where that comes from, and what the schema says of it (unit; reason)."""

    key: str
    value: Any
    origin: str
    about: str


def rows(resolved: Resolved) -> Iterator[Row]:
    """Yield every key of the configuration, the lists' entries numbered; in the schema's order."""
    yield from _rows(resolved, resolved.config, ())


def _rows(resolved: Resolved, section: BaseModel, path: tuple[str | int, ...]) -> Iterator[Row]:
    explicit = section.given() if hasattr(section, "given") else {}
    override = path[:1] == ("overrides",)
    for name in type(section).model_fields:
        if override and name not in section.model_fields_set:
            continue
        value = explicit.get(name, getattr(section, name))
        key = (*path, name)
        if isinstance(value, BaseModel):
            yield from _rows(resolved, value, key)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for index, entry in enumerate(value):
                yield from _rows(resolved, entry, (*key, index))
        else:
            dotted = _dotted(key)
            by_skew = name in explicit and name not in section.model_fields_set
            origin = f"{_dotted(path)}.skew_factor" if by_skew else _origin(resolved.origins, dotted)
            about = node_at(json_schema(), key).get("description", "")
            yield Row(dotted, value, origin, about)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _origin(origins: Mapping[str, str], key: str) -> str:
    """The most particular word said about a key: the environment's, the file's, or none."""
    found = [origins[known] for known in origins if related(known, key)]
    return next((origin for origin in found if origin != "file"), "file" if found else "default")


def differing(resolved: Resolved) -> dict[str, dict[str, tuple[Any, str]]]:
    """Return by asset and duration ("BTC 5M") each value that an override changes there, and that override's key."""
    config = resolved.config
    fields = {
        f"{name}.{field}": None
        for over in config.overrides
        for name in ("quoting", "inventory", "volatility")
        for field in getattr(over, name).given()
        if field != "skew_factor"
    }
    cells: dict[str, dict[str, tuple[Any, str]]] = {}
    for asset, duration in product(config.assets, DURATIONS):
        held = {field: effective(config, field, asset, duration) for field in fields}
        changed = {field: (value, key) for field, (key, value) in held.items() if key.startswith("overrides")}
        if changed:
            cells[f"{asset} {duration}"] = changed
    return cells


def secrets(resolved: Resolved, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the places a secret is looked for and whether one is there; never what."""
    venue, embedded = resolved.config.venue, resolved.config.simulator.embedded
    found = [(venue.api_key_env, "set" if environ.get(venue.api_key_env, "").strip() else "not set")]
    if venue.api_key_file is not None:
        found.append((str(venue.api_key_file), _readable(venue.api_key_file)))
    if embedded:
        found = [(name, f"{state}; not used: simulator.embedded") for name, state in found]
    return found


def _readable(path: Path) -> str:
    if not path.exists():
        return "no such file"
    return "readable" if path.is_file() and os.access(path, os.R_OK) else "not readable"


def warnings(resolved: Resolved, environ: Mapping[str, str]) -> list[str]:
    """Return what is lawful but odd, and what a run would stumble over: one line each."""
    config = resolved.config
    lines = odd(config, frozenset(key for key, origin in resolved.origins.items() if origin))
    given = bool(config.venue.rest_url or config.venue.ws_url)
    if given and not any(state in ("set", "readable") for _, state in secrets(resolved, environ)):
        lines.append(
            f"no venue token: set {config.venue.api_key_env} or venue.api_key_file, or a run ends at once (78)"
        )
    prices = config.simulator.world.prices
    files = [] if prices is None else [prices] if isinstance(prices, Path) else list(prices.values())
    lines += [f"simulator.world.prices: {masked(str(file))}: no such file" for file in files if not file.is_file()]
    return lines


def as_json(resolved: Resolved, path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return everything as one JSON object."""
    urls = resolved.config.urls()
    return {
        "file": str(path),
        "valid": True,
        "values": {
            row.key: {"value": _plain(row.value), "from": row.origin, "about": row.about} for row in rows(resolved)
        },
        "by_asset_and_duration": {
            cell: {field: {"value": _plain(value), "from": key} for field, (value, key) in held.items()}
            for cell, held in differing(resolved).items()
        },
        "urls": {"rest": urls.rest_url, "ws": urls.ws_url, LEADING: urls.feeds[LEADING].sockets[0]},
        "secrets": dict(secrets(resolved, environ)),
        "warnings": warnings(resolved, environ),
    }


def table(resolved: Resolved, path: Path, environ: Mapping[str, str]) -> list[str]:
    """Return everything as lines of at most 100 columns, but for values that are longer themselves."""
    every = list(rows(resolved))
    changed = sum(row.origin == "file" or "__" in row.origin for row in every)
    notes = warnings(resolved, environ)
    lines = [f"{path}: valid; {changed} of {len(every)} keys are given, the rest have their defaults"]
    sections: dict[str, list[Row]] = {}
    for row in every:
        whole = row.key.startswith("overrides[")  # an entry is short: its sections are told in one
        sections.setdefault(row.key.partition(".")[0] if whole else row.key.rpartition(".")[0], []).append(row)
    for name, inside in sections.items():
        series, _, index = name.partition("[")
        if series == "simulator.sessions":
            if index == "0]":
                lines += ["", series, *_sessions([row for row in every if row.key.startswith(series + "[")])]
            continue
        lines += ["", name] if name else [""]
        for row in inside:
            lines += _line(row.key.removeprefix(name).removeprefix("."), row)
    cells = differing(resolved)
    lines += ["", "by asset and duration, where overrides change something"] if cells else []
    for cell, held in cells.items():
        found = ", ".join(f"{field} {_shown(value)} ({key.split('.')[0]})" for field, (value, key) in held.items())
        lines += textwrap.wrap(found, WIDTH, initial_indent=f"  {cell:<9}", subsequent_indent=" " * 11)
    lines += ["", "addresses"]
    lines += [f"  {what:<9}{masked(url)}" for what, url in _addresses(resolved.config).items()]
    lines += ["", "secrets (where they are looked for; never in the file)"]
    lines += [f"  {masked(place)}: {state}" for place, state in secrets(resolved, environ)]
    lines += [""] if notes else []
    for note in notes:
        lines += textwrap.wrap(note, WIDTH, initial_indent="odd: ", subsequent_indent="     ")
    return lines


def _addresses(config: Config) -> dict[str, str]:
    urls = config.urls()
    feeds = dict.fromkeys((LEADING, *config.feeds.enabled))
    return {"REST": urls.rest_url, "orders": urls.ws_url, **{name: urls.feeds[name].sockets[0] for name in feeds}}


def _line(name: str, row: Row) -> list[str]:
    """One key in columns; what does not fit goes on below."""
    origin = row.origin if row.origin in ("file", "default") else "env" if "__" in row.origin else "derived"
    head = f"  {name:<{_KEY}} {_shown(row.value):<{_VALUE}} {origin:<{_ORIGIN}} "
    about = row.about + (f" [{row.origin}]" if origin != row.origin else "")
    indent = " " * (2 + _KEY + 1 + _VALUE + 1 + _ORIGIN + 1)
    if len(head) > len(indent):
        return [head.rstrip(), *textwrap.wrap(about, WIDTH, initial_indent=indent, subsequent_indent=indent)]
    return textwrap.wrap(about, WIDTH, initial_indent=head, subsequent_indent=indent) or [head.rstrip()]


def _sessions(every: list[Row]) -> list[str]:
    """The rolling series as a table, one a line, and what its columns mean; then what all of them leave as it is."""
    series: dict[str, dict[str, Row]] = {}
    for row in every:
        index, _, name = row.key.partition("[")[2].partition("].")
        series.setdefault(index, {})[name] = row
    first = next(iter(series.values()))
    given = {name: {cells[name].origin for cells in series.values()} - {"default", "assets"} for name in first}
    values = {name: {_shown(cells[name].value) for cells in series.values()} for name in first}
    columns = [name for name in first if name in ("asset", "duration") or given[name] or len(values[name]) > 1]
    grid = [["", *columns, "from"]]
    for index, cells in series.items():
        whence = {row.origin for row in cells.values()} - {"default"}
        grid.append([index, *(_shown(cells[name].value) for name in columns), ", ".join(sorted(whence)) or "default"])
    widths = [max(len(line[column]) for line in grid) + 2 for column in range(len(grid[0]))]
    lines = ["  " + "".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in grid]
    lines += [f"  {name:<{_KEY}} {first[name].about}" for name in columns if first[name].about]
    for name, row in first.items():
        lines += _line(name, row) if name not in columns else []
    return [line.rstrip() for line in lines]


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items()) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "none"
    return masked(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else masked(str(value))
