# ---
# title: Keeping the GPU fed
# group: When helpers pay
# description: A CNN learns from PNG files, with helpers and without. Who was busy when? What is left to win?
# headline: "Helpers bring the data wait down from {data_wait_0} to {data_wait_helped}."
# time_limit_s: 180
# claims:
#   - utilisation_helped > utilisation_0
#   - data_wait_helped < data_wait_0
#   - speedup_helped > 1.2
#   - helped_over_headroom > 1
#   - fed_over_headroom < 3
#   - loss_last < loss_first
# ---

# %% [markdown]
# # Keeping the GPU fed
#
# **Motive.** While the hero trains on batch 0, somebody could fetch batch 1. Without helpers nobody does. How
# much of his time do they save, and how much could they save at most?
#
# **What is measured.** A small network learns the eight families of sprites from PNG files. Every batch is
# traced: who loaded it, who waited, who computed. Then epochs are timed beside a *headroom run*, on batches
# that lie in memory.
#
# **Caveat.** The model is cut to fit: its step takes a little longer than helpers need to load a batch.
# Without a GPU one thread of the processor trains, and shares cores and caches with the helpers.

# %% [markdown]
# ## Pictures that are never twice the same
#
# Each time a sprite is fetched, its file is decoded, moved, perhaps mirrored, and scaled. The dice are
# torch's own, which every worker has seeded differently. A picture leaves as bytes, a quarter of what
# floats would be.

# %%
import atexit
from contextlib import ExitStack
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader

from spritedocs import machine
from spritedocs.datasets import SpriteFolder
from spritedocs.report import Table, measured, show
from spritedocs.sprites import write_png_folder
from spritedocs.timeline import Lanes, merged_trace, trace_epoch, traced
from spritedocs.timing import Training, compare, fit_step, race


class Lessons(SpriteFolder):
    """Sprites from PNG files, changed by dice, scaled to 64 × 64 pixels."""

    def __getitem__(self, index):
        pixels, family = super().__getitem__(index)
        x, y = torch.randint(-10, 11, (2,)).tolist()
        pixels = pixels.roll((y, x), (1, 2))
        if torch.rand(()) < 0.5:
            pixels = pixels.flip(2)
        return nn.functional.interpolate(pixels[None], 64)[0], family


# %% [markdown]
# ## The hero
#
# Two habits matter on a GPU. The copy is `non_blocking`, out of memory that the loader has pinned, so that
# the loop goes on meanwhile. And the loop never asks for the loss: that waits until the GPU has finished. So
# losses are added up on the device, and asked for once an epoch.


# %%
def make_net(width):
    """A small CNN; its step takes longer, the larger the width."""
    wider = 4 * width
    first = [nn.Conv2d(4, width, 5, 2), nn.BatchNorm2d(width), nn.ReLU()]
    second = [nn.Conv2d(width, wider, 3), nn.BatchNorm2d(wider), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wider, 8)]
    return nn.Sequential(*first, nn.MaxPool2d(2), *second, *head)


class Hero:
    """A model, its optimiser, and the losses of the epoch so far."""

    def __init__(self, width):
        torch.manual_seed(9)
        self.device = machine.training_device()
        self.net = make_net(width).to(self.device)
        rate = 0.02 / width**0.5
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=rate)
        self.losses = torch.zeros((), device=self.device)

    def copy(self, batch):
        return [part.to(self.device, non_blocking=True) for part in batch]

    def compute(self, batch):
        pictures, families = batch
        guesses = self.net(pictures.float() / 255)
        loss = nn.functional.cross_entropy(guesses, families)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.losses += loss.detach()

    def step(self, batch):
        self.compute(self.copy(batch))

    def loss_of(self, batches):
        """The mean loss since last asked for: this waits for the device."""
        mean = self.losses.item() / batches
        self.losses.zero_()
        return mean


# %% [markdown]
# ## A model that fits its food
#
# Beside a GPU there are as many helpers as usable cores, at most 8. On the processor the model needs a
# core and a thread for itself. Divide the loading of a batch by the number of helpers: the first width is
# taken whose step is 1.25 times as long; on a GPU twice. Helpers never touch CUDA: they decode pictures,
# and the main process copies them.

# %%
WIDTHS = [round(4 * 2 ** (n / 4)) for n in range(33)]  # 4, 5, 6, 7, 8, 10, …

if __name__ == "__main__":
    machine.needs("workers")
    torch.set_num_threads(1)
    device = machine.training_device()
    helpers = machine.helpers_for(device)
    batch_size, times = (64, 2) if device == "cuda" else (16, 1.25)
    count = batch_size * max(24, 4 * helpers)
    room = ExitStack()
    atexit.register(room.close)
    folder = room.enter_context(machine.room_for(megabytes=20)) / "png"
    lessons = Lessons(write_png_folder(folder, count, size=96))
    told = {"shuffle": True, "pin_memory": device == "cuda"}
    load = partial(DataLoader, lessons, batch_size, **told)
    helped = load(num_workers=helpers, persistent_workers=True)
    loaders = {0: load(), "helped": helped}
    fit = fit_step(Hero, WIDTHS, loaders[0], helpers, times=times)
    print(fit, *machine.without_gpu(device), sep="\n")

# %% [markdown]
# ## Who was busy when
#
# Two heroes with the same initial weights take turns, one without helpers. The picture shows how the last
# epoch of each began. Without helpers and without a GPU, loading and computing take turns in one lane.
# With helpers the first batch is waited for, and while the model trains on it the next is loaded beside
# it.
#
# On a GPU the main process only launches the work. The device's own lane, read from CUDA events, shows
# when it was done. For a closer look, open the trace below the picture at
# [ui.perfetto.dev](https://ui.perfetto.dev).
#
# **Utilisation** is the time in which the accelerator computes, divided by all the time. **Data wait** is the
# share of the epoch in which training stood still.

# %%
if __name__ == "__main__":
    heroes = {arm: Hero(fit.size) for arm in loaders}
    watched = {arm: traced(loader) for arm, loader in loaders.items()}
    last = {}

    def learn(arm):
        hero, where = heroes[arm], {"copy": heroes[arm].copy, "device": device}
        last[arm] = line = trace_epoch(watched[arm], hero.compute, **where)
        return line.summary() | {"loss": hero.loss_of(line.batches)}

    learned = race({arm: partial(learn, arm) for arm in loaders}, rounds=6)
    labels = {0: "helpers: 0", "helped": f"helpers: {helpers}"}
    end_s = last[0].computed_s(batches=5)
    last = {label: last[arm] for arm, label in labels.items()}
    first = {label: line.between(0, end_s) for label, line in last.items()}
    losses = learned.samples("helped", "loss")
    table = Table("Share of the epoch", rows=labels)
    for key in ("data_wait", "utilisation", "loading", "waiting", "computing"):
        table.column(key.replace("_", " "), learned.values(key, f"{key}_pct"))
    wait = learned.values("first_batch_ms", "first_batch_ms")
    ends = measured("loss_first", losses[0]), measured("loss_last", losses[-1])
    alt = "With helpers, the next batches are loaded while the model trains."
    show(
        table.column("first batch", wait)
        .figure(Lanes(alt, first, names={"device": "GPU"}))
        .finding(
            "Data wait: {data_wait_0}, and {data_wait_helped} with helpers."
        )
        .trace(merged_trace(last))
        .record((*ends, measured("helpers", helpers)))
        .warn(learned)
    )

# %% [markdown]
# On the processor a short wait remains between two steps, though the next batch has been loaded: it must be
# handed over. On a GPU a second thread of the main process receives the batches and pins them meanwhile.
#
# The hero learns: his mean loss falls from {loss_first} to {loss_last}.
#
# ## What is there to win?
#
# Before you tune a loader, ask how fast training would be if loading were free: replay batches that lie in
# memory. The makers of SPDL call this [headspace
# analysis](https://facebookresearch.github.io/spdl/latest/optimization_guide/headspace_analysis.html). The
# model learns little from it. It is a ruler: a loader hardly makes an epoch shorter. All three are timed in
# turns, untraced, and wait for the device once an epoch.
#
# The estimate from a data wait of *w*, 1 / (1 − *w*), takes steps to keep their length. On a GPU the gain may
# be larger: loading in the same process slows the launches of every step, and helpers end that.

# %%
if __name__ == "__main__":
    step = Hero(fit.size).step  # nobody asks what he learns
    replayed = loaders | {"headroom": list(loaders[0])}
    arms = {arm: Training(loader, step) for arm, loader in replayed.items()}
    timed = compare(arms, rounds=8)
    epochs, pair = timed.values("epoch_s"), ("helped", "headroom")
    fed = timed.ratio("fed_over_headroom", *pair, "rest_s")
    colours = {0: 0, "helped": 1, "headroom": 2}
    show(
        Table("What can be won", rows=labels | {"headroom": "headroom run"})
        .column("epoch", epochs)
        .column("times as fast", timed.speedups("speedup", against=0))
        .footer("÷ headroom", timed.ratio("helped_over_headroom", *pair))
        .footer("after the first batch", fed)
        .bars("seconds per epoch", epochs, groups=colours)
        .finding("Helpers take {helped_over_headroom} the headroom run's time.")
        .warn(timed)
    )

# %% [markdown]
# Epochs with helpers are {speedup_helped:interval} as fast, and take {helped_over_headroom} the headroom
# run's time; {fed_over_headroom} after the first batch. That is all that more helpers, a faster disk or
# another loader could still win. On the processor a part of it cannot be won: the headroom run has memory
# and caches for itself.
#
# ## What to take home
#
# Helpers turn waiting into computing. Measure the headroom before you tune.
#
# **Where it stops mattering.** At a data wait below 5%, we suggest: without it the epoch would be shorter
# by a twentieth at most. From there on it is the step that counts. Make that faster, and look again: a
# faster hero is a hungrier one.
