# ---
# title: How a batch changes hands
# group: Starting and handing over
# description: What it costs to receive a batch, whatever its size, and the two ways in which it can be sent.
# headline: "Batches of 128 bring tiny sprites {large_batches_speedup:interval} as fast as batches of 2."
# formerly: 15_handing_batches_to_the_gpu
# time_limit_s: 60
# claims:
#   - large_batches_speedup > 1.3
#   - first_batch_ms_128 > first_batch_ms_2
#   - open_files_per_tensor_file_descriptor == 1
#   - open_files_per_tensor_file_system == 0
#   - shm_files_per_tensor_file_descriptor == 0
#   - shm_files_per_tensor_file_system == 1
# ---

# %% [markdown]
# # How a batch changes hands
#
# **Motive.** A helper (worker process) has packed a batch. Now it must cross over to the main process, and
# that is never quite free. How large should the parcels be, and what is *Too many open files* about?
#
# **What is measured.** Two helpers send batches of 2, 16 and 128 sprites: how fast sprites arrive, and what
# receiving a batch takes. Then torch's two *sharing strategies*: their pace, and what a tensor that you
# keep leaves open.
#
# **Caveat.** These sprites are tiny and cost next to nothing to make, so the hand-over weighs more here than
# in your loop.

# %% [markdown]
# ## Large batches, small batches
#
# For each sprite a helper sleeps a quarter of a millisecond, whatever the batch. Waking up comes on top, so
# a sprite takes longer than that. *Receiving* is the time in `next()` for a batch that is ready: the main
# process's part of the hand-over, during which no step is launched. To see it alone, the sprites of a second
# comparison cost nothing, and each step lasts longer than two helpers take to build a batch.

# %%
import time
import warnings
from functools import partial
from pathlib import Path

import psutil
import torch
from torch.utils.data import DataLoader

from spritedocs.datasets import Delayed, SpriteTensors
from spritedocs.machine import needs, worker_pids
from spritedocs.report import Table, show
from spritedocs.timing import compare, race, time_epoch

warnings.filterwarnings("ignore", "This DataLoader will create")
SIZES = (2, 16, 128)


def make_loader(dataset, batch_size, **settings):
    """A loader with two helpers who stay."""
    return DataLoader(
        dataset, batch_size, num_workers=2, persistent_workers=True, **settings
    )


if __name__ == "__main__":
    drowsy = Delayed(SpriteTensors(1024), seconds=0.00025)
    loaded = compare(
        {size: partial(make_loader, drowsy, size) for size in SIZES},
        rounds=6,
        keep=True,
    )
    ready = {size: SpriteTensors(20 * size) for size in SIZES}
    received = compare(
        {size: partial(make_loader, ready[size], size) for size in SIZES},
        rounds=6,
        keep=True,
        step=lambda batch: time.sleep(0.003 + len(batch[0]) * 50e-6),
    )

    milliseconds = {"scale": 1000, "unit": "ms"}
    rows = {size: f"{size} sprites" for size in SIZES}
    faster = {
        16: loaded.ratio("speedup_16", 2, 16),
        128: loaded.ratio("large_batches_speedup", 2, 128),
    }
    show(
        Table(
            "Two helpers, 0.25 ms of sleep a sprite", rows=rows, head="a batch"
        )
        .column("loaded", loaded.values("items_per_s", "items_per_s"))
        .column("times as fast", faster)
        .column(
            "first batch after",
            loaded.values("first_batch_ms", "startup_s", **milliseconds),
        )
        .column(
            "receiving a batch",
            received.values("handover_ms", "next_wait_s", **milliseconds),
        )
        .warn(loaded, received)
    )

# %% [markdown]
# Batches of 128 bring the same sprites {large_batches_speedup:interval} as fast as batches of 2: the
# hand-over is spread over more of them. In return the first batch takes longer to come,
# {first_batch_ms_128} in place of {first_batch_ms_2}, since one helper builds all of it. And all batches that
# lie ready take that much more memory. (What the batch size does to *learning* is another matter, and no
# loader can tell you.)
#
# ## Two ways to send it
#
# A helper puts a batch into shared memory and tells the main process where. With `file_descriptor` (the
# default on Linux) it passes an open file whose name is removed at once. Nothing can be left behind, but
# every tensor that you keep is an open file of the main process, and their number is limited. With
# `file_system` (the only way on macOS and Windows) it passes a name. No file stays open, but the name exists
# until the last one who uses it is done. What counts is the strategy of the process that *sends*, so a
# `worker_init_fn` sets it, under every start method.


# %%
def share_by(strategy, worker_id):
    """A worker_init_fn: this helper hands over by this strategy."""
    torch.multiprocessing.set_sharing_strategy(strategy)


def sharing_loader(strategy):
    """24 batches of 4 sprites, handed over by this strategy."""
    return make_loader(
        SpriteTensors(96), 4, worker_init_fn=partial(share_by, strategy)
    )


def open_and_named(loader):
    """This process's open files, and its helpers' names in shared memory."""
    names = [
        name
        for pid in worker_pids(loader)
        for name in Path("/dev/shm").glob(f"torch_{pid}_*")
    ]
    return psutil.Process().num_fds(), len(names)


def hand_over(loader):
    """What a batch takes, and what each tensor that is kept leaves open."""
    needs("linux", "workers")  # the only system that knows both strategies
    epoch_ms = 1000 * time_epoch(loader).total_s
    kept = list(loader)
    batches, tensors = len(kept), sum(map(len, kept))
    opened, named = open_and_named(loader)
    kept.clear()
    still_open, still_named = open_and_named(loader)
    return {
        "batch_ms": epoch_ms / batches,
        "open": round((opened - still_open) / tensors),
        "named": round((named - still_named) / tensors),
    }


if __name__ == "__main__":
    sent = race(
        {
            strategy: partial(hand_over, sharing_loader(strategy))
            for strategy in ("file_descriptor", "file_system")
        },
        rounds=8,
    )

    open_files = sent.values("open_files_per_tensor", "open")
    names = sent.values("shm_files_per_tensor", "named")
    show(
        Table("A tensor that is kept, by sharing strategy", rows=list(names))
        .column("open files", open_files)
        .column("names in /dev/shm", names)
        .column(
            "a batch of 4 sprites takes", sent.values("batch_ms", "batch_ms")
        )
        .warn(sent)
    )

# %% [markdown]
# Should you switch, where `file_system` is faster? These batches cost their helpers next to nothing, so
# handing over is most of what a batch takes: {batch_ms_file_descriptor} by file descriptor,
# {batch_ms_file_system} by name. Passing an open file takes a connection between the two processes for every
# tensor; passing a name does not. So it matters only where handing over is a large part of a batch.
#
# *Too many open files* means that something keeps batches: a list of outputs for the end of the epoch will
# do. Copy what you keep (`tensor.clone()`), or raise the limit (`ulimit -n`), or take `file_system`. A full
# `/dev/shm` is another error, *unable to allocate shared memory*, and no strategy helps: both fill it. Make
# it larger (`docker run --shm-size=…`), or the batches smaller, or fewer of them.
#
# With `file_system` a process called `torch_shm_manager` removes the names of those who died, once all who
# use it are gone. If it is killed too, names stay, and keep their memory until somebody deletes them or the
# machine restarts. They are called `torch_PID_…`, after the process that made them. Those whose process no
# longer lives may go.
#
# ## What to take home
#
# Large batches spread the hand-over over more sprites. Small ones come sooner, and take less memory. Copy the
# tensors that you keep, and the files close behind them. Another sharing strategy is for loops whose batches
# cost little more than their hand-over.
