"""A configuration's mistakes in one line each: wording, the nearest known key, and nothing that could be a secret.

Owns the words and the masking. It knows the shape of a JSON schema, not what any key means, nor where a value is from.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmactors.config.yaml import Key

NO_INPUT, INVALID = 66, 78
"""Exit codes: no such file; invalid configuration or missing secret."""
_SECRET_KEY = re.compile(r"key|token|secret|passw|passphrase|jwt|private|credential|mnemonic|seed_?phrase", re.I)
_TOKEN = re.compile(
    r"eyJ[\w-]{6,}[\w.=-]*"  # a JWT
    r"|(?<!\w)(?:0x)?[0-9a-fA-F]{64}(?!\w)"  # a private key
    r"|(?<=://)[^/@\s]+(?=@)"  # user:password@ of a URL
)
_PERHAPS = re.compile(
    r"(?<=\?)\S+"  # the query of a URL
    r"|[\w+=-]{24,}"  # a long run: of letters and digits?
)
_GLUED = re.compile(r"\w+:\S+")
_BOUNDS = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))
Schema = Mapping[str, Any]


class ConfigError(Exception):
    """The configuration cannot be used: every reason, one line each, and the exit code."""

    def __init__(self, lines: list[str], exit_code: int) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.exit_code = exit_code


class Problem(NamedTuple):
    """One mistake, and the keys it is about."""

    keys: tuple[str, ...]
    line: str

    def with_origins(self, origins: Mapping[str, str]) -> str:
        """Return the line, with the environment variables that set its keys."""
        names = dict.fromkeys(origins[set_] for key in self.keys for set_ in origins if related(key, set_))
        return f"{self.line} [set by {', '.join(names)}]" if names else self.line


def related(key: str, other: str) -> bool:
    """Tell whether two keys are the same, or one is a section that the other is in."""
    short, long = sorted((key, other), key=len)
    return long.startswith(short) and long[len(short) : len(short) + 1] in ("", ".", "[")


def dotted(key: Key) -> str:
    """Return a key as the user writes it: ``simulator.sessions[0].asset``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{masked(part) or repr(part)}" for part in key)
    return text.removeprefix(".")


def without_tokens(text: str) -> str:
    """Return the text with tokens, private keys and passwords in URLs replaced by ``***``."""
    return _TOKEN.sub("***", text)


def masked(text: str) -> str:
    """Return the text with everything that could be a secret replaced by ``***``: for what a user typed."""
    return _PERHAPS.sub(_suspicious, without_tokens(text))


def _suspicious(found: re.Match[str]) -> str:
    text, asked = found[0], found.string[found.start() - 1 : found.start()] == "?"
    return "***" if asked or (re.search("[0-9]", text) and re.search("[A-Za-z]", text)) else text


def shown(value: object, key: str = "") -> str:
    """Return a value as it may be shown: shortened, and masked if it or its key looks like a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return f"a section of {len(value)} keys"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    if _SECRET_KEY.search(key):
        return "***"
    text = masked(str(value))
    text = text if len(text) <= 60 else text[:57] + "..."
    return repr(text) if isinstance(value, str) else text


def node_at(schema: Schema, key: Key) -> dict[str, Any]:
    """Return the JSON-schema node of a key with its references resolved; empty if there is none."""
    node = _resolved(schema, schema)
    for part in key:
        if isinstance(part, int):
            child = node.get("items") or {}
        else:
            child = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
        node = _resolved(schema, child if isinstance(child, dict) else {})
    return node


def _resolved(schema: Schema, node: Schema) -> dict[str, Any]:
    merged = dict(node)
    if "anyOf" in merged:
        options = [option for option in merged.pop("anyOf") if option.get("type") != "null"]
        merged = {**_resolved(schema, options[0]), **merged}
    if "$ref" in merged:
        name = merged.pop("$ref").rsplit("/", 1)[1]
        merged = {**_resolved(schema, schema["$defs"][name]), **merged}
    return merged


def children(schema: Schema, key: Key) -> list[str]:
    """Return the names of the keys in a section."""
    return list(node_at(schema, key).get("properties", {}))


def _leaves(schema: Schema, key: Key = ()) -> Iterator[Key]:
    for name in children(schema, key):
        yield (*key, name)
        yield from _leaves(schema, (*key, name))


def allowed(node: Schema, schema: Schema) -> str:
    """Say in words what a schema's node admits."""
    if "allowed" in node:
        return str(node["allowed"])
    if "enum" in node or "const" in node:
        return "one of " + ", ".join(str(option) for option in node.get("enum", [node.get("const")]))
    kind = node.get("type")
    if kind in ("number", "integer"):
        bounds = [f"{sign} {node[name]:.16g}" for name, sign in _BOUNDS if name in node]
        return " ".join(["an integer" if kind == "integer" else "a number", " and ".join(bounds)]).strip()
    if kind == "array":
        return "a list, each entry " + allowed(_resolved(schema, node.get("items", {})), schema)
    if "properties" in node:
        return "a section with " + ", ".join(node["properties"])
    words = {"boolean": "true or false", "object": "a section of name: value", "string": "text"}
    return words.get(str(kind), "nothing but a known key") if node.get("format") != "path" else "a path"


def mistake(key: Key, kind: str, value: object, schema: Schema) -> str:
    """Word one mistake of a value: key, what was given, what is allowed; for an unknown key the nearest known one."""
    if kind == "extra_forbidden":
        return f"{dotted(key)}: unknown key; {_nearest(key, schema)}"
    node = node_at(schema, key)
    unit = f" ({node['description']})" if node.get("description") and "properties" not in node else ""
    hint = "; YAML needs a space after the colon" if "properties" in node and _GLUED.fullmatch(str(value)) else ""
    return f"{dotted(key)}: got {shown(value, str(key[-1]))}; allowed: {allowed(node, schema)}{unit}{hint}"


def _nearest(key: Key, schema: Schema) -> str:
    name, above = str(key[-1]), key[:-1]
    siblings = children(schema, above)
    path = (*above, *name.lower().split("."))
    if "." in name and path in set(_leaves(schema)):
        return f"did you mean {': {'.join(str(part) for part in path)}: ...{'}' * (len(path) - 1)}?"
    close = difflib.get_close_matches(name.lower(), siblings, n=1)
    if close:
        return f"did you mean {dotted((*above, close[0]))}?"
    entry = next((key[: end + 1] for end in range(len(above) - 1, -1, -1) if isinstance(key[end], int)), ())
    leaves = [*([*_leaves(schema, entry)] if entry else []), *_leaves(schema)]

    def shared(leaf: Key) -> int:
        return sum(leaf[:depth] == key[:depth] for depth in range(1, len(key)))

    leaves.reverse()  # of equals the first counts
    elsewhere = {str(leaf[-1]): leaf for leaf in sorted(leaves, key=shared)}
    close = difflib.get_close_matches(name.lower(), elsewhere, n=1, cutoff=0.8)
    if close:
        return f"did you mean {dotted(elsewhere[close[0]])}?"
    return f"known here: {', '.join(siblings)}"


def given_twice(key: Key, first: int, second: int) -> Problem:
    """Return the problem of a key that stands twice, by its lines."""
    name = dotted(key)
    return Problem((name,), f"{name}: given twice, in lines {first} and {second}; keep one")
