"""Overrides from the environment: `MM__section__key=value` laid over what the file says.

Owns which variable sets which key. It knows no key but by the schema, and does not judge values.
"""

import re
from collections.abc import Mapping
from typing import Any

from mmactors.config import yaml
from mmactors.config.errors import Problem, Schema, children, dotted, given_twice, masked, node_at, without_tokens
from mmactors.config.yaml import Key

ENV_PREFIX = "MM__"


def overlay(tree: dict[str, Any], environ: Mapping[str, str], schema: Schema) -> tuple[dict[str, str], list[Problem]]:
    """Lay ``MM__section__key=value`` over the tree; the variable's key part may have any case, its value is YAML.

    Sections are laid before the keys in them. Returns which variable set which key, and a problem for each that could
    not be laid, or that was meant as one and is not (one underscore).
    """
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    near = re.compile(rf"MM_(?:{'|'.join(children(schema, ()))})_\w+", re.I)
    for variable in sorted(environ, key=lambda name: (name.count("__"), name)):
        if not variable.upper().startswith(ENV_PREFIX):
            if near.fullmatch(variable):
                why = f"would be ignored; write {ENV_PREFIX}section__key, with two underscores each"
                problems.append(Problem((), f"{without_tokens(variable)}: {why}"))
            continue
        parts = variable[len(ENV_PREFIX) :].split("__")
        try:
            value, twice = yaml.parse(environ[variable])
            key = _put(tree, parts, value, schema)
        except yaml.MalformedError as error:
            problems.append(Problem((), f"{without_tokens(variable)}: the value is not YAML ({masked(error.why)})"))
            continue
        except KeyError as error:
            problems.append(Problem((), f"{without_tokens(variable)}: {error.args[0]}"))
            continue
        name = dotted(key)
        if name in origins:
            problems.append(Problem((), f"{origins[name]}, {without_tokens(variable)}: both set {name}; keep one"))
        problems += [given_twice((*key, *inner), first, second) for inner, first, second in twice]
        origins[name] = without_tokens(variable)
    return origins, problems


def _put(tree: dict[str, Any], parts: list[str], value: object, schema: Schema) -> Key:
    if not all(parts):
        raise KeyError(f"write {ENV_PREFIX}section__key=value")
    node: Any = tree
    key: Key = ()
    for position, part in enumerate(parts):
        name: str | int = part
        if isinstance(node, list):
            if not part.isdigit() or int(part) >= len(node):
                raise KeyError(f"{dotted(key)} has {len(node)} entries in the file, numbered from 0; {part!r} is none")
            name = int(part)
        elif isinstance(node, dict):
            names = [*node, *children(schema, key)]
            name = next((known for known in names if known.lower() == part.lower()), part)
        else:
            raise KeyError(f"{dotted(key)} is a value, not a section")
        key = (*key, name)
        if position == len(parts) - 1:
            node[name] = value
        elif isinstance(node, dict):
            if node.get(name) is None:
                at = node_at(schema, key)
                if at.get("type") == "array":
                    raise KeyError(f"{dotted(key)} is not in the file; give the whole list as YAML: [...]")
                node[name] = dict(at.get("default") or {}) if at.get("additionalProperties") else {}
            node = node[name]
        else:
            node = node[name]
    return key
