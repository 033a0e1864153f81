"""Files that cannot be what a target names: a sentence for each kind, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from spritedocs.target import Target, TargetError
from spritedocs.target import files as target_files
from spritedocs.target.loading import load

posix = pytest.mark.skipif(sys.platform == "win32", reason="not on Windows")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said_of(text: str) -> str:
    with pytest.raises(TargetError) as caught:
        Target.parse(text)
    said = str(caught.value)
    assert said.isprintable()
    assert said.endswith((".", "?"))
    assert len(said) < 400
    return said


@pytest.mark.parametrize("text", ["", " ", "\n", "\t \t"])
def test_a_variable_that_is_not_set_is_told(text: str) -> None:
    assert "names nothing, as of a variable that is not set: write it as path/to/file.py:ca" in said_of(text)


@pytest.mark.parametrize("text", [":", ":make", "None", "  :make", "mine", "::", "a b", "\n:make", "\0"])
def test_what_names_no_place_or_nothing_there_is_told_the_form(text: str) -> None:
    assert "does not say what to call there: write it as path/to/file.py:callable or module" in said_of(text)


@pytest.mark.parametrize("text", [".mine:make", "a..b:make", "mine.:make", " mine:make", "a\0b:make"])
def test_no_name_of_a_module_is_imported(text: str) -> None:
    assert "is no name of a module: write the target as path/to/file.py:callable" in said_of(text)


@pytest.mark.parametrize("place", ["x" * 5000 + ".py", "/".join(["x" * 200] * 100) + "/y.py", "x/" * 3000])
def test_a_name_of_thousands_of_characters_is_told_in_part(place: str) -> None:
    said_of(f"{place}:make")
    said_of(place)


def test_a_module_of_thousands_of_characters_is_none() -> None:
    with pytest.raises(TargetError, match="There is no module xxx") as caught:
        load("x" * 5000 + ":make")
    assert len(str(caught.value)) < 500


@posix
def test_what_is_no_ordinary_file_is_told(tmp_path: Path) -> None:
    os.mkfifo("loop.py")
    Path("dangling.py").symlink_to("nowhere.py")
    Path("circle.py").symlink_to("circle.py")
    Path("device.py").symlink_to("/dev/zero")
    Path("folder.py").mkdir()
    Path("inside").symlink_to("inside")
    assert (
        said_of("loop.py:make") == "loop.py is a pipe, a socket or a device: name a file with Python source."
    )
    assert said_of("loop.py").startswith("'loop.py' does not say what to call there")
    assert "dangling.py is a link to a file that does not exist" in said_of("dangling.py:make")
    assert "circle.py is a link that leads to itself" in said_of("circle.py:make")
    assert "device.py is a pipe, a socket or a device" in said_of("device.py:make")
    assert "folder.py is a folder" in said_of("folder.py:make")
    assert "inside/mine.py is a link that leads to itself" in said_of("inside/mine.py:make")
    assert "There is no file lop.py." in said_of("lop.py:make")


def test_a_file_that_is_far_too_large_is_not_read() -> None:
    with Path("large.py").open("wb") as file:
        file.truncate(5_000_000_000)
    assert "large.py has 5,000 MB, too many for Python source" in said_of("large.py:make")
    said_of("large.py")


@pytest.mark.parametrize("text", ["a\0b.py:make", "two\nlines.py:make", "x/\0/b.py:make"])
def test_a_name_that_no_line_holds_is_told_on_one(text: str) -> None:
    said_of(text)


@pytest.mark.parametrize(
    ("number", "why"),
    [(errno.EACCES, "may not be read: change its permissions"), (errno.EIO, "cannot be read (")],
)
def test_what_the_system_refuses_is_told(monkeypatch: pytest.MonkeyPatch, number: int, why: str) -> None:
    Path("mine.py").touch()

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert f"mine.py {why}" in said_of("mine.py:make")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", refuse)
        said = said_of("mine.py:make")
    assert f"mine.py {why}" in said


@posix
@pytest.mark.parametrize("text", ["mine.py:make", "/nowhere/mine.py:make", "mine:make", ""])
def test_a_folder_that_was_deleted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Torch cannot be imported there."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert said_of(text) == "The current folder has been deleted: change to one that exists, as by 'cd ~'."


def test_a_file_is_read_only_as_far_as_its_names_need(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.py").write_bytes(b"\xff\xfe not utf-8")
    Path("deep.py").write_text("(" * 100_000, encoding="utf-8")
    assert target_files.defined(Path("mine.py")) == []
    assert target_files.defined(Path("deep.py")) == []
    assert target_files.defined(Path("nowhere.py")) == []
