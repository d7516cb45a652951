"""A configuration file as its user sees it: strict YAML, overrides from the environment, mistakes in one line each.

Knows YAML, the shape of a JSON schema and how to word an error without showing a secret; knows nothing of what the
keys mean. `config.py` brings the schema.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

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
    r"(?=[\w+=-]*[0-9])(?=[\w+=-]*[A-Za-z])[\w+=-]{24,}"  # a long run of letters and digits
    r"|(?<=\?)\S+"  # the query of a URL
)
_REFUSED_KEYS = frozenset({"api_key", "apikey", "wallet_key", "private_key", "jwt", "token", "secret", "password"})

_BOUNDS = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))

Key = tuple[str | int, ...]
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
        names = [origins[key] for key in self.keys if key in origins]
        return f"{self.line} [set by {', '.join(names)}]" if names else self.line


def dotted(key: Key) -> str:
    """Return a key as the user writes it: ``simulator.sessions[0].asset``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{masked(part)}" for part in key)
    return text.lstrip(".")


def without_tokens(text: str) -> str:
    """Return the text with tokens, private keys and passwords in URLs replaced by ``***``."""
    return _TOKEN.sub("***", text)


def masked(text: str) -> str:
    """Return the text with everything that could be a secret replaced by ``***``: for what a user typed."""
    return _PERHAPS.sub("***", without_tokens(text))


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


class _StrictLoader(yaml.SafeLoader):
    """YAML that notices a key given twice, which plain YAML silently lets the last one win."""

    duplicates: list[Problem]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: dict[object, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in seen:
                name = masked(key_node.value)
                text = f"{name}: given twice, in lines {seen[key_node.value]} and {line}; keep one"
                self.duplicates.append(Problem((name,), text))
            seen[key_node.value] = line
        return {str(key): value for key, value in super().construct_mapping(node, deep=deep).items()}


def read(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Read a YAML file into plain values, with a problem for every key given twice.

    Raises:
        ConfigError: no such file (66), or not YAML, with line and column (78).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"not UTF-8 text (byte {error.start})"], INVALID) from None
    except FileNotFoundError:
        raise ConfigError(["no such file"], NO_INPUT) from None
    except OSError as error:
        raise ConfigError([f"cannot be read: {error.strerror}"], NO_INPUT) from None
    duplicates: list[Problem] = []
    try:
        loader = _StrictLoader(text)
        loader.duplicates = duplicates
        tree = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ConfigError([f"malformed YAML at {where}: {masked(error.problem or 'unreadable')}"], INVALID) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise ConfigError([f"malformed YAML at line {line}, column {column}: {error.reason}"], INVALID) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(["malformed YAML: nested too deeply, or a value that cannot exist"], INVALID) from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError([f"expected sections (key: value), found {shown(tree)}"], INVALID)
    return tree, duplicates


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


def overlay(tree: dict[str, Any], environ: Mapping[str, str], schema: Schema) -> tuple[dict[str, str], list[Problem]]:
    """Lay ``MM__section__key=value`` over the tree; the variable's key part may have any case, its value is YAML.

    Returns which variable set which key, and a problem for each that could not be laid.
    """
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for variable in sorted(environ):
        if not variable.upper().startswith(ENV_PREFIX):
            continue
        parts = variable[len(ENV_PREFIX) :].split("__")
        try:
            value = yaml.safe_load(environ[variable])
            key = _put(tree, parts, value, schema)
        except yaml.YAMLError:
            problems.append(Problem((), f"{masked(variable)}: the value is not YAML"))
        except KeyError as error:
            problems.append(Problem((), f"{masked(variable)}: {error.args[0]}"))
        else:
            origins[dotted(key)] = masked(variable)
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
            key: Key = tuple(part for part in detail["loc"] if part != "[key]")
            line = mistake(key, detail["type"], detail["input"], schema)
            problems.append(Problem((dotted(key),), line))
        removed = [_remove(tree, detail["loc"]) for detail in details]
        if not any(removed):
            return None, problems


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


def allowed(node: Schema) -> str:
    """Say in words what a schema node admits."""
    if "allowed" in node:
        return str(node["allowed"])
    if "enum" in node or "const" in node:
        return "one of " + ", ".join(str(option) for option in node.get("enum", [node.get("const")]))
    kind = node.get("type")
    if kind in ("number", "integer"):
        bounds = [f"{sign} {node[name]:g}" for name, sign in _BOUNDS if name in node]
        return " ".join(["an integer" if kind == "integer" else "a number", " and ".join(bounds)]).strip()
    if kind == "array":
        return "a list, each entry " + allowed(node.get("items", {}))
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
    return f"{dotted(key)}: got {shown(value, str(key[-1]))}; allowed: {allowed(node)}{unit}"


def _nearest(key: Key, schema: Schema) -> str:
    name = str(key[-1])
    siblings = _children(schema, key[:-1])
    close = difflib.get_close_matches(name.lower(), siblings, n=1)
    if close:
        return f"did you mean {dotted((*key[:-1], close[0]))}?"
    elsewhere = {str(leaf[-1]): leaf for leaf in reversed(list(_leaves(schema)))}
    close = difflib.get_close_matches(name.lower(), elsewhere, n=1, cutoff=0.8)
    if close:
        return f"did you mean {dotted(elsewhere[close[0]])}?"
    return f"known here: {', '.join(siblings)}"
