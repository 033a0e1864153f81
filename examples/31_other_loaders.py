# ---
# title: Other loaders, same sprites
# group: Storing and fetching
# description: SPDL, torchdata, grain, WebDataset, litdata and others beside a DataLoader, on the same bytes.
# headline: "Another decoder is {opencv_over_torch} as fast, another loader {nodes_processes_over_torch}."
# time_limit_s: 300
# claims:
#   - torch_again_over_torch > 0.67
#   - torch_again_over_torch < 1.33
#   - spdl_threads_over_torch < 1
#   - spdl_threads_over_torch < spdl_processes_over_torch
#   - nodes_threads_over_torch < 1
#   - nodes_threads_over_torch < nodes_processes_over_torch
#   - datasets_over_torch < 1.33
#   - webdataset_over_torch < 1
#   - grain_over_torch < 1.25
#   - litdata_over_torch < 1
#   - tensordict_over_torch < 1
#   - mixed_pct_webdataset < mixed_pct_torch_again
#   - mixed_pct_litdata < mixed_pct_webdataset
#   - opencv_over_torch > 1.2
#   - dali_over_torch > 1.2
# ---

# %% [markdown]
# # Other loaders, same sprites
#
# **Motive.** There are other loaders, and their makers say that they are fast. Beside what? Here each decodes
# the same PNG bytes with the same Pillow, beside torch's `DataLoader`, with as many helpers.
#
# **What is measured.** In a process for each, in turns with a `DataLoader`: the pace of an epoch after its
# first 9 batches, and the wait for the first one. Before that, that every sprite comes, and comes once.
#
# **Caveat.** Two cores, tiny sprites, and bytes that stay in memory. Large pictures, the loaders' own
# decoders or a network may turn this around: measure with your own data. None is tuned, but where it says so.

# %% [markdown]
# ## Beside torch's own
#
# All have two helpers, processes or threads. The first row is a second `DataLoader`, whose distance from the
# other is chance: no smaller difference counts. Each row ran in a process and some seconds of its own, and
# only *of its pace* was taken side by side: compare no *sprites* between rows. The *first batch* is that of a
# later epoch. *Memory* is what the loader adds while batches come, its import included. *Lines* are those of
# its code in the program, beside the sprites and their decoder. *Shuffled* says how far apart the neighbours
# in a batch were stored: 100% is a full shuffle. The last two rows decode otherwise. What is not installed is
# left out, with what to type.

# %%
from itertools import accumulate

import numpy as np

from spritedocs import sprites
from spritedocs.machine import NotHere, needs, room_for, run_program
from spritedocs.report import Dots, Table, show
from spritedocs.timing import Comparison

LOADERS = {
    "torch_again": "DataLoader, again",
    "datasets": "datasets, in a DataLoader",
    "tensordict": "tensordict, in a DataLoader",
    "nodes_processes": "torchdata.nodes, processes",
    "nodes_threads": "torchdata.nodes, threads",
    "spdl_processes": "SPDL, processes",
    "spdl_threads": "SPDL, threads",
    "webdataset": "WebDataset",
    "litdata": "litdata",
    "grain": "grain",
    "opencv": "DataLoader, OpenCV decodes",
    "dali": "DALI on the CPU, its own decoder",
}


def store(folder, count=12288):
    """The sprites as PNG bytes in one file, and where each ends."""
    files = sprites.write_png_folder(folder / "files", count, 32)
    names = map(sprites.sprite_file_name, range(count))
    pngs = [(files / name).read_bytes() for name in names]
    (folder / "pngs.bin").write_bytes(b"".join(pngs))
    np.save(folder / "ends.npy", [0, *accumulate(map(len, pngs))])


def beside_torch(name, folder):
    """What a loader gave, or why it gave nothing: the others go on."""
    told = {"arguments": (name, str(folder)), "limit_s": 90}
    try:
        return run_program("other_loaders", **told).answer
    except (NotHere, RuntimeError) as error:
        return {"why": str(error)}


if __name__ == "__main__":
    needs("workers")
    with room_for(megabytes=100) as folder:
        store(folder)
        found = {name: beside_torch(name, folder) for name in LOADERS}

    why = {n: each["why"] for n, each in found.items() if "why" in each}
    there = [name for name in LOADERS if name not in why]
    pace = Comparison(
        {
            (name, arm): tuple(found[name]["arms"][arm])
            for name in there
            for arm in ("torch", "other")
        },
        missing={(n, arm): why[n] for n in why for arm in ("torch", "other")},
        warnings=tuple(
            f"{LOADERS[name]}: {warning}"
            for name in there
            for warning in found[name]["warnings"]
        ),
    )
    other = {
        name: pace.ratio(
            f"{name}_over_torch",
            (name, "other"),
            (name, "torch"),
            "items_per_s",
        )
        for name in LOADERS
    }
    packages = dict.fromkeys(found[name]["package"] for name in there)
    alone = Comparison(
        {name: (found[name]["alone"],) for name in there}, missing=why
    )

    def told(field):
        return {
            name: pace.value(f"{field}_{name}", (name, "other"), field)
            for name in LOADERS
        }

    show(
        Table("Beside torch's DataLoader", rows=LOADERS, head="two helpers")
        .column("of its pace", other)
        .column("sprites", told("items_per_s"))
        .column("first batch", told("first_ms"))
        .column("memory", alone.values("memory_mb", "memory_mb"))
        .column("lines", alone.values("lines", "lines"))
        .column("shuffled", alone.values("mixed_pct", "mixed_pct"))
        .bars("times the pace of a DataLoader", other, kind=Dots)
        .finding(
            "SPDL, threads: {spdl_threads_over_torch} the pace of a DataLoader."
        )
        .note(f"With {', '.join(packages)}.")
        .warn(pace)
    )

# %% [markdown]
# **Threads wait for one another.** With Pillow on tiny pictures, SPDL's threads load at
# {spdl_threads_over_torch:interval} and those of torchdata at {nodes_threads_over_torch:interval} the pace.
# We presume that most of the work holds Python's lock. With processes instead, the same two have
# {spdl_processes_over_torch:interval} and {nodes_processes_over_torch:interval}.
#
# **Streams pay elsewhere.** WebDataset reads its shards from end to end, at {webdataset_over_torch:interval}
# the pace, and litdata its chunks, at {litdata_over_torch:interval}. That is made for networks, where jumping
# costs. WebDataset's buffer mixed {mixed_pct_webdataset} of what a full shuffle does, which hangs on the
# shards that each helper gets. It fills in the batches that are not counted, which is in its favour. litdata
# mixes {mixed_pct_litdata}: it shuffles within a chunk, here of an eighth of the sprites. As installed it
# does so within 256 items, a batch of ours.
#
# **grain** has {grain_over_torch:interval} the pace. It was given one reading thread a process in place of
# 16, and a short buffer in place of 500 batches. With `repeat()` its processes go on from epoch to epoch, and
# so does SPDL's pipeline with `continuous=True`: the first batch is ready. Those of torchdata.nodes start
# anew.
#
# **A dataset is no loader.** The table of `datasets` is read by a `DataLoader`, at
# {datasets_over_torch:interval} the pace, and so is the memory map of `tensordict`, at
# {tensordict_over_torch:interval}: that is made for whole batches, not for a slice an item. A second
# `DataLoader` has {torch_again_over_torch:interval}.
#
# **Another decoder may gain where another loader did not.** OpenCV's in a `DataLoader` has
# {opencv_over_torch:interval} the pace of Pillow's, with helpers as before. DALI decodes in two threads of
# its own, which need no lock: {dali_over_torch:interval}.
#
# ## What to take home
#
# With the same decoder, change how the data are stored, or what decodes them, before you change the loader.
# Choose another one for what it can do besides. It may stream from far away, have a decoder of its own, or
# use threads where the decoder lets go of the lock.
