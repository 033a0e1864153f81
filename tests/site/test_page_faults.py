"""Pages that say what they cannot mean stop the build, each in a sentence, and say so under serve."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from building import Builds
from tiny import Tiny

from spritedocs.site.page_faults import content_faults, markdown_faults, told

PAGES = {
    "alias.md": (
        "---\nrender_macros: true\ntitle: *x\n---\n# A\n",
        " has front matter that is not YAML (line 3: found an alias): ",
    ),
    "colon.md": (
        "---\ntitle: Guide: x\nrender_macros: true\nclaims: []\n---\n# A\n\n{{ gpu_notice() }}\n",
        " has front matter that is not YAML (line 2: mapping values are not allowed here): ",
    ),
    "blank.md": (
        "\n---\nclaims: []\n---\n# A\n",
        " has what looks like front matter and is none: ",
    ),
    "claim.md": (
        "---\nclaim: []\n---\n# A\n",
        " has an unknown key 'claim' (line 2): did you mean 'claims'?",
    ),
    "open.md": ("---\ntitle: A\n\n# A\n", " has front matter that is not closed: "),
    "raw.md": (
        "# A\n\n`{{ code }}` and {{ measured('01_counting') }}\n",
        " shows \"{{ measured('01_counting') }}\" as it stands: a page with macros needs ",
    ),
    "tag.md": ("# A\n\n{% include 'a' %}\n", " shows \"{% include 'a' %}\" as it stands: "),
    "title.md": ("---\ntitle: '{{ x }}'\n---\n# A\n", " shows '{{ x }}"),
    "globals.md": (
        "---\nrender_macros: true\n---\n\n# A\n\n{{ lipsum.__globals__ }}\n",
        ", line 7: a page can only call macros with plain values; ",
    ),
    "script.md": (
        "# A\n\n<script>alert(1)</script>\n",
        " holds a script, which no browser would run there: ",
    ),
    "module.md": ("# A\n\n::: os\n", " documents 'os': only modules of spritedocs can be documented, "),
}
EXAMPLE = "examples/01_counting.py"


@pytest.fixture
def faulty(tiny: Tiny) -> Tiny:
    for name, (text, _) in PAGES.items():
        (tiny.root / "docs" / name).write_text(text, encoding="utf-8")
    (tiny.root / "docs" / "run.js").write_text("alert(1)", encoding="utf-8")
    with tiny.script.open("a", encoding="utf-8") as script:
        script.write("\n# %% [markdown]\n# ## Open\n#\n# It is {{ 1 }}.\n#\n# ```\n# x = 1\n")
    return tiny


def test_a_build_names_what_is_wrong_with_each_page_in_one_sentence(faulty: Tiny) -> None:
    built = faulty.build()
    assert built.status == 1
    assert "Traceback" not in built.said
    found = re.search(
        r"^ERROR +-  (.*?)\n\nAborted with a BuildError!$", built.said, re.DOTALL | re.MULTILINE
    )
    assert found, built.said
    expected = [f"docs/{name}{sentence}" for name, (_, sentence) in PAGES.items()]
    expected.append("docs/run.js is of a kind that the site does not publish: ")
    expected.append(f"{EXAMPLE} has a code block that does not end, in the Markdown cell '## Open': ")
    expected.append(f"{EXAMPLE} shows '{{{{ 1 }}}}.' as it stands: ")
    lines = found[1].splitlines()
    assert [sentence for sentence in expected if not any(line.startswith(sentence) for line in lines)] == []
    assert len(lines) == len(expected), found[1]


def test_under_serve_the_page_says_it_and_nothing_stops(faulty: Tiny) -> None:
    builds = Builds(faulty)
    builds.build("serve")
    for name, (_, sentence) in PAGES.items():
        page = builds.page(Path(name).stem)
        [box] = re.findall(r'<div class="admonition failure">(.*?)</div>', page, re.DOTALL)
        assert f"docs/{name}{sentence}" in html.unescape(box)


@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("<p>{ braces }</p><code>{{ a }}</code><pre><code>{% b %}</code></pre>", 0),
        ("<p>&lt;script&gt;</p>", 0),
        ("<td>{{a}}</td>", 1),
        ("<p>{%- b %}</p>", 1),
        ("<pre><SCRIPT src=x></SCRIPT></pre>", 1),
    ],
)
def test_what_the_html_of_a_page_must_not_hold(page: str, count: int) -> None:
    assert len(list(content_faults(page))) == count


@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("Text with ::: in it.\n\n`::: os`\n\n```\n::: os\n```\n", 0),
        ("::: spritedocs.timing\n\n## Next\n\n::: spritedocs.tuning.tuner\n", 0),
        ("::: os.path\n", 1),
        ("## ::: os\n", 1),
        ("- One\n\n    ::: os\n", 1),
        ("::: spritedocs_evil\n", 1),
        ("Term\n:   ::: os\n", 1),
        ("Term\n:   ::: spritedocs.timing\n        options:\n          extensions: [examples/x.py]\n", 1),
        ("[^1]: ::: os\n", 1),
        ("<div markdown>::: os</div>\n", 1),
        ("::: spritedocs.timing\n    options:\n      extensions: [examples/x.py]\n", 1),
        ("::: spritedocs.timing\n\n    handler: python\n", 1),
    ],
)
def test_only_modules_of_ours_can_be_documented_and_without_options(page: str, count: int) -> None:
    assert len(list(markdown_faults(page))) == count


def test_a_page_without_faults_gets_no_box() -> None:
    assert told([]) == ""
    assert "<li>a &lt;b&gt;</li>" in told(["a <b>"])
