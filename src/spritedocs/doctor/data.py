"""How large a dataset's files are, and what kind of disk they lie on."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["WALK_LIMIT_S", "Data", "measure_data"]

WALK_LIMIT_S = 2.0
"""How long files are counted."""


@dataclass(frozen=True)
class Data:
    """A dataset's files, as far as they could be counted."""

    size: int
    """Bytes."""
    files: int
    whole: bool = True
    """Whether all of them were counted in time."""
    filesystem: str = ""
    """What kind of disk they lie on, such as ``ext4`` or ``nfs``; empty where the system does not say."""


def measure_data(path: Path, limit_s: float = WALK_LIMIT_S) -> Data:
    """The size of the file at ``path``, or of all files below it, counted for ``limit_s`` seconds at most.

    Links to files count as what they lead to, each file once, however many lead to it. Links to folders are
    passed over, as is what cannot be read. Raises ``FileNotFoundError`` where there is nothing.
    """
    end = time.monotonic() + limit_s
    size, files, whole = 0, 0, True
    for each in _sizes(path) if path.is_dir() else [path.stat().st_size]:
        size, files = size + each, files + 1
        if time.monotonic() > end:
            whole = False
            break
    return Data(size, files, whole, _filesystem(path))  # which reading may have mounted


def _sizes(folder: Path) -> Iterator[int]:
    # Not by os.walk, which lists a folder to its end, of a million files too, before it tells of the first.
    folders, seen = [str(folder)], set[tuple[int, int]]()
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                        continue
                    found = entry.stat()
                    file = found.st_dev, found.st_ino
                    if stat.S_ISREG(found.st_mode) and file not in seen:
                        if found.st_ino:  # which Windows does not say here
                            seen.add(file)
                        yield found.st_size


def _filesystem(path: Path) -> str:
    """The kind of the innermost disk that holds ``path``."""
    there = path.resolve()
    found = [disk for disk in psutil.disk_partitions(all=True) if there.is_relative_to(disk.mountpoint)]
    # What autofs has mounted is listed after autofs itself, which is mounted at the same place.
    return max(reversed(found), key=lambda disk: len(disk.mountpoint)).fstype if found else ""
