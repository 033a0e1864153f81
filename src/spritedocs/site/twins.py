"""The pages as Markdown, for programs that read: a twin beside each page, and ``llms.txt``, which lists them.

A twin is the page's own Markdown with the published values in it. The reference, which is made from
docstrings, and the views of notebooks have none.
"""

from __future__ import annotations

import html
import posixpath
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

    from spritedocs.site.marks import Marks

__all__ = ["Twins"]

_PARTS = re.compile(
    r"(?P<kept>^(?P<in>[ \t]*)(?P<fence>`{3,}).*?^(?P=in)(?P=fence)[ \t]*$"
    r"|(?P<tick>`+)[^`].*?(?<!`)(?P=tick)(?!`))"
    r"|<table class=\"sprite-table\">(?P<table>.*?)</table>|<pre[^>]*>(?P<printed>.*?)</pre>"
    r"|<a\b[^>]*href=\"(?P<href>[^\"]*)\"[^>]*>(?P<text>.*?)</a>|<code>(?P<code>.*?)</code>"
    r"|(?:<img class=\"sprite\"[^>]*>)+ ?|<(?P<drawn>figure|svg)\b.*?</(?P=drawn)>"
    r"|<li>(?P<note>.*?)</li>|(?P<tag><[^>]+>)|(?P<character>&#\d+;)"
    r"|\]\((?P<link>[^)#\s]+)(?:#[^)\s]*)?\)|[ \n]*\{:? ?(?:[.#]|data-)[^}\n]*\}",
    re.DOTALL | re.MULTILINE,
)
_TABS = re.compile(r'^=== "(.*)"\n\n((?:    .*\n?|[ \t]*\n)+)', re.MULTILINE)


class Twins:
    """The twins of one build."""

    def __init__(self, nav: Navigation) -> None:
        self._nav = nav
        self._texts: dict[str, str] = {}

    def add(self, page: Page, files: Files, marks: Marks) -> None:
        """Make the twin of ``page``, if it has one."""
        source = page.markdown or ""
        if re.search("^::: ", source, re.MULTILINE) or page.file.src_uri.endswith(".ipynb"):
            return

        def linked(target: str) -> str:
            there = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), target))
            file = files.get_file_from_path(there)
            if file is None:
                return target
            path = file.dest_uri if file.src_uri.startswith(("api/", "notebooks/")) else _twin(file.dest_uri)
            return posixpath.relpath(path, posixpath.dirname(page.file.dest_uri))

        def written(found: re.Match[str]) -> str:
            if found["table"]:
                return _table(found["table"])
            if found["printed"]:
                return f"\n```text\n{_printed(found['printed'])}\n```\n"
            if found["href"]:
                return f"[{found['text']}]({found['href']})"
            if found["link"]:
                return f"]({linked(found['link'])})"
            if found["note"]:
                return f"- {found['note']}\n"
            if found["code"]:
                return f"`{found['code']}`"
            if found["character"]:
                return _character(found["character"])
            return found["kept"] or ("\n" if found["tag"] in ("</p>", "</summary>") else "")

        text = _PARTS.sub(written, marks.replaced(_TABS.sub(_tab, source)))
        self._texts[_twin(page.file.dest_uri)] = re.sub(r"\n\s*\n(\s*\n)+", "\n\n", text).strip() + "\n"

    def write(self, config: MkDocsConfig) -> None:
        """Put the twins and ``llms.txt`` into the site."""
        lines = [f"# {config.site_name}", f"\n> {config.site_description}\n"]
        for section in self._nav.items:
            pages = section.children if section.is_section else [section]
            lines.append(f"## {section.title}\n")
            lines += [self._listed(page) for page in pages or [] if page.is_page]
            lines.append("")
        for path, text in {**self._texts, "llms.txt": "\n".join(lines)}.items():
            Path(config.site_dir, path).write_text(text, encoding="utf-8")

    def _listed(self, page: Page) -> str:
        path = page.file.dest_uri
        twin = _twin(path)
        about = html.unescape(f"[{page.title}]({twin if twin in self._texts else path})")
        return f"- {about}: {html.unescape(page.meta.get('description', ''))}".removesuffix(": ")


def _twin(path: str) -> str:
    return path.removesuffix(".html") + ".md"


def _printed(inner: str) -> str:
    """The text of a block of code, with addresses in place of links."""
    addressed = re.sub(r'<a\b[^>]*href="([^"]*)".*?</a>', r"\1", inner)
    return html.unescape(re.sub(r"<[^>]+>", "", addressed)).strip()


def _character(reference: str) -> str:
    """What ``reference`` stands for, unless Markdown would take that for a mark."""
    character = html.unescape(reference)
    return reference if character in "<>*|`[]\\" else character


def _tab(found: re.Match[str]) -> str:
    return f"**{found[1]}**\n\n{textwrap.dedent(found[2])}"


def _table(inner: str) -> str:
    """A table in Markdown, from that of a recorded result."""
    caption = re.search(r"<caption>(.*?)</caption>", inner)
    rows = [
        [
            re.sub(r"<[^>]+>", "", cell.replace('<span class="sprite-interval">', " ")).strip()
            for cell in cells
        ]
        for row in re.findall(r"<tr.*?</tr>", inner, re.DOTALL)
        if (cells := re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL))
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(["", f"**{caption[1]}**" if caption else "", "", *lines, "", ""])
