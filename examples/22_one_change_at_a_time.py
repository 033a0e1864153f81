# ---
# title: One change at a time
# group: The whole loop
# description: A training loop takes the words of the usual spell one by one, between controls and headroom.
# headline: "The whole recipe is {recipe_speedup:interval} as fast as the naive loop."
# formerly: 15_handing_batches_to_the_gpu
# time_limit_s: 90
# claims:
#   - control_ratio > 0.8
#   - control_ratio < 1.25
#   - control_ratio_recipe > 0.8
#   - control_ratio_recipe < 1.25
#   - recipe_speedup > 1.1
#   - recipe_over_headroom > 1.2
#   - step_helpers_speedup < 1.2
#   - step_persistent_speedup > step_helpers_speedup
#   - step_pinned_speedup > 1
#   - step_non_blocking_speedup < 1.2
#   - step_side_stream_speedup < 1.2
# ---

# %% [markdown]
# # One change at a time
#
# **Motive.** `num_workers=4, pin_memory=True, persistent_workers=True, prefetch_factor=4`: everybody copies
# this spell from somebody. Some words work, some only beside others, and some do nothing for you. Which is
# which?
#
# **What is measured.** One short training loop. Each line of the table changes one thing and keeps all
# changes before it; the loops take turns in random order.
#
# **Caveat.** An epoch is over in a fraction of a second, so summoning helpers for each weighs more than in an
# epoch of an hour. On a CPU the step runs on one thread, and helpers share its cores.

# %% [markdown]
# ## A loop that works
#
# Nothing sleeps here. The sprites are PNG files, which Pillow decodes, and which are flipped, brightened and
# normalised at random. They were written just now, so they come from memory: a slow disk is another story.
# `ScrollsByBatch` augments a whole batch at once: a loader calls `__getitems__` where a dataset has it. The
# arithmetic is the same, in fewer calls. A small convolutional network learns the sprites' families.

# %%
import time
import warnings
from functools import partial
from itertools import accumulate, pairwise
from operator import or_

import torch
from torch import nn
from torch.utils.data import DataLoader

from spritedocs.datasets import SpriteFolder
from spritedocs.machine import by_start_method, needs, room_for, usable_cores
from spritedocs.prefetching import Prefetcher, on_device
from spritedocs.report import Table, show
from spritedocs.sprites import FAMILIES, write_png_folder
from spritedocs.timing import race

HELPERS = min(4, usable_cores())


def prepared(images):
    """Pictures, uint8, shape (n, 4, size, size), as floats: augmented."""
    count = len(images), 1, 1, 1
    images = images.float() / 255
    images = torch.where(torch.rand(count) < 0.5, images.flip(-1), images)
    brightness = 0.8 + 0.4 * torch.rand(count)
    return (images * brightness - 0.5) / 0.25


class Scrolls(SpriteFolder):
    """Sprites in PNG files, decoded and augmented one by one."""

    def __getitem__(self, index):
        image, family = super().__getitem__(index)
        return prepared(image[None])[0], family


class ScrollsByBatch(Scrolls):
    """The same, but a batch's pictures are augmented together."""

    def __getitems__(self, indices):
        decoded = [SpriteFolder.__getitem__(self, index) for index in indices]
        images, families = zip(*decoded, strict=True)
        return list(zip(prepared(torch.stack(images)), families, strict=True))


class Trainer:
    """A small network on the device, and plain SGD."""

    def __init__(self, device):
        self.device = device
        self.model = nn.Sequential(
            *(nn.Conv2d(4, 8, 3, stride=2), nn.ReLU()),
            *(nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            nn.Linear(16, len(FAMILIES)),
        ).to(device)

    def epoch_ms(self, batches, non_blocking=False):
        """ms of an epoch of training, until the device is done as well."""
        begun = time.perf_counter()
        for batch in batches:
            images, families = on_device(batch, self.device, non_blocking)
            self.model.zero_grad()
            loss = nn.functional.cross_entropy(self.model(images), families)
            loss.backward()
            with torch.no_grad():  # by hand: torch.optim imports a compiler
                for weights in self.model.parameters():
                    weights -= 0.05 * weights.grad
        self.loss = loss.item()  # waits for the device
        return (time.perf_counter() - begun) * 1000


# %% [markdown]
# ## The words of the spell
#
# There are two controls: the naive loop a second time, and at the end the whole recipe a second time. They
# change nothing, so they show by how much equal loops differ here. Take no smaller difference for a gain.
#
# The last row is the headroom: the same steps on batches that were made beforehand and are on the device
# already. It neither loads nor copies (nor shuffles, nor augments anew, so it is no way to train). No loader
# can be faster.

# %%
CHANGES = {
    "naive": ("naive", {}),
    "helpers": (f"+ num_workers={HELPERS}", {"num_workers": HELPERS}),
    "persistent": ("+ persistent_workers=True", {"persistent_workers": True}),
    "whole_batches": ("+ __getitems__", {"kind": ScrollsByBatch}),
    "prefetch": ("+ prefetch_factor=4", {"prefetch_factor": 4}),
    "pinned": ("+ pin_memory=True", {"pin_memory": True}),
    "non_blocking": ("+ non_blocking=True", {"non_blocking": True}),
    "side_stream": ("+ Prefetcher", {"ahead": True}),
}


def loop(trainer, pngs, kind=Scrolls, non_blocking=False, ahead=False, **told):
    """A function that trains for an epoch, with a loader of its own."""
    loader = DataLoader(kind(pngs), 32, shuffle=True, **told)
    batches = Prefetcher(loader, trainer.device) if ahead else loader

    def epoch_ms():
        needs(*["workers"] * ("num_workers" in told))
        needs(*["cuda"] * ("pin_memory" in told))
        return trainer.epoch_ms(batches, non_blocking)

    return epoch_ms


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "This DataLoader will create")
    torch.set_num_threads(1)
    on_gpu = torch.cuda.is_available()
    device, last = ("cuda", "side_stream") if on_gpu else ("cpu", "prefetch")
    told = accumulate((change for _, change in CHANGES.values()), or_)
    loops = dict(zip(CHANGES, told, strict=True))
    loops |= {"control": loops["naive"], "control_recipe": loops[last]}
    trainer = Trainer(device)
    with room_for(megabytes=10) as folder:
        pngs = write_png_folder(folder / "pngs", 512, 32)
        batches = DataLoader(Scrolls(pngs), 32)
        ready = [on_device(batch, device) for batch in batches]
        trained = race(
            {key: loop(trainer, pngs, **told) for key, told in loops.items()}
            | {"headroom": partial(trainer.epoch_ms, ready)},
            by_start_method(fork=12, other=1),
        )

    titles = {name: title for name, (title, _) in CHANGES.items()} | {
        "control": "control: naive again",
        "control_recipe": "control: all of it, again",
        "headroom": "headroom: batches from memory",
    }
    ms, ratio = trained.values("train_ms"), trained.ratio
    faster = {
        name: ratio(f"step_{name}_speedup", before, name)
        for before, name in pairwise(CHANGES)
    } | {
        "control": ratio("control_ratio", "naive", "control"),
        "control_recipe": ratio("control_ratio_recipe", last, "control_recipe"),
        "headroom": ratio("recipe_over_headroom", last, "headroom"),
    }
    recipe = ratio("recipe_speedup", "naive", last)
    groups = dict.fromkeys(titles, 2) | dict.fromkeys(CHANGES, 1) | {"naive": 0}
    title = f"Epochs of training on {device.upper()}, one change at a time"
    show(
        Table(title, rows=titles)
        .column("times as fast as before", faster)
        .column("an epoch", ms)
        .footer("all of it, against naive", recipe)
        .bars("ms per epoch", ms, groups=groups)
        .finding("The recipe is {recipe_speedup} as fast as the naive loop.")
        .warn(trained)
    )

# %% [markdown]
# The whole recipe is {recipe_speedup:interval} as fast as the naive loop on the machine of this page. Batches
# from memory are {recipe_over_headroom:interval} as fast as the recipe: so much it leaves to win. Where the
# interval of a ratio includes 1, the table says so: no gain of that change was seen. It stays in the recipe
# all the same, as it does where the spell is copied. So the last loop need not be the best one.
#
# With `pin_memory=True` the loop was {step_pinned_speedup:interval} as fast as before. These batches are
# small, and their copies short. But its thread also receives the batches, and the loop is spared that: we
# presume that this is most of what it won. `non_blocking=True` and the `Prefetcher` can win no more than the
# copies take: {step_non_blocking_speedup:interval} and {step_side_stream_speedup:interval}.
#
# ## What to take home
#
# Summon helpers, let them stay, and see what your loop still waits for before you copy another word. A change
# that wins nothing in your loop may go again. A ratio no further from 1 than those of the controls is no
# gain. Where batches from memory are no faster than your loop, no word can win anything.
