# ---
# title: What a summoning costs
# group: When helpers pay
# description: Sprites in RAM, helpers that make them slower, and the item cost from which helpers pay.
# headline: "For sprites in memory, in batches of 8, an epoch takes {ratio_2:interval} as long with two
#   helpers."
# claims:
#   - ratio_2 > 2
#   - ratio_4 > 2
#   - ratio_2_large < ratio_2
#   - break_even_us_large < break_even_us
#   - handover_ms_per_batch > making_ms_per_batch
#   - first_batch_ms_4 > first_batch_ms_1
# ---

# %% [markdown]
# # What a summoning costs
#
# **Motive.** These sprites lie in RAM already, and picking one up is next to no work. Somebody summons
# helpers all the same. How much *slower* does the epoch get, and from which sprite on do helpers pay?
#
# **What is measured.** The time per sprite in later epochs, with and without workers. Then the two bills,
# the start and each batch on its way, and the cost of a sprite at which two workers break even.
#
# **Caveat.** Nobody trains here: the loop only loads. During a training step helpers could work unseen, but
# receiving a batch stays the main process's own. Dear sprites *compute*, so helpers compete for cores;
# sprites that wait have another break-even.

# %% [markdown]
# ## Sprites in RAM, helpers in the way
#
# The helpers stay for all epochs (`persistent_workers=True`). Without them an epoch would be over in a
# blink, so it gets more batches, and what is compared is the time *per sprite*.

# %%
import time
from functools import partial

import torch
from torch.utils.data import DataLoader, RandomSampler

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import NotHere, by_start_method, needs, start_method
from spritedocs.report import Table, show
from spritedocs.timing import compare, dismiss, race, time_epoch

SIZES = {"": 8, "_large": 64}  # of a batch, by how names of values end


def make_loader(dataset, size, num_workers, batches):
    """A loader of random sprites whose helpers, if any, stay."""
    return DataLoader(
        dataset,
        batch_size=size,
        sampler=RandomSampler(dataset, True, num_samples=batches * size),
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


if __name__ == "__main__":
    sprites = SpriteTensors(512)
    arms = {
        (size, number): partial(make_loader, sprites, size, number, batches)
        for size in SIZES.values()
        for number, batches in ((0, 12288 // size), (1, 48), (2, 48), (4, 48))
    }
    in_ram = compare(arms, rounds=6, keep=True)
    small, large = in_ram.part(8), in_ram.part(64)
    show(
        Table("Time per sprite in RAM", rows=(0, 1, 2, 4), head="helpers")
        .column("batches of 8", small.values("sprite_us", "item_us"))
        .column("as long", small.ratios("ratio", "item_us", over=0))
        .column("batches of 64", large.values("sprite_us_{}_large", "item_us"))
        .column("as long", large.ratios("ratio_{}_large", "item_us", over=0))
        .warn(in_ram)
    )

# %% [markdown]
# With two helpers a sprite in small batches takes {ratio_2:interval} as long as with none. Four don't fix it:
# {ratio_4:interval}. More hands aren't what's needed. Every *batch* has to be carried from one process to
# another. A batch of 64 spreads that over more sprites: {ratio_2_large:interval} as long with two.
#
# ## The first bill: waking them
#
# New loaders, again and again: how long until the first batch? Workers are started one after another, and
# no indices are handed out until the last has been started. Under spawn and forkserver this takes seconds,
# so there are fewer rounds.

# %%
if __name__ == "__main__":
    arms = {n: partial(make_loader, sprites, 8, n, 48) for n in (1, 2, 4)}
    rounds = by_start_method(fork=6, other=2)
    new = compare(arms, rounds, warmup=False)
    first_ms = new.values("first_batch_ms", "startup_s", scale=1000, unit="ms")
    further_ms = new.combined(
        "startup_ms_per_worker",
        lambda one, _, four: 1000 * (four.startup_s - one.startup_s) / 3,
        unit="ms",
    )
    show(
        Table(
            f"New helpers, by {start_method()}", rows=(1, 2, 4), head="helpers"
        )
        .column("first batch after", first_ms)
        .footer("each further one", further_ms)
        .warn(new)
    )

# %% [markdown]
# Four new helpers keep you waiting {first_batch_ms_4} for the first batch, one {first_batch_ms_1}. Each
# further one adds {startup_ms_per_worker}. That happens once, if they stay.
#
# ## The second bill: carrying batches
#
# Now the main process steps: it sleeps for 5 ms after each batch. Helpers have built the next one long
# before, so all the time in `next()` is the hand-over: read the message, receive a file descriptor for each
# tensor, map the memory, send the indices of a batch to come. What a worker does meanwhile is not in it.


# %%
def bill(alone, helped):
    """What a batch costs in ms: to make, and to receive when it is ready."""
    needs("workers")
    alone.dataset.turns.fill_(0)
    made = time_epoch(alone)
    ready = time_epoch(helped, step=lambda batch: time.sleep(0.005))
    return {
        "making_ms": 1000 * made.total_s / made.batches,
        "handover_ms": 1000 * ready.next_wait_s,
    }


# %% [markdown]
# ## A dial for the work
#
# How dear must a sprite be before helpers pay? Here each can be given some computing to do: turns of an
# empty loop. Helpers hold the dataset as it was when they were summoned, so an ordinary attribute would
# change in the main process alone. A tensor in shared memory is the same for all: it can be the dial.


# %%
class DialledSprites(SpriteTensors):
    """Sprites that take as many turns of a loop as a dial says."""

    def __init__(self, count):
        super().__init__(count)
        self.turns = torch.zeros(1, dtype=torch.int64).share_memory_()

    def __getitem__(self, index):
        for _ in range(self.turns.item()):
            pass
        return super().__getitem__(index)


# %% [markdown]
# The dial is at break-even when an epoch lasts as long with two helpers as without. It is found by halving:
# where helpers lose there must be more work, where they win there may be less. What counts is the cost of a
# sprite *as measured without helpers*, in µs; and that of its whole batch, in ms.


# %%
def break_even(alone, helped):
    """The cost at which helpers begin to win, of a sprite and of a batch."""
    needs("workers", cores=2)
    low, high = 0, (most := 480_000 // alone.batch_size)
    for _ in range(7):
        turns = (low + high) // 2
        alone.dataset.turns.fill_(turns)
        cost = time_epoch(alone)
        wins = time_epoch(helped).total_s < cost.total_s
        low, high = (low, turns) if wins else (turns, high)
    if low == 0 or high == most:
        raise NotHere(
            "Two helpers lost with the dearest sprites, or won with the "
            "cheapest: end other programs, which take their cores."
        )
    return {"us": cost.item_us, "ms": cost.item_us * alone.batch_size / 1000}


if __name__ == "__main__":
    dialled = DialledSprites(512)
    pairs = {
        end: [make_loader(dialled, size, number, 8) for number in (0, 2)]
        for end, size in SIZES.items()
    }
    bills = race({end: partial(bill, *pairs[end]) for end in SIZES}, 6)
    even = race({end: partial(break_even, *pairs[end]) for end in SIZES}, 6)
    for _, helped in pairs.values():
        dismiss(helped)

    making = bills.values("making_ms_per_batch{}", "making_ms")
    handover = bills.values("handover_ms_per_batch{}", "handover_ms")
    batch_ms = even.values("break_even_ms_per_batch{}", "ms")
    show(
        Table("A batch", columns={"": "of 8", "_large": "of 64"})
        .row("make it, without helpers", making)
        .row("receive it, when it is ready", handover)
        .row("make it, dear enough to break even", batch_ms)
        .row("which is, for each sprite", even.values("break_even_us{}", "us"))
        .bars("ms per batch", making, handover, batch_ms, groups=(0, 1, 2))
        .finding(
            "A batch of 8 takes {handover_ms_per_batch} to receive, "
            "and {making_ms_per_batch} to make."
        )
        .warn(bills, even)
    )

# %% [markdown]
# A batch of 8 takes the main process {handover_ms_per_batch} to receive, and {making_ms_per_batch} to make.
# Two helpers are as fast as none when one of its sprites takes {break_even_us:interval}. In batches of 64 a
# cheaper one will do, {break_even_us_large:interval}: helpers are paid by the *batch*.
#
# ## What to take home
#
# Helpers are paid by the batch. For cheap sprites in small batches they cannot win, not even behind a
# training step. Time an epoch of your own without helpers, and divide by its batches. Far below the
# break-even, stay at 0, or make batches larger. Above it two helpers pay, if there are cores; keep them
# with `persistent_workers=True`.
