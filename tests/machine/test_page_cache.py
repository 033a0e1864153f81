"""The page cache: what is dropped is gone, what stays is found out, and other systems say so."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from spritedocs.machine import NotHere, bytes_from_disk, drop_from_cache, pages_in_cache, space_on_disk

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is in its page cache")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{n}.bin" for n in range(3)]
    for file in found:
        file.write_bytes(bytes(10_000))
    return found


@linux
def test_what_is_dropped_is_gone_and_looking_does_not_bring_it_back(files: list[Path]) -> None:
    pages = -(-10_000 // os.sysconf("SC_PAGESIZE"))
    try:
        drop_from_cache(files)
    except NotHere as why_not:
        pytest.skip(str(why_not))
    assert [pages_in_cache(file) for file in files] == [(0, pages)] * 3
    files[0].read_bytes()
    assert [pages_in_cache(file) for file in files] == [(pages, pages), (0, pages), (0, pages)]


def _refuse(*args: int) -> None:
    raise OSError(errno.EINVAL, "Invalid argument")


@linux
@pytest.mark.parametrize("advise", [lambda *args: None, _refuse])
def test_a_cache_that_keeps_its_pages_is_found_out(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, advise: Callable[..., None]
) -> None:
    monkeypatch.setattr(os, "posix_fadvise", advise)
    with pytest.raises(NotHere, match="did not let go"):
        drop_from_cache(files)


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_never_cold(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(NotHere, match="cold reads need Linux"):
        drop_from_cache(files)


@linux
def test_a_file_that_is_not_there_is_an_error_and_no_gap(files: list[Path]) -> None:
    files[1].unlink()
    for look in (lambda: drop_from_cache(files), lambda: bytes_from_disk(files[1])):
        with pytest.raises(FileNotFoundError, match=files[1].name):
            look()


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a page of this program's own code, which the system had let go, may be read and counted."""
    monkeypatch.setattr(psutil.Process, "io_counters", lambda self: SimpleNamespace(read_bytes=7))


@linux
def test_an_empty_file_and_no_file_take_nothing(files: list[Path], nothing_is_read: None) -> None:
    files[0].write_bytes(b"")
    drop_from_cache([])
    try:
        drop_from_cache(files)
    except NotHere as why_not:
        pytest.skip(str(why_not))
    assert bytes_from_disk(files[0]) == 0
    assert pages_in_cache(files[0]) == (0, 0)


@linux
def test_what_is_read_from_disk_is_counted_in_whole_pages(files: list[Path]) -> None:
    try:
        assert bytes_from_disk(files[0]) >= 10_000
    except NotHere as why_not:
        pytest.skip(str(why_not))


@linux
@pytest.mark.parametrize(
    "error",
    [None, psutil.AccessDenied(1), AttributeError(), RuntimeError("is empty"), ValueError("no field")],
)
def test_reads_that_are_not_counted_are_not_here(
    files: list[Path], nothing_is_read: None, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def refuse(self: psutil.Process) -> None:
        raise error or AssertionError

    monkeypatch.setattr("spritedocs.machine.page_cache.drop_from_cache", lambda files: None)
    if error:
        monkeypatch.setattr(psutil.Process, "io_counters", refuse)
    with pytest.raises(NotHere, match="does not count"):
        bytes_from_disk(files[0])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say")
def test_the_space_of_a_file_is_in_blocks(files: list[Path]) -> None:
    assert space_on_disk(files[0]) % 512 == 0
