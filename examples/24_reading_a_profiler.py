# ---
# title: Reading a profiler
# group: The whole loop
# description: Which row of torch.profiler is the data wait, what it leaves out, and why it may be missing.
# headline: "The row said {row_pct_helpers}, a clock around next() {clock_pct_helpers}."
# time_limit_s: 120
# claims:
#   - row_over_clock_alone > 0.9
#   - row_over_clock_alone < 1.1
#   - row_over_clock_helpers > 0.8
#   - row_over_clock_helpers < 1.25
#   - self_over_total_alone < 0.9
#   - row_pct_thread == 0
#   - clock_pct_thread > 0
#   - items_seen_helpers == 0
#   - profiled_over_plain > 0.8
# ---

# %% [markdown]
# # Reading a profiler
#
# **Motive.** Profilers have many rows, and none is called *waiting for data*. Which one is it? And
# why do some people find nothing there at all?
#
# **What is measured.** A model trains on PNG files, under `torch.profiler`. Beside it a clock is read around
# each `next()`. Three loaders take turns: without helpers, with two, and with two whose batches a thread
# fetches ahead.
#
# **Caveat.** Model and profiler are on the processor, on any machine. Beside a GPU the step's rows say how
# long work was launched, not how long it took.

# %% [markdown]
# ## An epoch, and two ways to ask how long it waited
#
# The names of the rows begin with `enumerate(DataLoader)`. `CPU total` is what each took from beginning to
# end. `Self CPU` leaves out what other rows have.

# %%
import atexit
from contextlib import ExitStack
from functools import partial
from queue import Queue
from threading import Thread

import torch
from torch import nn
from torch.utils.data import DataLoader

from spritedocs import machine
from spritedocs.datasets import SpriteFolder
from spritedocs.report import Table, show
from spritedocs.sprites import write_png_folder
from spritedocs.timeline import profiled
from spritedocs.timing import race, time_epoch


class Lessons(SpriteFolder):
    """Sprites from PNG files, scaled to 64 × 64 pixels by torch."""

    def __getitem__(self, index):
        pixels, family = super().__getitem__(index)
        return nn.functional.interpolate(pixels[None].float(), 64)[0], family


class Hero:
    """A small network, and its step."""

    def __init__(self):
        torch.manual_seed(24)
        first, last = nn.Conv2d(4, 16, 5, 2), nn.Linear(16 * 30 * 30, 8)
        self.net = nn.Sequential(first, nn.ReLU(), nn.Flatten(), last)

    def step(self, batch):
        pictures, families = batch
        guesses = self.net(pictures / 255)
        nn.functional.cross_entropy(guesses, families).backward()


def from_a_thread(loader):
    """The batches, which a thread fetches ahead, as some frameworks do."""
    ahead = Queue(2)

    def fetch():
        for batch in loader:
            ahead.put(batch)
        ahead.put(None)

    Thread(target=fetch).start()
    yield from iter(ahead.get, None)


# %% [markdown]
# ## The row, and the clock


# %%
def look(loader, step):
    """The shares of an epoch that the profiler's row has, and the clock."""
    epoch, rows = profiled(partial(time_epoch, loader(), step))
    waits = [row for row in rows if row.name.startswith("enumerate(DataL")]
    percent = 100 / epoch.total_s
    return {
        "row_pct": percent * sum(row.total_s for row in waits),
        "self_pct": percent * sum(row.self_s for row in waits),
        "clock_pct": percent * epoch.wait_s,
        "iter_pct": percent * epoch.iter_s,
        "items": sum(row.calls for row in rows if "upsample" in row.name),
    }


if __name__ == "__main__":
    machine.needs("workers")
    torch.set_num_threads(1)
    room = ExitStack()
    atexit.register(room.close)
    folder = room.enter_context(machine.room_for(megabytes=20)) / "png"
    lessons = Lessons(write_png_folder(folder, 256, size=96))
    helped = partial(DataLoader, lessons, 16, num_workers=2)
    loaders = {
        "alone": partial(DataLoader, lessons, 16),
        "helpers": helped,
        "thread": lambda: from_a_thread(helped()),
    }
    step = Hero().step
    arms = {arm: partial(look, loaders[arm], step) for arm in loaders}
    seen = race(arms, rounds=8)

    def share(name, arm, above, below):
        """One field of an arm's epochs in another."""
        return seen.combined(
            name, lambda found: found[above] / found[below], arm, unit="×"
        )

    agreed = {
        arm: share(f"row_over_clock_{arm}", arm, "row_pct", "clock_pct")
        for arm in ("alone", "helpers")
    }
    inside = share("self_over_total_alone", "alone", "self_pct", "row_pct")
    start = seen.value("iter_pct_helpers", "helpers", "iter_pct")
    rows = {
        "alone": "no helpers",
        "helpers": "2 helpers",
        "thread": "by a thread",
    }
    show(
        Table("Share of the epoch", rows=rows)
        .column("CPU total", seen.values("row_pct", "row_pct"))
        .column("Self CPU", seen.values("self_pct", "self_pct"))
        .column("the clock", seen.values("clock_pct", "clock_pct"))
        .column("÷ the clock", agreed)
        .column("in iter()", {"helpers": start})
        .column("items seen", seen.values("items_seen", "items"))
        .finding("The row that a thread fetched has {row_pct_thread}.")
        .record((inside,))
        .warn(seen)
    )

# %% [markdown]
# **The row is the data wait.** Without helpers `CPU total` is {row_over_clock_alone:interval} what the clock
# says, with helpers {row_over_clock_helpers:interval}. Take that column. `Self CPU` leaves out what torch
# itself does to an item, and was {self_over_total_alone:interval} of the total. A table is not sorted at all
# unless you say by what: `sort_by="cpu_time_total"`.
#
# **What the row leaves out.** Starting helpers happens in `iter()`, which has no row. Here it took
# {iter_pct_helpers} of an epoch. And nothing that a helper does is in any row, since it does so in another
# process: {items_seen_alone} items were scaled in sight without helpers, {items_seen_helpers} with.
#
# **Why it may be missing.** By default the profiler looks at the thread that began it. Where another one
# fetches the batches, the row said {row_pct_thread}, while training waited for {clock_pct_thread} of the
# epoch.
#
# **Why a dashboard may say 0.** PyTorch's plug-in for TensorBoard adds up these rows, if they are in the
# category `cpu_op`. torch now puts them into `user_annotation`. So *DataLoader* is [0 for
# everybody](https://github.com/pytorch/kineto/issues/610), whatever the loader does.
#
# ## What it costs to look

# %%
if __name__ == "__main__":

    def took():
        return time_epoch(helped(), step).total_s

    arms = {"plain": took, "profiled": lambda: profiled(took)[0]}
    cost = race(arms, rounds=8)
    ratio = cost.ratio("profiled_over_plain", "profiled", "plain")
    show(
        Table("An epoch", columns=["plain", "profiled"])
        .row("with 2 helpers", cost.values("epoch_ms", scale=1000, unit="ms"))
        .footer("profiled ÷ plain", ratio)
        .warn(cost)
    )

# %% [markdown]
# An epoch under the profiler takes {profiled_over_plain:interval} as long.
#
# ## What to take home
#
# Sort by `CPU total`, and look for `enumerate(DataLoader)`. If it is missing, find out who fetches.
# `spritedocs.watch` tells the data wait without a profiler, whoever fetches.
