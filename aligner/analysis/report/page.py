"""A report as a page: one HTML file, for the screen, the keyboard and print."""

import json
import re
from collections.abc import Mapping
from html import escape

from aligner.analysis.report.content import Cell, Report, Table

_ID = re.compile(r' id="|href="#|url\(#')  # what stands before one
SHORT_ROWS = 24  # tables with more come last
SHOWN_ROWS = 120  # of those with more, the page has a link

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.15rem; margin-top: 2.5rem; }
nav ul { columns: 2; padding-left: 1.2rem; }
a { color: #005a9c; }
a:focus-visible, .wide:focus-visible, summary:focus-visible
  { outline: 3px solid #d55e00; outline-offset: 2px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.figures { display: grid; gap: 0 2rem;
           grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #888; vertical-align: bottom; }
th.text, td.text { text-align: left; }
td { white-space: nowrap; }
caption, figcaption { text-align: left; }
.note { color: #444; font-size: .92rem; max-width: 46rem; }
figure { margin: 1.5rem 0; }
figure svg { max-width: 100%; height: auto; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f5f5f5;
      padding: .8rem; }
@media print {
  body { max-width: none; margin: 0; font-size: 11pt; }
  nav { display: none; }
  .wide { overflow: visible; }
  table { font-size: 8.5pt; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""


def report_page(report: Report, drawn: Mapping[str, str]) -> str:
    """Return a report as HTML; `drawn` holds each figure's `<svg>` by its name."""
    short = [table for table in report.tables if len(table.rows) <= SHORT_ROWS]
    long = [table for table in report.tables if len(table.rows) > SHORT_ROWS]
    entries = [*short, *report.figures, *long]
    contents = "\n".join(
        f'<li><a href="#{escape(entry.name)}">{escape(entry.title)}</a></li>'
        for entry in entries
    )
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in report.notes)
    settings = json.dumps(report.settings, indent=1, ensure_ascii=False)
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.title)}</title>",
        f"<style>{STYLE}</style></head>",
        f"<body><h1>{escape(report.title)}</h1>",
        f"<ul>{notes}</ul>" if notes else "",
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav>',
        "<main>",
        *map(_table, short),
        '<div class="figures">',
        *(_figure(f.name, f.title, f.note, drawn[f.name]) for f in report.figures),
        "</div>",
        *map(_table, long),
        "</main>",
        f"<details><summary>Settings</summary><pre>{escape(settings)}</pre></details>",
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _table(table: Table) -> str:
    # A column in which nothing stands, such as deviations of one model, is left out.
    filled = [
        i
        for i in range(len(table.columns))
        if any(row[i] is not None for row in table.rows)
    ]
    kinds = {
        i: ' class="text"' * any(isinstance(row[i], str) for row in table.rows)
        for i in filled
    }
    head = "".join(
        f'<th scope="col"{kinds[i]}>{escape(table.columns[i])}</th>' for i in filled
    )
    digits = [table.digits_of.get(name, table.digits) for name in table.columns]
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td{kinds[i]}>{escape(shown(row[i], digits[i]))}</td>" for i in filled
        )
        + "</tr>"
        for row in table.rows
    )
    name, title = escape(table.name), escape(table.title)
    file = f'<a href="{name}.csv">{name}.csv</a>'
    if len(table.rows) > SHOWN_ROWS:
        return (
            f'<section id="{name}"><h2>{title}</h2>{_note(table.note)}'
            f'<p class="note">{len(table.rows)} rows: {file}</p></section>'
        )
    return (
        f'<section id="{name}"><h2>{title}</h2>{_note(table.note)}\n'
        # Focusable, so that the arrow keys can scroll a table that is too wide.
        f'<div class="wide" tabindex="0" role="region" aria-label="{title}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
        f'</div>\n<p class="note">{file}</p></section>'
    )


def _figure(name: str, title: str, note: str, svg: str) -> str:
    name, title = escape(name), escape(title)
    # The ids of one figure must not be those of another.
    own = re.sub(
        "<[^>]*>", lambda tag: _ID.sub(rf"\g<0>{name}-", tag.group()), svg
    ).replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    return (
        f'<section id="{name}"><h2>{title}</h2>\n<figure>{own}'
        f'<figcaption class="note">{escape(note)} <a href="{name}.svg">SVG</a>, '
        f'<a href="{name}.png">PNG</a></figcaption></figure></section>'
    )


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""


def shown(cell: Cell, digits: int) -> str:
    """Return a cell as the page shows it."""
    if cell is None:
        return "–"
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)
