"""The documents say what is there: generated parts in step, names of modules and frames that exist, links that lead."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from mmactors.core.risk.gate import RULES
from mmactors.venue.degen.capabilities import Capabilities

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)")


def tool(name):
    """A script of docs/tools as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_configurations_tables_are_the_schemas():
    made = tool("configuration")
    assert made.page() == made.PAGE.read_text(encoding="utf-8"), "run `python docs/tools/configuration.py`"
    for key in ("`max_position`", "`latency_model`", "`merge_below`", "`keep_gb`", "`strike_spacing_sd`"):
        assert key in made.tables()


@pytest.mark.parametrize("name", ["program.svg", "walk-price.svg", "walk-fill.svg", "walk-key.svg"])
def test_a_picture_is_what_its_script_draws(name):
    drawn = tool("pictures").pictures()[name]
    assert (DOCS / "images" / name).read_text(encoding="utf-8") == drawn, "run `python docs/tools/pictures.py`"
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_the_modules_on_the_walks_are_there():
    walks = tool("pictures").WALKS.values()
    modules = {step.module for walk in walks for step in walk if step.module}
    assert len(modules) > 10
    assert [module for module in modules if not (ROOT / "mmactors" / module).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w@.-]+\.(?:py|yaml|cfg|service|json|svg|png))[:`]", text))
    places = (ROOT, ROOT / "mmactors", ROOT / "docs")
    named = {name for name in named if "NAME" not in name}
    assert {name for name in named if not any((place / name).is_file() for place in places)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).is_file()] == []


def test_the_readme_is_short():
    assert 6_000 < len((ROOT / "README.md").read_bytes()) < 10_000


def test_frames_on_the_wires_page_are_the_golden_ones():
    text = (DOCS / "wire.md").read_text(encoding="utf-8")
    shown = re.findall(r"\(`(\w+\.json)`\):\n\n```json\n(.*?)\n```", text, re.S)
    assert len(shown) == text.count("```json") > 5
    for name, frame in shown:
        golden = ROOT / "tests" / "contract" / "fixtures" / name
        assert json.loads(frame) == json.loads(golden.read_text(encoding="utf-8")), name


def test_every_capability_has_a_row():
    text = (DOCS / "wire.md").read_text(encoding="utf-8")
    assert [name for name in Capabilities.__dataclass_fields__ if f"| `{name}` |" not in text] == []


def test_the_gates_rules_are_named_in_their_order():
    text = (DOCS / "strategy.md").read_text(encoding="utf-8")
    assert ", ".join(f"`{name}`" for name, _ in RULES) in text
