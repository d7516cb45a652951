"""The grid file of a sweep: which parameters take which values, and the configuration that each combination makes.

Owns the file's schema, the drawing of the sets, and all mistakes of a grid at once. It words values and unknown keys as
a configuration's are (`config/errors.py`), and knows nothing of how a set is played.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from pydantic import Field

from mmactors.config import Config, environment, errors, loading, resolve
from mmactors.config.contradictions import contradictions, effective
from mmactors.config.errors import INVALID, ConfigError, Problem, shown
from mmactors.config.feed_sections import LEADING, SOURCES, alone
from mmactors.config.schema import json_schema
from mmactors.config.section import Section
from mmactors.config.strategy_sections import Override
from mmactors.config.vocabulary import Duration, FilePath

Scalar = bool | int | float | str | None

MOST_SETS = 10_000

_SET_BY_THE_SWEEP = {
    "simulator.world.seed": "the grid's own seed sets it",
    "simulator.sessions": "the grid's own session says it",
    "simulator.sessions[0].duration": "the grid's own session says it",
    **{f"feeds.{source}.enabled": f"a sweep follows {LEADING} alone" for source in SOURCES if source != LEADING},
    "name": "it changes nothing of a session",
}


class GridFile(Section):
    """What the file says; `parameters` are judged one by one."""

    config: FilePath = Field(
        default=Path("conf/arena.yaml"), description="the world and what is not varied; from here or beside the grid"
    )
    session: Duration | None = Field(default=None, description="unset: the configuration's only series")
    sessions: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=200, description="that each set plays")
    world_sessions: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=50, description="of one world, the unit of work; each world has a seed of its own"
    )
    warm_up_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=600, description="s; of each world, before sessions count"
    )
    seed: Annotated[int, Field(ge=0, le=10**9)] = Field(default=1, description="of the worlds, the same for every set")
    search: Literal["grid", "random"] = Field(default="grid", description="every combination, or a sample of them")
    samples: Annotated[int, Field(ge=1, le=MOST_SETS)] | None = Field(default=None, description="of a random search")
    sample_seed: Annotated[int, Field(ge=0, le=10**9)] = Field(default=1, description="of a random search's choice")
    baseline: Literal["first", "config"] = Field(
        default="first",
        description="what differences are taken from: the first set, or the configuration as it is, as a set more",
    )
    parameters: dict[str, Any] = Field(
        default={}, description="configuration key: [values], or {from, to, steps, log} (no steps: random only)"
    )


class Span(Section):
    """A parameter's values as a range."""

    low: float | None = Field(default=None, alias="from")
    high: float | None = Field(default=None, alias="to")
    steps: Annotated[int, Field(ge=2, le=1000)] | None = Field(default=None, description="values, both ends among them")
    log: bool = Field(default=False, description="evenly by ratio instead of by difference")

    def at(self, share: float, *, whole: bool) -> float | int:
        """Return the value that far from the low to the high end; both are given."""
        assert self.low is not None and self.high is not None  # noqa: PT018
        if share in (0.0, 1.0):
            value = self.high if share else self.low
        elif self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        return round(value) if whole else float(f"{value:.6g}")

    def wrong(self) -> str:
        """Return what is wrong with the two ends, empty if nothing."""
        if self.low is None or self.high is None:
            return "a range needs from and to"
        if self.low >= self.high:
            return f"from {self.low:g} must be less than to {self.high:g}"
        return f"log needs from > 0, not {self.low:g}" if self.log and self.low <= 0 else ""


@dataclass(frozen=True)
class Parameter:
    """One key of the configuration that is varied: over `values`, or anywhere in `span`."""

    name: str
    values: tuple[Scalar, ...]
    span: Span | None
    whole: bool

    def drawn(self, random: Random) -> Scalar:
        """Return a value of it by chance."""
        return self.span.at(random.random(), whole=self.whole) if self.span else random.choice(self.values)


@dataclass(frozen=True)
class ParameterSet:
    """One row of a sweep; `reason` says why it has no configuration."""

    number: int
    values: Mapping[str, Scalar]
    config: Config | None
    reason: str = ""


@dataclass(frozen=True)
class Grid:
    """What is to be played, all in one series; `names` are the parameters in the file's order, `note` something odd."""

    file: GridFile
    duration: str
    names: tuple[str, ...]
    sets: tuple[ParameterSet, ...]
    note: str = ""


def load(path: Path, environ: Mapping[str, str]) -> Grid:
    """Read a grid file, and make the configuration of each of its sets.

    Raises:
        ConfigError: every mistake at once, one line each: a missing file (66), anything wrong in it (78).
    """
    tree, problems = loading.read(path)
    file, mistakes = loading.validated(GridFile, tree, _schema(GridFile))
    problems += mistakes
    if file is None:
        raise ConfigError([problem.line for problem in problems], INVALID)
    if file.search == "grid" and file.samples is not None:
        problems.append(Problem((), "samples: are for search: random; a grid has a range's steps"))
    if file.search == "random" and file.samples is None and "samples" not in {key for p in problems for key in p.keys}:
        problems.append(Problem((), "samples: search: random needs how many"))
    if not file.parameters and not any(key.startswith("parameters") for p in problems for key in p.keys):
        problems.append(Problem((), "parameters: nothing to vary; such as quoting.spread: [0.02, 0.03]"))
    lines = [problem.line for problem in problems]
    try:
        ground = _Ground(_found(file.config, path), file.session, environ)
    except ConfigError as error:
        raise ConfigError(lines + [f"config: {file.config}: {line}" for line in error.lines], error.exit_code) from None
    parameters, wrong = _parameters(file, ground)
    lines += wrong
    combinations = math.prod(len(each.values) for each in parameters if not each.span)
    if not lines and file.search == "grid" and combinations > MOST_SETS:
        lines.append(
            f"parameters: {combinations:,} sets are too many (at most {MOST_SETS:,}); search: random takes some"
        )
    if lines:
        raise ConfigError(list(dict.fromkeys(lines)), INVALID)
    names = tuple(each.name for each in parameters)
    rows: list[tuple[Scalar, ...]] = [()] if file.baseline == "config" else []
    note = ""
    if file.search == "grid":
        rows += list(product(*(each.values for each in parameters)))
    else:
        assert file.samples is not None
        rows += (drawn := list(_sample(parameters, file.samples, Random(file.sample_seed))))  # noqa: S311
        if len(drawn) < file.samples:
            note = f"samples: {file.samples}, but only {len(drawn)} different sets were found"
    sets = [ground.made(number, dict(zip(names, row, strict=False))) for number, row in enumerate(rows)]
    if file.baseline == "config" and (base := sets[0].config) is not None:
        sets[0] = ParameterSet(0, {name: _value(base, name) for name in names}, base)
    return Grid(file, ground.duration, names, tuple(sets), note)


class _Ground:
    """The configuration that a sweep varies: one series, one feed, and each set laid over it."""

    def __init__(self, path: Path, session: str | None, environ: Mapping[str, str]) -> None:
        base = resolve(path, environ).config
        if base.simulator.world.prices or base.simulator.world.live:
            key = "prices" if base.simulator.world.prices else "live"
            raise ConfigError([f"simulator.world.{key}: a sweep plays simulated worlds; leave it out"], INVALID)
        series = base.simulator.sessions
        if session is None and len(series) != 1:
            lengths = ", ".join(dict.fromkeys(each.duration for each in series))
            raise ConfigError([f"simulator.sessions: has {len(series)} series; say session: one of {lengths}"], INVALID)
        first = next((each for each in series if each.duration == session), series[0])
        self.duration = session or first.duration
        self._base, self._asset = base, first.asset
        only = {**first.model_dump(mode="json", exclude_unset=True), "duration": self.duration, "elapsed_s": 0}
        self._environ = _over(
            environ,
            {
                "MM__assets": json.dumps([first.asset]),
                **alone(),
                "MM__simulator__sessions": json.dumps([only]),
            },
        )
        self._tree, _ = loading.read(path)
        resolve(path, self._environ)

    def judged(self, values: Mapping[str, Scalar]) -> tuple[Config | None, list[str], list[str]]:
        """Return the configuration with these values, the mistakes of single values, and the contradictions."""
        tree = deepcopy(self._tree)
        variables = {"MM__" + "__".join(_parts(name)): json.dumps(value) for name, value in values.items()}
        _, unlaid = environment.overlay(tree, _over(self._environ, variables), json_schema())
        names = dict(zip(variables, values, strict=True))
        wrong = [
            line.replace(variable, names[variable]) for variable in names for _, line in unlaid if variable in line
        ]
        config, mistakes = loading.validated(Config, tree, json_schema())
        wrong += [line for _, line in mistakes]
        if config is None or wrong:
            return None, wrong, []
        given = frozenset(loading.keys(tree))
        return config, [], [line for _, line in contradictions(config, given)]

    def instead_of(self, name: str) -> str:
        """Return the key that holds in this series instead of the one named, empty if it holds itself."""
        section, _, field = name.lower().partition(".")
        if section not in Override.model_fields or field not in type(getattr(self._base, section)).model_fields:
            return ""
        key, _ = effective(self._base, f"{section}.{field}", self._asset, self.duration)
        return "" if key == f"{section}.{field}" else key

    def made(self, number: int, values: Mapping[str, Scalar]) -> ParameterSet:
        config, wrong, contrary = self.judged(values)
        reason = "; ".join(wrong + contrary)
        return ParameterSet(number, values, None if reason else config, reason)


def _found(config: Path, grid: Path) -> Path:
    beside = grid.parent / config
    return beside if beside.exists() else config


def _over(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The sweep's own values win over the environment's, however those are written."""
    ours = {name.upper() for name in variables}
    return {**{name: value for name, value in environ.items() if name.upper() not in ours}, **variables}


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[.\[\]]+", name) if part]


def _value(config: Config, name: str) -> Any:
    node: Any = config
    for part in _parts(name):
        if isinstance(node, tuple):
            node = node[int(part)]
        else:
            node = node[part.upper()] if isinstance(node, dict) else getattr(node, part.lower())
    return node


@cache
def _schema(model: type[Section]) -> dict[str, Any]:
    return model.model_json_schema()


def _parameters(file: GridFile, ground: _Ground) -> tuple[list[Parameter], list[str]]:
    found: list[Parameter] = []
    wrong: list[str] = []
    for name, spec in file.parameters.items():
        key = f"parameters.{name}"
        mine: list[str] = []
        node = errors.node_at(json_schema(), tuple(int(p) if p.isdigit() else p.lower() for p in _parts(name)))
        whole = node.get("type") == "integer"
        values: list[Scalar] = []
        span: Span | None = None
        if name.lower() in _SET_BY_THE_SWEEP:
            mine.append(f"{key}: cannot be varied: {_SET_BY_THE_SWEEP[name.lower()]}")
        elif isinstance(spec, list):
            values, mine = _listed(key, spec)
        elif isinstance(spec, dict):
            span, mine = _span(key, spec)
            if span is not None and span.steps is not None:
                shares = [step / (span.steps - 1) for step in range(span.steps)]
                values, span = list(dict.fromkeys(span.at(share, whole=whole) for share in shares)), None
            elif span is not None:
                values = [span.at(end, whole=whole) for end in (0.0, 1.0)]
                if file.search == "grid":
                    mine.append(f"{key}: a grid needs steps: how many values; search: random does not")
        else:
            mine.append(f"{key}: got {shown(spec, name)}; allowed: a list of values, or {{from, to, steps, log}}")
        if not mine and (instead := ground.instead_of(name)):
            mine.append(f"{key}: has no effect, {instead} of the configuration holds; vary that")
        for value in values:
            mine += [f"parameters: {line}" for line in ground.judged({name: value})[1]]
        wrong += mine
        if not mine:
            found.append(Parameter(name, tuple(values), span, whole))
    return found, wrong


def _listed(key: str, spec: list[Any]) -> tuple[list[Scalar], list[str]]:
    if not spec:
        return [], [f"{key}: an empty list; nothing could be played"]
    wrong = [
        f"{key}[{index}]: got {shown(value)}; allowed: single values" for index, value in enumerate(spec)
        if isinstance(value, list | dict)
    ]  # fmt: skip
    if not wrong and (twice := [value for index, value in enumerate(spec) if value in spec[:index]]):
        wrong = [f"{key}: {shown(twice[0], key)} is listed twice"]
    return ([], wrong) if wrong else (spec, [])


def _span(key: str, spec: dict[str, Any]) -> tuple[Span | None, list[str]]:
    span, mistakes = loading.validated(Span, deepcopy(spec), _schema(Span))
    wrong = [f"{key}.{line}" for _, line in mistakes]
    if not wrong and span is not None and span.wrong():
        wrong = [f"{key}: {span.wrong()}"]
    return (None, wrong) if wrong else (span, [])


def _sample(parameters: list[Parameter], samples: int, random: Random) -> Iterator[tuple[Scalar, ...]]:
    seen: set[tuple[Scalar, ...]] = set()
    for _ in range(100 * samples):
        if len(seen) == samples:
            return
        row = tuple(each.drawn(random) for each in parameters)
        if row not in seen:
            seen.add(row)
            yield row
