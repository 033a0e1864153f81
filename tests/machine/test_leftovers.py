"""Temporary folders of processes that were killed, which the next command removes, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from spritedocs.machine import leftovers, remove_leftovers, temporary_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks")

KILLED = """
import os, signal, sys, tempfile
from spritedocs.machine.leftovers import temporary_folder

tempfile.tempdir = sys.argv[1]
with temporary_folder() as folder:
    (folder / "sprite.bin").write_bytes(bytes(16))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(temporary: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, temporary], check=False)
    [left] = temporary.iterdir()
    assert (left / "sprite.bin").exists()
    with temporary_folder() as ours:
        remove_leftovers()
        assert list(temporary.iterdir()) == [ours]
    assert list(temporary.iterdir()) == []


def test_a_folder_that_a_worker_still_uses_stays(temporary: Path) -> None:
    reading, writing = os.pipe()
    used, lock = leftovers._new()
    assert lock is not None
    if (worker := os.fork()) == 0:
        os.read(reading, 1)
        os._exit(0)
    os.close(lock)  # as if its owner had died
    remove_leftovers()
    assert used.is_dir()
    os.write(writing, b"x")
    os.waitpid(worker, 0)
    os.close(reading), os.close(writing)
    remove_leftovers()
    assert not used.exists()


def test_what_is_not_ours_stays(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (temporary / f"{leftovers._PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{leftovers._PREFIX}file").touch()
    (temporary / "sprite-other").mkdir()
    (temporary / "spritedocs-0.1.0" / "src").mkdir(parents=True)  # an archive that was unpacked here
    remove_leftovers()
    assert {path.name for path in temporary.iterdir()} == {
        "elsewhere",
        f"{leftovers._PREFIX}link",
        f"{leftovers._PREFIX}file",
        "sprite-other",
        "spritedocs-0.1.0",
    }


def test_a_disk_without_locks_has_folders_all_the_same(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with temporary_folder() as folder:
        remove_leftovers()
        assert folder.is_dir()
    assert list(temporary.iterdir()) == []
