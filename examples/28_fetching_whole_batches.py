# ---
# title: Fetching whole batches
# group: Storing and fetching
# description: From PNG files one by one to whole batches out of one array, rung by rung, beside the ceiling.
# headline: "Whole batches out of one array come {ladder_whole} as fast as PNG files one by one."
# time_limit_s: 300
# claims:
#   - ladder_packed > 3
#   - ladder_whole > 15
#   - ladder_whole > ladder_packed
#   - ladder_getitems > ladder_packed
#   - ladder_reused > ladder_packed
#   - helpers_2_packed < helpers_2_files
#   - helpers_2_whole < 1
#   - helpers_2_files > helpers_2_whole
#   - helpers_4_packed < helpers_4_files
#   - helpers_4_whole < 1
#   - of_ceiling_reused < 1
#   - of_ceiling_alone > 0.7
#   - of_ceiling_alone < 1.33
# ---

# %% [markdown]
# # Fetching whole batches
#
# **Motive.** Helpers (worker processes) bring as much as there are cores, if that. What if the work itself
# went away? The same sprites can lie in files or in one array, and be fetched one by one or by the batch.
#
# **What is measured.** Later epochs of the same sprites in random order, by how they are stored and fetched:
# the time for an item, without helpers and with them. And the *ceiling*: copying the same pixels, no more.
#
# **Caveat.** The sprites are tiny, and all of them fit into memory. Large pictures take longer to decode, so
# decoding weighs more, and fetching less. Nothing is trained or augmented here.

# %% [markdown]
# ## Eight rungs
#
# The first four deliver item by item: out of files; out of one file that holds them all; the same by another
# decoder; decoded, out of an array. Then the array is asked for a batch at a time: by `__getitems__`, which
# still returns a list of items; as it is, by a sampler of batches; into a buffer that is used again; and at
# last by the loop itself, without a `DataLoader`.

# %%
from functools import partial
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from spritedocs import sprites
from spritedocs.datasets import PackedSprites, SpriteFolder
from spritedocs.machine import NotHere, by_start_method, room_for
from spritedocs.report import Dots, Table, show
from spritedocs.timing import compare

COUNT, BATCH, LONG = 4096, 256, 640
RUNGS = {
    "files": "PNG files",
    "bytes": "one file of PNGs",
    "decoder": "the same, by OpenCV",
    "packed": "one array",
    "getitems": "with __getitems__",
    "whole": "with batch_size=None",
    "reused": "into one buffer",
    "alone": "without a DataLoader",
    "ceiling": "pixels alone",
}
EPOCHS = {"packed": 16, "getitems": 32}


def by_pillow(png):
    return np.array(Image.open(BytesIO(png)))


def by_opencv(png):
    import cv2

    return cv2.imdecode(png, cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]


class Bytes(SpriteFolder):  # PNG files, one after the other in one file
    def __init__(self, folder, file, decode=by_pillow):
        super().__init__(folder)
        names = map(sprites.sprite_file_name, range(COUNT))
        pngs = [(folder / name).read_bytes() for name in names]
        file.write_bytes(b"".join(pngs))
        # Pickled for a helper a map is copied: PackedSprites opens it anew.
        self.bytes, self.decode = np.memmap(file, mode="r"), decode
        self.ends = np.cumsum([0, *map(len, pngs)])

    def __getitem__(self, index):
        png = self.bytes[self.ends[index] : self.ends[index + 1]]
        image = torch.from_numpy(self.decode(png)).permute(2, 0, 1)
        return image.contiguous(), sprites.family_of(index)


class OneByOne(PackedSprites):
    __getitems__ = None  # the array is asked for one sprite after the other


class Whole(Dataset):  # one array, asked for a batch by its indices
    def __init__(self, file, buffer=None):
        self.images, self.buffer = torch.from_numpy(np.load(file)), buffer
        self.families = torch.tensor([*map(sprites.family_of, range(COUNT))])

    def __getitem__(self, indices):
        found = torch.index_select(self.images, 0, indices, out=self.buffer)
        return found, torch.index_select(self.families, 0, indices)

    def __iter__(self):  # what a loop can do as well
        return map(self.__getitem__, Shuffled(LONG))


class Pixels(Whole):  # the ceiling: pixels, and no more
    def __iter__(self):
        for indices in Shuffled(LONG):
            yield [torch.index_select(self.images, 0, indices, out=self.buffer)]


class Shuffled(Sampler):  # indices of so many epochs, or batches of them
    def __init__(self, epochs, batches=True):
        self.epochs, self.batches = epochs, batches

    def __iter__(self):
        dice = torch.Generator().manual_seed(28)  # one order for all rungs
        for _ in range(self.epochs):
            order = torch.randperm(COUNT, generator=dice)
            yield from order.split(BATCH) if self.batches else order.tolist()


def datasets(folder):  # by rung, the same sprites
    pngs = sprites.write_png_folder(folder / "pngs", COUNT, 32)
    packed = sprites.write_packed(folder / "packed.npy", COUNT, 32)
    # BATCH divides COUNT: a shorter last batch would cut the buffer short.
    buffer = torch.empty((BATCH, 4, 32, 32), dtype=torch.uint8)
    return {
        "files": SpriteFolder(pngs),
        "bytes": Bytes(pngs, folder / "pngs.bin"),
        "decoder": Bytes(pngs, folder / "same.bin", by_opencv),
        "packed": OneByOne(packed),
        "getitems": PackedSprites(packed),
        "whole": Whole(packed),
        "reused": Whole(packed, buffer),
        "alone": Whole(packed, buffer),
        "ceiling": Pixels(packed, buffer),
    }


def batches_of(rung, data, n=0):  # of an epoch, with n helpers
    if rung == "decoder" and find_spec("cv2") is None:
        raise NotHere("OpenCV is missing: pip install opencv-python-headless.")
    if n and rung in ("reused", "alone", "ceiling"):
        raise NotHere("Helpers share no buffer, and need a loader.")
    if rung in ("alone", "ceiling"):
        return data
    whole = isinstance(data, Whole)
    # One is over at once, unless helpers bring it.
    epochs = max(1, EPOCHS.get(rung, LONG if whole else 1) // (4 if n else 1))
    order, size = Shuffled(epochs, whole), None if whole else BATCH
    told = {"num_workers": n, "persistent_workers": n > 0}
    return DataLoader(data, size, sampler=order, **told)


# %% [markdown]
# ## Each rung beside the ceiling
#
# All rungs deliver the same pixels in the same order, as a test checks. What is fast is timed over several
# epochs at a time, with helpers over fewer.

# %%
if __name__ == "__main__":
    torch.set_num_threads(1)
    helpers = by_start_method(fork=(2, 4), other=(2,))  # others start slowly
    with room_for(megabytes=60) as folder:
        arms = {
            (n, rung): partial(batches_of, rung, data, n)
            for rung, data in datasets(folder).items()
            for n in (0, *helpers)
        }
        found = compare(arms, 6, keep=True, count=lambda batch: len(batch[0]))
        del arms  # and the open files, which Windows would not delete

    alone = found.part(0)
    ladder = alone.speedups("ladder", "item_us", against="files")
    table = Table("From files to whole batches", rows=RUNGS)
    table.column("an item", alone.values("item_us", "item_us"))
    table.column("times as fast", ladder)
    for n in helpers:
        named = {r: (f"helpers_{n}_{r}", (0, r), (n, r)) for r in RUNGS}
        gains = {r: found.ratio(*named[r], "item_us") for r in RUNGS}
        table.column(f"{n} helpers", gains)
    near = alone.speedups("of_ceiling", "item_us", against="ceiling")
    show(
        table.footer("of the ceiling, with a DataLoader", near["reused"])
        .footer("of the ceiling, without", near["alone"])
        .bars("times as fast as PNG files", ladder, kind=Dots)
        .finding("Whole batches: {ladder_whole} as fast as PNG files.")
        .warn(found)
    )

# %% [markdown]
# Out of one array an item comes {ladder_packed:interval} as fast as out of a file: nothing is decoded. A
# batch at a time it comes {ladder_getitems:interval} as fast by `__getitems__`, which still makes a list
# of items, and torch a batch of these. As it is: {ladder_whole:interval}. A buffer that is used again
# spares the system finding new memory for each batch: {ladder_reused:interval}. Whoever keeps a batch
# has to copy it then, as the next one overwrites it.
#
# That is {of_ceiling_reused:interval} the pace of copying. Most of the rest is *a loader's own work* for each
# batch, which has an experiment of its own. A loop that asks the dataset itself has none:
# {of_ceiling_alone:interval}.
#
# **What helpers bring depends on the rung.** With two of them PNG files come {helpers_2_files:interval} as
# fast as with none, an array's items {helpers_2_packed:interval}, and whole batches
# {helpers_2_whole:interval}: to hand a batch over costs more than to fetch it.
#
# ## What to take home
#
# Decode once, keep one array, ask for whole batches, and summon nobody: the loop asks for them itself, by
# `for indices in torch.randperm(len(data)).split(256)`. Where the data do not fit into memory, a memory map
# takes the array's place. Each picture that is not in the file cache is a wait for the disk then, so helpers
# may pay again: that was not measured here. Where decoding is what takes the time and must stay, helpers are
# what remains.
