"""What a page quotes appears as it stands, in one block."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import markdown
import pytest
from mkdocs.utils.yaml import yaml_load
from running import PROJECT

from spritedocs.site.fences import fenced, left_open, visible
from spritedocs.site.pages import _folded


def rendered(page: str) -> str:
    """The HTML that the guide's own Markdown extensions make of ``page``."""
    with (PROJECT.root / "mkdocs.yml").open(encoding="utf-8") as file:
        listed = yaml_load(file)["markdown_extensions"]
    options = {
        name: given
        for entry in listed
        for name, given in (entry.items() if isinstance(entry, dict) else [(entry, {})])
    }
    return markdown.markdown(page, extensions=list(options), extension_configs=options)


QUOTED = [
    "a\n```\n<script>alert(1)</script>\n```\nb",
    "`````\n# One\n``````",
    "~~~~\n::: os\n~~~~",
    "```python\nx = 1\n```",
    '--8<-- "mkdocs.yml"',
    'a\n\n--8<--\nmkdocs.yml\n--8<--\n\n;--8<-- "mkdocs.yml"',
    "{{ lipsum }}{% include 'mkdocs.yml' %}{# gone? #}",
    "<b onclick='x'>bold</b> &amp; </code></pre><!-- no remark",
    '!!! note\n\n    inside\n\n??? "one"\n=== "two"',
    "[^1]: note\n\n*[one]: two\n\n[a]: b",
    "  indented\n    more\n\nless",
    "one\rtwo\r```\rthree",
    "a\x0c```\x0cb\x85c\u2028d",
    "\x02wzxhzdk:0\x03 \x02klzzwxh:0000\x03",
    "x { .class #id onclick=y }\n{: .class }",
    "# %% [markdown]\n\\`\\` $x$ :smile: ==a== ^^b^^",
]


@pytest.mark.parametrize("text", QUOTED)
@pytest.mark.parametrize("block", [lambda text: fenced(text, "text"), _folded], ids=["open", "folded"])
def test_quoted_text_stands_as_it_is_in_its_block(text: str, block: Callable[[str], str]) -> None:
    page = rendered(f"Before.\n\n{block(text)}\n\nAfter.")
    [code] = re.findall(r"<pre>.*?<code>(.*?)</code></pre>", page, re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]+>", "", code)).strip("\n")
    assert shown == visible(re.sub(r"\r", "\n", text))
    outside = re.sub(r"<pre>.*?</pre>|<[^>]+>", "", page, flags=re.DOTALL)
    assert re.fullmatch(r"Before\.\s*(The code of this step \(\d+ lines\)\s*)?After\.", outside)


def test_the_characters_that_html_does_not_allow_are_shown() -> None:
    assert visible("a\x00b\x1b[1m\x7f\x9b\ud800\ufffe\tc\n") == "a␀b␛[1m␡\ufffd\ufffd\ufffd\tc\n"


@pytest.mark.parametrize(
    ("cell", "is_open"),
    [
        ("# One\n\nA ``` within a line, and `code`.", False),
        ("```python\nx\n```\n\n~~~\n```\n~~~", False),
        ("````\n```\n````", False),
        ("```python\nx = 1", True),
        ("- One:\n\n    ~~~\n    x\n    ~~~~", True),
        ("> ```\n> x\n> ```", False),
    ],
)
def test_a_code_block_that_does_not_end_is_found(cell: str, is_open: bool) -> None:
    assert left_open(cell) is is_open
