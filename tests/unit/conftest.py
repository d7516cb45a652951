"""A unit test starts no process and opens no socket: what does is in tests/e2e or tests/contract."""

import sys
from collections.abc import Iterator

import pytest

REFUSED = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "socket.connect", "socket.bind")
ALLOWED = {
    "test_a_shells_completion_knows_every_command": "bash reads what is written for it, and ends",
}
"""Tests that may all the same, and why."""

_watching: list[list[str]] = []
"""What the test that runs was refused; empty where none is watched."""


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event in REFUSED and _watching:
        _watching[-1].append(event)
        raise PermissionError(f"{event} in a unit test")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def nothing_outside_this_process(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.originalname in ALLOWED:
        yield
        return
    refused: list[str] = []
    _watching.append(refused)
    yield
    _watching.clear()
    assert not refused, "a unit test starts no process and opens no socket"
