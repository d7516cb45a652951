"""What a user sees of a mistake: lines that say what to do, the right exit code, never a traceback or a secret."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from patience import patience

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhLTEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


def command(*args: object, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MM__", "DEGEN_"))}
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=patience(60),
    )
    assert "Traceback" not in done.stderr
    assert JWT not in done.stderr + done.stdout
    return done


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = done.stderr.splitlines()
    assert all(line.startswith("mmactors: ") for line in lines)
    return lines


@pytest.mark.parametrize(
    "how", [["run.py"], ["-m", "mmactors", "run"], ["-m", "mmactors", "cancel-all"], ["-m", "mmactors", "check"]]
)
def test_a_missing_file_is_66(how):
    done = command(*how, "conf/none.yaml")
    assert done.returncode == 66
    assert lines_of(done) == ["mmactors: conf/none.yaml: no such file"]


def test_malformed_yaml_is_78_with_its_place(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(f"quoting: {{spread: 0.02\napi_key: {JWT}")
    done = command("run.py", path)
    assert done.returncode == 78
    (line,) = lines_of(done)
    assert re.search(r"malformed YAML at line 2, column \d+", line)


def test_every_mistake_is_a_line_of_its_own(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        f"api_key: {JWT}\nquoting: {{spread: 2, sizes: 3}}\nrisk: {{min_spread: 0.5}}\ninventory: {{lean_early: 0.9}}"
    )
    done = command("run.py", path, MM__risk__max_markets="none", MM__venue__token=JWT)
    assert done.returncode == 78
    lines = lines_of(done)
    starts = [line.removeprefix(f"mmactors: {path}: ").split(" ")[0].strip(":,") for line in lines]
    assert sorted(starts) == sorted(
        [
            *("api_key", "quoting.spread", "quoting.sizes", "risk.max_markets", "inventory.lean_early"),
            "venue.token",
        ]
    )


@pytest.mark.parametrize("as_json", [False, True])
def test_check_lists_everything_wrong_and_ends_with_78(tmp_path, as_json):
    path = tmp_path / "c.yaml"
    path.write_text("quoting: {spraed: 0.02, size: many}\nrisk: {max_daily_loss: 200000}")
    done = command("-m", "mmactors", "check", path, *(["--json"] if as_json else []), MM__logs__levle="INFO")
    assert done.returncode == 78
    told = json.loads(done.stdout)["errors"] if as_json else [line.split(": ", 2)[2] for line in lines_of(done)]
    assert sorted(line.split(":")[0] for line in told) == [
        "logs.levle",
        "quoting.size",
        "quoting.spraed",
        "risk.max_daily_loss = 200000.0, simulator.start_cash = 100000.0",
    ]


def test_check_refuses_the_development_key_for_a_venue_elsewhere():
    from mmactors.simulator.server.tokens import DEVELOPMENT_SECRET

    made = jwt.encode({"sub": "a", "exp": 2_000_000_000}, DEVELOPMENT_SECRET, algorithm="HS256")
    done = command("-m", "mmactors", "check", "conf/prod.yaml", DEGEN_API_KEY=made)
    assert done.returncode == 78
    assert "signed with the simulator's development secret" in lines_of(done)[0]
    assert made not in done.stderr


def test_check_shows_the_configuration_that_a_run_would_have():
    done = command("-m", "mmactors", "check", "conf/sim.yaml", MM__quoting__size="25", DEGEN_API_KEY=JWT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  size                 25              env      contracts per level" in done.stdout
    assert "DEGEN_API_KEY: set; not used" in done.stdout
    read = json.loads(command("-m", "mmactors", "check", "conf/prod.yaml", "--json").stdout)
    assert read["values"]["assets"]["value"] == ["BTC", "ETH", "SOL"]
    assert read["secrets"] == {"DEGEN_API_KEY": "not set"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["trade"], "invalid choice: 'trade'"),
        (["run"], "the following arguments are required: CONF"),
        (["run", "conf/sim.yaml", "--stop-after", "soon"], "--stop-after: 'soon' is not a positive number of seconds"),
        (["run", "conf/sim.yaml", "--stop-after", "-5"], "--stop-after: '-5' is not a positive number of seconds"),
        (["run", "conf/sim.yaml", "--stop-after", "nan"], "is not a positive number of seconds"),
        (["run", "conf/sim.yaml", "--fast"], "unrecognized arguments: --fast"),
        (
            ["run", "conf/sim.yaml", "--report", "no/such/folder/r.json"],
            "--report no/such/folder/r.json: not a",
        ),
        (["run", "conf/prod.yaml", "--prices", "setup.cfg"], "--prices drives the embedded simulator"),
        (["simulator", "conf/sim.yaml", "--port", "70000"], "'70000' is not a port"),
        (["simulator", "conf/sim.yaml", "--port", "http"], "'http' is not a port"),
        (["inspect"], "the following arguments are required: MARKET"),
        (["inspect", "BTC", "--last", "0"], "'0' is not a positive number"),
    ],
)
def test_wrong_usage_is_64_and_one_line(args, words):
    done = command("-m", "mmactors", *args)
    assert done.returncode == 64
    (line,) = lines_of(done)
    assert words in line


@pytest.mark.parametrize("what", [["run"], ["simulator"]])
def test_a_recording_that_is_not_there_is_66(what):
    done = command("-m", "mmactors", *what, "conf/sim.yaml", "--prices", "none.csv")
    assert done.returncode == 66
    assert lines_of(done) == ["mmactors: --prices none.csv: no such file"]


def test_help_is_no_error():
    done = command("-m", "mmactors", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cancel-all" in done.stdout


def test_a_defect_is_one_line_that_says_how_to_see_more(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        f"import mmactors.config.loading as f\ndef read(path): raise RuntimeError('oh {JWT}\\nno')\nf.read = read\n"
    )
    done = command("-m", "mmactors", "run", "conf/sim.yaml", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 70
    assert lines_of(done) == ["mmactors: defect: RuntimeError: oh *** no (MMACTORS_TRACEBACK=1 shows where)"]


HOW = {"run.py": (["run.py"], ["{folder}/run.py"]), "python -m mmactors": (["-m", "mmactors"], ["-m", "mmactors"])}


@pytest.fixture
def clone(tmp_path):
    """A clone in which nothing is installed yet, as far as it comes."""
    folder = tmp_path / "clone"
    for name in ("run.py", "install.py", "mmactors/__init__.py", "mmactors/__main__.py", "mmactors/interpreter.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text((ROOT / name).read_text())
    return folder


@pytest.mark.parametrize("how", HOW)
def test_without_its_packages_the_program_says_what_to_do(how, clone):
    done = command("-S", "-E", "-s", *HOW[how][0], "conf/sim.yaml", cwd=clone)
    assert done.returncode == 78
    assert lines_of(done) == [f"mmactors: the package aiohttp is missing: run `make install` in {clone} first"]


@pytest.mark.parametrize("how", HOW)
def test_the_program_takes_the_interpreter_beside_it(how, clone):
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "venv $*"\n')
    python.chmod(0o755)
    done = command("-S", "-E", "-s", *HOW[how][0], "conf/sim.yaml", cwd=clone)
    (line,) = done.stdout.splitlines()
    assert line == f"venv {' '.join(HOW[how][1]).format(folder=clone)} conf/sim.yaml"


@pytest.mark.parametrize("option", [("--interleaving", "1"), ("--events", "made.mmlog")])
def test_what_only_actors_can_do_is_refused_of_the_core(option, tmp_path):
    asked = ("backtest", ROOT / "conf/sim.yaml", "--runtime", "core", *option)
    done = command("-m", "mmactors", *asked, cwd=tmp_path)
    assert done.returncode == 64
    assert lines_of(done) == [f"mmactors: {option[0]} is for --runtime actors; the core has no actors to tell of"]
    assert not list(tmp_path.iterdir())


def test_a_file_of_sessions_that_cannot_be_is_refused_at_once(tmp_path):
    done = command("-m", "mmactors", "backtest", ROOT / "conf/sim.yaml", "--out", "sessions.xlsx", cwd=tmp_path)
    assert done.returncode == 64
    assert lines_of(done) == ["mmactors: --out sessions.xlsx: the name must end in .parquet or .csv"]
