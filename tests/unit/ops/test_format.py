"""Figures, tables and files as a reader gets them."""

import math
from pathlib import Path

import pytest

from mmactors.ops.format import aligned, cents, clock, number, plain, write_whole
from mmactors.units import Nanos


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1.234, "+.2f", "+1.23"),
        (None, ".2f", "-"),
        (math.nan, ">8.2f", "       -"),
        (math.inf, "<+8.2f", "-       "),
        (None, "6d", "     -"),
    ],
)
def test_what_is_not_known_is_a_dash_as_wide_as_its_column(value: float | None, form: str, text: str) -> None:
    assert number(value, form) == text


def test_cents_times_and_foreign_text() -> None:
    assert (cents(0.0123), cents(None)) == ("+1.2c", "-c")
    assert clock(Nanos(1_795_000_000_123_000_000)) == "2026-11-18 11:06:40.123"
    assert plain("a\nb\x1b[2J") == "a?b?[2J"


def test_a_table_has_columns() -> None:
    rows = [("market", "P&L", "why"), ("BTC", "+1.00", "x"), ("ETH-5M", "-12.34", "longer")]
    assert aligned(rows, left=(0, 2)) == [
        "market     P&L  why   ",
        "BTC      +1.00  x     ",
        "ETH-5M  -12.34  longer",
    ]
    assert aligned([("a", "b"), ("cc", "d")], left=(0, 1), between=" | ") == ["a  | b", "cc | d"]


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, "new")
    assert path.read_text() == "new"
