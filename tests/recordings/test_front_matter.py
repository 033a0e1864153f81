"""Front matter: what can be read is, and whatever cannot be is a fault with its line and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from spritedocs.recordings import Example, ExampleError, read_page


def test_a_page_is_its_front_matter_and_its_markdown() -> None:
    page = read_page(
        '---\ntitle: "One: two"\nhide: [toc]\nsearch: { boost: 2 }\nclaims:\n  - a: x > 1\n---\n\n# One\n'
    )
    assert page.values == {
        "title": "One: two",
        "hide": ["toc"],
        "search": {"boost": 2},
        "claims": [{"a": "x > 1"}],
    }
    assert (page.faults, page.markdown, page.first_line) == ([], "# One\n", 9)


@pytest.mark.parametrize(
    "source",
    [
        "# One\n\n---\n\nA rule, then prose.\n",
        "---\n---\n# One\n",
        "# One\n\n```yaml\n---\nclaims: []\n---\n```\n",
        "- a list\n\n| a |\n|---|\n| title: b |\n",
    ],
)
def test_a_page_may_do_without_front_matter(source: str) -> None:
    assert read_page(source)[:2] == ({}, [])


UNREADABLE = "front matter that is not YAML"
NO_FRONT_MATTER = "what looks like front matter and is none"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (
            "---\ntitle: Guide: x\nclaims: []\n---\n",
            f"{UNREADABLE} (line 2: mapping values are not allowed here)",
        ),
        ("---\ntitle: x\nclaims:\n\t- x\n---\n", f"{UNREADABLE} (line 4: found character '\\t'"),
        ("---\ntitle: 'x\n---\n# One\n", f"{UNREADABLE} (line 3: found unexpected end of stream)"),
        ("---\ntitle: 2026-13-45\n---\n", f"{UNREADABLE} (month must be in 1..12)"),
        ("---\ntitle: !!python/name:os.system x\n---\n", f"{UNREADABLE} (line 2: could not determine"),
        ("---\ntitle: &t x\ndescription: *t\n---\n", f"{UNREADABLE} (line 3: found an alias)"),
        (f"---\ntitle: {'[' * 4000}\n---\n", f"{UNREADABLE} (maximum recursion depth exceeded"),
        ("---\n- title: x\n---\n", "front matter that is no mapping: "),
        ("---\nonly words\n---\n", "front matter that is no mapping: "),
        ("---\ntitle: x\n\n# One\n", "front matter that is not closed: "),
        ("\n---\ntitle: x\n---\n", NO_FRONT_MATTER),
        ("\ufeff---\ntitle: x\n---\n", NO_FRONT_MATTER),
        (" ---\ntitle: x\n---\n", NO_FRONT_MATTER),
        ("--\ntitle: x\n--\n", NO_FRONT_MATTER),
        ("----\ntitle: x\n----\n", NO_FRONT_MATTER),
        ("--- # a page\ntitle: x\n---\n", NO_FRONT_MATTER),
        ("–––\ntitle: x\n–––\n", NO_FRONT_MATTER),
        ("+++\ntitle = 'x'\n+++\n", NO_FRONT_MATTER),
        ("claims:\n  - a: x > 1\n\n# One\n", NO_FRONT_MATTER),
        ("<!-- a remark -->\n---\nclaims:\n  - a: x > 1\n---\n# One\n", NO_FRONT_MATTER),
        ("# One\n\n---\n\nclaims:\n  - a: x > 1\n---\n", NO_FRONT_MATTER),
        ("---\nclaim: []\n---\n", "an unknown key 'claim' (line 2): did you mean 'claims'?"),
        ("---\nClaims: []\n---\n", "an unknown key 'Claims' (line 2): did you mean 'claims'?"),
        ("---\n1: x\n---\n", "an unknown key 1 (line 2): known are title, description, claims, "),
        ("---\nclaims: [a]\nclaims: []\n---\n", "the key 'claims' twice (lines 2 and 3): keep one."),
        ("---\nsearch:\n  boost: 1\n  boost: 2\n---\n", "the key 'boost' twice (lines 3 and 4): keep one."),
        ("---\nclaims:\n---\n", "claims that are not a list: begin each with '- ' (line 2)."),
        ("---\nclaims: x > 1\n---\n", "claims that are not a list: "),
        ("---\ntitle: 2026\n---\n", "a title that is not a line of text: put it in quotes (line 2)."),
        ("---\ntitle: ''\n---\n", "a title that is not a line of text: "),
        ('---\ndescription: "a\\nb"\n---\n', "a description that is not a line of text: "),
        ("---\nrender_macros: 'true'\n---\n", "a render_macros that is neither true nor false: "),
        ("---\nhide: toc\n---\n", "a hide that is not a list of parts: "),
        ("---\nhide: [tocs]\n---\n", "a hide that is not a list of parts: "),
        ("---\nsearch: { exlude: true }\n---\n", "a search that cannot be used: "),
    ],
)
def test_a_page_whose_front_matter_cannot_be_used_has_one_fault(source: str, fault: str) -> None:
    [found] = read_page(source).faults
    assert found.startswith(f"has {fault}")


def test_what_is_not_at_fault_still_counts() -> None:
    page = read_page("---\ntitle: x\nclaim: []\nhide: toc\n---\n# One\n")
    assert page.values == {"title": "x"}
    assert len(page.faults) == 2


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("# title: a: b", "has a header that is not YAML (line 2: "),
        ("# title: x\n# claim: []", "has an unknown key 'claim' (line 3): did you mean 'claims'?"),
        ("# title: x\n# claims: []\n# claims: []", "has the key 'claims' twice (lines 3 and 4): keep one."),
        ("# title: x\n# claims: y > 1", "has claims that are not a list: "),
        (
            "# title: x\n# render_macros: true",
            "has an unknown key 'render_macros' (line 3): known are title, ",
        ),
        ("# title: 7", "has a title that is not a line of text: "),
        (
            "# title: x\n# time_limit_s: true",
            "has a time_limit_s that is not a number of seconds up to ",
        ),
        (
            "# title: x\n# time_limit_s: -1",
            "has a time_limit_s that is not a number of seconds up to ",
        ),
        (
            "# title: x\n# time_limit_s: .nan",
            "has a time_limit_s that is not a number of seconds up to ",
        ),
        ("# - title", "has a header that is no mapping: "),
    ],
)
def test_the_header_of_an_example_is_read_as_strictly(tmp_path: Path, header: str, fault: str) -> None:
    path = tmp_path / "01_x.py"
    path.write_text(f"# ---\n{header}\n# ---\nx = 1\n", encoding="utf-8")
    with pytest.raises(ExampleError) as error:
        Example.read(path)
    assert str(error.value).startswith(f"{path} {fault}")


@pytest.mark.parametrize("before", ["\n", "\ufeff", "# A remark.\n", "#!/usr/bin/env python\n"])
def test_a_header_begins_on_the_first_line_of_its_example(tmp_path: Path, before: str) -> None:
    path = tmp_path / "01_x.py"
    path.write_text(f"{before}# ---\n# title: x\n# ---\nx = 1\n", encoding="utf-8")
    with pytest.raises(ExampleError, match="has no header: begin it with '# ---' on the first line, "):
        Example.read(path)
