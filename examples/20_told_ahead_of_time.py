# ---
# title: What helpers are told ahead of time
# group: Starting and handing over
# description: How far to work ahead, whether to stay, whether to keep the order, and what each is worth.
# headline: "Helpers that stay make short epochs {persistent_speedup:interval} as fast."
# formerly: 15_handing_batches_to_the_gpu
# time_limit_s: 60
# claims:
#   - bursty_speedup_8 > 1.2
#   - even_speedup_8 < 1.2
#   - persistent_speedup > 1.5
#   - out_of_order_speedup > 1.2
#   - batches_ahead_in_order == 0
#   - batches_ahead_out_of_order > 3
# ---

# %% [markdown]
# # What helpers are told ahead of time
#
# **Motive.** There is a spell that everybody copies from somebody: `persistent_workers=True,
# prefetch_factor=4`, and whatever else looked lucky. Its words are orders to your helpers (worker
# processes), given before they begin. Which of them help, and when?
#
# **What is measured.** Epochs of two helpers. How far do they work ahead, do they stay for the next epoch,
# and does a slow batch hold up the others? The loaders take turns in random order.
#
# **Caveat.** The work is a `time.sleep`, so that we know who is slow and when. That shows how the words
# work, not what they will be worth to you.

# %% [markdown]
# ## Batches that dawdle as they are told
#
# Every batch is one sprite. The dataset holds a list: how many seconds each of them takes.

# %%
import time
import warnings
from functools import partial

from torch.utils.data import DataLoader, Dataset

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import by_start_method, needs
from spritedocs.report import Table, show
from spritedocs.timing import compare, race, time_epoch


class Dawdlers(Dataset):
    """Sprites, each of which takes so many seconds."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.sprites = SpriteTensors(len(seconds))

    def __len__(self):
        return len(self.seconds)

    def __getitem__(self, index):
        time.sleep(self.seconds[index])
        image, _ = self.sprites[index]
        return image, index


def make_loader(seconds, **told):
    """A loader with two helpers, who stay unless told otherwise."""
    told = {"num_workers": 2, "persistent_workers": True} | told
    return DataLoader(Dawdlers(seconds), **told)


# %% [markdown]
# ## prefetch_factor: how far to work ahead
#
# Each helper may be `prefetch_factor` batches ahead; the default is 2. Here the model takes 2 ms for a
# batch, steadily. Two sorts of batches cost the same on average. *Even* ones take 3 ms each: two helpers
# make one every 1.5 ms, to which sleeping and handing over add. Of the *bursty* ones every ninth takes 27 ms,
# and the others nothing.

# %%
BATCHES = {
    "even": [0.003] * 36,
    # An odd distance between bursts has the two helpers share them.
    "bursty": [0.027 if n % 9 == 5 else 0 for n in range(36)],
}


if __name__ == "__main__":
    loaders = {
        (kind, factor): partial(make_loader, seconds, prefetch_factor=factor)
        for kind, seconds in BATCHES.items()
        for factor in (2, 4, 8)
    }
    ahead = compare(
        loaders, rounds=6, keep=True, step=lambda _: time.sleep(0.002)
    )

    even, bursty = ahead.part("even"), ahead.part("bursty")
    even_ms = even.values("epoch_ms_even", scale=1000, unit="ms")
    bursty_ms = bursty.values("epoch_ms_bursty", scale=1000, unit="ms")
    series = {"even batches": even_ms, "bursty batches": bursty_ms}
    show(
        Table("Even and bursty batches", columns=[2, 4, 8], head="ahead")
        .row("even batches", even_ms)
        .row("times as fast", even.speedups("even_speedup", against=2))
        .row("bursty batches", bursty_ms)
        .row("times as fast", bursty.speedups("bursty_speedup", against=2))
        .lines("prefetch_factor", "ms per epoch", series, spacing="even")
        .finding("8 ahead, not 2: bursts come {bursty_speedup_8} as fast.")
        .warn(ahead)
    )

# %% [markdown]
# With 8 in place of 2, epochs of bursty batches are {bursty_speedup_8:interval} as fast, and those of even
# ones {even_speedup_8:interval}. A long queue hides a slow batch, if the queued batches last longer than the
# delay. It makes nobody faster on average: with even batches there is nothing to hide. What it costs
# is memory: up to `prefetch_factor × num_workers` batches lie ready.
#
# ## persistent_workers: whether they stay
#
# Without it, helpers go home after every epoch, and new ones are summoned for the next. What that costs does
# not depend on how long the epoch is, so short epochs suffer most. Here an epoch has 12 batches that cost
# nothing. The first epoch summons either way, so it is left out.

# %%
if __name__ == "__main__":
    short = {
        "new": partial(make_loader, [0] * 12, persistent_workers=False),
        "kept": partial(make_loader, [0] * 12),
    }
    # Unless they are forked, helpers take seconds to start.
    stayed = compare(short, by_start_method(fork=8, other=1), keep=True)

    ms = stayed.values("epoch_ms", scale=1000, unit="ms")
    gain = stayed.ratio("persistent_speedup", "new", "kept")
    restart = stayed.combined(
        "restart_ms", lambda new, kept: 1000 * (new.total_s - kept.total_s)
    )
    long_enough = stayed.combined(
        "epoch_s_of_5_percent",
        lambda new, kept: 20 * (new.total_s - kept.total_s),
        unit="s",
    )
    show(
        Table("Short epochs, two helpers", columns=["new", "kept"])
        .row("an epoch", ms)
        .row("times as fast", {"kept": gain})
        .footer("a summoning takes", restart)
        .footer("which is 5% of an epoch of", long_enough)
        .warn(stayed)
    )

# %% [markdown]
# Two new helpers cost {restart_ms} an epoch on the machine of this page. That depends on the start method;
# where helpers are not forked, it is one run. Epochs of
# {epoch_s_of_5_percent} or less lose 5% and more to summoning. Where yours take much longer, it hardly
# matters who stays.
#
# ## in_order: whether one slow batch stops the others
#
# Batches come out in the order of the sampler, so a slow one holds up those that are ready behind it. With
# `in_order=False` they overtake it. Of these 12 batches number 1 takes 72 ms, the others nothing, and
# the model takes 6 ms for each. Number 0 comes before it either way; ten are behind it.

# %%
SLOW = 1
LATE = [0.072 if number == SLOW else 0 for number in range(12)]
arrived = {}
warnings.filterwarnings("ignore", "This DataLoader will create")


def listen(loader):
    """Train for 6 ms on each batch, and see who comes before the slow one."""
    needs("workers")
    order = []

    def step(batch):
        order.append(int(batch[1]))
        time.sleep(0.006)

    epoch = time_epoch(loader, step)
    arrived[f"in_order={loader.in_order}"] = order
    before = order[: order.index(SLOW)]
    return {
        "epoch_ms": epoch.total_s * 1000,
        "batches_ahead": sum(number > SLOW for number in before),
    }


if __name__ == "__main__":
    ordered = race(
        {
            "in_order": partial(listen, make_loader(LATE)),
            "out_of_order": partial(listen, make_loader(LATE, in_order=False)),
        },
        rounds=6,
    )

    rows = {"in_order": "in_order=True", "out_of_order": "in_order=False"}
    overtakers = ordered.values("batches_ahead", "batches_ahead")
    gain = ordered.speedups("{}_speedup", "epoch_ms", against="in_order")
    show(
        Table("Twelve batches, of which number 1 is slow", rows=rows)
        .column("overtook number 1", overtakers)
        .column("epoch", ordered.values("epoch_ms", "epoch_ms"))
        .column("times as fast", gain)
        .blocks(
            dict(sorted(arrived.items(), reverse=True)),
            x_label="batches as they arrive",
        )
        .finding(
            "Out of order, batch 1 lets {batches_ahead_out_of_order} others pass."
        )
        .warn(ordered)
    )

# %% [markdown]
# {batches_ahead_out_of_order} of the ten overtake it, and the epoch is {out_of_order_speedup:interval} as
# fast. The time is won, and the order is lost: it depends on which helper was quick, and may differ from run
# to run. What waits behind the slow batch in the same
# helper's queue comes late too.
#
# ## What to take home
#
# Let helpers stay (`persistent_workers=True`), unless your epochs are long. Give them a longer queue where
# batches come in bursts; for even ones it only takes memory. Let quick batches overtake slow ones if you can
# do without the order. Where all batches take about the same, there is nobody to overtake.
