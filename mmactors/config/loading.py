"""A configuration file as its user sees it: strict YAML, overrides from the environment, mistakes in one line each.

Knows YAML, the shape of a JSON schema and how to word an error without showing a secret; knows nothing of what the
keys mean. `config.py` brings the schema.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from mmactors.config import yaml
from mmactors.config.yaml import Key

NO_INPUT, INVALID = 66, 78
"""Exit codes: no such file; invalid configuration or missing secret."""

ENV_PREFIX = "MM__"

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
_REFUSED_KEYS = frozenset(
    {
        *("api_key", "apikey", "api_secret", "degen_api_key", "jwt", "token", "access_token", "auth_token", "bearer"),
        *("wallet_key", "private_key", "secret_key", "degen_wallet_key", "secret", "mnemonic"),
        *("password", "passwd", "passphrase"),
    }
)

_LONGEST_FILE = 1_000_000
"""In bytes; also keeps a device from being read for ever."""

_GLUED = re.compile(r"\w+:\S+")
_BOUNDS = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))

Schema = Mapping[str, Any]
M = TypeVar("M", bound=BaseModel)


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

    def told(self, origins: Mapping[str, str]) -> str:
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


# --- reading ------------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Read a YAML file into plain values, with a problem for every key given twice.

    Raises:
        ConfigError: no such file (66), or not YAML, with line and column (78).
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
        if len(content) > _LONGEST_FILE:
            raise ConfigError([f"more than {_LONGEST_FILE:,} bytes are no configuration"], INVALID)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"not UTF-8 text (byte {error.start})"], INVALID) from None
    except FileNotFoundError:
        raise ConfigError(["no such file"], NO_INPUT) from None
    except OSError as error:
        raise ConfigError([f"cannot be read: {error.strerror}"], NO_INPUT) from None
    try:
        tree, twice = yaml.parse(text)
    except yaml.MalformedError as error:
        raise ConfigError([masked(str(error))], INVALID) from None
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise ConfigError([f"expected sections (key: value), found {shown(tree)}"], INVALID)
    return tree, [_given_twice(*found) for found in twice]


def _given_twice(key: Key, first: int, second: int) -> Problem:
    name = dotted(key)
    return Problem((name,), f"{name}: given twice, in lines {first} and {second}; keep one")


def refuse_secrets(tree: dict[str, Any]) -> list[Problem]:
    """Take every secret out of the tree, with a problem for each: secrets are no configuration."""
    problems: list[Problem] = []

    def visit(node: Any, key: Key) -> None:
        if isinstance(node, dict):
            for name in [name for name in node if name.lower() in _REFUSED_KEYS]:
                del node[name]
                path = dotted((*key, name))
                text = f"{path}: refused: secrets come from the environment DEGEN_API_KEY or venue.api_key_file"
                problems.append(Problem((path,), text))
            for name, child in node.items():
                visit(child, (*key, name))
        elif isinstance(node, list):
            for index, child in enumerate(node):
                visit(child, (*key, index))

    visit(tree, ())
    return problems


def secret_values(tree: dict[str, Any]) -> list[Problem]:
    """Return a problem for each value that is a token, a private key or has a password in it."""
    return [
        Problem((dotted(key),), f"{dotted(key)}: refused: a secret stands there itself, not its name or its file")
        for key, value in _values(tree, ())
        if isinstance(value, str) and without_tokens(value) != value
    ]


def keys(tree: dict[str, Any]) -> list[str]:
    """Return the path of every single value of a tree."""
    return [dotted(key) for key, _ in _values(tree, ())]


def _values(node: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if inner is None:
        yield key, node
    else:
        for name, child in inner:
            yield from _values(child, (*key, name))


def overlay(tree: dict[str, Any], environ: Mapping[str, str], schema: Schema) -> tuple[dict[str, str], list[Problem]]:
    """Lay ``MM__section__key=value`` over the tree; the variable's key part may have any case, its value is YAML.

    Sections are laid before the keys in them. Returns which variable set which key, and a problem for each that could
    not be laid, or that was meant as one and is not (one underscore).
    """
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    near = re.compile(rf"MM_(?:{'|'.join(_children(schema, ()))})_\w+", re.I)
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
        problems += [_given_twice((*key, *inner), first, second) for inner, first, second in twice]
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
            names = [*node, *_children(schema, key)]
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


# --- validating ----------------------------------------------------------------------------------------------


def validated(model: type[M], tree: dict[str, Any], schema: Schema) -> tuple[M | None, list[Problem]]:
    """Make the model of the tree, with a problem for each wrong value.

    Wrong values are taken out of the tree and the rest is validated again, so that a caller can look for
    contradictions among what is right. None if that is impossible.
    """
    problems: list[Problem] = []
    while True:
        try:
            return model.model_validate(tree), problems
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
        for detail in details:
            if detail["type"] == "too_short" and any(_inside(other["loc"], detail["loc"]) for other in details):
                continue  # only right entries count
            key: Key = tuple(part for part in detail["loc"] if part != "[key]")
            line = mistake(key, detail["type"], detail["input"], schema)
            problems.append(Problem((dotted(key),), line))
        removed = [_remove(tree, detail["loc"]) for detail in details]
        if not any(removed):
            return None, problems


def _inside(key: Key, other: Key) -> bool:
    return len(key) > len(other) and key[: len(other)] == other


def _remove(tree: Any, key: Key) -> bool:
    """Take a value out of the tree; an entry of a list of plain values takes the list along."""
    parents: list[tuple[Any, str | int]] = []
    node = tree
    for part in key:
        try:
            child = node[part]
        except (KeyError, IndexError, TypeError):
            break
        parents.append((node, part))
        node = child
    while parents and isinstance(parents[-1][0], list):
        parents.pop()
    if not parents:
        return False
    del parents[-1][0][parents[-1][1]]
    return True


# --- the schema's words --------------------------------------------------------------------------------------


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


def _children(schema: Schema, key: Key) -> list[str]:
    return list(node_at(schema, key).get("properties", {}))


def _leaves(schema: Schema, key: Key = ()) -> Iterator[Key]:
    for name in _children(schema, key):
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
    siblings = _children(schema, above)
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
