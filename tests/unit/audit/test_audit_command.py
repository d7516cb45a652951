"""The command `audit`: its tables, JSON, picture, and what it refuses."""

import json
import sys

import pytest
from audit_log import MARKET, STRIKE, Log, room_full, traded, written

from mmactors.audit import CHECKS
from mmactors.cli.main import main


def audit(capsys, *args):
    code = main(["audit", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_tells_a_clean_run(tmp_path, capsys):
    code, out, err = audit(capsys, written(tmp_path, traded()), "--market", "BTC-100S")

    assert (code, err) == (0, "")
    assert "no rule was broken" in out
    assert " 0.200     20.0       +0.00  0.500  0.46     -      -    -40     30" in out
    assert max(map(len, out.splitlines()[3:])) <= 130


def test_the_command_ends_with_1_when_a_rule_was_broken(tmp_path, capsys):
    log = Log()
    room_full(log)

    code, out, _ = audit(capsys, written(tmp_path, log))

    assert code == 1
    assert "room 559" in out
    assert out.rstrip().endswith("violations: 1")


def test_json_holds_the_same(tmp_path, capsys):
    code, out, _ = audit(capsys, written(tmp_path, traded()), "--json", "--market", MARKET)
    found = json.loads(out)

    assert code == 0
    assert found["sessions"][0]["nets"]["close"] == -40
    assert len(CHECKS) == len(found["checks"])
    assert len(found["rows"]) == 41
    assert {"f": 0.2, "spot": STRIKE, "bid": 46, "ask": None, "net": -40, "room": 30}.items() <= {
        **found["rows"][32],
        "f": round(found["rows"][32]["f"], 9),
    }.items()


def test_a_torn_last_line_is_tolerated(tmp_path, capsys):
    code, out, _ = audit(capsys, written(tmp_path, traded(), tail='{"t":1795000101000,"ty'))

    assert code == 0
    assert "the last torn" in out


def test_a_line_torn_by_a_kill_may_be_followed_by_the_next_run(tmp_path, capsys):
    again = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in traded().lines)

    code, out, _ = audit(capsys, written(tmp_path, traded(), tail='{"t":1795000101000,"ty' + again))

    assert code == 0
    assert "2 of 2 settled" in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no account"),
        ("ts_ms,price\n1,2\n", "line 1: not a line of the venue's log"),
        ('{"a":1}\n', "line 1: not a line"),
        ('[1]\n{"t":1}\n', "line 1: not a line"),
        ('{"t":1,"type":"spot"}\n', "line 1: not a line"),
        ("\x00\x01\x02\n", "line 1: not a line"),
        ('{"t":1,"type":"run","run":"r","seed":1}\n', "no account but the simulator's own"),
    ],
)
def test_what_is_no_venue_log_is_78_with_one_line(tmp_path, capsys, content, says):
    path = tmp_path / "venue.jsonl"
    path.write_text(content)

    code, out, err = audit(capsys, path)

    assert (code, out, err.count("\n")) == (78, "", 1)
    assert says in err


def test_missing_files_are_66(tmp_path, capsys):
    assert audit(capsys, tmp_path / "none.jsonl")[0] == 66
    assert audit(capsys, tmp_path)[0] == 66
    log = written(tmp_path, traded())
    assert audit(capsys, log, "--conf", tmp_path / "none.json")[0] == 66
    assert audit(capsys, log, "--market", "ETH")[0] == 66


def test_accounts(tmp_path, capsys):
    log = traded()
    log.money(101, "other", 1, "deposit", None, 1)
    path = written(tmp_path, log)

    assert ((got := audit(capsys, path))[0], "mm, other" in got[2]) == (78, True)
    assert audit(capsys, path, "--account", "mm")[0] == 0
    assert audit(capsys, path, "--account", "nobody")[0] == 78


def test_a_conf_changes_the_judgement(tmp_path, capsys):
    conf = tmp_path / "c.json"
    conf.write_text(json.dumps({"risk": {"min_spread": 0.05}}))

    assert audit(capsys, written(tmp_path, traded()), "--conf", conf)[0] == 1
    conf.write_text("{")
    assert audit(capsys, written(tmp_path, traded()), "--conf", conf)[0] == 78


def test_the_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "s.png"

    code, out, _ = audit(capsys, written(tmp_path, traded()), "--plot", path)

    assert (0, f"drawn: {path}") == (code, out.splitlines()[-1])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert audit(capsys, written(tmp_path, traded()), "--plot", tmp_path / "no" / "s.png")[0] == 64


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    code, _, err = audit(capsys, written(tmp_path, traded()), "--plot", tmp_path / "s.png")

    assert (code, err.count("\n")) == (78, 1)
    assert "make install-research" in err


@pytest.mark.parametrize("name", ["x.gif", "x.svg", "x", "x.png.txt", ".png"])
def test_a_picture_of_another_kind_is_refused_before_the_work(tmp_path, capsys, name):
    log = tmp_path / "venue.jsonl"
    log.write_text("this would be told if it was read")

    code, out, err = audit(capsys, log, "--plot", tmp_path / name)

    assert (code, out) == (64, "")
    assert err == f"mmactors: --plot {tmp_path / name}: the name must end in .png\n"
    assert not (tmp_path / name).exists()


def test_a_folder_is_said_to_be_one(tmp_path, capsys):
    assert audit(capsys, tmp_path) == (66, "", f"mmactors: {tmp_path}: a folder; give the venue.jsonl of a run\n")
    none = tmp_path / "none"
    assert audit(capsys, none) == (66, "", f"mmactors: {none}: no such file\n")
