"""The report's page: one HTML file with everything in it, for a desk and for a phone, by day and by night.

Owns the markup and the style. It must not know what the words, figures and pictures in it say, and points at nothing
outside: no script, no font, no address.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from mmactors.research.report.charts import DARK, LIGHT, Picture


@dataclass(frozen=True)
class Table:
    """A table: heads (name, unit) and rows; the row numbered `marked` is emphasised, if any."""

    heads: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    marked: int | None = None


@dataclass(frozen=True)
class Section:
    """A part of the page: what one sees in words, then the table or the picture, then what may be unfolded."""

    anchor: str
    title: str
    words: Sequence[str]
    content: Table | Picture | None = None
    notes: tuple[str, Sequence[tuple[str, str]]] | None = None


def page(
    title: str, lead: str, tiles: Sequence[tuple[str, str, str]], sections: Sequence[Section], foot: Iterable[str]
) -> str:
    """Return the whole document.

    Args:
        title: of the page.
        lead: a sentence under it.
        tiles: the few figures shown large: name, value, what it is.
        sections: in their order.
        foot: the lines at the end.
    """
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class=small>{escape(what)}</dd></div>"
        for name, value, what in tiles
    )
    links = "".join(f'<a href="#{each.anchor}">{escape(each.title)}</a>' for each in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<main>\n"
        f"<header>\n<h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n</header>\n"
        + (f"<dl class=tiles>{shown}</dl>\n" if tiles else "")
        + f"<nav>{links}</nav>\n"
        + "".join(map(_section, sections))
        + "<footer>\n"
        + "".join(f"<p>{escape(line)}</p>\n" for line in foot)
        + "</footer>\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    parts = [f'<section id="{section.anchor}">\n<h2>{escape(section.title)}</h2>\n']
    parts += [f"<p>{escape(words)}</p>\n" for words in section.words]
    if isinstance(section.content, Table):
        parts.append(_table(section.content, section.title))
    elif section.content is not None:
        picture = section.content
        parts.append(f'<figure role="img" aria-label="{escape(section.title)}">\n{picture.wide}\n{picture.narrow}\n')
        parts.append("</figure>\n")
    if section.notes is not None:
        summary, terms = section.notes
        items = "".join(f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in terms)
        parts.append(f"<details><summary>{escape(summary)}</summary><dl>{items}</dl></details>\n")
    parts.append("</section>\n")
    return "".join(parts)


def _table(table: Table, name: str) -> str:
    heads = "".join(
        f'<th scope="col">{escape(head)}<span class=unit>{escape(unit)}</span></th>' for head, unit in table.heads
    )
    rows = []
    for number, (first, *others) in enumerate(table.rows):
        marked = " class=ours" if number == table.marked else ""
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        rows.append(f'<tr{marked}><th scope="row">{escape(first)}</th>{cells}</tr>')
    # A box that scrolls must be reachable without a mouse.
    return (
        f"<p class=hint>{len(table.heads)} columns: the table scrolls sideways.</p>\n"
        f'<div class=box tabindex="0" role="region" aria-label="{escape(name)}"><table>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>\n"
    )


def _variables(colors: Mapping[str, str]) -> str:
    return " ".join(f"--{role}: {color};" for role, color in colors.items())


def _style() -> str:
    return (
        f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}\n{_RULES}"
    )


_RULES = """\
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .5rem; }
p { margin: 0 0 .6rem; max-width: 72ch; }
header p, footer, nav { color: var(--soft); }
section { margin-top: 2.5rem; scroll-margin-top: 1rem; }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: .6rem; margin: 1.2rem 0; }
.tiles > div { background: var(--shade); border-radius: .5rem; padding: .7rem .8rem; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.45rem; font-weight: 650; line-height: 1.3; }
.tiles dd.small { font-size: .8rem; font-weight: 400; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .9rem; }
a { color: var(--ours); }
figure { margin: .8rem 0 0; }
.plot { display: block; width: 100%; height: auto; }
.plot text { font-family: system-ui, sans-serif !important; }
.narrow { display: none; }
.box { overflow-x: auto; border: 1px solid var(--grid); border-radius: .5rem; }
.hint { color: var(--soft); font-size: .85rem; margin: 0 0 .3rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .4rem .65rem; text-align: right; border-bottom: 1px solid var(--grid); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { vertical-align: bottom; font-weight: 600; }
th:first-child { position: sticky; left: 0; background: var(--page); text-align: left; font-weight: 500; }
tr.ours > * { background: var(--shade); font-weight: 700; }
tr.ours > th { color: var(--ours); }
.unit { display: block; color: var(--soft); font-weight: 400; font-size: .78rem; }
details { margin-top: .7rem; font-size: .9rem; }
summary { cursor: pointer; color: var(--soft); }
details dl { margin: .5rem 0 0; display: grid; grid-template-columns: max-content 1fr; gap: .2rem .9rem; }
details dt { font-weight: 600; }
details dd { margin: 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--grid); padding-top: 1rem; font-size: .85rem; }
footer p { overflow-wrap: anywhere; }
@media (max-width: 640px) {
  body { font-size: 15px; }
  h1 { font-size: 1.45rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .wide { display: none; }
  .narrow { display: block; }
  details dl { grid-template-columns: 1fr; gap: 0; }
  details dd { margin-bottom: .4rem; }
}
@media print { .box { overflow: visible; } section { break-inside: avoid; } }
"""
