"""The house: what the rooms of the package promise, read from its imports and its files.

Import contracts say which room may import which (setup.cfg); here is what they cannot say: inside a room no circle, no
room too full, no module long without a reason.
"""

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

import mmactors

ROOT = Path(mmactors.__file__).parent
MOST_MODULES = 16
MOST_LINES = 500

REASON = "Long because"
"""How the first paragraph of a module above `MOST_LINES` lines begins the sentence that says why it is one."""

CIRCLES: set[str] = set()
"""Rooms that still have a circle; one that has none any more must leave this list."""

LONG: set[str] = set()
"""Modules that are long and do not say why yet; one that is short or says why must leave this list."""

GRAPH = grimp.build_graph("mmactors", exclude_type_checking_imports=True)
PACKAGES = {module for module in GRAPH.modules if (ROOT.parent / module.replace(".", "/")).is_dir()}
ROOMS: dict[str, set[str]] = defaultdict(set)
for each in GRAPH.modules - PACKAGES:
    ROOMS[each.rpartition(".")[0]].add(each)


def circle(room: str) -> list[str]:
    """Return the modules of a circle inside a room; none if it has none."""
    modules = ROOMS[room]
    imports = {module: GRAPH.find_modules_directly_imported_by(module) & modules for module in modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def lines(module: str) -> list[str]:
    return (ROOT.parent / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8").splitlines()


def says_why(text: list[str]) -> bool:
    first = " ".join(text[: text.index("")] if "" in text else text)
    return REASON in first


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_no_circle_inside_a_room(room):
    found = circle(room)
    assert bool(found) == (room in CIRCLES), found


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_no_room_is_too_full(room):
    assert len(ROOMS[room]) <= MOST_MODULES, sorted(ROOMS[room])


def test_a_long_module_says_why_in_its_first_paragraph():
    long = {module for room in ROOMS.values() for module in room if len(lines(module)) > MOST_LINES}
    assert {module for module in long if not says_why(lines(module))} == LONG
