"""YAML as the person who wrote it means it: strict, plain values only, and nothing read differently than it looks.

The core schema of YAML 1.2 (so `1:30` and `off` are words, `1e-5` is a number), every key once, no tags, no anchors
that contain themselves, and no `0777`, which is 777 here and 511 to readers of YAML 1.1. Every value is a copy of its
own, anchors or not. Knows nothing of configurations.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

Key = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_MOST_VALUES, _DEEPEST, _LONGEST_INTEGER = 20_000, 40, 40


class MalformedError(Exception):
    """The text is not YAML that can be used; says where and why, without quoting it at length."""

    def __init__(self, mark: yaml.Mark | None, why: str) -> None:
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        super().__init__(f"malformed YAML at {where}: {why}")
        self.why = why


class _CoreLoader(yaml.SafeLoader):
    """The scanner and parser of PyYAML with the core schema's idea of what a plain word is."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to say it


for _name, _pattern, _first in (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _first)


def parse(text: str) -> tuple[Any, list[tuple[Key, int, int]]]:
    """Return a document's value, and each key given twice in one section with the lines it stands in.

    Raises:
        MalformedError: no YAML, more than one document, or a value that plain configuration cannot have.
    """
    twice: list[tuple[Key, int, int]] = []
    try:
        root = _CoreLoader(text).get_single_node()
        return (None if root is None else _Builder(twice).build(root, (), ())), twice
    except yaml.MarkedYAMLError as error:
        why = error.problem or "unreadable"
        hint = " (indent with spaces)" if "'\\t'" in why else ""
        raise MalformedError(error.problem_mark or error.context_mark, why + hint) from None
    except yaml.reader.ReaderError as error:
        line, column = text.count("\n", 0, error.position), error.position - text.rfind("\n", 0, error.position) - 1
        raise MalformedError(yaml.Mark("", 0, line, column, None, 0), error.reason) from None
    except RecursionError:
        raise MalformedError(None, "nested too deeply") from None


class _Builder:
    """Makes plain values of nodes, noting keys given twice."""

    def __init__(self, twice: list[tuple[Key, int, int]]) -> None:
        self._twice = twice
        self._count = 0

    def build(self, node: yaml.Node, key: Key, inside: tuple[int, ...]) -> Any:
        self._count += 1
        if id(node) in inside:
            raise MalformedError(node.start_mark, "an anchor that contains itself")
        if self._count > _MOST_VALUES or len(inside) > _DEEPEST:
            raise MalformedError(node.start_mark, "nested too deeply, or too many values")
        inside = (*inside, id(node))
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, kind)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.build(child, (*key, index), inside) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, key, inside)
        raise MalformedError(node.start_mark, "a tag; write plain values")

    def _mapping(self, node: yaml.MappingNode, key: Key, inside: tuple[int, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise MalformedError(key_node.start_mark, "a key must be a word")
            name, line = key_node.value, key_node.start_mark.line + 1
            value = self.build(value_node, (*key, name), inside)
            if key_node.tag == _TAG + "merge":
                for section in _sections(value, value_node.start_mark):
                    merged = {**section, **merged}
                continue
            if name in lines:
                self._twice.append(((*key, name), lines[name], line))
            lines[name] = line
            own[name] = value
        return {**merged, **own}


def _sections(value: Any, mark: yaml.Mark) -> Iterator[dict[str, Any]]:
    for section in value if isinstance(value, list) else [value]:
        if not isinstance(section, dict):
            raise MalformedError(mark, "<< merges sections only")
        yield section


def _scalar(node: yaml.ScalarNode, kind: str) -> object:
    text = node.value
    if kind == "int" and _LEADING_ZERO.match(text):
        why = "a number with a leading zero: write it without, octal as 0o..., text in quotes"
        raise MalformedError(node.start_mark, why)
    try:
        if kind == "null":
            return None
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "int":  # one too long to be meant is left as it is, for its key's error to show
            based = text[:2] in ("0x", "0o")
            return text if len(text) > _LONGEST_INTEGER else int(text, 0 if based else 10)
        if kind == "float":
            return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    except (ValueError, KeyError):
        raise MalformedError(node.start_mark, f"not what its tag says ({kind})") from None
    if kind in ("str", "merge"):
        return text
    raise MalformedError(node.start_mark, "a tag; write plain values")
