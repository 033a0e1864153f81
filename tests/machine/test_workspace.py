"""Room for files: there, and gone afterwards, or a sentence that says why there is none."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from spritedocs.machine import NoRoomError, room_for, why_no_helpers

REMEDY = re.escape("set TMPDIR (on Windows TEMP) to a folder with room.") + "$"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - count, count))


def test_the_folder_is_new_and_empty_and_in_the_temporary_folder(temporary: Path) -> None:
    with room_for(0.001) as first, room_for(0.001) as second:
        assert first != second
        assert first.parent == temporary
        assert list(first.iterdir()) == []


def test_the_folder_goes_with_all_that_is_in_it(temporary: Path) -> None:
    with room_for(0.001) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "sprite.bin").write_bytes(bytes(16))
    assert list(temporary.iterdir()) == []


def test_the_folder_goes_after_an_error_which_passes_through(temporary: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "sprite.bin").write_bytes(bytes(16))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), room_for(0.001) as folder:
        fail(folder)
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_gone_already_is_no_fault(temporary: Path) -> None:
    with room_for(0.001) as folder:
        folder.rmdir()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("free", [20_000_000, 20_000_001])
def test_just_enough_room_is_enough(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    _free(monkeypatch, free)
    with room_for(20) as folder:
        assert folder.is_dir()


def test_too_little_room_is_a_sentence_with_both_figures(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _free(monkeypatch, 3_000_000)
    with pytest.raises(NoRoomError, match="has 3 MB free of the 20 MB needed: " + REMEDY), room_for(20):
        pytest.fail("there is no room")
    assert list(temporary.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: str) -> str:
        raise OSError(errno.EROFS, "Read-only file system", "/secret/place")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(NoRoomError, match=REMEDY) as caught, room_for(1):
        pytest.fail("there is no room")
    assert "(Read-only file system)" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_where_no_temporary_folder_is_usable_at_all_that_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_usable() -> list[str]:
        return []

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", none_usable)
    said = re.escape("No temporary folder can be written to (none that Python tries): ")
    with pytest.raises(NoRoomError, match=f"^{said}{REMEDY}"), room_for(1):
        pytest.fail("there is no room")


def test_workers_can_hand_over_where_a_folder_can_be_made_and_else_a_sentence_says_why(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why_no_helpers() == ""
    assert list(temporary.iterdir()) == []

    def refuse(**options: str) -> str:
        raise OSError(errno.ENOSPC, "full", "/secret/place")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    assert why_no_helpers().startswith("Workers have no place to hand anything over. No temporary folder")
    assert re.search(REMEDY, why_no_helpers())
