"""How a command is declared: its name, what it does, an example, and the group it is listed in.

Owns the parser's manners: one line for an error, the help by groups. It must not know any command.
"""

import argparse
from typing import Any, NoReturn

from mmactors.ops.terminal import USAGE, write_error

NAME_WIDTH = 14


class Parser(argparse.ArgumentParser):
    """argparse with the exit code and the prefix of this program, and its commands listed by groups."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.what = self.example = ""
        self._groups: list[Group] = []

    def error(self, message: str) -> NoReturn:
        write_error(f"{message} (see {self.prog} --help)")
        raise SystemExit(USAGE)

    def group(self, title: str, commands: "argparse._SubParsersAction[Parser]") -> "Group":
        """Begin a group of these commands."""
        self._groups.append(Group(title, commands))
        return self._groups[-1]

    @property
    def commands(self) -> "dict[str, Parser]":
        """The parsers of the commands by name."""
        return {name: command for group in self._groups for name, command in group.commands.items()}

    def format_help(self) -> str:
        if not self._groups:
            return super().format_help()
        lines = [f"usage: {self.prog} COMMAND ...", "", str(self.description), ""]
        for group in self._groups:
            lines += [
                f"{group.title}:",
                *(f"  {name:{NAME_WIDTH}} {each.what}" for name, each in group.commands.items()),
                "",
            ]
        lines += [f"`{self.prog} COMMAND --help` shows a command's options; `{self.prog} --version`, the version.", ""]
        lines += [str(self.epilog)]
        return "\n".join(lines) + "\n"


class Group:
    """Commands that are listed together."""

    def __init__(self, title: str, commands: "argparse._SubParsersAction[Parser]") -> None:
        self.title = title
        self.commands: dict[str, Parser] = {}
        self._commands = commands

    def add(self, name: str, what: str, example: str) -> Parser:
        """Add a command; the example is what follows the program's name."""
        command = self._commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  mmactors {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.what, command.example = what, example
        self.commands[name] = command
        return command
