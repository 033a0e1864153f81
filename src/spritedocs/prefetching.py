"""Batches on their way to a GPU: moved there whole, and each copied while the one before is in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

__all__ = ["Prefetcher", "on_device"]

_NOTHING = object()
"""In place of a batch, which may be ``None`` itself."""


def on_device(batch: Any, device: torch.device | str, non_blocking: bool = False) -> Any:
    """The batch with its tensors on the device.

    They are looked for in dicts, lists, tuples and named tuples, which keep their types (a dict becomes a
    plain one). A ``PackedSequence`` is moved as torch does it. Other objects stay as they are.

    Examples:
        >>> on_device({"image": torch.ones(2), "name": "Moth"}, "meta")["image"].device.type
        'meta'
    """
    if isinstance(batch, torch.Tensor | PackedSequence):  # whose batch_sizes stay on the CPU
        return batch.to(device, non_blocking=non_blocking)  # type: ignore[arg-type]
    if isinstance(batch, dict):
        return {key: on_device(part, device, non_blocking) for key, part in batch.items()}
    if isinstance(batch, list | tuple):
        parts = [on_device(part, device, non_blocking) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


class Prefetcher:
    """The batches of any loader on the device, each copied there while the one before is in use.

    It gains most for a loader with ``pin_memory=True``. Without CUDA the batches pass through as they are.
    Limits:

    - Each batch is held back until the loader has delivered the next one. If your loop waits for its loader
      anyway, leave this out.
    - Steps must run on the stream that was current at the first ``next()``.
    - Only tensors that ``on_device`` finds are copied: other objects stay on the CPU.

    Two waits keep it right, and neither makes the host wait. The main stream waits until a batch has arrived,
    before the copy of the next one is launched. The side stream waits for the steps launched so far before
    the next copy, whose memory may be that of a batch which these steps still read. (``record_stream`` would
    serve as well for the second. But then a host that runs ahead piles up batches on the GPU, as PyTorch's
    documentation warns; with the wait it never holds more than three.)

    Examples:
        >>> [len(batch) for batch in Prefetcher([torch.ones(4), torch.ones(2)], "cpu")]
        [4, 2]
    """

    def __init__(self, loader: Iterable[Any], device: torch.device | str) -> None:
        self.loader = loader
        self.device = torch.device(device)
        on_cuda = self.device.type == "cuda"
        self.side = torch.cuda.Stream(self.device) if on_cuda else None  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    @property
    def num_workers(self) -> int:
        """How many workers the loader has, 0 if it knows none."""
        return getattr(self.loader, "num_workers", 0)

    def __iter__(self) -> Iterator[Any]:
        if self.side is None:
            yield from self.loader
            return
        main = torch.cuda.current_stream(self.device)
        coming: Any = _NOTHING
        for batch in self.loader:
            main.wait_stream(self.side)  # the last copy has arrived
            self.side.wait_stream(main)  # what it overwrites has been used
            ready = coming
            with torch.cuda.stream(self.side):
                coming = on_device(batch, self.device, non_blocking=True)
            if ready is not _NOTHING:
                yield ready
        if coming is not _NOTHING:
            main.wait_stream(self.side)
            yield coming
