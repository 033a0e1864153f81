# ---
# title: Memory goblins
# group: Memory
# description: What each worker keeps in its own memory when a dataset is a list, an array or a tensor.
# headline: "Over an epoch a list grows the private memory of each helper by {growth_list_mb}, one tensor by
#   {growth_tensor_mb}."
# claims:
#   - references_held > references_before
#   - list_private_pct > 80
#   - tensor_private_pct < 10
#   - growth_list_mb > 10
#   - growth_array_mb < 2
#   - growth_tensor_mb < 2
#   - rss_growth_list_mb < 2
#   - total_list_mb_4 > total_tensor_mb_4
#   - rss_overcount_tensor_4 > 1.2
#   - mb_per_million_list < 250
#   - read_us_tensor < 50
#   - read_us_tensor > read_us_array
# ---

# %% [markdown]
# # Memory goblins
#
# **Motive.** Every helper brings a goblin with a sack. At the epoch's end the machine is out of memory,
# and the dataset has not grown by a single sprite. What went into the sack?
#
# **What is measured.** The same captions in a list, an array and a tensor. An epoch reads all of them once.
# What does each worker have to itself, before and after?
#
# **Caveat.** *When* a sack fills depends on how workers start. Under `fork` a list is shared at first, and
# copied while it is read. Under `spawn` and `forkserver` it is there in full from the first batch: no growth
# shows, but the same price.

# %% [markdown]
# ## Looking is writing
#
# In a list each caption is a Python object of its own. In front of its letters it keeps count of who refers
# to it. So whoever takes one out writes to it.

# %%
import sys
import timeit
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from spritedocs.machine import by_start_method
from spritedocs.report import Table, count, show
from spritedocs.timing import race, watch_memory

CAPTIONS = 150_000


def caption_of(index):
    return f"sprite {index}: a knight of the lower dungeon, 16 pixels wide"


class CaptionList(Dataset):
    """A list of str: one Python object for each caption."""

    def __init__(self):
        self.captions = [caption_of(index) for index in range(CAPTIONS)]

    def __len__(self):
        return CAPTIONS

    def __getitem__(self, index):
        return self.captions[index]

    def megabytes(self):
        return sum(map(sys.getsizeof, [self.captions, *self.captions])) / 1e6


if __name__ == "__main__":
    dataset = CaptionList()
    before = sys.getrefcount(dataset.captions[7])
    batch = [dataset[index] for index in range(500)]
    held = sys.getrefcount(dataset.captions[7])
    show(
        Table("Who refers to a caption", columns=["references"])
        .footer("before", count("references_before", before))
        .footer("in a batch", count("references_held", held))
    )
    del dataset, batch

# %% [markdown]
# The letters stay as they were, but for the system a write is a write. A forked worker gets a copy of the
# page of memory, with all the captions that lie on it.
#
# ## Three sacks
#
# In the array and the tensor a caption is a row of bytes, as long as the longest. There is no object but the
# array itself, and reading a row writes nowhere. A dataset that holds nothing shows what a worker takes by
# itself.


# %%
class CaptionArray(CaptionList):
    """One NumPy array of fixed-width bytes."""

    def __init__(self):
        captions = [caption_of(index).encode() for index in range(CAPTIONS)]
        self.captions = np.array(captions)

    def __getitem__(self, index):
        return self.captions[index].decode()

    def megabytes(self):
        return self.captions.nbytes / 1e6


class CaptionTensor(CaptionArray):
    """One uint8 tensor, a row for each caption."""

    def __init__(self):
        super().__init__()
        rows = self.captions.view(np.uint8).reshape(CAPTIONS, -1)
        self.captions = torch.from_numpy(rows)

    def __getitem__(self, index):
        letters = self.captions[index].numpy().tobytes()
        return letters.rstrip(b"\0").decode()


class NoCaptions(CaptionList):
    """Nothing."""

    def __init__(self):
        self.captions = []

    def __getitem__(self, index):
        return caption_of(index)


# %% [markdown]
# ## An epoch, watched
#
# `watch_memory` looks at each worker before it has read anything, on the way, and at the end. Three figures
# answer different questions.
#
# - **USS** (unique set size): the pages that one process alone has. It grows when a page is copied.
# - **PSS**: each page divided by the processes that map it. The sum is what all take together. Linux only.
# - **RSS**, which `top` shows: all pages in full, shared or not.
#
# A batch becomes one number, so that handing it over costs next to nothing. The runs take turns in random
# order, each with a dataset of its own.

# %%
LOOKS = (0, 5, 10, 20, 40, 60, 80, 100)


def epoch_of(make, helpers):
    """An epoch's memory, the dataset's size, and µs to read a caption."""
    dataset = make()
    told = {"shuffle": True, "num_workers": helpers, "collate_fn": len}
    loader = DataLoader(dataset, batch_size=500, **told)
    memory = watch_memory(loader, looks=LOOKS)
    some = torch.randint(CAPTIONS, (1000,)).tolist()
    seconds = timeit.repeat(lambda: [dataset[n] for n in some], number=1)
    size = {"size_mb": dataset.megabytes()}
    return memory | size | {"read_us": [1e3 * second for second in seconds]}


if __name__ == "__main__":
    held = {"list": CaptionList, "array": CaptionArray, "tensor": CaptionTensor}
    epochs = {
        (helpers, name): partial(epoch_of, make, helpers)
        for name, make in held.items()
        for helpers in (0, 4)
    }
    epochs[4, "nothing"] = partial(epoch_of, NoCaptions, 4)
    seen = race(epochs, by_start_method(fork=6, other=1), warmup=False)
    alone, four = seen.part(0), seen.part(4)
    sizes = alone.values("size_{}_mb", "size_mb")

# %% [markdown]
# ## What is in the sack
#
# *The price* is a worker's USS at the end, less that of a worker with nothing, as a share of what the
# captions take in the main process. (It can exceed 100%: whole pages are copied, gaps included.) Of a round's
# workers the median counts.

# %%
if __name__ == "__main__":
    price = {}
    for name in held:
        pair = name, "nothing", "uss_mb"
        share = {"unit": "%", "scale": 100 / sizes[name].median}
        price[name] = four.difference(f"{name}_private_pct", *pair, **share)
    million = four.difference(
        *("mb_per_million_list", "list", "nothing", "uss_mb"),
        scale=1e6 / CAPTIONS,
    )
    show(
        Table("A worker, one of 4, over an epoch", rows=list(four.arms))
        .column("its price", price)
        .column("size", sizes)
        .column("to read one", alone.values("read_us", "read_us"))
        .column("USS grows", four.values("growth_{}_mb", "growth_mb"))
        .column("RSS grows", four.values("rss_growth_{}_mb", "rss_growth_mb"))
        .footer("a million in a list", million)
        .lines(
            "captions read, %",
            "USS of a worker, MB",
            four.curves("uss_mb", "uss_at_{}_mb", LOOKS),
            groups={"nothing": 2},
        )
        .finding(
            "A helper grows by {growth_list_mb} with the list, and by "
            "{growth_tensor_mb} with the tensor."
        )
        .warn(seen)
    )

# %% [markdown]
# On the machine of this page a worker with the list has grown by {growth_list_mb}, and the list costs it
# {list_private_pct:interval} of its size. Each worker has read only its share of the captions. But a page
# holds many of them, and shuffling sends every worker to every page. The tensor costs it
# {tensor_private_pct}.
#
# A row costs a little to read: array and tensor make a short-lived string each time, and torch a small tensor
# before it, {read_us_tensor} in all.
#
# RSS of the workers with the list has grown by {rss_growth_list_mb}: each copy takes the place of a shared
# page. The last row says what a list of a million such captions costs each helper.
#
# ## What all of them take together
#
# The main process and its workers, at the end.

# %%
if __name__ == "__main__":
    table = Table("All processes together", rows=list(four.arms))
    for helpers in (0, 4):
        names = f"total_{{}}_mb_{helpers}"
        total = seen.part(helpers).values(names, "total_mb")
        table.column(f"PSS, {helpers} helpers", total)
    times = four.values("rss_overcount_{}_4", "rss_overcount", unit="×")
    show(table.column("RSS / PSS", times))

# %% [markdown]
# Every helper takes something for itself, whatever the dataset. With the list it takes a copy of the list on
# top. Adding up RSS counts each shared page once for every process: {rss_overcount_tensor_4} the PSS.
#
# ## What to take home
#
# Keep what is large in one piece: one tensor serves under every start method, one array under `fork` only.
# Watch USS or PSS, never RSS alone.
#
# **Where it stops mattering.** Multiply the size of your dataset's Python objects by the helpers of all
# loaders. If that is little beside your memory, keep the list.
