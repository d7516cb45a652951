"""A saved arena: what is read is what was written, and a file that is not one is a single clear error."""

import math

import msgspec
import pytest

from mmactors.backtest.session_metrics import SessionFigures
from mmactors.research.arena.league_table import Arena, ArenaFileError


def an_arena():
    played = [
        SessionFigures(
            "0:a", 300, pnl=1.25, net_by_part=[1, -2], pnl_by_part=[0.5, 1.25], markouts={1: 0.5, 10: -0.25}
        ),
        SessionFigures("0:b", 300, pnl=-3.0, spread=0.02),
    ]
    return Arena("5M", 7, 1000, wall_s=2.5, complete=False, sessions={"ours": played, "v1": []}, prices="btc.csv")


def test_what_is_read_is_what_was_written(tmp_path):
    an_arena().save(tmp_path / "a.arena")
    read = Arena.load(tmp_path / "a.arena")
    first, second = read.sessions["ours"]
    assert math.isnan(first.spread)
    first.spread = 0.0
    written = an_arena()
    written.sessions["ours"][0].spread = 0.0
    assert read == written
    assert second.spread == 0.02


def with_header(path, **header):
    first, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(first) | header) + b"\n" + body)


@pytest.mark.parametrize(
    ("damage", "said", "code"),
    [
        (lambda path: path.unlink(), "no such file", 66),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "damaged, or cut off", 78),
        (lambda path: path.write_bytes(path.read_bytes()[:9]), "not a saved arena", 78),
        (lambda path: path.write_bytes(b""), "not a saved arena", 78),
        (lambda path: path.write_bytes(b"\xff\xfe\n\x00"), "not a saved arena", 78),
        (lambda path: with_header(path, kind="mmactors events"), "not a saved arena", 78),
        (lambda path: with_header(path, format=2, program="9.0"), "of format 2, written by mmactors 9.0", 78),
    ],
)
def test_another_file_is_one_clear_error(tmp_path, damage, said, code):
    path = tmp_path / "a.arena"
    an_arena().save(path)
    damage(path)
    with pytest.raises(ArenaFileError, match=said) as error:
        Arena.load(path)
    assert error.value.exit_code == code
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_flipped_bit_is_damage(tmp_path):
    path = tmp_path / "a.arena"
    an_arena().save(path)
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ArenaFileError, match="damaged"):
        Arena.load(path)
