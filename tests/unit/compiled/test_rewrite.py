"""What mypyc is given means what the source means: the spelled-out methods of records, checked by the interpreter."""

import copy
import importlib
import inspect
import pickle
import sys
import types
from pathlib import Path

import msgspec
import pytest

from mmactors.compiled.build import BASES, MODULES, PACKAGE
from mmactors.compiled.rewrite import RewriteError, spelled_out

SOURCE = '''
"""Records of every kind,
from which others follow.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mmactors.value import value


@value
class Price:
    """A value."""

    why: object
    amount: float
    asset: str = "BTC"
    parts: tuple[int, ...] = (1, 2)

    @property
    def double(self) -> float:
        return 2 * self.amount


@dataclass(frozen=True, slots=True)
class Limits:
    most: int = 3


@dataclass(
    slots=True, eq=False
)  # a formatter breaks a long line so
class Account:
    """Not compared."""

    name: str
    held: dict[str, int] = field(default_factory=dict)
    last: deque[int] = field(default_factory=lambda: deque([7], maxlen=2))
    shown: int = field(default=4, repr=False)
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum(self.held.values()) + self.shown


class Order(msgspec.Struct, eq=False):
    id: str
    size: int = 1

    def snapshot(self) -> "Order":
        return self.__copy__()


class Body(msgspec.Struct, frozen=True):
    market: str
    ids: list[int]
    price: int | None = None


class Plain:
    pass
'''


def run(text: str, name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, name, "exec"), module.__dict__)
    return module


@pytest.fixture
def both():
    told = run(SOURCE, "records_as_told"), run(spelled_out(SOURCE, ["Plain"]), "records_spelled_out")
    yield told
    for each in told:
        del sys.modules[each.__name__]


def test_a_value_is_made_compared_and_hashed_as_before(both) -> None:
    for module in both:
        one, same, other = module.Price("x", 1.5), module.Price("x", 1.5, "BTC", (1, 2)), module.Price("x", 2.0)
        assert one == same
        assert one != other
        assert len({one, same, other}) == 2
        assert (one.why, one.amount, one.asset, one.parts, one.double) == ("x", 1.5, "BTC", (1, 2), 3.0)
        assert repr(one) == "Price(why='x', amount=1.5, asset='BTC', parts=(1, 2))"
        assert pickle.loads(pickle.dumps(one)) == one
        with pytest.raises(TypeError):
            module.Price("x")


def test_a_frozen_dataclass_stays_one_to_its_users(both) -> None:
    for module in both:
        assert module.Limits() == module.Limits(3)
        assert {module.Limits(): 1}[module.Limits(3)] == 1


def test_every_object_has_defaults_of_its_own_and_what_follows_from_them(both) -> None:
    for module in both:
        one, other = module.Account("a"), module.Account("a")
        one.held["x"] = 1
        one.last.append(8)
        assert other.held == {}
        assert list(other.last) == [7]
        assert one.last.maxlen == 2
        assert (one.shown, one.total, module.Account("b", {"y": 5}).total) == (4, 4, 9)
        assert one != other
        assert pickle.loads(pickle.dumps(other)).name == "a"


def test_a_struct_is_made_compared_and_copied_as_before(both) -> None:
    for module in both:
        order = module.Order("o", 2)
        taken = order.snapshot()
        order.size = 1
        assert (taken.id, taken.size, order.size) == ("o", 2, 1)
        assert order != module.Order("o", 1)
        assert len({order, taken}) == 2
        body = module.Body("m", [1])
        assert body == module.Body("m", [1], None)
        assert body != module.Body("m", [2])
        assert body != "m"
        assert copy.copy(body) == body


def test_only_the_named_classes_may_be_inherited_from_by_the_interpreter() -> None:
    text = spelled_out(SOURCE, ["Plain"])
    assert text.count("@mypyc_attr(allow_interpreted_subclasses=True)\nclass Plain:") == 1
    assert text.count("@mypyc_attr") == 1
    assert "mypyc_attr" not in spelled_out(SOURCE)


def test_a_class_with_keywords_that_would_be_dropped_is_refused() -> None:
    with pytest.raises(RewriteError, match="class Odd has keywords in line 1"):
        spelled_out("class Odd(Base, metaclass=Other):\n    pass\n")


def _modules() -> list[Path]:
    return [path for each in MODULES for path in PACKAGE.glob(f"{each}.py") if path.name != "__init__.py"]


def test_every_name_of_a_module_to_compile_is_one() -> None:
    assert [each for each in MODULES if not list(PACKAGE.glob(f"{each}.py"))] == []
    assert [each for each in BASES if not (PACKAGE / f"{each}.py").exists()] == []


@pytest.mark.parametrize("path", _modules(), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_record_to_be_compiled_is_made_from_the_same_arguments(path: Path) -> None:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    bases = BASES.get(str(path.relative_to(PACKAGE).with_suffix("")), ())
    told = importlib.import_module(name)
    try:
        spelled = run(spelled_out(path.read_text(), bases), f"spelled_out.{name}")
    finally:
        sys.modules.pop(f"spelled_out.{name}", None)
    for key, kind in vars(told).items():
        if not (isinstance(kind, type) and kind.__module__ == name):
            continue
        ours = getattr(spelled, key)
        if "__init__" not in vars(ours):
            continue
        found = inspect.signature(ours).parameters
        given = sum(parameter.default is not inspect.Parameter.empty for parameter in found.values())
        if issubclass(kind, msgspec.Struct):
            assert tuple(found) == kind.__struct_fields__
            assert given == len(kind.__struct_defaults__)
        else:
            expected = inspect.signature(kind).parameters
            assert list(found) == list(expected)
            assert given == sum(each.default is not inspect.Parameter.empty for each in expected.values())
