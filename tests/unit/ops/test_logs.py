"""Log lines: readable on the console, complete in the file, and no secret in either."""

import io
import logging
import resource

import pytest
from loguru import logger

from mmactors.ops.logs import RUN_LOG, redactor, set_up_logs

SECRET = "correct horse battery staple"
WORDS = " ".join(f"word-{number}" for number in range(60))
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def full_disk():
    """Files of this process cannot grow beyond 4 kB."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, was[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, was)
    resource.setrlimit(resource.RLIMIT_FSIZE, was)


@pytest.fixture(params=[io.StringIO])
def console(request, tmp_path):
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = request.param()
    set_up_logs(tmp_path, "INFO", secrets=[SECRET, ""], console=stream)
    yield stream
    logger.remove()
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def written(tmp_path) -> str:
    return (tmp_path / RUN_LOG).read_text()


def test_the_console_has_its_level_and_the_file_everything(console, tmp_path):
    logger.debug("small")
    logger.info("price {} {{braces}}", 5)
    assert "small" not in console.getvalue()
    assert console.getvalue().endswith(f"{'INFO':<24} price 5 {{braces}}\n")
    assert "small" in written(tmp_path)


@pytest.mark.parametrize("console", [Terminal], indirect=True)
def test_a_long_line_goes_on_in_its_column_on_a_terminal_and_is_whole_in_the_file(console, tmp_path):
    logger.info(WORDS)
    first, *others = console.getvalue().splitlines()
    assert max(len(line) for line in (first, *others)) <= 160
    assert [line.find("word") for line in (first, *others)] == [len("HH:MM:SS.mmm ") + 25] * (1 + len(others))
    assert console.getvalue().split()[2:] == WORDS.split()
    assert WORDS in written(tmp_path)


def test_a_long_line_is_one_for_whoever_searches_it(console):
    logger.info(WORDS)
    assert console.getvalue().endswith(f"{WORDS}\n")


def test_braces_of_a_message_stay(console):
    logger.info('{"a": 1} </red>')
    assert '{"a": 1} </red>' in console.getvalue()


def test_an_error_is_one_line_on_the_console_and_a_traceback_in_the_file(console, tmp_path):
    secret_local = SECRET
    try:
        raise ValueError(f"bad {secret_local}")
    except ValueError:
        logger.exception("the feed broke")
    assert console.getvalue().count("\n") == 1
    assert "the feed broke (ValueError: bad ***)" in console.getvalue()
    assert "Traceback" in written(tmp_path)
    assert SECRET not in written(tmp_path) + console.getvalue()


def test_no_secret_passes(console, tmp_path):
    logger.warning("token {} and {}", SECRET, JWT)
    logging.getLogger("urllib3").error("Authorization: Bearer %s", JWT)
    shown = written(tmp_path) + console.getvalue()
    assert SECRET not in shown
    assert JWT not in shown
    assert shown.count("***") >= 6


def test_the_standard_librarys_records_arrive(console):
    logging.getLogger("pykka").error("an actor died")
    assert "an actor died" in console.getvalue()


def test_a_secret_within_a_secret_is_hidden_whole():
    assert redactor(["abc", "abcdef"])("x abcdef y") == "x *** y"


def test_a_file_that_takes_no_more_is_one_line_and_no_secret(full_disk, console, tmp_path, capfd):
    for number in range(40):
        logger.debug("{} {} {}", number, SECRET, "x" * 300)
    logger.warning("still told")
    (why, told) = console.getvalue().splitlines()
    assert why.startswith(f"mmactors: {tmp_path / RUN_LOG}: File too large")
    assert told.endswith("still told")
    assert capfd.readouterr() == ("", "")
    full_disk()
    logger.debug("room again")
    assert written(tmp_path).endswith("room again\n")
    assert SECRET not in written(tmp_path)


def test_a_long_run_keeps_its_last_lines(console, tmp_path):
    for number in range(250):
        logger.debug("{} {}", number, "x" * 100_000)
    files = list(tmp_path.iterdir())
    assert 1 < len(files) <= 6
    assert all(file.stat().st_size <= 20_000_000 for file in files)
    assert " 249 x" in written(tmp_path)


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_a_terminal_gets_colours_unless_it_wants_none(console, tmp_path, monkeypatch, environ, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    set_up_logs(tmp_path, "INFO", console=stream)
    logger.warning("careful")
    assert ("\x1b[33m" in stream.getvalue()) is coloured
    assert "careful" in stream.getvalue()
    assert "\x1b" not in console.getvalue()
