"""Draw docs/images/*.svg: `python docs/tools/pictures.py`.

Owns the program's tree and the three walks (of a price, a fill and a key) as data, and how they are drawn. Each step
names its module, and a test checks that it is there.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[1] / "images"

INK, DIM, LINE, PAPER = "#1b1f24", "#59636e", "#8c959f", "#ffffff"
FILL = {"outside": "#f6f8fa", "thread": "#ddf4ff", "core": "#dafbe1", "edge": "#fff8c5"}
SANS = "-apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'DejaVu Sans Mono', monospace"
LEGEND = {"outside": "outside", "edge": "reads or writes the outside", "thread": "actor", "core": "pure: decides"}


@dataclass(frozen=True)
class Step:
    """One stop of a walk: what kind of place it is, what happens there, where the code is, and what leaves it.

    With `end`, the next stop does not follow from this one, but from the one before both.
    """

    kind: str
    who: str
    what: str
    module: str = ""
    leaves: str = ""
    end: bool = False


PRICE = (
    Step("outside", "exchange", "a trade or a book update", "", "frame"),
    Step("edge", "feed's socket", "parse it, drop what is out of order, stamp it", "feeds/connection.py", "SpotTicked"),
    Step("thread", "reference:BTC", "one for each asset; outlives its markets", "actors/reference.py"),
    Step("core", "Reference", "jump filter, fusion of sources, sigma", "core/reference/reference.py", "ReferenceMoved"),
    Step("thread", "market:BTC-5M-…", "wakes once, on the newest price", "actors/market.py"),
    Step("core", "Maker", "fair value, half-spread, lean, capacity", "core/quoting/ladder.py"),
    Step("core", "Maker", "only what differs from what rests", "core/quoting/maker.py", "QuoteIntent"),
    Step("thread", "gateway", "the only way to the venue", "actors/gateway.py"),
    Step("core", "OrderDesk", "every order before every rule", "core/desk/admission.py", "SendBatch"),
    Step("edge", "venue's socket", "one batch frame for the whole ladder", "venue/degen/codec.py", "frame"),
    Step("outside", "venue", "cancels, moves, places, in this order"),
)

FILL_WALK = (
    Step("outside", "venue", "somebody trades with us", "", "frame of the user stream (drop copy)"),
    Step(
        "edge", "venue's socket", "decode it; a gap in seq is fetched again", "venue/degen/session.py", "OrderReported"
    ),
    Step("thread", "gateway", "takes fills in order, prices behind them", "actors/gateway.py"),
    Step("core", "OrderDesk", "counted once, by its fill_id", "core/desk/reconciliation.py", "OrderFilled, to three"),
    Step("thread", "1. market", "position, lean; one requote for a whole sweep", "core/quoting/maker.py", end=True),
    Step("thread", "2. journal", "SQLite, market log, console; never waited for", "actors/journal.py", end=True),
    Step("thread", "3. risk", "the third whom the desk tells", "actors/risk.py"),
    Step(
        "core",
        "RiskRules",
        "equity, the day's loss: may we go on?",
        "core/risk/trading_state.py",
        "TradingStateChanged",
    ),
    Step("thread", "gateway", "tells every market; its desk's gate obeys at once", "actors/gateway.py"),
)

KEY = (
    Step("outside", "conf/sim.yaml", "quoting: {spread: 0.02}", "", "text"),
    Step("edge", "loading", "strict YAML: a key given twice is a mistake", "config/yaml.py", "tree"),
    Step("edge", "environment", "MM__quoting__spread=0.03 is laid over it", "config/environment.py", "tree, origins"),
    Step("core", "schema", "type, bounds, unit; every mistake at once", "config/schema.py"),
    Step("core", "contradictions", "what one key says against another", "config/contradictions.py", "Config"),
    Step("core", "overrides", "by asset, by duration, by both", "config/schema.py", "QuotingParams"),
    Step("core", "Quoter", "the half-spread starts from it", "core/quoting/ladder.py", end=True),
    Step("edge", "check", "shows the value, its origin, unit and reason", "config/describe.py"),
)

WALKS = {"walk-price": PRICE, "walk-fill": FILL_WALK, "walk-key": KEY}
TITLES = {
    "walk-price": "The walk of a price: from an exchange to an order",
    "walk-fill": "The walk of a fill: from the venue to everybody whom it concerns",
    "walk-key": "The walk of a key: from the configuration to the formula",
}


def pictures() -> dict[str, str]:
    """Return every picture by the name of its file."""
    drawn = {f"{name}.svg": _walk(TITLES[name], steps) for name, steps in WALKS.items()}
    return {**drawn, "program.svg": _program()}


def _walk(title: str, steps: tuple[Step, ...]) -> str:
    width, top, tall, gap = 880, 76, 40, 24
    body = [_text(24, 34, title, 17, INK, bold=True)]
    x = 24
    for kind, words in LEGEND.items():
        body += [_box(x, 48, 12, 12, FILL[kind], 2), _text(x + 18, 58, words, 11, DIM)]
        x += 40 + 7 * len(words)
    y = top
    for step in steps:
        body += [
            _box(24, y, 596, tall, FILL[step.kind]),
            _text(38, y + 25, step.who, 14, INK, bold=True),
            _text(204, y + 25, step.what, 13, INK),
            _text(640, y + 25, step.module, 12, DIM, MONO),
        ]
        y += tall
        if step is not steps[-1]:
            body += [] if step.end else [_arrow(112, y, 112, y + gap)]
            body += [_text(128, y + 17, step.leaves, 11, DIM, MONO)]
            y += gap
    return _svg(width, y + 24, title, body)


def _program() -> str:
    title = "mmactors: who is there, and who sends what to whom"
    boxes = {
        "exchanges": (24, 100, 150, "exchanges", "Binance, Coinbase", "outside"),
        "feed": (24, 220, 150, "feed", "one for each source", "thread"),
        "reference": (234, 220, 160, "reference", "one for each asset", "thread"),
        "market": (454, 220, 170, "market", "one for each session", "thread"),
        "gateway": (684, 220, 172, "gateway", "desk and gate", "thread"),
        "venue": (684, 100, 172, "venue", "Degen, or the simulator", "outside"),
        "risk": (454, 340, 170, "risk", "equity, limits, state", "thread"),
        "journal": (684, 340, 172, "journal", "SQLite, logs, console", "thread"),
        "supervisor": (24, 340, 370, "supervisor", "starts and restarts all; a market lives one session", "thread"),
    }
    body = [_text(24, 38, title, 17, INK, bold=True)]
    body += [_text(24, 62, "Every decision is made by a pure object inside an actor; actors only carry it.", 12, DIM)]
    for x, y, width, name, about, kind in boxes.values():
        body += [_box(x, y, width, 56, FILL[kind]), _text(x + 12, y + 24, name, 14, INK, bold=True)]
        body += [_text(x + 12, y + 43, about, 11, DIM)]
    arrows = (
        (99, 156, 99, 220, "frames", 107, 192),
        (174, 248, 234, 248, "ticks", 184, 240),
        (394, 248, 454, 248, "price", 404, 240),
        (624, 240, 684, 240, "intents", 631, 232),
        (684, 262, 624, 262, "fills", 640, 278),
        (744, 220, 744, 156, "orders, one batch a ladder", 566, 192),
        (796, 156, 796, 220, "fills", 804, 192),
        (539, 276, 539, 340, "fair value", 464, 312),
        (624, 352, 700, 276, "state", 624, 318),
        (770, 276, 770, 340, "a copy of all", 778, 312),
    )
    for x1, y1, x2, y2, words, x, y in arrows:
        body += [_arrow(x1, y1, x2, y2), _text(x, y, words, 11, DIM, MONO)]
    return _svg(880, 420, title, body)


def _svg(width: int, height: int, title: str, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">'
    )
    marker = (
        '<defs><marker id="tip" markerWidth="9" markerHeight="7" refX="8" refY="3.5" orient="auto">'
        f'<path d="M0,0 L9,3.5 L0,7 z" fill="{LINE}"/></marker></defs>'
    )
    lines = [head, f"<title>{escape(title)}</title>", marker, _box(0, 0, width, height, PAPER, 8), *body, "</svg>"]
    return "\n".join(lines) + "\n"


def _box(x: int, y: int, width: int, height: int, fill: str, radius: int = 6) -> str:
    edge = "" if fill == PAPER else f' stroke="{LINE}"'
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}"{edge}/>'


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{LINE}" stroke-width="1.5" marker-end="url(#tip)"/>'


def _text(x: int, y: int, words: str, size: int, colour: str, family: str = SANS, *, bold: bool = False) -> str:
    if not words:
        return ""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-family="{family}" font-size="{size}" fill="{colour}"{weight}>'
        f"{escape(words)}</text>"
    )


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, drawn in pictures().items():
        (IMAGES / name).write_text(drawn, encoding="utf-8")
