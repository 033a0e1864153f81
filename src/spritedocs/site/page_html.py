"""The HTML of a page: without what no reader needs, and with what a screen reader does."""

from __future__ import annotations

import re
from itertools import zip_longest

__all__ = ["for_readers", "light_notebook", "light_page", "with_names"]

_SCROLLING = re.compile(r"<table>.*?</table>", re.DOTALL)
_BOXED = r'<div class="sprite-scroll" tabindex="0" role="group" aria-label="Table">\g<0></div>'
"""A wide table scrolls in its own box, which people without a mouse can reach."""

_JUPYTERS_OWN = re.compile(
    r'<(style|script)\b.*?</\1>|<div class="clipboard-copy-txt".*?</div>|<a class="anchor-link".*?</a>'
    r'|<div class="zeroclipboard-container">.*?</clipboard-copy>\s*</div>',
    re.DOTALL,
)
"""In every notebook page, over half a megabyte: a stylesheet, scripts that know other hosts, buttons to copy
code which need these, copies that are hidden, and links to headings, of which some lead nowhere."""

_PLAIN = re.compile(r'<span class="[nwpo]">([^<]*)</span>|<span></span>')
"""Names and blanks in code, which Material shows in the colour of plain code; brackets, commas and operators,
which are little paler; and what stands before each block for old browsers: a third of a long page."""

_LONG = re.compile(r"(<pre>[^<]{20000})[^<]*")

_NOT_SEARCHED = re.compile(
    r"<p(?=>(?:Raises |Examples:|\s*Bases: ))"
    r'|<\w+(?= class="(?:abstract|example|(?:doc-signature )?highlight)")'
    r'|<\w+(?= class="(?:sprite-(?:downloads|provenance|stream|table)|tabbed-labels)")'
    r'|<div class="doc doc-object doc-(?:attribute">\s*<h\d|function">\s*<h3)(?= )'
)
"""What opens on demand, code, signatures, attributes, methods, errors, names of tabs, what was printed: most
of the words of the site. Nobody looks for them, and an error message would lead to where it was provoked, not
to its remedy."""


def light_page(html: str) -> str:
    """The content of a page without needless marks, and with tables that scroll by themselves."""
    return _SCROLLING.sub(_BOXED, _PLAIN.sub(r"\1", html))


def light_notebook(html: str) -> str:
    """The view of a notebook without what Jupyter brings along, and without the rest of long output."""
    return _LONG.sub(r"\1 …", _PLAIN.sub(r"\1", _JUPYTERS_OWN.sub("", html)))


_NAMES_ROWS = re.compile(
    r"<table\b[^>]*>\s*(?:<caption>[^<]*</caption>)?\s*<thead>\s*<tr>\s*<th[^>]*></th>.*?</table>", re.DOTALL
)
"""A table with an empty corner: its first column says what each row is."""
_FIRST_CELL = re.compile(r"(<tr>\s*)<td>(.*?)</td>", re.DOTALL)

_TABLE = re.compile(r'<table(?: class="sprite-table")?>.*?</table>', re.DOTALL)
_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[hd])\b([^>]*)>(.*?)(?=</t[hd]>)", re.DOTALL)
_WHOLE_CELL = re.compile(r"(<(t[hd])\b.*?</\2>)", re.DOTALL)
_RATIO = "times as fast"
_REMARKS, _FEW = re.compile(r'<ul class="sprite-notes">.*?</ul>', re.DOTALL), 4
_JOINT = re.compile(r"(?<=\w[_.])(?=[A-Za-z])")
_UNIT = re.compile(r"([\d≥]) (?=[^\s<])(?![^<]*>)")
_WORDS, _ROOM = 60, 44
"""So many characters in a cell are read like a sentence, not compared with the cells above and below; and so
many have room in the width of a phone."""


def for_readers(html: str) -> str:
    """The content of a page with what no reader sees.

    Those are headings at the rows of tables, where these are headings, what a phone needs to show tables in
    its width, and marks, which Material takes out again, at what its search leaves out.
    """
    headed = _NAMES_ROWS.sub(lambda table: _FIRST_CELL.sub(r'\1<th scope="row">\2</th>', table[0]), html)
    fitting = _TABLE.sub(lambda table: _for_phones(_result_first(table[0])), headed)
    return _NOT_SEARCHED.sub(r'\g<0> data-search-exclude="yes"', _REMARKS.sub(_opening, fitting))


def _opening(remarks: re.Match[str]) -> str:
    """What stands under a table: behind a line that opens it, where it is long."""
    count = remarks[0].count("<li>")
    if count <= _FEW:
        return remarks[0]
    said = f"<summary>{count} remarks</summary>{remarks[0]}"
    return f'<details class="sprite-provenance">{said}</details>'


def _result_first(table: str) -> str:
    """A table in which the one column of ratios stands next to what its rows are about."""
    head = _ROW.search(table)
    ratios = [n for n, cell in enumerate(_WHOLE_CELL.findall(head[0] if head else "")) if _RATIO in cell[0]]
    if len(ratios) != 1 or ratios[0] < 2:
        return table

    def moved(row: re.Match[str]) -> str:
        cells = [cell for cell, _ in _WHOLE_CELL.findall(row[0])]
        cells[1:1] = [cells.pop(ratios[0])] if len(cells) > ratios[0] else []
        return f"<tr>{''.join(cells)}</tr>"

    return _ROW.sub(moved, table)


def _for_phones(table: str) -> str:
    """A table of values as narrow as it can be; notes where a phone has no room for it, and of words."""
    head, *rows = _ROW.findall(table) or [""]
    told = [[text for _, _, text in _CELL.findall(row)] for row in (head, *rows)]
    cells = [_plain(text) for row in told[1:] for text in row]
    if table.startswith("<table class") and max(map(len, cells), default=0) < _WORDS:
        table = _CELL.sub(_narrow, table)
        if sum(max(map(_longest, column)) + 1 for column in zip_longest(*told, fillvalue="")) <= _ROOM:
            return table
    if "<div" in table:  # mkdocstrings' own
        return table
    headings = [_plain(text) for text in told[0]]
    return _ROW.sub(lambda row: _labelled(row[0], headings), table.replace(">", " data-stacked>", 1))


def _longest(cell: str) -> int:
    """The characters of the longest part of a cell that does not break: values stay with their units."""
    text = re.sub(r"<[^>]*>", " ", _UNIT.sub("\\1\N{NO-BREAK SPACE}", cell))
    return max(len(part) for part in re.split(r"[ \n–]|(?<=\w[_.])(?=[A-Za-z])", text))


def _narrow(cell: re.Match[str]) -> str:
    """A cell that breaks inside a long name, and not between a value and its unit."""
    text = cell[3] if "<" in cell[3] else _JOINT.sub("<wbr>", cell[3])
    return f"<{cell[1]}{cell[2]}>" + _UNIT.sub("\\1\N{NO-BREAK SPACE}", text)


def _labelled(row: str, headings: list[str]) -> str:
    # A row with one value only, as below a table, is about none of its columns.
    several = len([text for _, _, text in _CELL.findall(row) if text]) > 2
    labels = iter(["", *headings[1:]] if len(headings) > 2 and several else [])

    def labelled(cell: re.Match[str]) -> str:
        label = next(labels, "")
        return f'<{cell[1]}{cell[2]} data-label="{label}">{cell[3]}' if label and cell[1] == "td" else cell[0]

    return _CELL.sub(labelled, row)


def _plain(cell: str) -> str:
    return re.sub(r"<[^>]*>", "", cell).replace('"', "&quot;")


def with_names(page: str) -> str:
    """A whole page, in which what Material leaves without a name, or without a size, has one."""
    search = 'data-md-component="search" role="dialog"'
    named = page.replace(search, f'{search} aria-label="Search"')
    return named.replace('alt="logo">', 'alt="logo" width="48" height="48">')
