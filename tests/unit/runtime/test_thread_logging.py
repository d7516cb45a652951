"""The logbook: everything arrives in loguru, and no secret with it."""

import io
import logging
import sys
import threading
import warnings

import pytest
from loguru import logger

from mmactors.runtime import thread_logging


@pytest.fixture
def text():
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    levels = {name: logging.getLogger(name).level for name in thread_logging.QUIET}
    stream = io.StringIO()
    thread_logging.open_logbook(stream, "DEBUG")
    yield stream
    logger.remove()
    logger.add(sys.stderr)
    logging.captureWarnings(False)
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def fail_with_a_secret():
    token = "eyJ" + "x" * 9
    return 1 // (len(token) - 12)


def test_records_of_libraries_are_passed_on_with_their_origin(text):
    logging.getLogger("pykka").error("an {actor} %s", "died")
    assert "ERROR" in text.getvalue()
    assert "pykka:" in text.getvalue()
    assert "an {actor} died" in text.getvalue()


def test_chatter_of_libraries_is_not(text):
    logging.getLogger("pykka").debug("registered")
    logging.getLogger("urllib3").info("starting new connection")
    assert text.getvalue() == ""


def test_a_level_of_their_own_is_kept(text):
    logging.getLogger("library").log(33, "odd")
    assert "Level 33" in text.getvalue()


def test_tracebacks_show_no_values(text):
    try:
        fail_with_a_secret()
    except ZeroDivisionError:
        logger.exception("ours")
        logging.getLogger("library").exception("theirs")
    assert text.getvalue().count("ZeroDivisionError") == 2
    assert "eyJxxx" not in text.getvalue()


def test_no_sink_can_be_added_that_shows_values(text):
    stream = io.StringIO()
    thread_logging.add_sink(stream, diagnose=True, backtrace=True)
    try:
        fail_with_a_secret()
    except ZeroDivisionError:
        logger.exception("ours")
    assert "ZeroDivisionError" in stream.getvalue()
    assert "eyJxxx" not in stream.getvalue()


def test_a_thread_that_is_no_actor_does_not_die_in_silence(text):
    thread = threading.Thread(target=fail_with_a_secret, name="socket")
    thread.start()
    thread.join()
    assert "socket ended in an error" in text.getvalue()
    assert "eyJxxx" not in text.getvalue()


def test_warnings_are_passed_on(text):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("deprecated thing", stacklevel=1)
    assert "deprecated thing" in text.getvalue()
