# ---
# title: Is it a leak?
# group: Memory
# description: What makes a helper with a list grow, what does not, and what the garbage collector adds.
# headline: "No leak: a second epoch adds {second_epoch_growth_list_mb} to a helper with a list."
# formerly: 10_memory_goblins
# claims:
#   - second_epoch_growth_list_mb < 2
#   - in_order_over_shuffled < 0.5
#   - growth_collected_mb > 10
#   - growth_collected_frozen_mb < 2
# ---

# %% [markdown]
# # Is it a leak?
#
# **Motive.** Memory that grows from batch to batch looks like a leak. A helper that reads a list grows so
# (`10_memory_goblins.py` shows why). Does it go on for ever? And is the list alone to blame?
#
# **What is measured.** How much more private memory (USS) each of 4 helpers has at the end of an epoch. Of
# the four the median counts. They read a list shuffled, twice, or in order; or they read nothing, and collect
# garbage.
#
# **Caveat.** The helpers are forked, as by default on Linux up to Python 3.13. Others share no objects with
# the main process, so they have none to copy.

# %% [markdown]
# ## Two goblins
#
# The first copies a page of memory when a caption on it is looked at. The second is Python's garbage
# collector. A full collection makes a note beside every object that can hold others: lists, dicts, functions,
# classes. A process with torch loaded has a great many.

# %%
import gc
from functools import partial

from torch.utils.data import DataLoader

from spritedocs.machine import needs
from spritedocs.report import Table, show
from spritedocs.timing import race, watch_memory

CAPTIONS = 150_000
HELPERS = 4
BATCH = 500


def captions():
    """A list of str: one Python object for each caption."""
    return [f"sprite {n}: a knight, 16 pixels wide" for n in range(CAPTIONS)]


def nothing():
    """One batch for each helper, and no object in any."""
    return range(HELPERS * BATCH)


def sweep(batch):
    """In place of collating a batch: collect garbage."""
    return gc.collect()


def epoch_of(make, collate=len, shuffle=False, **options):
    """Let helpers of their own loader read a new dataset, watched."""
    needs("linux", "fork")
    loader = DataLoader(
        make(),
        batch_size=BATCH,
        shuffle=shuffle,
        num_workers=HELPERS,
        collate_fn=collate,
        persistent_workers=True,
        multiprocessing_context="fork",
    )
    return watch_memory(loader, **options)


if __name__ == "__main__":
    grown = race(
        {
            "shuffled": partial(epoch_of, captions, shuffle=True, epochs=2),
            "in_order": partial(epoch_of, captions),
            "collected": partial(epoch_of, nothing, sweep, freeze=False),
            "collected_frozen": partial(epoch_of, nothing, sweep),
        },
        rounds=6,
        warmup=False,
    )
    again = "second_epoch_growth_list_mb", "shuffled", "later_growth_mb"
    rows = {
        "shuffled": "reads its share, shuffled",
        "again": "reads another share, shuffled anew",
        "in_order": "reads its share in order",
        "collected": "reads nothing, collects garbage",
        "collected_frozen": "the same, after gc.freeze()",
    }
    growth = grown.values("growth_{}_mb", "growth_mb")
    ratio = "in_order_over_shuffled", "in_order", "shuffled", "growth_mb"
    show(
        Table("What makes one of 4 helpers grow", rows=rows)
        .column("USS grows", growth | {"again": grown.value(*again)})
        .column("to shuffled", {"in_order": grown.ratio(*ratio)})
        .bars("MB that a helper grows by", growth)
        .finding("A helper grows by {growth_shuffled_mb} in a shuffled epoch.")
        .warn(grown)
    )

# %% [markdown]
# It is no leak. What has been copied is not copied again, so the second epoch adds
# {second_epoch_growth_list_mb}. (Without `persistent_workers` each epoch has new helpers, and they begin
# anew.)
#
# Read in order, the list makes a helper grow {in_order_over_shuffled} as much: it copies only the pages of
# its own batches. Where captions lie in memory in the order of reading, a validation loader that does not
# shuffle is the cheaper one.
#
# One full collection in a helper copies {growth_collected_mb}, whatever the dataset. `gc.freeze()`, called
# before the helpers start, takes all objects out of the collector's sight. Against reference counts it is
# powerless: here it was called for the list, too.
#
# ## What to take home
#
# Memory that grows in the first epoch and stays is a copy, not a leak. Call `gc.freeze()` before you summon.
# Then see what is left, and hold it in one tensor. Where helpers are not forked, neither goblin copies
# anything.
