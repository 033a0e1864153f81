# ---
# title: "$title"
# description: A dataset behind a network, asked for each item and for whole batches, timed and compared.
# headline: "With a request for each batch an epoch is {speedup_batches:interval} as fast."
# time_limit_s: 60
# claims:
#   - speedup_batches > 4
#   - epoch_s_batches < epoch_s_items
# ---

# %% [markdown]
# # $title
#
# **Motive.** Data behind a network cost a wait for each request. A `DataLoader` asks for one item after the
# other, unless the dataset can serve a whole batch. How much faster does an epoch get if it can?
#
# **What is measured.** Epochs of 64 sprites in batches of 8, without helpers, by two loaders in random
# order. One asks for each item, the other for each batch.
#
# **Caveat.** A request is a `time.sleep` of 10 ms here, however much it asks for. A real one takes longer
# for more, so it gains less.

# %% [markdown]
# ## A dataset that takes requests
#
# `__getitem__` makes a request for its item. `__getitems__`, which the loader calls where there is one,
# makes one for the batch.

# %%
import time
from functools import partial

from torch.utils.data import DataLoader, Dataset

from spritedocs.datasets import SpriteTensors
from spritedocs.report import Table, show
from spritedocs.timing import compare


class ItemRequests(Dataset):
    """Sprites behind a network: each item takes a request."""

    def __init__(self, count=64):
        self.sprites = SpriteTensors(count)
        self.requests = 0

    def __len__(self):
        return len(self.sprites)

    def ask(self, indices):
        """One request, for as many sprites as you like."""
        time.sleep(0.01)
        self.requests += 1
        return [self.sprites[index] for index in indices]

    def __getitem__(self, index):
        return self.ask([index])[0]


class BatchRequests(ItemRequests):
    """The same sprites: each batch takes a request."""

    def __getitems__(self, indices):
        return self.ask(indices)


def make_loader(dataset):
    """A loader of a new dataset, which differs in nothing else."""
    return DataLoader(dataset(), batch_size=8)


# %% [markdown]
# ## A request for each item, or for each batch

# %%
if __name__ == "__main__":
    datasets = {"items": ItemRequests, "batches": BatchRequests}
    loaders = {key: partial(make_loader, datasets[key]) for key in datasets}
    epochs = compare(loaders, rounds=7, keep=True)

    seconds = epochs.values("epoch_s")
    gain = epochs.ratio("speedup_batches", "items", "batches")
    labels = {"items": "each item", "batches": "each batch"}
    show(
        Table("64 sprites, 10 ms a request", rows=labels, head="a request for")
        .column("times as fast", {"batches": gain})
        .column("an epoch", seconds)
        .bars("seconds per epoch", seconds, groups={"items": 0, "batches": 1})
        .finding("With a request for each batch: {speedup_batches} as fast.")
        .warn(epochs)
    )

# %% [markdown]
# With a request for each batch an epoch is {speedup_batches:interval} as fast: it takes {epoch_s_batches}
# instead of {epoch_s_items}.
#
# ## What to take home
#
# Where a request costs more than what it brings, let the dataset have `__getitems__`.
