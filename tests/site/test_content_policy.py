"""The policy of the built pages: what a page or a recording brings along does not run."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import material
import pytest
from browsing import launched, needs_chromium, opened, serving
from mkdocs.config.defaults import MkDocsConfig
from tiny import NAME, Built, Tiny

from spritedocs.site.content_policy import ContentPolicy

THEME = [str(Path(material.__file__).parent / "templates")]
PRINTED = 'nil: \0\n```\n<img src=x onerror="ran()">\n--8<-- "mkdocs.yml"\n{{ lipsum }}\n````\nend'
ATTACKS = (
    '<img src="missing.png" onerror="ran()">\n\n<svg onload="ran()"></svg>\n\n'
    '<a id="attack" href="javascript:ran()" onclick="ran()">It</a>\n\n'
    '<iframe srcdoc="&lt;script&gt;parent.ran()&lt;/script&gt;"></iframe>\n'
)
BLOCKED = {"script-src-elem", "script-src-attr"}
TITLE = '"><img src="missing.png" onerror="ran()">'


def prints(notebook: dict[str, Any]) -> None:
    notebook["cells"][-1]["outputs"].append({"output_type": "stream", "name": "stdout", "text": PRINTED})


@pytest.fixture(scope="module")
def hostile(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A site whose page, printed output and example hold what must stay text, or must not run."""
    tiny = Tiny(Path(shutil.copytree(recorded, tmp_path_factory.mktemp("hostile") / "tiny")))
    tiny.add_recording(tiny.recording(), prints)
    quoted = '\n\n{{ printed("01_counting") }}\n\n'
    tiny.edit("docs/index.md", "{{ gpu_notice() }}", f"{{{{ gpu_notice() }}}}{quoted}{ATTACKS}")
    tiny.edit("docs/index.md", "---\nrender", f"---\ntitle: '{TITLE}'\ndescription: '{TITLE}'\nrender")
    tiny.edit(f"examples/{NAME}.py", "    counted =", '    """\n```\n<b>{{ lipsum }}</b>\n"""\n    counted =')
    built = tiny.build(strict=True)
    assert built.status == 0, built.said
    return built


def pages(site: Path) -> dict[str, str]:
    return {str(path.relative_to(site)): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_every_page_carries_the_policy_before_anything_else(hostile: Built) -> None:
    found = pages(hostile.site)
    assert {"404.html", "index.html"} < set(found)
    assert any("notebooks" in path for path in found)
    for path, page in found.items():
        policy = r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">'
        head = re.search(rf'<head>\s*<meta charset="utf-8">{policy}', page)
        assert head, path
        assert page.count("http-equiv") == 1, path
        directives = dict(part.split(" ", 1) for part in head[1].split("; "))
        assert directives["default-src"] == "'none'"
        assert directives["base-uri"] == "'none'"
        assert not re.search(r"unsafe-(inline|eval|hashes)", directives["script-src"])
        # Base, palette, and where the page has content the tabs of code.
        assert directives["script-src"].count("'sha256-") == len(re.findall(r"<script>", page)), path


def test_what_is_quoted_stands_as_it_is(hostile: Built) -> None:
    page = hostile.page("")
    found = re.findall(r"<code>(.*?)</code>", page, re.DOTALL)
    code = [html.unescape(re.sub("<[^>]+>", "", part)) for part in found]
    assert PRINTED.replace("\0", "␀") in [part.strip() for part in code]
    experiment = hostile.page(f"experiments/{NAME}")
    assert '"""\n```\n<b>{{ lipsum }}</b>\n"""' in html.unescape(re.sub("<[^>]+>", "", experiment))


def test_title_and_description_are_text(hostile: Built) -> None:
    escaped = html.escape(TITLE)
    assert f'<meta name="description" content="{escaped}">' in hostile.page("")
    assert f"<title>{escaped} - tiny</title>" in hostile.page("")
    assert TITLE not in "".join(pages(hostile.site).values())


def test_no_page_holds_a_character_that_html_does_not_allow(hostile: Built) -> None:
    for path, page in pages(hostile.site).items():
        assert not re.search("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", page), path
    assert "nil: ␀" in hostile.page(f"experiments/{NAME}")


def page_of(theme_script: str, content: str) -> str:
    return f'<head><meta charset="utf-8"><title>One</title>{theme_script}</head><body>{content}</body>'


@pytest.fixture
def theme_script() -> str:
    """The script of the theme that differs from folder to folder, as a page one folder deep has it."""
    part = Path(THEME[0], "partials", "javascripts", "base.html").read_text(encoding="utf-8")
    [script] = re.findall(r"<script>.*?</script>", part, re.DOTALL)
    return re.sub(r"\{\{.*?\}\}", "..", script)


def test_only_the_scripts_of_the_theme_are_hashed(theme_script: str) -> None:
    policy = ContentPolicy(THEME)
    own = policy.guarded(page_of(theme_script, ""), "..", MkDocsConfig())
    assert own.count("'sha256-") == 1
    brought = "<script>alert(1)</script>"
    assert policy.guarded(page_of(theme_script, brought), "..", MkDocsConfig()).count("'sha256-") == 1
    assert policy.guarded(page_of(brought, ""), "..", MkDocsConfig()).count("'sha256-") == 0
    # In another folder it is another script.
    assert policy.guarded(page_of(theme_script, ""), "../..", MkDocsConfig()).count("'sha256-") == 0


def test_the_script_that_serve_adds_may_run_there(theme_script: str) -> None:
    """A hash would take the effect from 'unsafe-inline', which that script needs."""
    page = ContentPolicy(THEME, live=True).guarded(page_of(theme_script, ""), "..", MkDocsConfig())
    assert "script-src 'self' 'unsafe-inline';" in page
    assert "sha256" not in page


def test_a_theme_without_a_head_is_none() -> None:
    with pytest.raises(ValueError, match="has no <meta"):
        ContentPolicy(THEME).guarded("<p>One</p>", "..", MkDocsConfig())


@pytest.fixture
def served(hostile: Built) -> Iterator[str]:
    # As if the build had let it through.
    page = hostile.site / "scripted.html"
    attack = "<script>ran()</script><script src='data:text/javascript,ran()'></script></article>"
    page.write_text(hostile.page("").replace("</article>", attack, 1), encoding="utf-8")

    with serving(hostile.site) as address:
        yield address


@pytest.mark.browser
@needs_chromium
def test_nothing_that_a_page_brings_along_runs_in_a_browser(served: str) -> None:
    ran: list[str] = []
    blocked: list[str] = []
    with launched() as browser:
        context = opened(browser)
        context.expose_function("ran", lambda: ran.append("it"))
        context.expose_function("blocked", lambda violated: blocked.append(json.loads(violated)))
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation', "
            "event => blocked(JSON.stringify(event.violatedDirective)))"
        )
        page = context.new_page()
        for address in ("/", "/scripted.html"):
            page.goto(served + address, wait_until="load")
            page.evaluate("document.getElementById('attack').click()")
            # The theme's own scripts run: the one that every other needs, and its bundle.
            assert page.evaluate("typeof __md_get + typeof document$") == "functionobject"
        for _ in range(1200):  # what the browser tells may still be on its way
            if set(blocked) >= BLOCKED:
                break
            page.wait_for_timeout(50)
    assert ran == []
    assert set(blocked) >= BLOCKED
