"""The report: a page that needs nothing but itself, says what the arena found, and plays a session truly again."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pytest
from loguru import logger

from mmactors.backtest.session_metrics import PARTS, SessionFigures
from mmactors.cli.main import main
from mmactors.config import load
from mmactors.research.arena import arena, recorded_worlds
from mmactors.research.arena.league_table import Arena
from mmactors.research.calibration import calibrate
from mmactors.research.report import report
from mmactors.research.report import text as narrative
from mmactors.research.report.sample_session import choose, play_again
from mmactors.units import YEAR_S

CONF = Path(__file__).parents[4] / "conf" / "arena.yaml"
ONE_MINUTE = {"MM__simulator__sessions": "[{asset: BTC, duration: 1M}]"}
SECTIONS = ["league", "equity", "time-left", "session", "calibration", "markouts"]
VOID = {"meta", "link", "br"}


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    logger.disable("mmactors")
    yield
    logger.enable("mmactors")


@pytest.fixture(scope="module")
def played():
    """Three one-minute sessions of ours and of v1."""
    config = load(CONF, ONE_MINUTE)
    found = Arena("1M", 5, 1000, config=config.model_dump_json(exclude_unset=True))
    for name in ("ours", "v1"):
        found.sessions[name] = arena.play(arena.world_of(config, 5, 0), arena.Task(name, 0, 3))
        for each in found.sessions[name]:
            each.market = f"0:{each.market}"
    return found


@pytest.fixture(scope="module")
def example(played):
    return play_again(load(CONF, ONE_MINUTE), 5, played.sessions["ours"])


@pytest.fixture(scope="module")
def made(played, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    return report.make(played, out, calibrated())


def bins(*rows):
    return [{"from": low, "to": 1.0, "count": n, "predicted": p, "won": w} for low, n, p, w in rows]


def calibrated():
    def scored(loss):
        table = {f"{left} %".replace(" ", ""): bins((0.0, 40, 0.2, 0.25), (0.4, 60, 0.7, 0.65)) for left in (90, 50)}
        return {"log_loss": loss, "z_rms": 1.1, "log_loss_minus_default_ci": [0.01, 0.03], "reliability": table}

    return {
        "5M": {"sessions": 100, "estimators": {"default": scored(0.44), "specification": scored(0.46)}},
        "market": {
            "sessions": 50,
            "log_loss_minus_market": -0.001,
            "log_loss_minus_market_ci": [-0.02, 0.018],
            "by_time_left": {
                "50%": {
                    "reliability": bins((0.0, 20, 0.1, 0.0), (0.4, 30, 0.6, 0.5)),
                    "market_reliability": bins((0.0, 20, 0.1, 0.1), (0.4, 30, 0.6, 0.6)),
                }
            },
        },
    }


class Page(HTMLParser):
    """Reads a page; fails if an element is not closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.sections, self.tags, self.ids = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag == "section":
            self.sections.append(dict(attrs)["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_but_itself(made):
    text = made[0].read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert not re.search(r"https?:|@import|<!ENTITY|/[/]fonts", text)
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", text))
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "xlink:href", "xmlns")
        if name == "href":
            assert value.startswith("#") or (tag, value) == ("link", "data:,")
            assert value[1:] in page.ids or tag == "link"
    assert len(page.ids) == len(set(page.ids))


def test_the_page_has_every_section_in_order_and_a_png_of_each_picture(made):
    page = Page(made[0].read_text(encoding="utf-8"))
    assert page.sections == SECTIONS
    assert page.tags.count("svg") == 10  # five pictures, wide and narrow
    assert [path.name for path in made] == ["report.html"] + [
        f"{name}.png" for name in ("equity", "by_time", "session", "calibration", "markouts")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made[1:])


def test_the_page_is_for_phones_and_for_the_night(made):
    text = made[0].read_text(encoding="utf-8")
    assert 'name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme: dark" in text
    shapes = text[text.index("<figure") :]
    assert not re.findall(r"(?:fill|stroke): #(?!none)\w+", shapes)  # every colour is the page's


def test_the_session_shown_is_the_arenas_again_to_the_cent(played, example):
    ours = played.sessions["ours"]
    chosen = ours[choose(ours)]
    assert chosen.market == f"0:{example.market}"
    assert example.same
    assert example.figures.pnl == chosen.pnl
    assert sum(fill.size for fill in example.fills) == chosen.contracts
    assert example.samples[-1].net == sum(fill.size if fill.yes else -fill.size for fill in example.fills)
    assert any(not math.isnan(each.ours) for each in example.samples)
    assert all(each.bid < each.ask for each in example.samples if not math.isnan(each.bid + each.ask))


def test_a_program_that_plays_otherwise_is_told_of(played, example):
    assert "this program is not quite" not in narrative.session(example)[0]
    smaller = load(CONF, {**ONE_MINUTE, "MM__quoting__size": "10"})
    changed = play_again(smaller, 5, played.sessions["ours"])
    assert not changed.same
    assert f"(the arena has {'+' if example.recorded_pnl >= 0 else '−'}$" in narrative.session(changed)[0]


def test_a_session_of_a_recording_is_played_again_likewise(tmp_path, monkeypatch):
    for module in (calibrate, recorded_worlds):
        monkeypatch.setattr(module, "WARM_UP_S", 300)
    random, price, rows = Random(3), 97_000.0, ["ts_ms,price"]
    for second in range(300 + 260):
        price *= math.exp(random.gauss(0.0, 0.5 / math.sqrt(YEAR_S)))
        rows.append(f"{1_700_000_000_000 + second * 1000},{price:.2f}")
    recorded = tmp_path / "day.csv"
    recorded.write_text("\n".join(rows))
    config = load(CONF, ONE_MINUTE)
    (piece,) = recorded_worlds.cut(recorded, "BTC", 60)
    ours = arena.play(arena.world_of(config, 5, 0), arena.Task("ours", 0, len(piece.counted)), piece)
    again = play_again(config, 5, ours, recorded)
    assert again.same
    assert again.market == ours[choose(ours)].market
    assert sum(fill.size for fill in again.fills) == ours[choose(ours)].contracts
    assert play_again(config, 5, [SessionFigures("2001-01-01T00:00Z", 60)], recorded) is None


def sessions(*pnls, net=0, start=0):
    return [
        SessionFigures(
            f"0:m{start + k}",
            60,
            pnl=pnl,
            net_at_close=net,
            contracts=10,
            edge=0.1,
            net_by_part=[net] * PARTS,
            pnl_by_part=[pnl * part / PARTS for part in range(PARTS)],
        )
        for k, pnl in enumerate(pnls)
    ]


def by_hand(**entrants):
    config = load(CONF, ONE_MINUTE).model_dump_json(exclude_unset=True)
    return Arena("1M", 5, 1000, sessions=entrants, config=config, prices="day.parquet")


def test_the_words_are_the_figures():
    found = by_hand(ours=sessions(10.0, 12.0, 11.0), v1=sessions(-5.0, -4.0, -6.0), bands=sessions(90.0, -95.0, 40.0))
    figures = found.figures()
    told = " ".join(narrative.league(figures))
    assert "Of 3 entrants ours is first by Sharpe ratio (11.000) and second by mean P&L (+$11.00 a session)" in told
    assert "bands has the highest mean, +$11.67, with a standard deviation of $96 where ours has $1" in told
    assert "earns more than 1 of 2 rivals" in told
    assert "against bands this many sessions decide nothing" in told
    assert narrative.equity(found, ["v1"])[0].startswith("After 3 sessions ours stands at +$33; it gained in 100 %")
    assert narrative.ranked(figures) == ["ours", "bands", "v1"]
    assert narrative.coloured(figures, 2) == ["v1", "bands"]


def test_a_rival_that_is_surely_better_is_said_to_be():
    found = by_hand(ours=sessions(1.0, 2.0, 1.5), v1=sessions(11.0, 12.2, 11.4))
    assert "earns more than 0 of 1 rivals at 95 % confidence, and less than v1." in narrative.league(found.figures())[1]


def test_reliability_pools_times_and_counts_a_session_once():
    (panel, market) = narrative.panels(calibrated())
    (_, _, points), _ = panel.curves
    assert [(round(said, 6), round(won, 6)) for said, won, _ in points] == [(0.2, 0.25), (0.7, 0.65)]
    independent = 2 * 40 / 5  # pooled over two of the five times that are scored
    share = (0.25 * independent + 2) / (independent + 4)
    assert points[0][2] == pytest.approx(1.96 * math.sqrt(share * (1 - share) / (independent + 4)))
    assert [label for label, _, _ in market.curves] == ["ours", "market's mid"]


@pytest.mark.parametrize(
    "entrants",
    [
        {"ours": sessions(3.0)},
        {"v1": sessions(3.0, 4.0)},
        {"ours": sessions(0.0, 0.0), "v1": sessions(0.0, 0.0)},
        {"ours": [SessionFigures("0:a", 60), SessionFigures("0:b", 60)], "bands": sessions(1.0)},
        {"ours": sessions(*range(900), net=12), **{name: sessions(*range(-900, 0)) for name in arena.ENTRANTS[1:]}},
    ],
    ids=["alone and once", "without ours", "nothing happened", "no fills", "long and full"],
)
def test_odd_arenas_are_drawn_too(entrants, tmp_path):
    made = report.make(by_hand(**entrants), tmp_path)
    text = made[0].read_text(encoding="utf-8")
    assert Page(text).sections == [each for each in SECTIONS if each != "calibration"]
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    assert len(text) < 3_000_000


def test_what_cannot_be_told_is_one_line(played, tmp_path, capsys):
    def fails(*args):
        code = main(["report", *map(str, args)])
        (line,) = capsys.readouterr().err.splitlines()
        return code, line

    good, empty, bare, other, simulated = (tmp_path / name for name in ("good", "empty", "bare", "other", "simulated"))
    by_hand(v1=sessions(1.0, 2.0)).save(good)
    by_hand(ours=[]).save(empty)
    Arena("1M", 5, 1000, sessions={"v1": sessions(1.0, 2.0)}).save(bare)
    other.write_text(json.dumps({"5M": {"estimators": {}}}))
    out = tmp_path / "out"
    assert fails(tmp_path / "none", "--out", out) == (66, f"mmactors: {tmp_path / 'none'}: no such file")
    assert fails(other, "--out", out)[0] == 78
    assert fails(empty, "--out", out) == (78, "mmactors: the arena has no sessions: nobody finished a world")
    assert "without its configuration: play it again" in fails(bare, "--out", out)[1]
    assert fails(good, "--out", good) == (64, f"mmactors: --out {good}: File exists")
    assert fails(good, "--out", out, "--calibration", out)[0] == 66
    played.save(simulated)
    assert "was played on simulated prices" in fails(simulated, "--out", out, "--prices", good)[1]
    assert not out.exists()
    for wrong in (other, good):
        code, line = fails(good, "--out", out, "--calibration", wrong)
        assert code == 78
        assert "not what `calibrate --json` writes" in line
    assert not out.exists()


def test_a_recording_that_is_not_there_is_one_line(tmp_path, capsys):
    by_hand(ours=sessions(1.0, 2.0)).save(tmp_path / "arena")
    missing = tmp_path / "none.csv"
    told = "report", str(tmp_path / "arena"), "--out", str(tmp_path / "out"), "--prices", str(missing)
    assert main(told) == 66
    assert capsys.readouterr().err.splitlines()[-1] == f"mmactors: --prices {missing}: no such file"


def test_without_matplotlib_there_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(report, "find_spec", lambda _name: None)
    by_hand(v1=sessions(1.0, 2.0)).save(tmp_path / "arena")
    assert main(["report", str(tmp_path / "arena"), "--out", str(tmp_path / "out")]) == 78
    assert capsys.readouterr().err == "mmactors: report needs matplotlib: make install-research\n"
