# ---
# title: What a loader does itself
# group: Storing and fetching
# description: What a DataLoader does for each batch beside fetching it, and how large a batch hides it.
# headline: "With batches of 64 a `DataLoader` has {of_ceiling_loader_64} the pace of copying."
# time_limit_s: 180
# claims:
#   - of_ceiling_loader_64 < 0.9
#   - of_ceiling_loader_64 < of_ceiling_loader_1024
#   - of_ceiling_loader_4096 > 0.9
#   - of_ceiling_loop_256 > 0.8
#   - of_ceiling_loop_64 > of_ceiling_loader_64
#   - of_ceiling_loop_4096 > 0.95
#   - of_ceiling_unmarked_64 > of_ceiling_loader_64
# ---

# %% [markdown]
# # What a loader does itself
#
# **Motive.** Whole batches come out of one array nearly as fast as pixels can be copied. What is left is the
# `DataLoader`'s own. What does it do for each batch, and when does that matter?
#
# **What is measured.** The same sprites in the same order, in batches of 64 to 4,096: by a loader, by the
# loop itself, and beside the *ceiling*, which copies the pixels alone.
#
# **Caveat.** All of it is in memory, nothing is decoded, and no helper (worker process) is summoned. A loader
# whose items take milliseconds does the same own work, and nobody will notice.

# %% [markdown]
# ## By the size of a batch
#
# All copy into one buffer. *Without its mark* is a loader too: for each batch that it hands over, it opens
# and closes a mark for torch's profiler, whether one runs or not. No option leaves that out, as is done here.

# %%
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from spritedocs import sprites
from spritedocs.report import Dots, Table, show
from spritedocs.timing import compare

COUNT, EPOCHS = 4096, 200
SIZES = (64, 256, 1024, 4096)


class Batches(Dataset):
    """A batch for a tensor of indices, and the indices of all of them."""

    def __init__(self, images, families, size):
        self.images, self.families, self.size = images, families, size
        self.buffer = torch.empty_like(images[:size])

    def __getitem__(self, indices):
        found = torch.index_select(self.images, 0, indices, out=self.buffer)
        return found, torch.index_select(self.families, 0, indices)

    def __iter__(self):
        dice = torch.Generator().manual_seed(36)
        for _ in range(EPOCHS):
            yield from torch.randperm(COUNT, generator=dice).split(self.size)


class Loop(Batches):
    def __iter__(self):
        return map(self.__getitem__, super().__iter__())


class Ceiling(Batches):
    def __iter__(self):
        for indices in super().__iter__():
            yield [torch.index_select(self.images, 0, indices, out=self.buffer)]


def loader(*data):
    batches = Batches(*data)
    return DataLoader(batches, batch_size=None, sampler=batches)


class Unmarked:
    def __init__(self, *data):
        self.loader = loader(*data)

    def __iter__(self):
        batches = iter(self.loader)
        while True:
            try:
                batch = batches._next_data()  # what next() marks
            except StopIteration:
                return
            yield batch


WAYS = {
    "loader": (loader, "by a DataLoader"),
    "unmarked": (Unmarked, "without its mark"),
    "loop": (Loop, "by the loop itself"),
    "ceiling": (Ceiling, "pixels alone"),
}

# %%
if __name__ == "__main__":
    torch.set_num_threads(1)
    drawn = [sprites.draw_sprite(index, 32) for index in range(COUNT)]
    images = torch.from_numpy(np.stack(drawn))
    families = torch.tensor([*map(sprites.family_of, range(COUNT))])
    arms = {
        (size, way): partial(kind, images, families, size)
        for size in SIZES
        for way, (kind, _) in WAYS.items()
    }
    found = compare(arms, 12, keep=True, count=lambda batch: len(batch[0]))

    def of_ceiling(way):
        """By the size of a batch, over the pace of copying."""
        name = f"of_ceiling_{way}"
        return {
            n: found.ratio(f"{name}_{n}", (n, "ceiling"), (n, way), "item_us")
            for n in SIZES
        }

    near = {way: of_ceiling(way) for way in WAYS if way != "ceiling"}
    table = Table("Beside copying the pixels", rows=SIZES, head="batch")
    for way, paces in near.items():
        table.column(WAYS[way][1], paces)
    for way in ("loader", "unmarked"):
        own = found.combined(
            f"own_us_{way}",
            lambda taken, loop: 64 * (taken.item_us - loop.item_us),
            (64, way),
            (64, "loop"),
            unit="µs",
        )
        table.footer(f"own work a batch, {WAYS[way][1]}", own)
    show(
        table.bars("of the pace of copying", near["loader"], kind=Dots)
        .finding(
            "Batches of 4,096: {of_ceiling_loader_4096} the pace of copying."
        )
        .warn(found)
    )

# %% [markdown]
# For each batch a loader takes {own_us_loader:interval} of its own, and without the mark
# {own_us_unmarked:interval}. So with batches of 64 it has {of_ceiling_loader_64:interval} the pace of
# copying, with 1,024 {of_ceiling_loader_1024:interval}, and with 4,096 {of_ceiling_loader_4096:interval}. A
# loop that asks for batches itself has {of_ceiling_loop_64:interval} with 64.
#
# ## What to take home
#
# A loader's own work is counted in millionths of a second a batch. Where a training step takes milliseconds,
# leave it alone. Where steps are shorter than that, take larger batches, or let the loop ask for them.
