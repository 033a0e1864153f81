"""How large a dataset is said to be, and on what kind of disk."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from spritedocs.doctor.data import Data, measure_data


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three files of 10 bytes, one of them further down, and one link to a file."""
    disks = [("/", "ext4"), (str(tmp_path.resolve()), "nfs4"), ("/elsewhere", "xfs")]
    mounted = [SimpleNamespace(mountpoint=place, fstype=kind) for place, kind in disks]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounted)
    below = tmp_path / "data" / "below"
    below.mkdir(parents=True)
    for path in (below / "1", below.parent / "2", below.parent / "3"):
        path.write_bytes(bytes(10))
    return below.parent


def test_all_files_below_a_folder_are_counted(folder: Path) -> None:
    assert measure_data(folder) == Data(30, 3, True, "nfs4")


def test_a_file_is_counted_by_itself(folder: Path) -> None:
    assert measure_data(folder / "2") == Data(10, 1, True, "nfs4")


def test_links_to_files_count_and_those_to_folders_or_nothing_do_not(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_bytes(bytes(10))
    try:
        (folder / "link").symlink_to(elsewhere)
    except OSError:
        pytest.skip("this user may make no links")
    (folder / "loop").symlink_to(folder)
    (folder / "lost").symlink_to(folder / "nothing")
    assert measure_data(folder) == Data(40, 4, True, "nfs4")


@pytest.mark.skipif(sys.platform == "win32", reason="a listing does not say there which file it is")
def test_a_file_counts_once_however_many_links_lead_to_it(folder: Path) -> None:
    for number in range(3):
        (folder / f"a link {number}").symlink_to(folder / "2")
    (folder / "hard").hardlink_to(folder / "3")
    assert measure_data(folder) == Data(30, 3, True, "nfs4")


def test_a_pipe_is_no_data(folder: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system keeps no pipes in folders")
    os.mkfifo(folder / "pipe")
    assert measure_data(folder).files == 3


def test_what_takes_too_long_is_not_whole(folder: Path) -> None:
    assert measure_data(folder, limit_s=-1) == Data(10, 1, False, "nfs4")


def test_a_folder_of_many_files_is_not_listed_to_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    scan = os.scandir

    @contextlib.contextmanager
    def noting(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            for entry in found:
                listed.append(entry.name)
                yield entry

        with scan(path) as found:
            yield entries()

    for number in range(50):
        (folder / f"many-{number}").touch()
    monkeypatch.setattr(os, "scandir", noting)
    assert measure_data(folder, limit_s=-1).whole is False
    assert len(listed) < 5


def test_a_system_that_names_no_disks_is_unknown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [])
    assert measure_data(folder).filesystem == ""


def test_where_there_is_nothing_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        measure_data(tmp_path / "nothing")


def test_what_autofs_has_mounted_is_what_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(folder.resolve())
    disks = [SimpleNamespace(mountpoint=place, fstype=kind) for kind in ("autofs", "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: disks)
    assert measure_data(folder).filesystem == "nfs4"
