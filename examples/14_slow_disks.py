# ---
# title: Many small files, one file, one array
# group: Storing and fetching
# description: The same sprites as PNG files, as PNG bytes in one file and as an array, cache cold and warm.
# headline: "From memory, PNG files take {png_over_packed_warm:interval} as long to load as one packed array."
# claims:
#   - png_over_packed_warm > 10
#   - png_over_blob_cold > 1.3
#   - png_speedup_4_cold > 1.2
#   - png_speedup_4_warm < 4
#   - png_over_decoding < 3
#   - png_over_decoding > 1
#   - packed_speedup_4_warm < 0.8
#   - space_bytes_png > content_bytes_packed
#   - us_png_cold_4 < 234
#   - content_bytes_packed > content_bytes_png
# ---

# %% [markdown]
# # Many small files, one file, one array
#
# **Motive.** A library that keeps every sprite on a scroll of its own is slow to read: fetch a scroll,
# decipher it, put it back. What keeps you waiting: the disk, the number of scrolls, or the deciphering?
#
# **What is measured.** The same 768 sprites as PNG files, as their bytes in one file, and decoded in one
# array. Each is loaded with and without four helpers. The page cache, in which the system keeps what it
# has read, is *warm* (the files are in it) or *cold* (they are not).
#
# **Caveat.** A virtual disk may have a cache of its own. And the sprites are tiny: reading ahead may bring
# all of a small file.

# %% [markdown]
# ## What a scroll weighs
#
# File systems hand out space in blocks. A PNG file smaller than one takes a whole one.

# %%
import io
import warnings
from functools import partial
from itertools import product
from os.path import getsize
from timeit import timeit

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from spritedocs import machine
from spritedocs.datasets import SpriteFolder, SpriteTensors
from spritedocs.report import Table, show
from spritedocs.sprites import family_of, write_png_folder
from spritedocs.timing import dismiss, race, time_epoch

WAYS = {"png": "PNG files", "blob": "PNGs in one file", "packed": "array"}


def write_all(folder):
    """Store 768 sprites all ways; the files of each way."""
    files = sorted(write_png_folder(folder / "png", 768).glob("*.png"))
    blob, packed = folder / "blob", folder / "packed"
    blob.write_bytes(b"".join(file.read_bytes() for file in files))
    SpriteTensors(768).images.numpy().tofile(packed)
    return {"png": files, "blob": [blob], "packed": [packed]}


def weigh(size, files):
    return round(sum(map(size, files)) / 768)


SIZES = {
    "content": getsize,
    "space": machine.space_on_disk,
    "read": machine.bytes_from_disk,
}

if __name__ == "__main__":
    table = Table("Bytes per sprite", rows=WAYS)
    with machine.room_for(megabytes=10) as folder:
        files = write_all(folder)
        for kind, size in SIZES.items():
            arms = {way: partial(weigh, size, files[way]) for way in WAYS}
            found = race(arms, rounds=1, warmup=False)
            table.column(kind, found.values(f"{kind}_bytes", unit=""))
    show(table)

# %% [markdown]
# *Content* is what the files hold, *space* what the disk sets aside for it. *Read* is what comes from the
# disk when nothing of them is in memory. A PNG of its own takes {space_bytes_png} bytes of the disk. Its
# pixels take {content_bytes_packed} bytes: less than that, but more than the PNG's content,
# {content_bytes_png}.
#
# ## Scrolls, loose and sewn together
#
# `SpriteFolder` opens file after file, and Pillow decodes it. `OneFile` reads from a single file, which each
# batch opens anew: so helpers share no file position. A `DataLoader` calls `__getitems__` by itself wherever
# a dataset has one. Whether its pieces are PNGs or pixels, only `decode` differs.


# %%
def decoded(png):
    """The picture in these PNG bytes: uint8, shape (4, 16, 16)."""
    pixels = np.array(Image.open(io.BytesIO(png)))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def as_pixels(piece):
    return torch.frombuffer(bytearray(piece), dtype=torch.uint8).view(4, 16, 16)


class OneFile(Dataset):
    """Sprites end to end in one file, and how many bytes each of them has."""

    def __init__(self, path, sizes, decode):
        self.path, self.sizes, self.decode = path, sizes, decode
        self.begins = np.cumsum([0, *sizes]).tolist()

    def __len__(self):
        return len(self.sizes)

    def __getitems__(self, indices):
        with self.path.open("rb", buffering=0) as file:
            return [(self.read(file, n), family_of(n)) for n in indices]

    def read(self, file, index):
        file.seek(self.begins[index])
        return self.decode(file.read(self.sizes[index]))


# %% [markdown]
# ## Everybody takes turns
#
# Before a warm epoch every byte of its files is read. Before a cold one they are dropped from the cache, and
# looked for: nearly all must have gone. The helpers stay for all epochs, and the sprites come in the same
# shuffled order. *Decoding alone* is a plain loop over PNG bytes that already lie in memory.


# %%
def read_all(files):
    for file in files:
        file.read_bytes()


STATES = {"warm": read_all, "cold": machine.drop_from_cache}
ORDER = np.random.default_rng(14).permutation(768).tolist()
KEPT = {"num_workers": 4, "persistent_workers": True}


def epoch_s(state, files, loader):
    STATES[state](files)
    return time_epoch(loader).total_s


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "This DataLoader will create")
    with machine.room_for(megabytes=10) as folder:
        files = write_all(folder)
        pngs = [file.read_bytes() for file in files["png"]]
        datasets = {
            "png": SpriteFolder(folder / "png"),
            "blob": OneFile(folder / "blob", [*map(len, pngs)], decoded),
            "packed": OneFile(folder / "packed", [1024] * 768, as_pixels),
        }
        arms, loaders = {}, []
        for way, helpers in product(WAYS, (0, 4)):
            options = KEPT if helpers else {}
            loader = DataLoader(datasets[way], 64, sampler=ORDER, **options)
            loaders.append(loader)
            for state in STATES:
                arm = partial(epoch_s, state, files[way], loader)
                arms[state, helpers, way] = arm
        decoding = partial(timeit, lambda: [*map(decoded, pngs)], number=1)
        arms["warm", 0, "decoding"] = decoding
        epochs = race(arms, rounds=6)
        for loader in loaders:
            dismiss(loader)

    rows = WAYS | {"decoding": "decoding alone"}
    table, us = Table("Microseconds per sprite", rows=rows), {}
    for state, helpers in product(STATES, (0, 4)):
        found, name = epochs.part(state, helpers), f"us_{{}}_{state}_{helpers}"
        us[state, helpers] = found.values(name, unit="µs", scale=1e6 / 768)
        table.column(f"{state}, {helpers} helpers", us[state, helpers])
    grey = dict.fromkeys(WAYS, 0) | {"decoding": 2}
    show(
        table.bars("µs per sprite", us["warm", 0], us["cold", 0], groups=grey)
        .finding("A PNG file takes {us_png_warm_0} warm, {us_png_cold_0} cold.")
        .warn(epochs)
    )

# %% [markdown]
# ## What each change is worth
#
# One time divided by another of the same round. A *speedup* of more than 1 means that helpers make it faster.

# %%
COMPARED = {
    "png_over_blob": ((0, "png"), (0, "blob")),
    "png_over_packed": ((0, "png"), (0, "packed")),
    "png_speedup_4": ((0, "png"), (4, "png")),
    "packed_speedup_4": ((0, "packed"), (4, "packed")),
}

if __name__ == "__main__":
    table = Table("How many times as long, or as fast", columns=STATES.keys())
    for name, pair in COMPARED.items():
        ratios = {
            state: epochs.part(state).ratio(f"{name}_{state}", *pair)
            for state in STATES
        }
        table.row(name.replace("_", " "), ratios)
    pair = ("warm", 0, "png"), ("warm", 0, "decoding")
    decoding = epochs.ratio("png_over_decoding", *pair)
    show(table.footer("png over decoding alone", decoding))

# %% [markdown]
# From a warm cache, PNG files take {png_over_packed_warm:interval} as long as the array. They take
# {png_over_decoding:interval} as long as decoding alone, and a faster disk shortens no decoding. From a cold
# cache, loose files take {png_over_blob_cold:interval} as long as the same bytes in one file.
#
# Helpers wait side by side: cold PNG files are {png_speedup_4_cold:interval} as fast. They decode with the
# cores there are: warm ones are {png_speedup_4_warm:interval}. They cost more than they bring where reading
# is quick: the warm array is {packed_speedup_4_warm:interval} as fast with four. PNGs in one file lie
# between: {us_blob_warm_4} a sprite with four helpers, and {us_blob_warm_0} without.
#
# Does your step wait? Compare it with these microseconds, times your batch size. For 64 sprites, a step of
# 15 ms outlasts whatever takes less than 234 µs a sprite; cold PNG files take {us_png_cold_4} with
# helpers, and {us_png_cold_0} without.
#
# ## What to take home
#
# Decode once, not in every epoch. If sprites must stay PNG, put them into one file, and try it
# without helpers. Helpers wait side by side, decode with the cores there are, and slow an array down. It
# stops mattering behind a longer step. Large pictures may turn it around, as arrays have far more bytes: that
# was not measured.
