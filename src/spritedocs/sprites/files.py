"""Sprites: pixel art drawn from a number alone, so that nobody has to download a data set."""

from __future__ import annotations

import json
import operator
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, SupportsIndex
from uuid import uuid4

import numpy as np
from PIL import Image

from spritedocs.sprites.pixel_art import FAMILIES, NATIVE_SIZE, draw_sprite, family_of, whole_number

__all__ = ["read_header", "sprite_file_name", "write_packed", "write_png_folder"]

_FORMAT = 1
_HEADER_NAME = "sprites.json"


def sprite_file_name(index: SupportsIndex) -> str:
    """What a folder calls a sprite.

    Examples:
        >>> sprite_file_name(7)
        '000007_goblin.png'
    """
    return f"{operator.index(index):06d}_{FAMILIES[family_of(index)]}.png"


def write_png_folder(folder: str | Path, count: SupportsIndex, size: SupportsIndex = NATIVE_SIZE) -> Path:
    """Write sprites 0 to ``count`` - 1 as PNG files beside a header, ``sprites.json``; return ``folder``.

    A folder that holds exactly this is left as it is, after a look at every file. The work is done in
    a hidden folder beside it, renamed at the end: what bears the name is whole even if a run is killed.

    Raises ``ValueError`` for a bad count or size, ``FileExistsError`` for anything else in the folder.
    """
    target = Path(folder).absolute()
    header = _header(count, size)
    if _is_written(target, header):
        return Path(folder)
    with _workshop(target) as workshop:
        for index in range(header["count"]):
            Image.fromarray(draw_sprite(index, size)).save(workshop / sprite_file_name(index))
        (workshop / _HEADER_NAME).write_bytes(_sealed(header, workshop.iterdir()))
        try:
            if target.exists():
                target.rmdir()  # it is empty, and Windows renames onto nothing that exists
            workshop.rename(target)
        except OSError:
            if not _is_written(target, header):  # by another process, in the meantime
                raise
    return Path(folder)


def write_packed(path: str | Path, count: SupportsIndex, size: SupportsIndex = NATIVE_SIZE) -> Path:
    """Write sprites 0 to ``count`` - 1 into one array, beside a header ``path.json``; return ``path``.

    The array is in numpy's ``.npy`` format, whatever the suffix: uint8, shape (count, 4, size, size),
    channels first as a model wants them; ``count * size * size * 4`` bytes on disk, one sprite at a
    time in memory. Files that hold exactly this are left as they are, after a look at every byte, and
    a killed run leaves none that could be taken for whole.

    Raises ``ValueError`` for a bad count or size, ``FileExistsError`` for anything else at that path.
    """
    target = Path(path).absolute()
    header = _header(count, size)
    if _is_written(target, header):
        return Path(path)
    header_path = _header_path(target)
    layout = {"descr": "|u1", "fortran_order": False, "shape": (header["count"], 4, *[header["size"]] * 2)}
    with _workshop(target) as workshop:
        with (workshop / target.name).open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, layout)
            for index in range(header["count"]):
                stream.write(draw_sprite(index, size).transpose(2, 0, 1).tobytes())
        sealed = _sealed(header, workshop.iterdir())
        if header_path.exists() and header_path.read_bytes() != sealed:
            raise _foreign(header_path)
        # The array comes last: where it is, all is. A header alone is one that a killed run left.
        (workshop / header_path.name).write_bytes(sealed)
        (workshop / header_path.name).replace(header_path)
        (workshop / target.name).replace(target)
    return Path(path)


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a written folder or array: ``format``, ``count``, ``size``, ``channels``, ``dtype``,
    ``families``, ``drawing`` (changes when the art does) and ``contents`` (a digest of the files).

    Raises ``FileNotFoundError`` where there is none, ``ValueError`` if it is damaged or another edition's.
    """
    header_path = _header_path(Path(path))
    if not header_path.exists():
        raise FileNotFoundError(f"no sprites at {path}: write_png_folder and write_packed write them")
    try:
        stored: dict[str, Any] = json.loads(header_path.read_bytes())
        if {**stored, **_header(stored["count"], stored["size"])} == stored:
            return stored
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{header_path} is damaged or of another edition: delete the sprites, write them anew")


def _header(count: SupportsIndex, size: SupportsIndex) -> dict[str, Any]:
    art = b"".join(draw_sprite(index).tobytes() for index in range(32))
    return {
        "format": _FORMAT,
        "count": whole_number("the count of sprites", count, least=1),
        "size": len(draw_sprite(0, size)),
        "channels": 4,
        "dtype": "uint8",
        "families": list(FAMILIES),
        "drawing": blake2b(art, digest_size=8).hexdigest(),
    }


def _header_path(target: Path) -> Path:
    return target / _HEADER_NAME if target.is_dir() else target.with_name(f"{target.name}.json")


def _sealed(header: dict[str, Any], files: Iterable[Path]) -> bytes:
    """What the header file says: ``header``, and a digest of the files' names and contents."""
    digest = blake2b(digest_size=16)
    for file in sorted(files):
        digest.update(f"{file.name}\n".encode())
        if file.is_file():
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return json.dumps({**header, "contents": digest.hexdigest()}, indent=1).encode()


def _is_written(target: Path, header: dict[str, Any]) -> bool:
    """Whether ``target`` is there, and whole. Raises ``FileExistsError`` if it is something else."""
    header_path = _header_path(target)
    files = set(target.iterdir()) - {header_path} if target.is_dir() else {target}
    if not target.exists() or not (files or header_path.exists()):
        return False
    if header_path.is_file() and header_path.read_bytes() == _sealed(header, files):
        return True
    raise _foreign(target)


def _foreign(target: Path) -> FileExistsError:
    return FileExistsError(f"{target} holds something else; choose another name, or delete it")


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """A hidden folder beside ``target``, so that a rename is enough to publish what was made in it."""
    folder = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
