"""A temporary folder with enough room, or a sentence that says why there is none."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spritedocs.machine.leftovers import temporary_folder
from spritedocs.machine.not_here import NotHere

__all__ = ["NoRoomError", "room_for", "why_no_helpers"]


class NoRoomError(NotHere):
    """The temporary folder cannot take what an experiment has to write. One sentence says why."""


@contextmanager
def room_for(megabytes: float) -> Iterator[Path]:
    """A new temporary folder, gone afterwards, on a disk with ``megabytes`` (10⁶ bytes) to spare.

    Examples:
        >>> with room_for(megabytes=1) as folder:
        ...     _ = (folder / "sprite.bin").write_bytes(bytes(16))
        >>> folder.exists()
        False

    Raises ``NoRoomError`` where no temporary folder can be written to, or its disk is too full.
    """
    remedy = "set TMPDIR (on Windows TEMP) to a folder with room"
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(temporary_folder())
        except OSError as error:
            # Its own text may list folders that are nobody's business. That of tempfile, which has looked at
            # several, names no single one.
            why = os.strerror(error.errno or errno.EIO) if error.filename else "none that Python tries"
            raise NoRoomError(f"No temporary folder can be written to ({why}): {remedy}.") from None
        free = shutil.disk_usage(made).free / 1e6
        if free < megabytes:
            raise NoRoomError(
                f"The temporary folder has {free:.0f} MB free of the {megabytes:.0f} MB needed: {remedy}."
            )
        yield made


def prove_room(folder: Path, size: int) -> None:
    """Write ``size`` bytes into ``folder`` and remove them. Raises ``OSError`` where that fails.

    Nothing else knows of a quota, or of a disk without inodes.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(size))


def why_no_helpers() -> str:
    """A sentence if workers could hand over nothing here, ``""`` if they can.

    Where tensors travel as file descriptors, as by default on Linux, a worker opens a socket in the
    temporary folder for them (``multiprocessing.resource_sharer``). Without such a folder it prints a
    traceback, and the loader waits for ever: so ask first. (Batches without tensors go through a pipe,
    and need no folder; a fork server needs one itself.)

    Examples:
        >>> why_no_helpers()
        ''
    """
    try:
        with room_for(megabytes=0):  # a socket takes no room
            return ""
    except NoRoomError as error:
        return f"Workers have no place to hand anything over. {error}"
