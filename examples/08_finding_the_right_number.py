# ---
# title: Finding the right number of helpers
# group: When helpers pay
# description: Throughput against the number of workers, for items that wait, that compute, and PNG files.
# headline: "Two helpers a core in place of one: loading is {waiting_beyond_cores} as fast for items that
#   wait, {computing_beyond_cores} for items that compute."
# time_limit_s: 240
# claims:
#   - waiting_beyond_cores > 1.3
#   - computing_beyond_cores < 1.25
#   - png_beyond_cores < waiting_beyond_cores
#   - computing_at_cores < usable_cores
#   - waiting_speedup_1 < 1.05
#   - smallest_good_waiting == 4
#   - waiting_gain_8 < 1.05
# ---

# %% [markdown]
# # Finding the right number of helpers
#
# **Motive.** Two helper sprites carry more than one, and four more than two. So why not a hundred? Because
# at some number the next helper finds nothing left to help with.
#
# **What is measured.** Items per second of later epochs, by the number of helpers: for items that *wait*,
# that *compute*, and PNG files. Then the data wait of a training loop, and where the guide's procedure
# stops.
#
# **Caveat.** Items wait in a `time.sleep`, and so does the training step. How long is typed in; how it
# *scales* is measured. A real disk or network fills up at some point. The PNG files come from the file
# cache: what they cost is decoding.

# %% [markdown]
# ## Three kinds of item in one dataset
#
# An index may be anything that the dataset understands. Here it is a pair, a kind and a number, so that the
# same helpers can fetch all three kinds. Of a PNG file, a corner is handed out: large pictures in, small
# ones out, as in many a training run.
#
# How much of an item's time is spent *on a core*? Processor time divided by time on the clock says so,
# without any helper.

# %%
import time
import warnings
from functools import partial
from itertools import pairwise, product

import torch
from torch.utils.data import DataLoader, Dataset

from spritedocs.datasets import Delayed, SpriteFolder, SpriteTensors
from spritedocs.machine import NotHere, needs, room_for, usable_cores
from spritedocs.report import Table, count, show
from spritedocs.sprites import write_png_folder
from spritedocs.timing import dismiss, race, time_epoch

KINDS = ("waiting", "computing", "png")


class Kinds(Dataset):
    """Sprites of several kinds: an index is a kind and a number."""

    def __init__(self, folder):
        sprites = SpriteTensors(128)
        self.kinds = {
            "waiting": Delayed(sprites, 0.002, kind="wait"),
            "computing": Delayed(sprites, 0.0006, kind="cpu"),
            "png": SpriteFolder(write_png_folder(folder, 128, size=192)),
        }

    def __getitem__(self, index):
        kind, number = index
        return self.kinds[kind][number][0][:, :32, :32]


def core_pct(dataset, kind):
    """The share of its time that fetching items is on a core, in %."""
    begun, on_core = time.perf_counter(), time.thread_time()
    for number in range(32):
        dataset[kind, number]
    return 100 * (time.thread_time() - on_core) / (time.perf_counter() - begun)


if __name__ == "__main__":
    with room_for(megabytes=2) as room:
        dataset = Kinds(room / "png")
        shares = race({k: partial(core_pct, dataset, k) for k in KINDS}, 6)
    show(
        Table("Three kinds of item", rows=KINDS)
        .column("time on a core", shares.values("{}_core_share_pct"))
        .warn(shares)
    )

# %% [markdown]
# Where the share is small, a helper mostly waits, and meanwhile its core is free for another one. Where it
# is nearly all, each helper needs a core of its own.
#
# ## Throughput against helpers
#
# The sampler is a plain list, which stays in the main process: what stands in it may change between epochs.
# Inside a worker torch uses one thread. The main process is held to one as well, else its 0 helpers would
# secretly be several.


# %%
def make_loader(dataset, n):
    """A loader whose items are still to be listed; its n helpers stay."""
    told = {"num_workers": n, "persistent_workers": n > 0}
    return DataLoader(dataset, 16, sampler=[], **told)


def epoch_of(loader, kind, step=None):
    """Time an epoch of one kind, with 3 batches or more for each helper."""
    needs("workers")
    if loader.num_workers > 32:
        raise NotHere("Over 32 are not started here: hold it to 16 cores.")
    items = 16 * max(6, 3 * loader.num_workers)
    loader.sampler[:] = [(kind, number % 128) for number in range(items)]
    return time_epoch(loader, step)


def items_per_s(loader, kind):
    """The throughput while nobody trains."""
    return epoch_of(loader, kind).items_per_s


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "This DataLoader will create")
    torch.set_num_threads(1)
    cores = usable_cores()
    numbers = sorted({0, 1, 2, 4, 8, cores, 2 * cores})
    with room_for(megabytes=2) as room:
        dataset = Kinds(room / "png")
        loaders = {n: make_loader(dataset, n) for n in numbers}
        pairs = product(KINDS, numbers)
        arms = {(k, n): partial(items_per_s, loaders[n], k) for k, n in pairs}
        fetched = race(arms, rounds=6)

    table = Table("Items per second", rows=numbers, head="helpers")
    times, at, beyond = {}, [], []
    for kind in KINDS:
        by_n = fetched.part(kind)
        table.column(kind, by_n.values(f"{kind}_items_per_s"))
        times[kind] = by_n.ratios(f"{kind}_speedup", over=0)
        at.append(by_n.ratio(f"{kind}_at_cores", cores, 0))
        beyond.append(by_n.ratio(f"{kind}_beyond_cores", 2 * cores, cores))
    look = {"spacing": "log-log", "mark": (cores, "usable cores")}
    show(
        table.footer(f"{cores} against 0", *at)
        .footer(f"{2 * cores} against {cores}", *beyond)
        .footer("usable cores", count("usable_cores", cores))
        .lines("helpers", "times as fast", times, ideal="ideal", **look)
        .finding(
            "Two helpers a core, not one: {waiting_beyond_cores} as fast where "
            "items wait, {computing_beyond_cores} where they compute."
        )
        .warn(fetched)
    )

# %% [markdown]
# **One helper brings next to nothing**: items that wait come {waiting_speedup_1:interval} as fast as with
# none. Nobody trains here, so the work has only moved next door, and every batch must be carried back.
#
# With twice as many helpers as cores, items that wait come {waiting_beyond_cores:interval} as fast as with
# one a core. For items that compute the same step brings {computing_beyond_cores:interval}, and for PNG
# files {png_beyond_cores:interval}. Nor do items that compute gain a whole core's worth from each core:
# carrying batches takes processor time too.
#
# On a machine with many cores another end comes near: the main process receives all batches, one after
# another. `07_summoning_cost.py` measures how long that takes. Larger batches push that end away.
#
# ## A model that eats at its own pace
#
# Now a training step follows each batch: a sleep, which stands for a GPU at work and leaves the cores
# alone. The *data wait* is the share of the time in which the loop waits for a batch. A share of *w*
# without helpers promises a gain of about 1 / (1 − *w*). The first batch is not counted: in so short an
# epoch it would weigh too much.
#
# ## The procedure
#
# 1. Start with **0**. Measure the data wait. Under 5%: stop, helpers have nothing to win.
# 2. Try **2**, then **4**, and go on: up to the usable cores, and beyond them if items mostly wait.
# 3. **Stop** when the data wait is under 5%, or when the last step up brought nothing you can measure.
#
# Every helper costs memory, so keep the **smallest** number that is as good. A step up counts if the
# interval of its gain lies above 1.05 as a whole: less is what a data wait of 5% could bring at most.
# Likewise, a data wait counts as under 5% if its whole interval is.


# %%
def train(loader):
    """The data wait and the speed of training on items that wait."""
    epoch = epoch_of(loader, "waiting", lambda batch: time.sleep(0.014))
    wait_s = epoch.next_wait_s
    lap_s = wait_s + epoch.step_s / epoch.batches
    return {"data_wait_pct": 100 * wait_s / lap_s, "steps_per_s": 1 / lap_s}


def smallest_good(wait, gain):
    """Where the procedure stops."""
    needs("workers")
    for number, more in pairwise(wait):
        if wait[number].bounds[1] < 5 or gain[more].bounds[0] < 1.05:
            return number
    return more


if __name__ == "__main__":
    arms = {n: partial(train, loaders[n]) for n in (0, 2, 4, 8)}
    trained = race(arms, rounds=6, warmup=False)
    for loader in loaders.values():
        dismiss(loader)

    wait = trained.values("waiting_data_wait_pct", "data_wait_pct")
    gain = {
        n: trained.ratio(f"waiting_gain_{n}", n, before, "steps_per_s")
        for before, n in pairwise(arms)
    }
    good = count("smallest_good_waiting", partial(smallest_good, wait, gain))
    look = {"spacing": "even", "reference": (5, "5%: stop")}
    show(
        Table("Training, 14 ms a step", rows=list(arms), head="helpers")
        .column("data wait", wait)
        .column("times as fast as before", gain)
        .footer("so stop at", good)
        .lines("helpers", "data wait, %", {"waiting": wait}, **look)
        .finding("With 4 helpers the data wait is {waiting_data_wait_pct_4}.")
        .warn(trained)
    )

# %% [markdown]
# Without helpers the data wait is {waiting_data_wait_pct_0}, and with 4 it is {waiting_data_wait_pct_4}. Of
# the numbers tried the procedure stops at {smallest_good_waiting}: training with 8 is
# {waiting_gain_8:interval} as fast as with 4. By then every batch is there before it is wanted. What is
# left is, we presume, the carrying.
#
# ## What to take home
#
# Ask first *why* an item is slow. If it computes, the usable cores are about the end of it. If it waits, go
# on until the disk, the network or the main process is full. It stops mattering where the model is fed.
# Take the cores you *may* use: `16_the_count_that_lies.py` asks for them.
