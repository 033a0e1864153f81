"""What a recording brings to a page: the HTML that we draw, text, and nothing that acts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT
from tiny import MACHINE, NAME, Built, Tiny

from spritedocs.recordings import Recording, RecordingError, cleaned, cleaned_notebook, orphans, plain
from spritedocs.recordings.cleaning import drawn
from spritedocs.report import MIME
from spritedocs.site.edition import Edition
from spritedocs.site.marks import Marks

ATTACKS = [
    "<img src=x onerror=pwn()>",
    '<img src="https://pwn.example/x.png">',
    "<script>pwn()</script>",
    '<script src="//pwn.example/x.js"></script>',
    '<iframe src="https://pwn.example"></iframe>',
    '<form action="https://pwn.example"><input name="password"></form>',
    '<object data="pwn.svg"></object>',
    '<base href="https://pwn.example">',
    '<meta http-equiv="refresh" content="0;url=https://pwn.example">',
    '<link rel="stylesheet" href="https://pwn.example/x.css">',
    "<style>body { background: url(https://pwn.example) }</style>",
    '<a href="javascript:pwn()">x</a>',
    '<a href="java\tscript:pwn()">x</a>',
    '<a href="data:text/html,<script>pwn()</script>">x</a>',
    '<td onclick="pwn()">x</td>',
    '<div class="md-overlay pwn">x</div>',
    '<div id="__pwn">x</div>',
    '<div style="position: fixed; inset: 0">pwn</div>',
    '<svg><g style="fill: url(https://pwn.example/x)"/></svg>',
    '<svg><g style="fill: u\\72l(https://pwn.example/x)"/></svg>',
    '<svg><g style="font: 1px pwn; position: fixed"/></svg>',
    '<svg><g clip-path="url(https://pwn.example/x)"/></svg>',
    '<svg><use href="https://pwn.example/x.svg#a"/></svg>',
    '<svg><use xlink:href="data:image/svg+xml,pwn"/></svg>',
    '<svg onload="pwn()"></svg>',
    '<svg display="block; position: fixed"></svg>',
    '<svg><animate onbegin="pwn()" attributeName="x"/></svg>',
    '<svg><set attributeName="href" to="javascript:pwn()"/></svg>',
    "<svg><foreignObject><iframe srcdoc='pwn'></iframe></foreignObject></svg>",
    '<svg><image href="https://pwn.example/x.png"/></svg>',
    "<svg><style><img src=x onerror=pwn()></style></svg>",
    "<math><mtext><img src=x onerror=pwn()></mtext></math>",
    "<!-- --!><img src=x onerror=pwn()> -->",
    "<![CDATA[<img src=x onerror=pwn()>]]>",
    "<noscript><p title='</noscript><img src=x onerror=pwn()>'></noscript>",
    '<img src="x" onerror="pwn()"',
    "<details open ontoggle=pwn()>x</details>",
    "<svg/onload=pwn()>",
]


class Acting(HTMLParser):
    """Collects what is neither shown text nor described by it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.stack: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            # A heading's id, and links to it, are made of its words.
            is_anchor = key in ("id", "href") and re.fullmatch(r"#?[a-z][\w-]*", value or "")
            # A label is shown before its cell on a phone, by CSS.
            if key not in ("title", "aria-label", "data-label") and not is_anchor:
                self.found.append(f"{key}={value}")
        self.found.append(tag)
        self.stack.append(tag)

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in ("script", "style"):
            self.found.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass


FORBIDDEN = {"script", "iframe", "form", "input", "object", "base", "meta", "link", "style", "img", "image"}


def harmless(text: str) -> bool:
    found = Acting(text).found
    return not any("pwn" in part or part.startswith("on") for part in found) and not {*found} & FORBIDDEN


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_that_we_do_not_draw_is_refused_where_it_is_read(tiny: Tiny, attack: str) -> None:
    notebook = json.loads(tiny.recording().read_text(encoding="utf-8"))
    data = notebook["cells"][-1]["outputs"][0]["data"]
    for place in ("</figure>", "<caption>", "</div>"):
        text = "".join(data["text/html"]).replace(place, f"{attack}{place}", 1)
        altered = json.loads(json.dumps(notebook))
        altered["cells"][-1]["outputs"][0]["data"]["text/html"] = [text]
        with pytest.raises(RecordingError, match="which no table or figure of ours has: record the example"):
            Recording.read(tiny.write(tiny.recording(), altered))


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_acts_in_what_is_published(attack: str) -> None:
    for text in (attack, f"<figure>{attack}</figure>", f'<td class="sprite-number">{attack}</td>'):
        assert harmless(cleaned(text))
        assert harmless(cleaned_notebook(text))


def test_what_waits_for_its_page_is_clean_already() -> None:
    marks = Marks()
    assert marks.replaced(marks.keep("<p>3 s<img src=x onerror=pwn()></p>")) == "<p>3 s</p>"


@pytest.mark.parametrize(
    "text", [*ATTACKS, "`**_x_**`", "a | b", '"] [x](javascript:pwn())', "{{ lipsum }}", "![x](pwn)", "\\"]
)
def test_text_is_no_more_than_text(text: str) -> None:
    import markdown
    from markdown.extensions.tables import TableExtension

    page = markdown.markdown(
        f"| head |\n|---|\n| {plain(text)} |\n\n{plain(text)}", extensions=[TableExtension()]
    )
    said = [*re.findall("<td>(.*?)</td>", page), *re.findall("<p>(.*?)</p>", page)]
    unescaped = [re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), each) for each in said]
    assert [" ".join(each.split()) for each in unescaped] == [" ".join(text.split())] * 2
    assert harmless(page)


class Elements(HTMLParser):
    """The elements of a figure or a table, whether one that is empty is written with a slash or not."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # A page needs no namespace for xlink.
        self.found.append((tag, sorted((key, value or "") for key, value in attrs if key != "xmlns:xlink")))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.found.append([data])


def test_every_recorded_result_comes_out_as_it_was() -> None:
    for path in (*PROJECT.recorded.glob("*/*.ipynb"), *PROJECT.benchmarked.glob("*/*.ipynb")):
        for result in Recording.read(path).results:
            after = cleaned(result.html)
            assert Elements(after).found == Elements(result.html).found
            assert after.count("viewBox") == result.html.count("viewBox")
            assert after.count("<clipPath") == result.html.count("<clipPath")
            names = [tag.name for tag in drawn(result.html) if not tag.name.startswith("/")]
            assert names == re.findall(r"<(\w+)", result.html)


HOSTILE = '<img src=x onerror=pwn()> "] `[x](javascript:pwn())` | {{ pwn }} <b>'


@pytest.fixture(scope="module")
def hostile(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built from recordings that bring something hostile wherever text can stand."""
    import shutil

    tiny = Tiny(Path(shutil.copytree(recorded, tmp_path_factory.mktemp("hostile") / "tiny")))

    def change(notebook: dict[str, Any]) -> None:
        machine = notebook["metadata"]["spritedocs"]["machine"]
        machine.update(cpu=HOSTILE, os=HOSTILE, python=HOSTILE, torch=HOSTILE, start_method=HOSTILE)
        payload = notebook["cells"][-1]["outputs"][0]["data"][MIME]
        for value in payload["values"]:
            value.update(unit=f"× {HOSTILE}", label=HOSTILE)
        payload["gaps"] = [{"name": "weight", "reason": HOSTILE}]
        notebook["cells"][-1]["outputs"].append(
            {"output_type": "stream", "name": "stdout", "text": [f"</pre>{attack}\n" for attack in ATTACKS]}
        )
        notebook["metadata"]["language_info"] = {"name": HOSTILE, "pygments_lexer": HOSTILE}
        notebook["cells"][-1]["metadata"]["tags"] = [HOSTILE]
        for number, attack in enumerate([f"# {HOSTILE}", f"## `{HOSTILE}`", "&lt;script&gt;pwn()", *ATTACKS]):
            cell = {"cell_type": "markdown", "id": f"x-{number}", "metadata": {}, "source": [attack]}
            notebook["cells"].append(cell)

    def other(notebook: dict[str, Any]) -> None:
        change(notebook)
        notebook["metadata"]["spritedocs"]["machine"].update(gpu=HOSTILE)

    tiny.add_recording(tiny.project.own / "mine" / f"{NAME}.ipynb", other)
    tiny.add_recording(tiny.recording(), change)
    tiny.edit("docs/index.md", "{{ gpu_notice() }}", "{{ machines() }}")
    built = tiny.build(SPRITEDOCS_CLAIMS="reported")
    assert built.status == 0, built.said
    return built


def test_no_page_lets_a_recording_act(hostile: Built) -> None:
    for address in ("", f"experiments/{NAME}", f"notebooks/{NAME}"):
        page = hostile.page(address)
        assert "onerror=pwn()" in page, "it is shown as text"
        # The theme's own head, scripts and forms are not what a recording brought.
        assert not [part for part in Acting(page).found if "pwn" in part]
        assert not re.search(r"<img|<iframe|<object|<base|<foreignObject", page)
        assert page.count("<form") == 1
        assert "<b>" not in page
    index = json.loads((hostile.site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert all(harmless(entry["title"] + entry["text"]) for entry in index["docs"])


def test_no_folder_steers_the_terminal(tiny: Tiny) -> None:
    folder = tiny.project.recorded / "\x1b[2Jx"
    tiny.recording().parent.rename(folder)
    assert tiny.library.machines() == []
    [sentence] = orphans(tiny.project, [MACHINE])
    assert "\x1b" not in sentence
    with pytest.raises(RecordingError) as error:
        Recording.read(tiny.write(folder / f"{NAME}.ipynb", {}))
    assert "\x1b" not in str(error.value)
    assert Edition(tiny.project, [MACHINE]).notices[-1] == sentence
