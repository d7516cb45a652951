"""The limits that a session is checked against: the strategy's key table, or a configuration file.

Owns the rules' formulas (position limit, close, d2, N) and their parameters by market. It must not know the program's
schema: it looks up a few keys in a plain tree.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

USAGE, NO_INPUT, UNREADABLE = 64, 66, 78
EARLY_F, LATE_F = 0.75, 0.20
YEAR_MS = 365 * 86_400_000
CENT = 10_000


class AuditError(Exception):
    """The audit is impossible; the text is one line for the user, `exit_code` the command's."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one market, in contracts, micro-dollars, seconds and shares of the session; sigma is annual."""

    max_position: int = 1000
    late_room: float = 0.03
    reduce_only_f: float = 0.10
    dead_f: float = 0.10
    dead_d2: float = 1.5
    dead_side: str = "zero"
    close_threshold: float = 30.0
    close_fraction: float = 0.02
    min_spread_micros: int = 20_000
    stale_ms: float = 2000.0
    max_exposure_micros: int = 5_000_000_000
    sigma: float = 0.50

    def position_limit(self, f: float) -> int:
        """Return the largest |net| allowed with the share `f` of the session left, contracts."""
        share = min(max((f - LATE_F) / (EARLY_F - LATE_F), 0.0), 1.0)
        return math.floor(self.max_position * (self.late_room + (1.0 - self.late_room) * share) + 1e-9)

    def close_ms(self, duration_ms: int) -> float:
        """Return the time before the end from which nothing may rest, milliseconds."""
        return min(self.close_threshold * 1000, max(1000.0, self.close_fraction * duration_ms))

    def d2(self, spot: float, strike: float, left_ms: float, sigma: float | None = None) -> float:
        """Return ln(S/K) / (sigma sqrt(tau)), with the given sigma or that of the limits; tau is at least 1 ms."""
        return math.log(spot / strike) / ((sigma or self.sigma) * math.sqrt(max(left_ms, 1.0) / YEAR_MS))


def normal_cdf(x: float) -> float:
    """Return N(x)."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


_ELSEWHERE = {"min_spread_micros", "stale_ms", "max_exposure_micros", "sigma"}
_INVENTORY = frozenset(field.name for field in fields(Limits)) - _ELSEWHERE
_UNIT_S = {"S": 1, "M": 60, "H": 3600, "D": 86_400}


class Rules:
    """The limits of every market.

    Args:
        tree: a configuration as nested mappings; the defaults are the strategy's key table.

    Raises:
        AuditError: a value is no number where a number is needed, or out of its range.
    """

    def __init__(self, tree: Mapping[str, Any] | None = None) -> None:
        tree = tree or {}
        risk, volatility = _section(tree, "risk"), _section(tree, "volatility")
        base = _laid(Limits(), _section(tree, "inventory"))
        if "min_spread" in risk:
            base = replace(base, min_spread_micros=round(_number(risk["min_spread"], "risk.min_spread", 0) * 1_000_000))
        if "stale_after" in risk:
            base = replace(base, stale_ms=1000 * _number(risk["stale_after"], "risk.stale_after", 0))
        if "max_exposure" in risk:
            exposure = _number(risk["max_exposure"], "risk.max_exposure", 0)
            base = replace(base, max_exposure_micros=round(exposure * 1_000_000))
        if "prior" in volatility:
            base = replace(base, sigma=_number(volatility["prior"], "volatility.prior", 1e-6))
        self.base = base
        overrides = tree.get("overrides") or ()
        if not isinstance(overrides, list | tuple) or not all(isinstance(over, Mapping) for over in overrides):
            raise AuditError("overrides: not a list of sections", UNREADABLE)
        self._overrides = sorted(overrides, key=lambda over: 2 * ("duration" in over) + ("asset" in over))
        for over in overrides:
            _laid(base, _section(over, "inventory"))

    def limits(self, asset: str, duration_s: int) -> Limits:
        """Return the limits of a session of this asset and length; the more specific override wins."""
        limits = self.base
        for over in self._overrides:
            if over.get("asset") in (None, asset) and _seconds(over.get("duration")) in (None, duration_s):
                limits = _laid(limits, _section(over, "inventory"))
        return limits


def read_rules(path: Path) -> Rules:
    """Read a configuration file, JSON or YAML by its suffix.

    Raises:
        AuditError: it is missing (66) or cannot be used (78).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AuditError(f"{path}: no such file", NO_INPUT) from None
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: {error}", UNREADABLE) from None
    try:
        if path.suffix == ".json":
            tree = json.loads(text)
        else:
            import yaml

            try:
                tree = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(" ".join(str(error).split())) from None
    except (ValueError, RecursionError) as error:
        raise AuditError(f"{path}: {error}", UNREADABLE) from None
    if tree is not None and not isinstance(tree, dict):
        raise AuditError(f"{path}: not a configuration", UNREADABLE)
    try:
        return Rules(tree)
    except AuditError as error:
        raise AuditError(f"{path}: {error}", error.exit_code) from None


def _section(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = tree.get(name) or {}
    if not isinstance(section, Mapping):
        raise AuditError(f"{name}: not a section", UNREADABLE)
    return section


def _laid(limits: Limits, inventory: Mapping[str, Any]) -> Limits:
    given: dict[str, Any] = {}
    for key in _INVENTORY.intersection(inventory):
        if key == "dead_side":
            given[key] = str(inventory[key])
        elif key == "max_position":
            given[key] = int(_number(inventory[key], f"inventory.{key}", 1))
        else:
            given[key] = _number(inventory[key], f"inventory.{key}", 0)
    return replace(limits, **given) if given else limits


def _number(value: object, key: str, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise AuditError(f"{key}: {value!r} is no number of at least {least:g}", UNREADABLE)
    return float(value)


def _seconds(label: object) -> int | None:
    if label is None:
        return None
    text = str(label)
    return int(text[:-1]) * _UNIT_S.get(text[-1:], 0) if text[:-1].isdigit() else -1
