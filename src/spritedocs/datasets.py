"""Data sets of sprites, in memory and on disk, and a wrapper that makes any data set slow.

A sample is a pair: the picture, a uint8 tensor of shape (4, size, size) whose memory belongs to the
sample alone or to its batch, and the label, an ``int``: a position in ``spritedocs.sprites.FAMILIES``.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, SupportsIndex, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from spritedocs.sprites import draw_sprite, family_of, read_header, sprite_file_name, whole_number

__all__ = ["Delayed", "PackedSprites", "Sample", "SpriteFolder", "SpriteTensors"]

Sample = tuple[Tensor, int]
"""What an index yields: a uint8 tensor of shape (4, size, size), and a label."""

Item_co = TypeVar("Item_co", covariant=True)


class SpriteTensors(Dataset[Sample]):
    """Sprites 0 to ``count`` - 1, drawn at once into one tensor in memory.

    This costs ``count * size * size * 4`` bytes: forked workers share them, and where workers are
    started by spawn or forkserver PyTorch moves the tensor into shared memory. Raises ``ValueError``
    for a bad count or size.

    Examples:
        >>> sprites = SpriteTensors(100)
        >>> image, label = sprites[-1]
        >>> image.shape, label == int(sprites.labels[99])
        (torch.Size([4, 16, 16]), True)
    """

    images: Tensor
    """uint8, shape (count, 4, size, size)."""
    labels: Tensor
    """int64, shape (count,)."""

    def __init__(self, count: SupportsIndex, size: SupportsIndex = 16) -> None:
        side = len(draw_sprite(0, size))
        number = whole_number("the count of sprites", count, least=1)
        self.images = torch.empty((number, 4, side, side), dtype=torch.uint8)
        self.labels = torch.tensor([family_of(index) for index in range(number)])
        for index in range(number):
            self.images[index] = torch.from_numpy(draw_sprite(index, size)).permute(2, 0, 1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: SupportsIndex) -> Sample:
        position = _position(index, len(self))
        # A clone: a view would let a transform change the data set, and a worker that sends one
        # unbatched would move the whole tensor into shared memory.
        return self.images[position].clone(), int(self.labels[position])


class SpriteFolder(Dataset[Sample]):
    """The PNG files that ``spritedocs.sprites.write_png_folder`` wrote, decoded one by one by Pillow.

    Names follow from indices, so that there is no list of them for every worker to copy. Raises
    ``FileNotFoundError`` for a folder without sprites, ``ValueError`` for one that is damaged or was
    written by another edition.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        if not self.folder.is_dir():
            raise FileNotFoundError(f"no folder of sprites at {folder}: write_png_folder writes it")
        self._count = int(read_header(self.folder)["count"])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: SupportsIndex) -> Sample:
        position = _position(index, len(self))
        with Image.open(self.folder / sprite_file_name(position)) as file:
            pixels = np.array(file)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), family_of(position)


class PackedSprites(Dataset[Sample]):
    """The array that ``spritedocs.sprites.write_packed`` wrote, read through a memory map.

    Each process opens its own map when it first reads. The map's pages are the operating system's
    file cache: all workers read the same ones, and none has a copy. (A page that only one process
    has mapped counts towards its USS nonetheless, until a second one reads it.) Raises
    ``FileNotFoundError`` for a missing array or header, ``ValueError`` for one that is damaged or
    was written by another edition.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from spritedocs.sprites import write_packed
        >>> with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ...     sprites = PackedSprites(write_packed(Path(folder, "sprites.npy"), 10))
        ...     [image.shape for image, label in sprites.__getitems__([3, -1])]
        [torch.Size([4, 16, 16]), torch.Size([4, 16, 16])]
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        if not self.path.is_file():
            raise FileNotFoundError(f"no packed sprites at {path}: write_packed writes them")
        header = read_header(self.path)
        side = int(header["size"])
        self._shape = (int(header["count"]), int(header["channels"]), side, side)
        self._map: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, index: SupportsIndex) -> Sample:
        position = _position(index, len(self))
        return torch.from_numpy(np.array(self._images()[position])), family_of(position)

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[Sample]:
        """A whole batch with one read: what a loader calls where it exists, instead of item by item.

        The pictures of a batch share one piece of memory, which is theirs alone.
        """
        positions = [_position(index, len(self)) for index in indices]
        images = torch.from_numpy(self._images()[positions])
        return list(zip(images.unbind(), map(family_of, positions), strict=True))

    def __getstate__(self) -> dict[str, Any]:
        # Pickling a memory map would copy the whole array to every worker that is spawned.
        return {**self.__dict__, "_map": None}

    def _images(self) -> NDArray[np.uint8]:
        if self._map is None:
            try:
                opened = np.lib.format.open_memmap(self.path, mode="r")
            except ValueError as error:
                raise ValueError(f"{self.path} is damaged: delete it and write it anew ({error})") from None
            if opened.shape != self._shape or opened.dtype != np.uint8:
                raise ValueError(f"{self.path} is not the array of its header: delete both, write them anew")
            self._map = opened
        return self._map


class MapStyle(Protocol[Item_co]):
    """Anything with a length whose items are reached by index: a map-style data set, a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Item_co: ...


class Delayed(Dataset[Item_co]):
    """``dataset``, with every item made ``seconds`` slower.

    ``kind="wait"`` sleeps, as an item does that comes from a network or a slow disk: any number of
    workers can wait at once, on any number of cores.

    ``kind="cpu"`` computes, as decoding and augmenting do: it runs plain Python, which holds the
    interpreter's lock and uses one core whatever numpy's and PyTorch's threads do, until the
    *thread* has used ``seconds`` of processor time (``time.thread_time``). By the clock on the
    wall, an item would finish on time even without a core to run on, and more workers than cores
    would seem to help; by the process's time, the loader's other threads would shorten it. On
    Windows this clock ticks every 15.6 ms, and shorter items take a whole tick.

    Items come one by one even if ``dataset`` has ``__getitems__``. Raises ``ValueError`` for seconds
    that are negative or not finite and for an unknown kind, ``TypeError`` for an iterable-style data set.

    Examples:
        >>> Delayed(["a", "b"], seconds=0.001)[-1]
        'b'
    """

    def __init__(
        self, dataset: MapStyle[Item_co], seconds: float, kind: Literal["wait", "cpu"] = "wait"
    ) -> None:
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"a delay takes a finite number of seconds from 0 on, not {seconds!r}")
        if kind not in ("wait", "cpu"):
            raise ValueError(f"the kind of a delay is 'wait' or 'cpu', not {kind!r}")
        if isinstance(dataset, IterableDataset):
            raise TypeError(f"Delayed needs a map-style data set; {type(dataset).__name__} has no indices")
        self.dataset = dataset
        self.seconds = seconds
        self.kind = kind

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Item_co:
        item = self.dataset[index]
        if self.kind == "wait":
            time.sleep(self.seconds)
        else:
            _compute(self.seconds)
        return item


def _compute(seconds: float) -> None:
    """Keep one core busy until this thread has used ``seconds`` of it."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(100):  # a few microseconds: reading the clock can cost as much
            pass


def _position(index: SupportsIndex, count: int) -> int:
    """``index`` counted from the start, as Python's sequences count."""
    position = operator.index(index)
    if not -count <= position < count:
        raise IndexError(f"there is no sprite {position} among {count}")
    return position % count
