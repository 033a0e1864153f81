# ---
# title: Four helpers for a dataset that waits
# group: When helpers pay
# description: A dataset that waits, loaded without helpers and with four, timed and compared.
# headline: "With four helpers an epoch is {speedup_4:interval} as fast."
# claims:
#   - speedup_4 > 3
#   - epoch_s_4 < epoch_s_0
#   - startup_s_4 > startup_s_0
#   - first_epoch_speedup_4 < speedup_4
# ---

# %% [markdown]
# # Four helpers for a dataset that waits
#
# **Motive.** A model that waits for its sprites learns nothing meanwhile. Helper sprites (worker
# processes) can fetch while it waits. How much faster does an epoch get, and what does summoning cost?
#
# **What is measured.** 64 sprites in batches of 4, loaded by the main process alone and by 4 workers. First
# epochs start the workers; later ones find them there. The loaders take turns in random order.
#
# **Caveat.** The slowness is a `time.sleep`. It stands for a slow disk or a network, and waiting needs
# no core: that is why four helpers pay even on two cores. Items that *compute* need a core for each helper.

# %% [markdown]
# ## A dataset that waits
#
# `__getitem__` sleeps, then hands out its sprite. It also says who fetched it: the worker's number, or -1
# for the main process.

# %%
import time
import warnings
from collections import Counter
from functools import partial

from torch.utils.data import DataLoader, Dataset, get_worker_info

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import by_start_method, needs, run_program
from spritedocs.report import Table, show
from spritedocs.timing import compare


class SlowSprites(Dataset):
    """Sprites that take 8 ms each, and a note of who fetched them."""

    def __init__(self, count=64):
        self.sprites = SpriteTensors(count)

    def __len__(self):
        return len(self.sprites)

    def __getitem__(self, index):
        time.sleep(0.008)
        image, family = self.sprites[index]
        worker = get_worker_info()
        return image, family, worker.id if worker else -1


def make_loader(num_workers):
    """A loader whose helpers, if any, stay for all epochs."""
    return DataLoader(
        SlowSprites(),
        batch_size=4,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


# %% [markdown]
# ## With and without helpers
#
# First epochs get a fresh loader each time, so each pays for the summoning. Later ones find their helpers
# waiting. What a start costs depends on the start method, so where helpers are not forked there are fewer
# first epochs.

# %%
if __name__ == "__main__":
    loaders = {number: partial(make_loader, number) for number in (0, 4)}
    rounds = by_start_method(fork=6, other=2)
    first = compare(loaders, rounds, warmup=False)
    later = compare(loaders, rounds=7, keep=True)

    starts = first.values("startup_s", "startup_s")
    first_s, later_s = first.values("first_epoch_s"), later.values("epoch_s")
    first_gain = first.ratio("first_epoch_speedup_4", 0, 4)
    later_gain = later.ratio("speedup_4", 0, 4)
    columns = {0: "0 helpers", 4: "4 helpers", "gain": "times as fast"}
    show(
        Table("64 sprites, 8 ms each", columns=columns)
        .row("first batch after", starts)
        .row("first epoch", first_s | {"gain": first_gain})
        .row("later epochs", later_s | {"gain": later_gain})
        .bars("seconds per epoch", first_s, later_s)
        .finding("Later epochs are {speedup_4} as fast with 4 helpers.")
        .warn(first, later)
    )

# %% [markdown]
# Later epochs are {speedup_4:interval} as fast with four helpers, because four of them wait at the same
# time. First epochs gain less, {first_epoch_speedup_4:interval}: the first batch comes after
# {startup_s_4}, and without helpers after {startup_s_0}.
#
# ## Who loaded what?
#
# Each worker builds whole batches, in turns: batch 0 comes from worker 0, batch 1 from worker 1. After the
# last it is worker 0's turn again. The main process only receives.


# %%
def who_fetched(loader):
    """The worker that fetched each batch, in the order of arrival."""
    return [int(fetched_by[0]) for _, _, fetched_by in loader]


if __name__ == "__main__":
    needs("workers")
    warnings.filterwarnings("ignore", "This DataLoader will create")
    alone, helped = who_fetched(make_loader(0)), who_fetched(make_loader(4))
    processes = {-1: "main", **{n: f"helper {n}" for n in range(4)}}
    show(
        Table("Batches loaded by each process", columns=processes)
        .row("0 helpers", Counter(alone))
        .row("4 helpers", Counter(helped))
        .blocks(
            {"0 helpers": alone, "4 helpers": helped},
            main="·",
            x_label="batches in the order of their arrival",
        )
        .finding("Who loaded which batch? The number is the helper's.")
    )

# %% [markdown]
# ## With torch alone
#
# The same in a file of its own, to paste where you train. It times each epoch once. So take it for a
# first look: the tables above are the measurement.

# %%
if __name__ == "__main__":
    print(run_program("first_summons").text)

# %% [markdown]
# ## What to take home
#
# Helpers pay for an item that waits. Summoning has a price, and not only under fork: under spawn every helper
# imports torch first, and under forkserver too unless its server has. Keep them with
# `persistent_workers=True`, or have epochs that are long enough.
