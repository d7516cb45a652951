"""Source code as mypyc takes it best: the same program with the methods of its records written out.

Owns the rewriting of one module's text, nothing of files or compilers. mypyc compiles an `__init__` that it can read;
one that `dataclass` makes at run time sets a compiled object's attributes by name, five times slower. It leaves classes
under decorators that it does not know, such as `value`, to the interpreter, and drops what a class statement says after
its bases, as in `class Order(msgspec.Struct, eq=False)`. What it compiles has fixed places for attributes anyway, which
is all that `slots` gives the interpreter.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


class RewriteError(Exception):
    """A class is declared in a way that nothing here knows of; says where."""


@dataclass(frozen=True)
class _Field:
    """A parameter of `__init__` and what the attribute is set to."""

    name: str
    parameter: str
    value: str


def spelled_out(source: str, bases: Iterable[str] = ()) -> str:
    """Return a module's source with the methods of its dataclasses, values and structs written out.

    Args:
        source: the module's text.
        bases: its classes that others inherit from which are not compiled.

    Raises:
        RewriteError: a class has keywords, and is not a struct.
    """
    open_to = frozenset(bases)
    lines = source.splitlines()
    tree = ast.parse(source)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for node in sorted(classes, key=lambda each: each.lineno, reverse=True):
        is_struct = any(ast.unparse(base) == "msgspec.Struct" for base in node.bases)
        if node.keywords and not is_struct:
            raise RewriteError(f"class {node.name} has keywords in line {node.lineno}, which mypyc would drop")
        if node.name in open_to:
            lines.insert(node.lineno - 1, "@mypyc_attr(allow_interpreted_subclasses=True)")
        end = node.end_lineno or node.lineno
        if is_struct:
            lines[end:end] = [*_initialised(node), *_copied(node), *_compared(node)]
            lines[node.lineno - 1] = f"class {node.name}:"
        for decorator in node.decorator_list:
            options = _options(decorator)
            if options is not None:
                lines[end:end] = _initialised(node)
                lines[decorator.lineno - 1] = f"@dataclass({options})"
                rest = slice(decorator.lineno, decorator.end_lineno)
                lines[rest] = [""] * len(lines[rest])
    first = min((node.lineno for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)), default=1)
    if open_to:
        lines.insert(first - 1, "from mypy_extensions import mypyc_attr")
    if re.search(r"^    \w+: object$", source, re.MULTILINE):  # the name of a field's type must be the module's own
        lines.insert(first - 1, "from builtins import object")
    text = "\n".join(lines) + "\n"
    return text.replace("from mmactors.value import value\n", "from dataclasses import dataclass\n")


def _options(decorator: ast.expr) -> str | None:
    """Return what `dataclass` is to be told; None if this is another decorator."""
    name = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if name == "value":
        return "init=False, unsafe_hash=True"
    if name != "dataclass":
        return None
    given = decorator.keywords if isinstance(decorator, ast.Call) else []
    options = {each.arg: ast.unparse(each.value) for each in given if each.arg != "slots"}
    if options.pop("frozen", None) == "True":
        options["unsafe_hash"] = "True"
    return ", ".join(f"{name}={value}" for name, value in {"init": "False", **options}.items())


def _fields(node: ast.ClassDef) -> Iterator[_Field]:
    for each in node.body:
        if not (isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)):
            continue
        name, kind = each.target.id, ast.unparse(each.annotation)
        if isinstance(each.value, ast.Call) and ast.unparse(each.value.func) == "field":
            options = {option.arg: option.value for option in each.value.keywords}
            if "init" in options:
                continue  # `__post_init__` sets it
            if "default_factory" in options:
                factory = options["default_factory"]
                made = factory.body if isinstance(factory, ast.Lambda) else ast.Call(factory, [], [])
                value = f"{ast.unparse(made)} if {name} is None else {name}"
                yield _Field(name, f"{name}: {kind} | None = None", value)
                continue
            default = options.get("default")
        else:
            default = each.value
        yield _Field(name, f"{name}: {kind}" + (f" = {ast.unparse(default)}" if default is not None else ""), name)


def _initialised(node: ast.ClassDef) -> list[str]:
    """Return the lines that make an object, here and, after a pickle, in another process."""
    fields = list(_fields(node))
    body = [f"        self.{each.name} = {each.value}" for each in fields]
    if any(isinstance(each, ast.FunctionDef) and each.name == "__post_init__" for each in node.body):
        body.append("        self.__post_init__()")
    return [
        "",
        f"    def __init__({', '.join(['self', *(each.parameter for each in fields)])}) -> None:",
        *(body or ["        pass"]),
        "",
        "    def __reduce__(self) -> tuple[object, ...]:",
        f"        return ({node.name}, {_values('self', node)})",
    ]


def _copied(node: ast.ClassDef) -> list[str]:
    return [
        "",
        f'    def __copy__(self) -> "{node.name}":',
        f"        return {node.name}({', '.join(f'self.{each.name}' for each in _fields(node))})",
    ]


def _compared(node: ast.ClassDef) -> list[str]:
    """Return how structs compare; those that are told not to are compared by being the same."""
    if any(each.arg == "eq" and ast.unparse(each.value) == "False" for each in node.keywords):
        return []
    same = f"{_values('self', node)} == {_values('other', node)}"
    return [
        "",
        "    def __eq__(self, other: object) -> bool:",
        f"        return isinstance(other, {node.name}) and {same}",
        "",
        "    def __hash__(self) -> int:",
        f"        return hash({_values('self', node)})",
    ]


def _values(whose: str, node: ast.ClassDef) -> str:
    return f"({''.join(f'{whose}.{each.name}, ' for each in _fields(node))})"
