# ---
# title: Decoding pictures
# group: Storing and fetching
# description: What a photograph costs, by what decodes it and by how it is stored, with helpers and without.
# headline: "Stored small, photographs come {times_small} as fast; with 2 helpers {helpers_2_pillow}."
# time_limit_s: 180
# claims:
#   - times_draft > 1
#   - times_small > times_draft
#   - times_pixels > times_small
#   - times_small > helpers_2_pillow
#   - helpers_2_small < helpers_2_pillow
#   - helpers_2_pixels < helpers_2_pillow
# ---

# %% [markdown]
# # Decoding pictures
#
# **Motive.** A model takes 224 × 224 pixels, and the files hold many more. Each epoch decodes all of them,
# and throws most away. Helpers (worker processes) share that work. What takes it away?
#
# **What is measured.** Later epochs of the same photographs without a training step: the time for an item,
# by what decodes it, and by how it is stored. Then the same with 2 helpers.
#
# **Caveat.** The script makes the photographs, of noise and gradients, and they stay in the file cache.
# Larger ones gain more. What is stored small cannot be cropped closely any more.

# %% [markdown]
# ## Six ways to the same picture
#
# The photographs have 1000 × 750 pixels. `draft` tells Pillow which size is enough: a JPEG file can be
# decoded at a half, a quarter or an eighth of it. OpenCV has a flag for that. *Stored small* means 340 × 255
# pixels, made once: as JPEG files, or as the bare pixels in one array. All the rest is the same, a random
# crop and perhaps a mirror.

# %%
from functools import cache, partial
from importlib.util import find_spec

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from spritedocs import machine
from spritedocs.report import Dots, Table, show
from spritedocs.timing import compare

COUNT = 64
WAYS = {
    "pillow": "Pillow",
    "draft": "Pillow, by half",
    "opencv": "OpenCV",
    "halved": "OpenCV, by half",
    "small": "small files, Pillow",
    "pixels": "small, as pixels",
}


def store(folder):
    """Make the photographs: as files, as small files, and as the pixels of these."""
    dice, small = np.random.default_rng(29), []
    for number in range(COUNT):
        rough = dice.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        smooth = Image.fromarray(rough).resize((1000, 750))
        grain = dice.integers(-12, 13, (750, 1000, 3))
        pixels = (np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)
        photograph = Image.fromarray(pixels)
        photograph.save(folder / f"{number}.jpg", quality=90)
        small.append(photograph.resize((340, 255)))
        small[-1].save(folder / f"small{number}.jpg", quality=90)
    np.save(folder / "pixels.npy", np.stack([np.array(each) for each in small]))


def by_pillow(folder, index, name="{}.jpg", enough=None):
    with Image.open(folder / name.format(index)) as file:
        if enough:
            file.draft("RGB", enough)
        return file.convert("RGB")


def by_opencv(folder, index, flag="IMREAD_COLOR"):
    import cv2

    cv2.setNumThreads(0)  # each helper has a core, if that
    pixels = cv2.imread(str(folder / f"{index}.jpg"), getattr(cv2, flag))
    return Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def from_pixels(folder, index):
    return Image.fromarray(opened(folder / "pixels.npy")[index])


@cache
def opened(path):
    return np.load(path, mmap_mode="r")


OPEN = {
    "pillow": by_pillow,
    "draft": partial(by_pillow, enough=(256, 256)),
    "opencv": by_opencv,
    "halved": partial(by_opencv, flag="IMREAD_REDUCED_COLOR_2"),
    "small": partial(by_pillow, name="small{}.jpg"),
    "pixels": from_pixels,
}


class Photographs(Dataset):
    def __init__(self, folder, way):
        self.opened = partial(OPEN[way], folder)

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        picture = self.opened(index)
        side = 7 * min(picture.size) // 8
        left, top = (
            int(float(torch.rand(())) * (n - side)) for n in picture.size
        )
        box = (left, top, left + side, top + side)
        cut = np.array(picture.resize((224, 224), box=box))
        pixels = torch.from_numpy(cut).permute(2, 0, 1) / 255
        return pixels.flip(2) if torch.rand(()) < 0.5 else pixels


def make_loader(folder, way, n):
    """A loader with n helpers, who stay."""
    if (
        OPEN[way] in (OPEN["opencv"], OPEN["halved"])
        and find_spec("cv2") is None
    ):
        raise machine.NotHere(
            "OpenCV is missing: pip install opencv-python-headless."
        )
    told = {"num_workers": n, "persistent_workers": n > 0}
    return DataLoader(Photographs(folder, way), 8, shuffle=True, **told)


# %% [markdown]
# ## Each beside Pillow

# %%
if __name__ == "__main__":
    machine.needs("workers")
    torch.set_num_threads(1)
    with machine.room_for(megabytes=60) as folder:
        store(folder)
        arms = {
            (n, way): partial(make_loader, folder, way, n)
            for way in WAYS
            for n in (0, 2)
        }
        found = compare(arms, rounds=6, keep=True)
        opened.cache_clear()  # Windows deletes no open file
        del arms

    alone = found.part(0)
    faster = alone.speedups("times", "item_us", against="pillow")
    named = {way: (f"helpers_2_{way}", (0, way), (2, way)) for way in WAYS}
    show(
        Table("A photograph of 224 × 224 pixels", rows=WAYS)
        .column(
            "an item", alone.values("item_ms", "item_us", unit="ms", scale=1e-3)
        )
        .column("times as fast", faster)
        .column(
            "2 helpers", {w: found.ratio(*named[w], "item_us") for w in WAYS}
        )
        .bars("times as fast as Pillow", faster, kind=Dots)
        .finding("Stored small, they come {times_small} as fast.")
        .warn(found)
    )

# %% [markdown]
# **Ask for no more than you need.** With `draft` Pillow is {times_draft:interval} as fast: one line, before
# the pixels are read. OpenCV stands beside it in the table, where it is installed.
#
# **Store what the model takes.** Small files come {times_small:interval} as fast, and bare pixels
# {times_pixels:interval}. Two helpers make Pillow on the large files {helpers_2_pillow:interval} as fast.
#
# **Helpers come on top,** and bring little where items are cheap: {helpers_2_small:interval} for the small
# files, {helpers_2_pixels:interval} for the pixels.
#
# ## What to take home
#
# Write your pictures once in the size that training takes, with some room for the crop. Until then one line
# with `draft` helps, and helpers share what is left. Time your decoder before you change it.
