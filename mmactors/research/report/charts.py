"""Draws the report's pictures: each for a wide page and for a phone, as SVG that takes the page's colours, and as PNG.

Owns colours, sizes and marks. It needs matplotlib (the research extra); it knows no file, no words of the page, and not
how the figures it draws came about.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from mmactors.research.report.sample_session import Example

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIGHT = {
    "ours": "#0072b2",
    "first": "#d55e00",
    "second": "#00815e",
    "third": "#b3609a",
    "fourth": "#8a6d00",
    "rest": "#c3c8cf",
    "ink": "#1f2329",
    "soft": "#5d6670",
    "grid": "#e3e6ea",
    "shade": "#eef1f5",
    "page": "#fefefe",
}
"""Colours by role, told apart by colour-blind eyes, too (Okabe and Ito's, some darker to be read on white)."""

DARK = {
    "ours": "#56b4e9",
    "first": "#ff9248",
    "second": "#3fcf9f",
    "third": "#e6a3cf",
    "fourth": "#e3c14b",
    "rest": "#565d66",
    "ink": "#e7eaee",
    "soft": "#a5aeb8",
    "grid": "#30363d",
    "shade": "#21272e",
    "page": "#15191e",
}

HIGHLIGHTS = ("first", "second", "third", "fourth")
"""The roles of entrants that have a colour of their own, besides ours."""

_DASHES: dict[str, Any] = {"first": (0, (6, 2)), "second": (0, (2, 1.5)), "third": (0, (7, 2, 1.5, 2)), "fourth": "--"}
_OURS, _BAND, _ROOM, _REST = "ours", "10-90 % of ours", "room of ours", "the others"
_ASIDE = (_BAND, _ROOM, _REST)
"""Labels that come behind the entrants' own."""

_PNG_DPI = 160
_MOST_POINTS = 400
"""More of them in one line are more than a screen can show."""


@dataclass(frozen=True)
class Size:
    """How large a picture is drawn, in inches at the size of its type in points."""

    name: str
    width: float
    font: float

    @property
    def narrow(self) -> bool:
        """Whether it is for a phone."""
        return self.name == "narrow"


WIDE, NARROW = Size("wide", 8.4, 9.0), Size("narrow", 4.4, 9.6)


@dataclass(frozen=True)
class Picture:
    """One picture: two SVG elements for a page, and a PNG."""

    name: str
    wide: str
    narrow: str
    png: bytes


@dataclass(frozen=True)
class Line:
    """An entrant's line; `role` is one of the colours, `band` its lower and upper edge, if it has one."""

    label: str
    role: str
    xs: Sequence[float]
    ys: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]] | None = None


@dataclass(frozen=True)
class Schedule:
    """When, in per cent of the session left, what begins; and the room in contracts at each per cent from 100 to 0."""

    lean_from: float
    lean_full: float
    reduce_only: float
    close: float
    room: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """Predicted against happened: per curve its points (predicted, won, half a 95 % interval)."""

    title: str
    curves: Sequence[tuple[str, str, Sequence[tuple[float, float, float]]]]


def equity(lines: Sequence[Line]) -> Picture:
    """Draw the sum of P&L over the sessions, in dollars; the coloured ones decide what is seen of the grey ones."""

    def draw(figure: "Figure", size: Size) -> None:
        axes = figure.subplots()
        for line in _back_to_front(lines):
            axes.plot(_thinned(line.xs), _thinned(line.ys), **_style(line))
        _fit(axes, [line.ys for line in lines if line.role != "rest"] or [line.ys for line in lines])
        axes.axhline(0.0, color=LIGHT["soft"], lw=0.7, zorder=1)
        axes.set_xlim(0, max(line.xs[-1] for line in lines))
        axes.yaxis.set_major_formatter(lambda value, _at: f"{value:,.0f}".replace("-", "−"))
        axes.set_xlabel("sessions played")
        axes.set_ylabel("P&L so far, $")
        _legend(figure, axes, size)

    return _render("equity", draw, 3.9, 3.9)


def by_time(pnl: Sequence[Line], nets: Sequence[Line], schedule: Schedule) -> Picture:
    """Draw P&L (dollars) and |net| (contracts) against the share of the session left, in per cent."""

    def draw(figure: "Figure", size: Size) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        for axes, lines in ((above, pnl), (below, nets)):
            for line in _back_to_front(lines):
                axes.plot(line.xs, line.ys, **_style(line))
                if line.band is not None:
                    axes.fill_between(line.xs, *line.band, color=LIGHT[line.role], alpha=0.18, lw=0, label=_BAND)
            fitted = [values for line in lines if line.role != "rest" for values in (line.ys, *(line.band or ()))]
            _fit(axes, fitted or [line.ys for line in lines])
            _draw_schedule(axes, schedule, 100.0)
        above.axhline(0.0, color=LIGHT["soft"], lw=0.7, zorder=1)
        below.set_ylim(bottom=0)
        below.plot(range(100, -1, -1), schedule.room, color=LIGHT["ink"], lw=1.0, ls=":", label=_ROOM)
        above.set_ylabel("P&L so far, $ a session")
        below.set_ylabel("|net|, contracts")
        below.set_xlabel("share of the session left, %")
        below.set_xlim(100, 0)
        _name_schedule(above, schedule, 100.0, size)
        _legend(figure, below, size)

    return _render("by_time", draw, 5.6, 6.2)


def session(example: Example, schedule: Schedule) -> Picture:
    """Draw one session: our bid and ask, both fair values and our fills (dollars of YES); below them our net."""

    def draw(figure: "Figure", size: Size) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        samples, length = example.samples, float(example.duration_s)
        lefts = [each.left_s for each in samples]
        bids, asks = [each.bid for each in samples], [each.ask for each in samples]
        ours, ink = LIGHT["ours"], LIGHT["ink"]
        above.fill_between(lefts, bids, asks, step="post", color=ours, alpha=0.16, lw=0)
        above.plot(lefts, bids, drawstyle="steps-post", color=ours, lw=0.8, label="our bid and ask")
        above.plot(lefts, asks, drawstyle="steps-post", color=ours, lw=0.8)
        above.plot(lefts, [each.ours for each in samples], color=ink, lw=1.1, label="our fair value")
        above.plot(
            lefts, [each.true for each in samples], color=LIGHT["third"], lw=1.1, ls="--", label="true fair value"
        )
        for yes, role, marker, label in (
            (True, "second", "^", "bought YES"),
            (False, "first", "v", "bought NO"),
        ):
            fills = [fill for fill in example.fills if fill.yes is yes]
            above.scatter(
                [fill.left_s for fill in fills],
                [fill.price for fill in fills],
                s=[12.0 + 0.8 * fill.size for fill in fills],
                marker=marker,
                color=LIGHT[role],
                edgecolors=LIGHT["page"],
                linewidths=0.5,
                zorder=4,
                label=label,
            )
        known = [y for each in samples for y in (each.bid, each.ask, each.ours, each.true) if not math.isnan(y)]
        above.set_ylim(max(min(known) - 0.05, -0.02), min(max(known) + 0.05, 1.02))
        above.set_ylabel("price of YES, $")
        nets = [each.net for each in samples]
        below.plot(lefts, nets, drawstyle="steps-post", color=ours, lw=1.2)
        rooms = [length * left / 100 for left in range(100, -1, -1)]
        below.plot(rooms, schedule.room, color=ink, lw=1.0, ls=":", label="room")
        below.plot(rooms, [-room for room in schedule.room], color=ink, lw=1.0, ls=":")
        below.axhline(0.0, color=LIGHT["soft"], lw=0.7)
        reach = 1.25 * max(20, *(abs(net) for net in nets))
        below.set_ylim(-reach, reach)
        below.set_ylabel("net, contracts")
        below.set_xlabel("seconds left")
        below.set_xlim(length, 0)
        for axes in (above, below):
            _draw_schedule(axes, schedule, length)
        _name_schedule(above, schedule, length, size)
        _legend(figure, above, size, (below, "room"))
        figure.align_ylabels()

    return _render("session", draw, 5.6, 5.9)


def calibration(panels: Sequence[Panel]) -> Picture:
    """Draw how often YES won against how often it was said to, with 95 % intervals; the diagonal is right."""

    def draw(figure: "Figure", size: Size) -> None:
        down, across = (len(panels), 1) if size.narrow else (1, len(panels))
        every = figure.subplots(down, across, squeeze=False).ravel()
        for axes, panel in zip(every, panels, strict=True):
            axes.plot([0, 100], [0, 100], color=LIGHT["soft"], lw=0.8, zorder=1)
            for offset, (label, role, points) in zip((-0.7, 0.7), panel.curves, strict=True):
                xs = [100 * predicted + offset for predicted, _, _ in points]
                ys = [100 * won for _, won, _ in points]
                # An interval beyond what can happen is cut off.
                reach = [
                    [min(100 * half, y) for (_, _, half), y in zip(points, ys, strict=True)],
                    [min(100 * half, 100 - y) for (_, _, half), y in zip(points, ys, strict=True)],
                ]
                marker = "o" if role == "ours" else "s"
                color = LIGHT[role]
                axes.errorbar(xs, ys, yerr=reach, fmt="none", ecolor=color, elinewidth=1.0, alpha=0.55)
                style: Any = "-" if role == "ours" else _DASHES[role]
                axes.plot(xs, ys, color=color, ls=style, lw=1.3, marker=marker, ms=4.5, label=label)
            axes.set_xlim(-2, 102)
            axes.set_ylim(-2, 102)
            axes.set_aspect("equal")
            axes.set_title(panel.title, fontsize=size.font, color=LIGHT["ink"])
            axes.set_xlabel("said: YES wins, %")
            axes.set_ylabel("happened, %")
            axes.legend(loc="lower right", frameon=False)

    return _render("calibration", draw, 8.4 / len(panels) + 0.4, 4.1 * len(panels))


def markouts(rows: Sequence[tuple[str, str, Mapping[str, float]]]) -> Picture:
    """Draw what a contract gains, in cents, at the moment of its fill and later: a row an entrant, the first on top."""

    def draw(figure: "Figure", size: Size) -> None:
        axes = figure.subplots()
        sizes = {"o": 46, "s": 30, "D": 20}
        dot: Any = {marker: {"s": s, "linewidth": 1.2, "zorder": 3 + (marker != "D")} for marker, s in sizes.items()}
        # The last is full and lies below the others: all three are seen where they coincide.
        for row, (_, role, cents) in enumerate(rows):
            color = LIGHT["soft"] if role == "rest" else LIGHT[role]
            axes.plot([min(cents.values()), max(cents.values())], [row, row], color=color, lw=1.4, alpha=0.5, zorder=2)
            for marker, face, cent in zip("osD", ("none", "none", color), cents.values(), strict=True):
                axes.scatter([cent], [row], facecolor=face, edgecolor=color, marker=marker, **dot[marker])
        soft = LIGHT["soft"]
        for marker, face, when in zip("osD", ("none", "none", soft), rows[0][2], strict=True):
            axes.scatter([], [], facecolor=face, edgecolor=soft, marker=marker, label=when, **dot[marker])
        axes.axvline(0.0, color=LIGHT["soft"], lw=0.9, zorder=1)
        axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
        for tick, (_, role, _) in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(LIGHT["ink"] if role == "rest" else LIGHT[role])
            tick.set_fontweight("bold" if role == "ours" else "normal")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("gain of a contract against the true fair value, cents")
        _legend(figure, axes, size)

    return _render("markouts", draw, 1.5 + 0.26 * len(rows), 1.6 + 0.27 * len(rows))


# --- marks that several share ------------------------------------------------------------------------------


def _back_to_front(lines: Sequence[Line]) -> list[Line]:
    """Grey ones first, ours last: it lies on top."""
    roles = ("rest", *reversed(HIGHLIGHTS), "ours")
    return sorted(lines, key=lambda line: roles.index(line.role))


def _thinned(values: Sequence[float]) -> list[float]:
    """Every so many values, and the last."""
    step = -(-len(values) // _MOST_POINTS)
    return [*values[:-1:step], values[-1]]


def _style(line: Line) -> dict[str, Any]:
    if line.role == "rest":
        return {"color": LIGHT["rest"], "lw": 0.8, "label": _REST}
    if line.role == "ours":
        return {"color": LIGHT["ours"], "lw": 2.2, "label": line.label}
    return {"color": LIGHT[line.role], "lw": 1.3, "ls": _DASHES[line.role], "label": line.label}


def _fit(axes: "Axes", every: Sequence[Sequence[float]]) -> None:
    """Let the vertical range be that of these values."""
    known = [value for values in every for value in values if not math.isnan(value)]
    low, high = min([0.0, *known]), max([0.0, *known])
    margin = 0.06 * ((high - low) or 1.0)
    axes.set_ylim(low - margin, high + margin)


def _draw_schedule(axes: "Axes", schedule: Schedule, whole: float) -> None:
    scale = whole / 100.0
    axes.axvspan(schedule.lean_from * scale, schedule.lean_full * scale, color=LIGHT["shade"], lw=0, zorder=0)
    axes.axvspan(schedule.reduce_only * scale, 0.0, color=LIGHT["shade"], lw=0, zorder=0)
    axes.axvline(schedule.close * scale, color=LIGHT["soft"], lw=0.8, ls=":", zorder=1)


def _name_schedule(axes: "Axes", schedule: Schedule, whole: float, size: Size) -> None:
    """Write over the picture what the shaded parts are."""
    scale = whole / 100.0
    lean = "lean ramps in" if size.narrow else f"lean ramps in, {schedule.lean_from:.0f} to {schedule.lean_full:.0f} %"
    middle = (schedule.lean_from + schedule.lean_full) / 2
    late = "reduce-only, close"
    if not size.narrow:
        late = f"reduce-only from {schedule.reduce_only:.0f} %, close at {schedule.close:.0f} %"
    for at, text, align in ((middle, lean, "center"), (0.0, late, "right")):
        axes.annotate(
            text,
            (at * scale, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha=align,
            va="bottom",
            fontsize=0.88 * size.font,
            color=LIGHT["soft"],
        )


def _legend(figure: "Figure", axes: "Axes", size: Size, *more: tuple["Axes", str]) -> None:
    """Put one legend over the whole picture, each label once."""
    named: dict[str, Any] = {}
    for one in (axes, *(other for other, _ in more)):
        handles, labels = one.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            named.setdefault(label, handle)
    if _OURS in named:  # drawn last, to lie on top, but named first
        entrants = [label for label in named if label not in _ASIDE]
        named = {label: named[label] for label in (*reversed(entrants), *(each for each in _ASIDE if each in named))}
    most = 3 if size.narrow else 6
    rows = -(-len(named) // most)
    columns = -(-len(named) // rows)
    figure.legend(
        list(named.values()), list(named), loc="outside upper center", ncols=columns, frameon=False, columnspacing=1.2
    )


# --- to SVG and PNG ----------------------------------------------------------------------------------------


def _render(name: str, draw: Callable[["Figure", Size], None], tall: float, tall_narrow: float) -> Picture:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    svgs: dict[str, str] = {}
    png = BytesIO()
    for size, height in ((WIDE, tall), (NARROW, tall_narrow)):
        with mpl.rc_context(_settings(name, size)):
            figure = Figure(figsize=(size.width, height), layout="constrained")
            draw(figure, size)
            written = StringIO()
            figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
            svgs[size.name] = _element(written.getvalue(), f"plot {size.name}")
            if not size.narrow:
                figure.savefig(png, format="png", dpi=_PNG_DPI)
    return Picture(name, svgs[WIDE.name], svgs[NARROW.name], png.getvalue())


def _settings(name: str, size: Size) -> Any:
    return {
        "svg.fonttype": "none",  # the page's own type, and text that can be read out
        "svg.hashsalt": f"{name} {size.name}",  # no two pictures of a page share an id
        "font.size": size.font,
        "axes.labelsize": size.font,
        "legend.fontsize": size.font,
        "xtick.labelsize": size.font,
        "ytick.labelsize": size.font,
        "text.color": LIGHT["ink"],
        "axes.labelcolor": LIGHT["ink"],
        "axes.edgecolor": LIGHT["soft"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": LIGHT["grid"],
        "grid.linewidth": 0.7,
        "xtick.color": LIGHT["soft"],
        "ytick.color": LIGHT["soft"],
        "figure.facecolor": LIGHT["page"],
        "legend.handlelength": 2.2,
        "lines.solid_capstyle": "round",
    }


_VARIABLES = {color: f"var(--{role})" for role, color in LIGHT.items()}
_COLOR = re.compile("|".join(map(re.escape, _VARIABLES)))


def _element(written: str, classes: str) -> str:
    """Return the bare element of an SVG file: nothing that points outside, colours by the page's variables."""
    element = written[written.index("<svg") :]
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', element)
    assert box is not None
    element = re.sub(r"<svg[^>]*>", f'<svg class="{classes}" {box[0]} aria-hidden="true">', element, count=1)
    element = re.sub(r'<g id="[^"]*"', "<g", element).replace("xlink:href", "href")
    element = re.sub(r"<!--.*?-->", "", element, flags=re.DOTALL)
    element = _COLOR.sub(lambda found: _VARIABLES[found[0]], element)
    return re.sub(r"\n\s*", "\n", element).strip()
