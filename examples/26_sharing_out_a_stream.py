# ---
# title: Sharing out a stream
# group: Ranks and machines
# description: Who reads what of a stream in shards, also with more helpers than shards, and what it costs.
# headline: "Of a stream in 4 shards, 8 helpers read {eight_over_four} as fast as 4: {idle_8} are idle."
# time_limit_s: 240
# claims:
#   - copies_0 == 1
#   - copies_2 == 2
#   - copies_8 == 8
#   - shared_8 == 1
#   - idle_4 == 0
#   - idle_8 == 4
#   - three_over_two < 1.3
#   - eight_over_four < 1.3
#   - cut_over_four > 1.3
#   - hosts == 2
#   - came == 128
#   - once == 128
# ---

# %% [markdown]
# # Sharing out a stream
#
# **Motive.** A stream has no numbers to hand out: each helper (worker process) gets the whole of it, and has
# to know what to leave. Mostly that is done by *shards*, the files that the stream comes in. Four files,
# eight helpers: who reads what?
#
# **What is measured.** First what arrives, and who read it. Then later epochs of a stream in four shards, by
# the number of helpers, and of the same items in eight shards.
#
# **Caveat.** Reading an item is a `time.sleep` of 3 ms, as of a store far away, and shards are equally long.
# Where items compute, cores set a limit of their own. Real shards differ, and the longest one decides.

# %% [markdown]
# ## Who reads what
#
# `Stream` asks nobody. `Shared` asks torch which helper it is in, and reads every n-th shard.

# %%
import warnings
from collections import Counter
from functools import cache, partial
from time import sleep

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from spritedocs.machine import by_start_method, needs, run_program
from spritedocs.report import Table, count, show
from spritedocs.timing import compare, race

warnings.filterwarnings("ignore", "This DataLoader will create")
ITEMS = 128
NUMBERS = (0, 2, 3, 4, 8)


class Stream(IterableDataset):
    """Items in shards, each with the number of its reader."""

    def __init__(self, shards):
        self.shards = shards

    def my_shards(self):
        return range(self.shards)

    def __iter__(self):
        reader = get_worker_info().id if get_worker_info() else 0
        for shard in self.my_shards():
            for item in range(shard, ITEMS, self.shards):
                sleep(0.003)
                yield torch.tensor([item, reader])


class Shared(Stream):
    """The same, shared out: each helper reads every n-th shard."""

    def my_shards(self):
        helper = get_worker_info()  # None without helpers
        if helper is None:
            return range(self.shards)
        return range(helper.id, self.shards, helper.num_workers)


def make_loader(n, kind=Shared, shards=4):
    """A loader with n helpers, who stay."""
    return DataLoader(kind(shards), 4, num_workers=n, persistent_workers=n > 0)


@cache
def read(kind, n):
    """How often each item came, and how many items each helper read."""
    if n:
        needs("workers")
    items, readers = torch.cat(list(make_loader(n, kind))).T.tolist()
    return Counter(items), Counter(readers)


def copies(kind, n):
    """How often every item came."""
    (times,) = set(read(kind, n)[0].values())
    return times


def idle(n):
    """How many helpers read nothing."""
    return max(1, n) - len(read(Shared, n)[1])


if __name__ == "__main__":
    show(
        Table("A stream in four shards", rows=NUMBERS, head="helpers")
        .column(
            "each item comes",
            {
                n: count(f"copies_{n}", partial(copies, Stream, n))
                for n in NUMBERS
            },
        )
        .column(
            "shared out",
            {
                n: count(f"shared_{n}", partial(copies, Shared, n))
                for n in NUMBERS
            },
        )
        .column(
            "idle helpers",
            {n: count(f"idle_{n}", partial(idle, n)) for n in NUMBERS},
        )
    )

# %% [markdown]
# Unless a stream asks, {copies_2} helpers deliver each item {copies_2} times, and {copies_8} helpers
# {copies_8} times. No error says so, and an epoch has as many times the steps. Shared out, each item comes
# once. Of 8 helpers {idle_8} get nothing: there are but four shards.
#
# ## What uneven shares cost
#
# An epoch is over when the last helper is. With three helpers for four shards, one has two of them.

# %%
if __name__ == "__main__":
    loaders = {n: partial(make_loader, n) for n in NUMBERS}
    loaders["8_of_8"] = partial(make_loader, 8, shards=8)
    # Unless they are forked, 25 helpers take long to start.
    found = compare(loaders, by_start_method(fork=8, other=6), keep=True)

    rows = {n: f"{n} helpers, 4 shards" for n in NUMBERS}
    gain = found.speedups("speedup", against=0)
    show(
        Table("Later epochs", rows=rows | {"8_of_8": "8 helpers, 8 shards"})
        .column("epoch", found.values("epoch_ms", scale=1000, unit="ms"))
        .column("times as fast", gain)
        .bars("times as fast as without helpers", gain)
        .footer("3 over 2", found.ratio("three_over_two", 2, 3))
        .footer("8 over 4", found.ratio("eight_over_four", 4, 8))
        .footer("8 shards over 4", found.ratio("cut_over_four", 8, "8_of_8"))
        .finding("8 helpers are {eight_over_four} as fast as 4, of 4 shards.")
        .warn(found)
    )

# %% [markdown]
# Three helpers read {three_over_two:interval} as fast as two: the one with two shards is as late as with two
# helpers. Eight are {eight_over_four:interval} as fast as four, for the price of four more processes. Cut
# into eight shards, the same items come {cut_over_four:interval} as fast to the same eight helpers.
#
# ## Two hosts
#
# A training on two hosts has a rank on each, with helpers of its own. `torchrun` starts them, and each helper
# is one of `world_size × num_workers` readers. Linux makes the hosts here: two network namespaces, which only
# a virtual cable joins.


# %%
def two_hosts():
    """What came of the stream to both ranks, two helpers each."""
    read_by_ranks = run_program("two_hosts", limit_s=120).answer["read"]
    times = Counter(item for _, items in read_by_ranks for item in items)
    return {
        "hosts": len({host for host, _ in read_by_ranks}),
        "came": times.total(),
        "once": [*times.values()].count(1),
    }


if __name__ == "__main__":
    found = race({"two": two_hosts}, rounds=1, warmup=False)
    rows = {"hosts": "hosts", "came": "items came", "once": "items came once"}
    show(
        Table("A rank on each host", rows=rows).column(
            "both ranks", {n: found.value(n, "two", n) for n in rows}
        )
    )

# %% [markdown]
# {once} of {came} items come once, on {hosts} hosts. With as many readers as shards, nobody is idle.
#
# ## What to take home
#
# Count the shards before the helpers: take a number that divides them, or cut the data into more. Have the
# stream ask `get_worker_info()`, and count an epoch once. On several ranks give it the rank and the world
# size as you make it: only a forked helper has the process group. The shards have to suffice for the helpers
# of all ranks.
