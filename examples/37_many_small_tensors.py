# ---
# title: Many small tensors
# group: Storing and fetching
# description: The same numbers of a sample as 32 tensors and as one, without helpers and with them.
# headline: "As one tensor a sample's numbers come {over_many_one} as fast as in 32."
# time_limit_s: 120
# claims:
#   - over_many_one > 1.5
#   - over_many_whole > over_many_one
#   - helpers_2_many < 1
#   - helpers_2_one < 1
# ---

# %% [markdown]
# # Many small tensors
#
# **Motive.** A sample of a table has many columns, and a dictionary with a tensor for each of them is easy to
# read. What does it cost beside one tensor that holds the whole row?
#
# **What is measured.** Later epochs over the same 256 numbers a sample: in 32 tensors, in one, and in one of
# which whole batches are asked for. The loop takes each batch apart again, so all end with the same columns.
#
# **Caveat.** The numbers lie in memory, and nothing else is done to them. Where an item takes milliseconds,
# none of this shows. Columns of several types need a tensor for each type.

# %% [markdown]
# ## Thirty-two or one
#
# `torch.utils.data.default_collate` stacks each entry of a dictionary by itself. A helper (worker process)
# hands each tensor of a batch over in shared memory of its own.

# %%
from functools import partial

import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from spritedocs.machine import by_start_method
from spritedocs.report import Dots, Table, show
from spritedocs.timing import compare

ROWS, COLUMNS, BATCH = 8192, 32, 64
TABLE = torch.arange(ROWS * 256, dtype=torch.float32).reshape(ROWS, 256)
NAMES = [f"column_{number}" for number in range(COLUMNS)]


def apart(rows):
    """A row of 256 numbers, or a batch of them, by column: views of it."""
    return dict(zip(NAMES, rows.chunk(COLUMNS, dim=-1), strict=True))


class Many(Dataset):
    """A dictionary of 32 tensors for each sample."""

    times = 1  # that an epoch takes each row

    def __len__(self):
        return ROWS

    def __getitem__(self, index):
        return apart(TABLE[index])


class One(Many):
    """One tensor for each sample."""

    times = 8

    def __getitem__(self, index):
        return TABLE[index]


class Whole(One):
    """One tensor for each batch, by the list of its indices."""

    def __getitems__(self, indices):
        return TABLE[indices]


class Columns:
    """The batches of a loader, each by column."""

    def __init__(self, kind, n):
        data, told = kind(), {"num_workers": n, "persistent_workers": n > 0}
        if kind is Whole:
            told["collate_fn"] = torch.as_tensor  # there is nothing to stack
        order = RandomSampler(data, num_samples=kind.times * ROWS)
        self.loader = DataLoader(data, BATCH, sampler=order, **told)

    def __iter__(self):
        for batch in self.loader:
            yield batch if isinstance(batch, dict) else apart(batch)


KINDS = {
    "many": (Many, "32 tensors a sample"),
    "one": (One, "one tensor a sample"),
    "whole": (Whole, "one tensor a batch"),
}

# %%
if __name__ == "__main__":
    torch.set_num_threads(1)
    helpers = by_start_method(fork=(0, 2, 4), other=(0, 2))
    arms = {
        (n, kind): partial(Columns, dataset, n)
        for kind, (dataset, _) in KINDS.items()
        for n in helpers
    }
    found = compare(
        arms,
        by_start_method(fork=8, other=6),
        keep=True,
        count=lambda batch: len(batch["column_0"]),
    )
    titles = {kind: title for kind, (_, title) in KINDS.items()}
    items = {
        n: found.part(n).values(f"item_us_{{}}_{n}", "item_us") for n in helpers
    }
    faster = found.part(0).speedups("over_many", "item_us", against="many")
    helped = {
        kind: found.ratio(f"helpers_2_{kind}", (0, kind), (2, kind), "item_us")
        for kind in KINDS
    }
    table = Table("256 numbers a sample", rows=titles)
    table.column("no helpers", items[0]).column("times as fast", faster)
    for n in helpers[1:]:
        table.column(f"{n} helpers", items[n])
    show(
        table.column("2 helpers bring", helped)
        .bars("µs an item", *items.values(), groups=range(3), kind=Dots)
        .finding("In one tensor: {over_many_one} as fast, without helpers.")
        .warn(found)
    )

# %% [markdown]
# In one tensor a sample comes {over_many_one:interval} as fast as in 32, without any helper: making and
# stacking are paid by the tensor, not by the number. Asked for by the batch it comes
# {over_many_whole:interval} as fast.
#
# With two helpers each tensor of a batch goes through shared memory of its own, which the loop opens and
# maps. Of 32 tensors an item comes {helpers_2_many:interval} as fast as without helpers, of one
# {helpers_2_one:interval}. Here helpers cost: what they could share takes less than handing it over.
#
# ## What to take home
#
# Put what has one type into one tensor, and take it apart in the loop: `chunk`, `unbind` and slices copy
# nothing. Keep the names beside it. Then ask for whole batches, and only then for helpers.
