"""How a configuration file becomes a `Config`: strict YAML, the environment over it, every mistake at once.

Owns reading and validating. Words are `errors.py`'s, what contradicts what is `contradictions.py`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mmactors.config import yaml
from mmactors.config.contradictions import contradictions
from mmactors.config.environment import overlay
from mmactors.config.errors import (
    INVALID,
    NO_INPUT,
    ConfigError,
    Problem,
    Schema,
    dotted,
    given_twice,
    masked,
    mistake,
    related,
    shown,
    without_tokens,
)
from mmactors.config.feed_sections import LEADING
from mmactors.config.schema import Config, derived, json_schema
from mmactors.config.yaml import Key

_REFUSED_KEYS = frozenset(
    {
        *("api_key", "apikey", "api_secret", "degen_api_key", "jwt", "token", "access_token", "auth_token", "bearer"),
        *("wallet_key", "private_key", "secret_key", "degen_wallet_key", "secret", "mnemonic"),
        *("password", "passwd", "passphrase"),
    }
)
_LONGEST_FILE = 1_000_000
"""In bytes; also keeps a device from being read for ever."""
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A configuration and where its values come from; a key that is not in `origins` has its default.

    Attributes:
        origins: by key path: "file", the variable of the environment, or the key that the value was derived from.
    """

    config: Config
    origins: dict[str, str]


def resolve(path: Path, environ: Mapping[str, str]) -> Resolved:
    """Read a configuration file and lay the environment's `MM__section__key` values over it.

    Raises:
        ConfigError: every mistake at once, one line each: missing file (66), anything wrong in it (78).
    """
    tree, problems = read(path)
    origins = dict.fromkeys(keys(tree), "file")
    variables, unlaid = overlay(tree, environ, json_schema())
    problems += unlaid + refuse_secrets(tree)
    given = frozenset(keys(tree))
    config, mistakes = validated(Config, tree, json_schema())
    problems += mistakes
    if config is not None:
        problems += secret_values(config.model_dump(mode="json", exclude_unset=True))
        wrong = {key for problem in problems for key in problem.keys}
        source = "assets" if any(related(key, "assets") for key in given) else f"feeds.{LEADING}.symbols"
        if any(related(key, source) for key in wrong):  # nothing can be said of assets that are not known
            wrong.add("assets")
        problems += [found for found in contradictions(config, given) if not wrong.intersection(found.keys)]
    if problems or config is None:
        raise ConfigError([problem.with_origins(variables) for problem in problems], INVALID)
    followed = {key: source for key, (source, _) in derived(tree).items()}
    return Resolved(config, {**followed, **origins, **variables})


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Return the configuration of a file and the environment; `resolve` also says where its values come from.

    Raises:
        ConfigError: see `resolve`.
    """
    return resolve(path, environ).config


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
    return tree, [given_twice(*found) for found in twice]


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
