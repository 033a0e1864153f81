"""Examples and their headers, and where a project is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import Tiny

from spritedocs.recordings import Example, ExampleError, Project, source_sha256

GOOD = """\
# ---
# title: "A title: with a colon"
# claims:
#   - x > 1
# ---

# %% [markdown]
# # Heading
#
# Text.

# %%

# %%
x = 1


y = 2
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "01_x.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("text", [GOOD, GOOD.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_an_example_has_a_header_and_the_cells_that_hold_something(tmp_path: Path, text: str) -> None:
    example = Example.read(written(tmp_path, text))
    assert (example.name, example.title) == ("01_x", "A title: with a colon")
    assert example.header["claims"] == ["x > 1"]
    assert [(cell.kind, cell.text) for cell in example.cells] == [
        ("markdown", "# Heading\n\nText."),
        ("code", "x = 1\n\n\ny = 2"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "has no header"),
        (GOOD.replace("# ---\n\n", "\n"), "has no header"),
        (GOOD.replace('"A title', '"A "title'), "has a header that is not YAML"),
        (GOOD.replace("title:", "description:"), "has no title"),
        *(
            (GOOD.replace("# title", f"# time_limit_s: {limit}\n# title"), "has a time_limit_s that is not")
            for limit in ("soon", "0", "-3", ".nan", ".inf", "yes", "1.0e+9")
        ),
        ("# ---\n# ---\n", "has no title"),
        (b"# \xff", "cannot be read"),
    ],
)
def test_an_unusable_header_is_one_sentence_with_the_path(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ExampleError) as error:
        Example.read(path)
    assert str(error.value).startswith(f"{path} {reason}")
    assert "\n" not in str(error.value)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes that are files, and no such links")
@pytest.mark.parametrize(
    "make",
    [
        lambda path: os.mkfifo(path),
        Path.mkdir,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path),
    ],
    ids=["pipe", "folder", "dangling link", "link to itself"],
)
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "examples").mkdir()
    path = tmp_path / "examples" / "16_x.py"
    make(path)
    with pytest.raises(ExampleError, match=f"^{re.escape(str(path))} is no file, or a link to none: .*\\.$"):
        Project(tmp_path).example("16_x")


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, GOOD)
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ExampleError, match=r"01_x\.py cannot be read \(Permission denied\): let yourself"):
        Example.read(path)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ExampleError, match=r"examples cannot be read \(Permission denied\): let yourself"):
        Project(tmp_path).names()


def test_a_long_name_of_no_example_is_shortened(tiny: Tiny) -> None:
    with pytest.raises(
        ExampleError, match=r"^there is no example 'x+ … x+': known are 01_counting\.$"
    ) as error:
        tiny.project.example("x" * 5000)
    assert len(str(error.value)) < 400


def test_a_project_is_found_from_any_folder_inside_it(tmp_path: Path) -> None:
    (tmp_path / "examples" / "deep").mkdir(parents=True)
    with pytest.raises(ExampleError, match="is not inside a clone"):
        Project.find(tmp_path)
    (tmp_path / "mkdocs.yml").touch()
    assert Project.find(tmp_path / "examples" / "deep").root == tmp_path.resolve()


def test_only_numbered_scripts_are_examples_and_they_are_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    folder.mkdir()
    for name in ("02_early.py", "10_late.py", "05_between.py", "helper.py", "02_notes.md"):
        (folder / name).write_text(GOOD)
    project = Project(tmp_path)
    assert project.names() == ["02_early", "05_between", "10_late"]
    assert project.example("10_late").title == "A title: with a colon"


@pytest.mark.parametrize("name", ["03_unknown", "helper", "../02_early", ""])
def test_an_unknown_example_is_named_beside_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "02_early.py").write_text(GOOD)
    (tmp_path / "examples" / "helper.py").write_text(GOOD)
    with pytest.raises(ExampleError, match=r"there is no example .*: known are 02_early\.$"):
        Project(tmp_path).example(name)


def test_a_cell_tagged_so_is_folded_and_the_tag_is_no_code(tiny: Tiny) -> None:
    text = tiny.script.read_text(encoding="utf-8")
    tagged = text.replace("# %%\nif", '# %% tags=["fold"]\nif')
    assert tagged != text
    tiny.script.write_text(tagged, encoding="utf-8")
    assert [cell.folded for cell in tiny.example.cells if cell.kind == "code"] == [False, True]
    assert source_sha256(tagged) == source_sha256(text)
    tiny.script.write_text(tagged.replace('["fold"]', "5"), encoding="utf-8")
    with pytest.raises(ExampleError, match=r"01_counting\.py has a cell that begins wrongly \(TypeError: "):
        _ = tiny.example.cells


@pytest.mark.parametrize(
    ("site", "machines"),
    [
        ("plugins: [search, {spritedocs: {machines: [b, a]}}]", ["b", "a"]),
        ("plugins: {search: {}, spritedocs: {machines: [b, a]}}", ["b", "a"]),
        ("name: !ENV [NAME, x]\nplugins: [!X y, {spritedocs: {machines: [a]}}]", ["a"]),
        ("plugins: [spritedocs]", []),
    ],
)
def test_the_published_machines_are_those_of_the_site(tmp_path: Path, site: str, machines: list[str]) -> None:
    (tmp_path / "mkdocs.yml").write_text(site, encoding="utf-8")
    assert Project(tmp_path).machines() == machines


def test_a_program_belongs_to_the_script_that_names_it_and_is_no_example(tmp_path: Path) -> None:
    folder = tmp_path / "examples" / "programs"
    folder.mkdir(parents=True)
    for name in ("cursed", "fallen", "06_numbered"):
        (folder / f"{name}.py").touch()

    def programs_of(code: str) -> list[str]:
        return [path.name for path in Example(folder.with_name("01.py"), code).programs]

    assert programs_of('run_programs(["fallen", "cursed"])') == ["cursed.py", "fallen.py"]
    assert programs_of("print(program('fallen'))  # not \"cursed\"") == ["fallen.py"]
    assert programs_of("print('fallen')") == programs_of("run_program(fallen)") == []
    assert Project(tmp_path).names() == []
