"""The report as a reader meets it: made by the commands, opened in a browser, on a desk and on a phone."""

import subprocess
import sys
from pathlib import Path

import browser
import pytest
from patience import patience

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(patience(500))]

ROOT = Path(__file__).parents[2]
WIDTHS = {"desk": 1200, "phone": browser.PHONE_WIDTH}
COLORS = """[
    getComputedStyle(document.body).backgroundColor,
    getComputedStyle(document.querySelector('svg text')).fill
]"""
DAY = ["rgb(254, 254, 254)", "rgb(93, 102, 112)"]
NIGHT = ["rgb(21, 25, 30)", "rgb(165, 174, 184)"]
WRONG_WORDS = """[...document.querySelectorAll('svg')].flatMap(svg => {
    const box = svg.getBoundingClientRect();
    return box.width ? [...svg.querySelectorAll('text')].filter(text => {
        const its = text.getBoundingClientRect();
        const size = parseFloat(getComputedStyle(text).fontSize) * svg.getScreenCTM().a;
        return its.left < box.left - 1 || its.right > box.right + 1 || size < 9;
    }).map(text => text.textContent) : [];
})"""
"""The words of pictures that are cut off, or smaller than 9 px."""


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
            timeout=patience(200),
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


def test_it_opens_in_a_browser(page, chromium):
    """One test: its fixtures are dear, and workers would each make their own."""
    for device, width in WIDTHS.items():
        for dark in (False, True):
            chromium.open(page, width=width, dark=dark)
            assert_fits(chromium, device, width)
            assert chromium.value(COLORS) == (NIGHT if dark else DAY)
        assert chromium.value(WRONG_WORDS) == [], device
    assert chromium.complaints == []
    assert [address for address in chromium.requests if not address.startswith(("file:", "data:"))] == []


def assert_fits(chromium, device, width):
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.value("innerWidth") == width  # a page too wide would have been shrunk to fit
    shown = "[...document.querySelectorAll('svg')].filter(each => each.getBoundingClientRect().width > 0)"
    kind = "narrow" if device == "phone" else "wide"
    assert chromium.value(f"{shown}.every(each => each.classList.contains('{kind}'))")
    assert chromium.value(f"{shown}.length") == 4
