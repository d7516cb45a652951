"""The report as a reader meets it: made by the commands, opened in a browser, on a desk and on a phone."""

import subprocess
import sys
from pathlib import Path

import browser
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

ROOT = Path(__file__).parents[2]
LEAST_PX = 9

WIDTHS = {"desk": 1200, "phone": browser.PHONE_WIDTH}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    saved, out = folder / "arena", folder / "out"
    who = ("--session", "1M", "--sessions", "2", "--only", "ours,v1", "--processes", "1")
    for command in (("arena", *who, "--save", saved), ("report", saved, "--out", out)):
        done = subprocess.run(
            [sys.executable, "-m", "mmactors", *map(str, command)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(out / "report.html")
    return out / "report.html"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    program = browser.found()
    if program is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    opened = browser.Browser(program, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("device", WIDTHS)
def test_it_opens_without_a_complaint_and_is_no_wider_than_the_screen(page, chromium, device, dark):
    chromium.complaints.clear()
    chromium.requests.clear()
    chromium.open(page, width=WIDTHS[device], dark=dark)
    assert chromium.value("document.documentElement.scrollWidth") <= WIDTHS[device]
    assert chromium.value("innerWidth") == WIDTHS[device]  # a page too wide would have been shrunk to fit
    shown = "[...document.querySelectorAll('svg')].filter(each => each.getBoundingClientRect().width > 0)"
    assert chromium.value(
        f"{shown}.every(each => each.classList.contains('{'narrow' if device == 'phone' else 'wide'}'))"
    )
    assert chromium.value(f"{shown}.length") == 4
    assert chromium.complaints == []
    assert [address for address in chromium.requests if not address.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("device", WIDTHS)
def test_no_word_of_a_picture_is_cut_off_or_too_small_to_read(page, chromium, device):
    chromium.open(page, width=WIDTHS[device])
    wrong = f"""[...document.querySelectorAll('svg')].flatMap(svg => {{
        const box = svg.getBoundingClientRect();
        return box.width ? [...svg.querySelectorAll('text')].filter(text => {{
            const its = text.getBoundingClientRect();
            const size = parseFloat(getComputedStyle(text).fontSize) * svg.getScreenCTM().a;
            return its.left < box.left - 1 || its.right > box.right + 1 || size < {LEAST_PX};
        }}).map(text => text.textContent) : [];
    }})"""
    assert chromium.value(wrong) == []


def test_the_page_is_dark_by_night(page, chromium):
    found = {}
    for dark in (False, True):
        chromium.open(page, width=1200, dark=dark)
        found[dark] = chromium.value(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('svg text')).fill]"
        )
    assert found[False] == ["rgb(254, 254, 254)", "rgb(93, 102, 112)"]
    assert found[True] == ["rgb(21, 25, 30)", "rgb(165, 174, 184)"]
