"""The miniature site, built by MkDocs: what its pages show, and what stops a build."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from tiny import MACHINE, NAME, Built, Tiny, add_benchmark

from spritedocs import machine, recordings
from spritedocs.recordings import Recording
from spritedocs.report import Measurement
from spritedocs.site.edition import Edition
from spritedocs.site.execution import recorded_here
from spritedocs.site.macros import Macros
from spritedocs.site.marks import Marks
from spritedocs.site.notebooks import published_notebook
from spritedocs.site.pages import doubted, experiment_page
from spritedocs.site.placeholders import filled

EXPERIMENT = f"experiments/{NAME}"
NOTEBOOK = f"notebooks/{NAME}"
TRACE = '{"traceEvents":[{"name":"load","ph":"X","ts":0.5}]}'


def slower(notebook: dict[str, Any]) -> None:
    """As another machine would have recorded it: there the ratio is so low that a claim fails."""
    machine = notebook["metadata"]["spritedocs"]["machine"]
    machine.update(gpu="Other machine", torch="2.6.0")
    _measured(notebook, "ratio").update(samples=[1.4, 1.6] * 3)
    [output] = notebook["cells"][-1]["outputs"]
    output["data"]["application/vnd.spritedocs.trace"] = [TRACE]


def mine(notebook: dict[str, Any]) -> None:
    notebook["metadata"]["spritedocs"]["machine"].update(usable_cores=7)
    _measured(notebook, "helpers").update(samples=[7.0])
    _measured(notebook, "ratio").update(samples=[2.2, 3.9] * 3)


def gap(notebook: dict[str, Any]) -> None:
    """As a machine would have recorded it that cannot measure the ratio."""
    [output] = notebook["cells"][-1]["outputs"]
    payload = output["data"]["application/vnd.spritedocs.measurement+json"]
    payload["values"] = [value for value in payload["values"] if value["name"] != "ratio"]
    payload["gaps"] = [{"name": name, "reason": "There are no scales here."} for name in ("ratio", "weight")]


def stale(notebook: dict[str, Any]) -> None:
    notebook["metadata"]["spritedocs"]["source_sha256"] = "0" * 64


def _measured(notebook: dict[str, Any], name: str) -> dict[str, Any]:
    [output] = notebook["cells"][-1]["outputs"]
    values = output["data"]["application/vnd.spritedocs.measurement+json"]["values"]
    return next(value for value in values if value["name"] == name)


def text_of(page: str) -> str:
    """What a reader reads, table cells set apart."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page.replace("</td>", " "))).split())


# What a good build shows.


@pytest.fixture(scope="module")
def good(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built from three recordings: the published one, another machine's and the reader's own."""
    tiny = Tiny(Path(shutil.copytree(recorded, tmp_path_factory.mktemp("good") / "tiny")))
    tiny.add_recording(tiny.recording("other-machine"), slower)
    tiny.add_recording(tiny.project.own / "mine" / f"{NAME}.ipynb", mine)
    tiny.add_recording(tiny.project.own / "yours" / f"{NAME}.ipynb", gap)
    # A result may stand anywhere, and twice on a page.
    tiny.edit(
        "docs/index.md",
        "{{ gpu_notice() }}",
        '{{ gpu_notice() }}\n\n- {{ figure("01_counting", "was counted") }}',
    )
    # The environment overrules what the options ask for, and nothing runs.
    tiny.edit(f"examples/{NAME}.py", "# %%\nif", '# %% tags=["fold"]\nif')
    tiny.edit("mkdocs.yml", "other-machine] }", "other-machine], execute: always }")
    built = tiny.build(strict=True, SPRITEDOCS_EXECUTE="never")
    assert built.status == 0, built.said
    assert "Running" not in built.said
    return built


def test_a_guide_page_quotes_the_published_machine(good: Built) -> None:
    page = text_of(good.page(""))
    assert "There are 4 helpers, 3.00× (2.94–3.10)." in page
    assert "13 usable cores of Tiny CPU" in page
    assert "repeat with spritedocs record 01_counting" in page
    assert "No GPU has recorded" in page
    assert good.page("").count('<figure class="sprite-figure"') == 2
    assert "/edit/" not in good.page("")


def test_an_experiment_has_a_tab_for_each_machine_the_published_first(good: Built) -> None:
    labels = re.findall(r'<label for="[^"]*">([^<]*)</label>', good.page(EXPERIMENT))
    assert labels == ["CPU, 13 cores", "Other machine", "Yours: CPU, 7 cores", "Yours: CPU, 13 cores"]
    assert "torch 2.6.0 here, 2.13.0+cpu published" in text_of(good.page(EXPERIMENT))


def test_the_first_figure_of_the_published_machine_stands_above_the_code_only(good: Built) -> None:
    page = good.page(EXPERIMENT)
    above, *others = [found.start() for found in re.finditer("<figure", page)]
    assert above < page.index('class="highlight"') < page.index('class="tabbed-set') < others[0]
    assert len(others) == page.count('class="tabbed-block"') - 1


def test_claims_are_told_for_each_machine_and_may_differ_on_another(good: Built) -> None:
    page = text_of(good.page(EXPERIMENT))
    assert "ratio > 2 holds: ratio is 3.00× (2.94–3.10) differs here: ratio is 1.50× (1.39–1.62)" in page
    assert "helpers == 4 holds: helpers is 4 holds: helpers is 4 differs here: helpers is 7" in page


def test_where_a_value_could_not_be_measured_its_page_says_why(good: Built) -> None:
    page = text_of(good.page(EXPERIMENT))
    # Beside the claim, and among the values once for all of them.
    assert page.count("not measured here: There are no scales here.") == 2
    assert page.count("not measured here") > 3


def test_code_that_only_measures_and_shows_is_folded_away(good: Built) -> None:
    opening = re.findall(r'<details class="abstract".*?</details>', good.page(EXPERIMENT), re.DOTALL)
    folded, claims, values = opening
    assert "The code of this step (12 lines)" in text_of(folded)
    assert "Claims (2)" in text_of(claims)
    assert "Every measured value (3)" in text_of(values)
    assert "counted = Measurement.of(" in text_of(folded)
    assert "import Bars" not in text_of(folded)


def test_an_experiments_page_is_its_script(good: Built) -> None:
    page = good.page(EXPERIMENT)
    assert "<h1" in page
    assert "A site needs an example." in text_of(page)
    assert "A remark with &lt;angle brackets&gt;." in page
    assert "counted = Measurement.of(" in text_of(page)


def test_the_notebook_view_is_light_and_out_of_search(good: Built) -> None:
    page = good.page(NOTEBOOK)
    assert "What was counted" in page
    assert "<style" not in page
    assert "clipboard-copy" not in page
    assert 'class="n"' not in page + good.page(EXPERIMENT)
    assert len(page) < 100_000
    index = json.loads((good.site / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"] for entry in index["docs"]}
    assert f"{EXPERIMENT}/" in places
    assert not [place for place in places if place.startswith("notebooks")]


def test_huge_output_is_folded_and_cut(tiny: Tiny) -> None:
    def talks(notebook: dict[str, Any]) -> None:
        said = {"output_type": "stream", "name": "stdout", "text": "&&&&&&&&&\n" * 50_000}
        next(cell for cell in notebook["cells"] if cell.get("outputs"))["outputs"].append(said)

    tiny.add_recording(tiny.recording(), talks)
    built = tiny.build()
    assert "Printed text (50,000 lines)" in text_of(built.page(EXPERIMENT))
    assert "Of 500,000 characters the first 20,000." in text_of(built.page(EXPERIMENT))
    assert len(built.page(EXPERIMENT)) < 250_000
    assert len(built.page(NOTEBOOK)) < 250_000


def test_a_program_is_shown_before_the_cell_that_runs_it_and_can_be_taken_along(tiny: Tiny) -> None:
    program = tiny.script.parent / "programs" / "cursed.py"
    program.parent.mkdir()
    program.write_text("print('sprite')\nprint('13')\n", encoding="utf-8")
    tiny.edit(f"examples/{NAME}.py", "# ## Count", "# ## Count\n\n# %%\nrun_program('cursed')")
    built = tiny.build()
    page = built.page(EXPERIMENT)
    assert "The program cursed.py (2 lines)" in page
    assert page.index("sprite") < page.index("run_program")
    assert 'href="../../downloads/programs/cursed.py" download' in page
    assert (built.site / "downloads" / "programs" / "cursed.py").read_bytes() == program.read_bytes()


def test_a_fresh_notebook_has_the_scripts_prose_and_a_stale_one_what_was_recorded(tiny: Tiny) -> None:
    def foreign(notebook: dict[str, Any]) -> None:
        notebook["cells"][2]["source"] = ["# Pay here"]
        notebook["cells"].append({**notebook["cells"][2], "id": "more"})
        notebook["cells"][-2]["source"].insert(0, "# or there\n")

    stored = Recording.read(tiny.add_recording(tiny.recording(), foreign))
    tiny.edit(f"examples/{NAME}.py", "A site needs", "Every site needs")
    assert tiny.library.is_fresh(tiny.example, tiny.recording().parent)
    entry = Edition(tiny.project, [MACHINE]).entries[NAME]
    fresh = nbformat.reads(published_notebook(stored, entry, fresh=True).decode(), as_version=4)
    nbformat.validate(fresh)
    cells = [(cell.cell_type, cell.source) for cell in fresh.cells[2:]]
    assert cells == [(cell.kind, cell.text) for cell in tiny.example.cells]
    assert "Every site needs" in cells[0][1]
    assert fresh.cells[-1].outputs[0].data["text/plain"].startswith("What was counted")
    assert published_notebook(stored, entry, fresh=False) == tiny.recording().read_bytes()


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([0.8, 1.2] * 3, "0.98× (0.78–1.24, no difference measured)</span>"),
        ([1.2], "about 1.2× (one run)</span>"),
    ],
)
def test_what_is_no_difference_or_one_run_is_never_quoted_bare(samples: list[float], said: str) -> None:
    found = Measurement.of("gain", samples, "×"), SimpleNamespace(provenance={"machine": {}}), ""
    edition = SimpleNamespace(value=lambda *wanted: found, entry=lambda name: None)
    plugin = SimpleNamespace(edition=edition, current_page="index.md")
    assert Macros(plugin).measured("speed", "gain", interval=True).endswith(said)


def test_prose_quotes_what_the_page_publishes_and_so_does_the_notebook(tiny: Tiny) -> None:
    old, new = "A site needs an example.", "It counts {helpers}: {ratio:interval}; not `{code}`."
    tiny.edit(f"examples/{NAME}.py", old, new)
    edition = Edition(tiny.project, [MACHINE])
    entry = edition.entries[NAME]
    told = f"It counts 4: {entry.published.recording.values['ratio'].in_full}; not `{{code}}`."
    assert told in experiment_page(entry, edition, Marks())
    for fresh in (True, False):  # a stale one has the prose of its run
        notebook = json.loads(published_notebook(entry.published.recording, entry, fresh))
        assert ("".join(notebook["cells"][2]["source"]).count(told) == 1) is fresh
    assert not edition.problems


def test_what_an_example_found_stands_below_its_title_and_on_its_card(tiny: Tiny) -> None:
    header = "# description: A miniature example that measures nothing slow.\n"
    tiny.edit(f"examples/{NAME}.py", header, f'{header}# headline: "It counts {{helpers}}."\n')
    edition = Edition(tiny.project, [MACHINE])
    page = experiment_page(edition.entries[NAME], edition, Marks())
    order = r"# Counting\n+It counts 4\.\n\{ \.sprite-answer \}\n+SPRITEMARK[0-9a-f]+\n+\*\*Motive\.\*\*"
    assert re.search(order, page)
    cards = Macros(SimpleNamespace(edition=edition, current_page="index.md")).experiments()
    assert f"**[Counting: what a run counts]({NAME}.md)**\n\n    It counts 4." in cards
    assert edition.problems == []


def test_experiments_are_listed_by_group_and_those_of_none_come_last(tiny: Tiny) -> None:
    text = tiny.script.read_text(encoding="utf-8")
    for name, group in {
        "02_alone": "",
        "03_first": "# group: Ranks\n",
        "04_then": "# group: Ranks\n",
    }.items():
        tiny.script.with_stem(name).write_text(text.replace("# claims:", f"{group}# claims:"), "utf-8")
    edition = Edition(tiny.project, [MACHINE])
    cards = Macros(SimpleNamespace(edition=edition, current_page="index.md")).experiments()
    order = re.findall(r"^## (\w+)|\]\((\w+)\.md\)", cards, re.MULTILINE)
    assert ["".join(each) for each in order] == ["Ranks", "03_first", "04_then", "More", NAME, "02_alone"]


def test_prose_that_quotes_what_nobody_measures_stops_the_build(tiny: Tiny) -> None:
    tiny.edit(f"examples/{NAME}.py", "A site needs", "A {speed} site {ratio:range}")
    edition = Edition(tiny.project, [MACHINE])
    experiment_page(edition.entries[NAME], edition, Marks())
    where = f"examples/{NAME}.py, in the Markdown cell '# Counting', "
    assert edition.problems == [
        f"{where}quotes 'speed', which the example does not measure: known are helpers, ratio.",
        f"{where}quotes '{{ratio:range}}': write {{ratio}} or {{ratio:interval}}.",
    ]


@pytest.mark.parametrize(
    ("machines", "said"),
    [
        (["cpu-13-cores"], "on 13 cores without a GPU"),
        (["other-machine", "cpu-13-cores"], "on 13 cores with the GPU Other machine"),
    ],
)
def test_a_sentence_says_what_the_published_machine_is(tiny: Tiny, machines: list[str], said: str) -> None:
    tiny.add_recording(tiny.recording("other-machine"), slower)
    edition = Edition(tiny.project, machines, claims_stop=False)
    macros = Macros(SimpleNamespace(edition=edition, current_page="index.md", repo_url="", marks=Marks()))
    assert macros.where(NAME) == said
    assert macros.where("02_gone") == "**?**"


def test_what_only_a_stale_recording_has_is_quoted_from_it_and_labelled(tiny: Tiny) -> None:
    tiny.add_recording(tiny.recording("other-machine"), lambda n: (slower(n), stale(n)))
    tiny.add_recording(tiny.recording(), gap)
    edition, marks = Edition(tiny.project, ["cpu-13-cores", "other-machine"], claims_stop=False), Marks()
    macros = Macros(SimpleNamespace(edition=edition, current_page="index.md", repo_url="", marks=marks))
    helpers = macros.measured(NAME, "helpers")
    assert 'title="no interval, measured on CPU, 13 cores">4 (CPU, 13 cores)<' in helpers
    assert "measured on Other machine (stale: other has changed since)" in macros.measured(NAME, "ratio")
    lines = text_of(marks.replaced(macros.provenance(NAME)).replace("</p>", " | ")).split(" | ")
    assert [line.split(" ")[0] for line in lines[:2]] == ["Stale:", "Also:"]
    assert "Other machine" in lines[0]
    assert "Tiny CPU" in lines[1]
    assert "Stale" not in lines[1]
    assert edition.has_gpu
    assert filled("{helpers}, {ratio}", edition.entries[NAME]) == ("4 (CPU, 13 cores), 1.50×", [])


def test_a_trace_can_be_taken_along_from_the_tab_of_the_machine_that_kept_it(good: Built) -> None:
    links = re.findall(r'href="../../(downloads/[^"]+\.trace\.json)"', good.page(EXPERIMENT))
    [link] = set(links)
    assert (good.site / link).read_text(encoding="utf-8") == TRACE


def test_a_page_quotes_a_benchmark_which_has_no_page_of_its_own(tiny: Tiny) -> None:
    path = add_benchmark(tiny).path
    wanted = ['measured("speed", "overhead")', 'table("speed")', 'provenance("speed")']
    wish = "\n\n".join(f"{{{{ {call} }}}}" for call in wanted)
    tiny.edit("docs/index.md", "{{ gpu_notice() }}", wish)
    tiny.edit("docs/index.md", "claims:\n", 'claims:\n  - "speed: overhead == 1.5"\n')
    path.write_text("x = 2\n", encoding="utf-8")
    path.parent.rename(path.parent.with_name("pace"))  # recorded before it moved
    built = tiny.build(strict=True)
    assert built.status == 0, built.said
    script = "benchmarks/pace/speed.py"
    assert f"STALE: {script}, as cpu-13-cores recorded it: the script has changed" in built.said
    assert f"repeat with python {script}" in text_of(built.page(""))
    assert "How fast" in built.page("")
    assert not (built.site / "experiments" / "speed").exists()


# What stops a build, and how.

RECORDED = Path("examples", "recorded", "cpu-13-cores")


def assert_stopped(built: Built, *sentences: str) -> None:
    """Stopped by ``sentences`` and nothing else, each on a line of its own."""
    assert built.status == 1
    assert "Traceback" not in built.said
    error = re.search(
        r"^ERROR +-  (.*?)\n\nAborted with a BuildError!$", built.said, re.DOTALL | re.MULTILINE
    )
    assert error, built.said
    found = error[1].splitlines()
    assert [line for line in found if not line.startswith(sentences)] == []
    assert [sentence for sentence in sentences if sentence not in error[1]] == []


def test_a_strict_build_stops_in_one_sentence_on_a_false_claim(tiny: Tiny) -> None:
    tiny.edit("docs/index.md", '"01_counting: ratio > 2"', '"01_counting: ratio > 3.2"')
    assert_stopped(
        tiny.build(strict=True),
        "docs/index.md: the claim '01_counting: ratio > 3.2' is false on cpu-13-cores, "
        "where ratio is 3.00× (2.94–3.10).",
    )


def test_claims_that_need_not_hold_stop_no_build_and_their_pages_say_so(tiny: Tiny) -> None:
    tiny.edit("docs/index.md", '"01_counting: ratio > 2"', '"01_counting: ratio > 2.99"')
    tiny.edit("examples/01_counting.py", "#   - helpers == 4", "#   - helpers == 5")
    built = tiny.build(strict=True, SPRITEDOCS_CLAIMS="reported")
    assert built.status == 0, built.said
    assert "01_counting.py: the claim '01_counting: helpers == 5' is false on cpu-13-cores" in built.said
    home, experiment = text_of(built.page("")), text_of(built.page(EXPERIMENT))
    box = "The figures do not bear out all that this page says The claim '01_counting: "
    assert f"{box}ratio > 2.99' is not certain on cpu-13-cores, where ratio is 3.00× (2.94–3.10)." in home
    assert f"{box}helpers == 5' is false on cpu-13-cores, where helpers is 4." in experiment
    assert "helpers == 5 differs here: helpers is 4" in experiment
    assert "ratio > 2.99" not in experiment


@pytest.mark.parametrize(
    ("page", "title", "rest"),
    [
        ("\n# Sprites\n\nHelp.\n", "\n# Sprites", "Help.\n"),
        ("# Sprites\n\n    code\n", "# Sprites", "    code\n"),
        ("Help.\n\n```\n# a remark\n```\n", "", "Help.\n\n```\n# a remark\n```\n"),
    ],
)
def test_the_box_stands_below_the_title_or_on_top(page: str, title: str, rest: str) -> None:
    box = '!!! warning "The figures do not bear out all that this page says"\n\n    - It is so.'
    assert doubted(page, ["it is so.", "it is so."]) == f"{title}\n\n{box}\n\n{rest}"


def test_a_gap_where_the_prose_needs_a_value_stops_a_build_with_the_reason(tiny: Tiny) -> None:
    tiny.add_recording(tiny.recording(), gap)
    claim = "the claim '01_counting: ratio > 2' cannot be checked, 'ratio' could not be measured there: "
    assert_stopped(
        tiny.build(),
        f"examples/01_counting.py: {claim}There are no scales here.",
        f"docs/index.md: {claim}There are no scales here.",
        "docs/index.md quotes 'ratio', which cpu-13-cores could not measure: There are no scales here.",
    )


BROKEN_PAGE = """\
---
render_macros: true
claims:
  - "01_counting: ratio > 2.99"
  - 01_counting: ratio => 2
  - "01_counting: speed > 2"
  - "99_nothing: ratio > 2"
---
# Broken

{{ measured("01_counting", "goblins") }}
{{ figure("01_counting", 2) }}
{{ table("01_counting", "was eaten") }}
{{ table("98_nothing") }}
"""
UNCLAIMED_PAGE = """\
---
render_macros: true
---
# Unclaimed

{{ measured("01_counting", "ratio") }}
{{ program("01_counting", "summons") }}
{{ training("../recorded/with_all") }}
{{ provenance("99_nothing") }}
"""


def test_a_plain_build_names_everything_that_is_wrong_at_once(tiny: Tiny) -> None:
    (tiny.root / "docs" / "index.md").write_text(BROKEN_PAGE, encoding="utf-8")
    (tiny.root / "docs" / "more.md").write_text("---\nclaims: ratio > 2\n---\n# More\n", encoding="utf-8")
    (tiny.root / "docs" / "unclaimed.md").write_text(UNCLAIMED_PAGE, encoding="utf-8")
    text = tiny.script.read_text(encoding="utf-8")
    (tiny.root / "examples" / "02_headless.py").write_text("x = 1\n", encoding="utf-8")
    for name in ("03_unrecorded", "04_foreign", "05_damaged"):
        (tiny.root / "examples" / f"{name}.py").write_text(text, encoding="utf-8")
    tiny.add_recording(tiny.recording().with_name("04_foreign.ipynb"))
    tiny.recording().with_name("05_damaged.ipynb").write_bytes(tiny.recording().read_bytes()[:100])
    tiny.edit("examples/01_counting.py", "#   - helpers == 4", "#   - helpers == 5")
    known = "known are 01_counting, 02_headless, 03_unrecorded, 04_foreign, 05_damaged."
    assert_stopped(
        tiny.build(),
        f"{Path('examples', '02_headless.py')} has no header: ",
        "examples/03_unrecorded.py has no published recording: "
        "run 'spritedocs record 03_unrecorded --machine NAME'.",
        f"{RECORDED / '05_damaged.ipynb'} cannot be read (",
        f"{RECORDED / '04_foreign.ipynb'} is a recording of '01_counting': ",
        "examples/01_counting.py: the claim '01_counting: helpers == 5' is false on cpu-13-cores, ",
        "docs/index.md: the claim '01_counting: ratio > 2.99' is not certain on cpu-13-cores, "
        "where ratio is 3.00× (2.94–3.10).",
        "docs/index.md: the claim '01_counting: ratio => 2' is not of the form 'EXAMPLE: value > number'.",
        "docs/index.md: the claim '01_counting: speed > 2' cannot be checked, 'speed' was not measured: ",
        f"docs/index.md refers to '99_nothing', which is no example: {known}",
        "docs/index.md quotes 'goblins', which 01_counting does not measure: known are helpers, ratio.",
        "docs/index.md asks for result 2 of 01_counting, which showed 1.",
        "docs/index.md asks for the one result of 01_counting with 'was eaten': 0 have it.",
        f"docs/index.md refers to '98_nothing', which is no example: {known}",
        "docs/more.md has claims that are not a list: ",
        "docs/unclaimed.md quotes the ratio 'ratio' of 01_counting, which no claim of the page is about: add "
        "one.",
        "docs/unclaimed.md asks for the program 'summons', which 01_counting does not run.",
        "docs/unclaimed.md asks for a training with '../recorded/with_all', of which ",
        f"docs/unclaimed.md refers to '99_nothing', which is no example: {known}",
    )


# Fresh and stale.


def test_the_first_fresh_machine_is_published_rather_than_a_preferred_stale_one(tiny: Tiny) -> None:
    tiny.add_recording(
        tiny.recording("other-machine"),
        lambda n: n["metadata"]["spritedocs"]["machine"].update(cpu="Other CPU"),
    )
    tiny.add_recording(tiny.recording(), stale)
    built = tiny.build(strict=True)
    assert built.status == 0, built.said
    assert "STALE" not in built.said
    assert "of Other CPU" in text_of(built.page(""))
    assert "stale" not in text_of(built.page("")).lower()
    assert "These figures are stale" not in built.page(EXPERIMENT)
    assert text_of(built.page(EXPERIMENT)).count("Stale: the code has changed since.") == 1


def test_without_a_fresh_recording_the_first_stale_one_is_published_labelled_and_reported(tiny: Tiny) -> None:
    """Its code is another than the script's by now: its values stand there, and nothing that it showed."""
    tiny.add_recording(tiny.recording("other-machine"), slower)
    with tiny.script.open("a", encoding="utf-8") as script:
        script.write("\n# %%\nlast = 'of all'\n")
    built = tiny.build(strict=True)
    assert built.status == 0, built.said
    assert re.search(
        r"^INFO +-  STALE: examples/01_counting.py, as cpu-13-cores recorded it: the script has changed",
        built.said,
        re.MULTILINE,
    )
    assert "Stale: the code has changed since." in text_of(built.page(""))
    page = built.page(EXPERIMENT)
    assert "These figures are stale The script has changed since." in text_of(page)
    assert "<caption>What was counted" not in page
    assert ".trace.json" not in page
    assert "ratio 3.00× (2.94–3.10), n = 6 1.50×" in text_of(page)
    assert "value CPU, 13 cores, stale Other machine, stale" in text_of(page)
    assert re.search("CPU, 13 cores ran other code, .* Stale: .* Other machine ran other", text_of(page))


# Building and running.


def test_a_build_runs_what_is_missing_or_everything_when_asked_to(tiny: Tiny) -> None:
    here = machine.slug()
    # This machine has published once, too. The figure is another, so that pages can be told apart.
    tiny.add_recording(tiny.recording(here), mine)
    missing = tiny.build(strict=True, SPRITEDOCS_EXECUTE="missing")
    assert missing.status == 0, missing.said
    assert f"Running {NAME}" in missing.said
    own = tiny.project.own / here / f"{NAME}.ipynb"
    kept = own.read_bytes()
    labels = re.findall(r'<label for="[^"]*">([^<]*)</label>', missing.page(EXPERIMENT))
    assert (labels[0], labels[-1].split(":")[0]) == ("CPU, 13 cores", "Yours")
    assert "of Tiny CPU" in text_of(missing.page(""))

    # Another machine's figures, as in a cache that was brought along, are not this machine's to publish.
    tiny.add_recording(tiny.project.own / "a-machine" / own.name, mine)
    tiny.recording().unlink()
    tiny.edit("mkdocs.yml", "[cpu-13-cores, other-machine]", f"[{here}]")
    tiny.edit("mkdocs.yml", "font: false }", "font: false, features: [content.action.edit] }")
    tiny.edit("docs/index.md", "{{ gpu_notice() }}", "{{ machines() }}")
    always = tiny.build(
        strict=True, SPRITEDOCS_EXECUTE="always", SPRITEDOCS_REPO_URL="https://git.example/s/"
    )
    assert always.status == 0, always.said
    assert f">{machine.describe().cpu}</td>" in always.page(""), "the table names who measured"
    assert own.read_bytes() != kept
    assert "There are 4 helpers" in text_of(always.page(""))
    page = always.page(EXPERIMENT)
    assert "md-source" not in page, "Material's widget would ask the repository's host for its stars"
    assert len(re.findall(r'<label for="[^"]*">', page)) == 2
    assert f'"https://git.example/s/edit/main/examples/{NAME}.py"' in page
    assert '"https://git.example/s/edit/main/docs/index.md"' in always.page("")
    assert "/edit/" not in always.page(NOTEBOOK)


def test_what_a_publishing_machine_could_not_measure_is_not_called_the_readers_own(tiny: Tiny) -> None:
    """Its recording stands back behind one with the value, and beside it: each machine is there once."""
    tiny.add_recording(tiny.recording("other-machine"), slower)
    for name in ("cpu-13-cores", "other-machine", "new-machine"):
        tiny.add_recording(tiny.project.own / name / f"{NAME}.ipynb", gap)
        edition = Edition(tiny.project, ["cpu-13-cores", "other-machine"], publisher=name)
        entry = edition.entries[NAME]
        assert entry.published
        assert entry.published.machine == "cpu-13-cores"
        folders = {status.machine: status.recording.path.parent.parent for status in entry.others}
        assert folders.pop("other-machine") == (
            tiny.project.own if name == "other-machine" else tiny.project.recorded
        )
        assert folders == ({"new-machine": tiny.project.own} if name == "new-machine" else {})
        assert name not in {status.machine for status in entry.own}


def test_a_build_stops_in_a_sentence_where_an_example_fails(tiny: Tiny) -> None:
    tiny.edit("examples/01_counting.py", "[4]", "[]")
    built = tiny.build(strict=True, SPRITEDOCS_EXECUTE="missing")
    assert_stopped(built, "01_counting failed in line 22 with ValueError: helpers needs at least one sample")


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"SPRITEDOCS_EXECUTE": "sometimes"},
            "SPRITEDOCS_EXECUTE is 'sometimes': make it one of never, missing, always.",
        ),
        (
            {"SPRITEDOCS_EXECUTE": "always", "SPRITEDOCS_CLAIMS": "perhaps"},
            "SPRITEDOCS_CLAIMS is 'perhaps': make it one of required, reported.",
        ),
        (
            {"SPRITEDOCS_EXECUTE": "always", "SPRITEDOCS_ACCELERATOR": "yes"},
            "SPRITEDOCS_ACCELERATOR is 'yes': make it one of optional, required.",
        ),
        (
            # No device is visible then, whatever this machine has.
            {
                "SPRITEDOCS_EXECUTE": "always",
                "SPRITEDOCS_ACCELERATOR": "required",
                "CUDA_VISIBLE_DEVICES": "-1",
            },
            "SPRITEDOCS_ACCELERATOR is 'required', and there is none to measure with, because ",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_stops_the_build_before_anything_runs(
    tiny: Tiny, environment: dict[str, str], sentence: str
) -> None:
    built = tiny.build(**environment)
    assert_stopped(built, sentence)
    assert "Running" not in built.said


@pytest.mark.parametrize(("gpu", "wish"), [("Tiny GPU", "required"), (None, "optional"), (None, "")])
def test_a_build_runs_examples_where_the_accelerator_it_needs_is_there(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, gpu: str | None, wish: str
) -> None:
    monkeypatch.setenv("SPRITEDOCS_ACCELERATOR", wish)
    asked: list[str] = []
    monkeypatch.setattr(machine, "describe", lambda: asked.append("once") or machine.Machine(gpu=gpu))
    monkeypatch.setattr(
        recordings, "record_own", lambda project, everything, say, known: f"{known.gpu} {everything}"
    )
    assert recorded_here(tiny.project, everything=True) == f"{gpu} True"
    assert asked == ["once"]


def test_a_build_that_runs_nothing_asks_for_no_accelerator(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "describe", lambda: pytest.fail("asked"))
    built = tiny.build(strict=True, SPRITEDOCS_ACCELERATOR="required")
    assert built.status == 0, built.said
