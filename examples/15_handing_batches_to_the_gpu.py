# ---
# title: Handing batches to the GPU
# group: The whole loop
# description: Pinned memory, non_blocking and a second stream, one at a time, and what each is worth.
# headline: "From pinned memory a batch is on the GPU {copy_speedup_pinned:interval} as fast."
# time_limit_s: 60
# claims:
#   - copy_speedup_pinned > 1.5
#   - copy_speedup_pageable_nb < 1.2
#   - copy_speedup_pin_first < 1
#   - copy_host_ms_pinned_nb < copy_host_ms_pinned
#   - gb_per_s_pinned_nb_0_1 < gb_per_s_pinned_nb_100
#   - gb_per_s_pageable_100 < gb_per_s_pinned_nb_100
#   - side_stream_speedup > 1.2
# ---

# %% [markdown]
# # Handing batches to the GPU
#
# **Motive.** The helpers have packed, the batch is here, and it still has to cross over to the GPU.
# `pin_memory=True`, they say, and `non_blocking=True` for luck. What do these words do?
#
# **What is measured.** The way from host memory to the GPU: ordinary and pinned memory, waiting and not
# waiting. Small copies and large ones, one CUDA stream and two. All take turns in random order.
#
# **Caveat.** Without CUDA there is nothing to measure, and the tables have gaps. Others who use the GPU
# meanwhile slow these figures.

# %% [markdown]
# ## The last step of the way
#
# A batch that comes out of a `DataLoader` lies in ordinary, *pageable* memory. The operating system may move
# it, so a GPU cannot fetch from it: the driver first copies it into memory that stays where it is. *Pinned*
# memory stays where it is already. The GPU fetches from there by itself, and with `non_blocking=True` the
# host need not wait for it. It goes on, and launches the training step, which comes after the copy all the
# same, because both are in one CUDA stream.

# %%
import time
from functools import cache, partial

import torch

from spritedocs.machine import needs
from spritedocs.prefetching import Prefetcher
from spritedocs.report import Table, show
from spritedocs.timing import race

PICTURES = 64 * 3 * 224 * 224 / 1e6  # MB: a batch as ImageNet models take it
# A copy that the host does not wait for.
free = partial(torch.Tensor.to, device="cuda", non_blocking=True)
WAYS = {
    "pageable": lambda plain, pinned: plain.to("cuda"),
    "pageable_nb": lambda plain, pinned: free(plain),
    "pinned": lambda plain, pinned: pinned.to("cuda"),
    "pinned_nb": lambda plain, pinned: free(pinned),
    "pin_first": lambda plain, pinned: free(plain.pin_memory()),
}


@cache
def two_kinds(mb):
    """So many bytes in pageable and in pinned memory."""
    needs("cuda")
    plain = torch.ones(round(mb * 1e6), dtype=torch.uint8)
    return plain, plain.pin_memory()


def timed_copy(way, mb):
    """How soon the host goes on, how soon the copy is done, and its rate."""
    batch = two_kinds(mb)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    copied = way(*batch)
    host_ms = 1000 * (time.perf_counter() - begun)
    torch.cuda.synchronize()
    done_ms = 1000 * (time.perf_counter() - begun)
    del copied  # only now, or its end would be part of the time
    return {"host_ms": host_ms, "done_ms": done_ms, "gb_per_s": mb / done_ms}


if __name__ == "__main__":
    arms = {name: partial(timed_copy, WAYS[name], PICTURES) for name in WAYS}
    copies = race(arms, rounds=20)

    host = copies.values("copy_host_ms", "host_ms")
    done = copies.values("copy_done_ms", "done_ms")
    faster = copies.speedups("copy_speedup", "done_ms", against="pageable")
    show(
        Table("One batch of 64 pictures, 9.6 MB, to the GPU", rows=list(WAYS))
        .column("the host goes on after", host)
        .column("the copy is done after", done)
        .column("done, times as fast", faster)
        .note("nb is non_blocking=True; pin_first: tensor.pin_memory() first.")
        .warn(copies)
    )

# %% [markdown]
# From pinned memory the copy is done {copy_speedup_pinned:interval} as fast. With `non_blocking=True` the
# host goes on after {copy_host_ms_pinned_nb}, in place of {copy_host_ms_pinned}. For a pageable batch the
# same word is worth {copy_speedup_pageable_nb:interval}.
#
# `DataLoader(pin_memory=True)` is how to get pinned batches. A thread of the main process receives each batch
# and pins it while the loop is busy with another. (Without helpers there is no thread, and the loop pins.) To
# call `tensor.pin_memory()` in the loop is something else. There it copies the batch once more, and the loop
# waits for that: {copy_speedup_pin_first:interval} as fast as the first row, and that is slower.
#
# The other direction has a trap. A result that is copied to the host with `non_blocking=True` may be read
# before it has arrived. Wait for it, with `torch.cuda.synchronize()`.
#
# ## How wide is the gate?
#
# The same for batches of several sizes, now as a rate, until the copy is done. Small batches stay far below
# what the link can do, since each copy has to be launched. Large ones go far faster from pinned memory: for
# pageable ones the processor has to copy first.

# %%
MEGABYTES = (0.1, 1, 10, 100)


if __name__ == "__main__":
    rates = race(
        {
            (name, size): partial(timed_copy, WAYS[name], size)
            for name in ("pageable", "pinned_nb")
            for size in MEGABYTES
        },
        rounds=6,
    )

    plain = rates.part("pageable").values("gb_per_s_pageable", "gb_per_s")
    pinned = rates.part("pinned_nb").values("gb_per_s_pinned_nb", "gb_per_s")
    show(
        Table("Copies to the GPU by size", rows=MEGABYTES, head="MB")
        .column("pageable", plain)
        .column("pinned, non_blocking", pinned)
        .lines(
            "MB", "GB/s", {"pageable": plain, "pinned": pinned}, spacing="log"
        )
        .finding(
            "100 MB go at {gb_per_s_pinned_nb_100} from pinned memory, "
            "at {gb_per_s_pageable_100} from pageable."
        )
        .warn(rates)
    )

# %% [markdown]
# Batches of 100 MB go at {gb_per_s_pinned_nb_100} from pinned memory, and at {gb_per_s_pageable_100} from
# pageable. What is pageable depends on the processor's memory and its caches, too: its rate need not be the
# same in your loop.
#
# ## A second stream
#
# In one stream, copy and training step take turns on the GPU, though it has an engine for copies beside those
# that compute. A *side stream* lets the copy of the next batch run during the step. `spritedocs.prefetching`
# has a class for that, `Prefetcher(loader, device)`. It wraps any loader, needs nothing else of this package,
# and explains the two waits that keep it right: take it with you.
#
# To see what it is worth, the loader is a list of batches. The step is a number of matrix products that take
# about as long as a copy. There is no better case for it: at most, two can be done in the time of one.


# %%
@cache
def places():
    """Twenty batches in each place, and what the step multiplies."""
    needs("cuda")
    plain, _ = two_kinds(PICTURES)
    pinned = [plain.pin_memory() for _ in range(20)]
    return {
        "gpu": [free(plain)] * 20,
        "pinned": pinned,
        "side stream": Prefetcher(pinned, "cuda"),
        "matrix": torch.ones(1024, 1024, device="cuda"),
    }


def ms_per_batch(place, products):
    """ms per batch, copied and stepped, until the GPU is done."""
    batches, matrix = places()[place], places()["matrix"]
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for batch in batches:
        free(batch)
        for _ in range(products):
            torch.mm(matrix, matrix)
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) * 1000 / len(batches)


@cache
def like_a_copy():
    """How many products take about as long as a copy."""
    for _ in range(2):  # the first time wakes what a first product needs
        product = ms_per_batch("gpu", products=1)
        copy = ms_per_batch("pinned", products=0)
    return max(1, round(copy / product))


if __name__ == "__main__":
    arms = {
        "compute_only": lambda: ms_per_batch("gpu", like_a_copy()),
        "copy_only": lambda: ms_per_batch("pinned", 0),
        "pinned_stream": lambda: ms_per_batch("pinned", like_a_copy()),
        "side_stream": lambda: ms_per_batch("side stream", like_a_copy()),
    }
    streams = race(arms, rounds=12)

    gain = streams.ratio("side_stream_speedup", "pinned_stream", "side_stream")
    show(
        Table("A batch, and a step of about the same time", rows=list(arms))
        .column("a batch takes", streams.values("{}_ms"))
        .column("as fast as pinned in one stream", {"side_stream": gain})
        .warn(streams)
    )

# %% [markdown]
# In one stream a batch takes {pinned_stream_ms}: its step, {compute_only_ms}, and its copy, {copy_only_ms}.
# With the side stream it takes {side_stream_ms}, which is {side_stream_speedup:interval} as fast. Where the
# step takes ten times as long as the copy, an eleventh of the time is all that can be hidden.
#
# There is a price. A batch is handed out only when the loader has delivered the next one, so training starts
# one batch later. If your loop waits for its loader anyway, leave the class out: the copy can hide in that
# wait, and the batch need not.
#
# ## What to take home
#
# `pin_memory=True`, `non_blocking=True` and the `Prefetcher` build on one another, in this order. The last
# two can win no more than the time that a batch is on its way: its megabytes divided by the rate. Where
# copies take less than 5% of your step, or where the loop waits for its loader anyway, they do not matter.
