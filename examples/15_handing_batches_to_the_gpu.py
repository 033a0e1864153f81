# ---
# title: Handing batches to the GPU
# description: Every argument that people copy for GPUs, one at a time. What each is worth, and when nothing.
# time_limit_s: 120
# claims:
#   - bursty_speedup_8 > 1.2
#   - even_speedup_8 < 1.2
#   - persistent_speedup > 1.5
#   - out_of_order_speedup > 1.2
#   - batches_ahead_in_order == 0
#   - batches_ahead_out_of_order > 3
#   - large_batches_speedup > 1.3
#   - first_batch_ms_128 > first_batch_ms_2
#   - open_files_per_tensor_file_descriptor == 1
#   - open_files_per_tensor_file_system == 0
#   - shm_files_per_tensor_file_descriptor == 0
#   - shm_files_per_tensor_file_system == 1
#   - control_ratio > 0.8
#   - control_ratio < 1.25
#   - control_ratio_recipe > 0.8
#   - control_ratio_recipe < 1.25
#   - recipe_speedup > 1.1
#   - step_helpers_speedup < 1.2
#   - step_persistent_speedup > step_helpers_speedup
#   - copy_speedup_pinned > 1.5
#   - copy_speedup_pageable_nb < 1.2
#   - copy_speedup_pin_first < 1
#   - copy_host_ms_pinned_nb < copy_host_ms_pinned
#   - gb_per_s_pinned_nb_0_1 < gb_per_s_pinned_nb_100
#   - gb_per_s_pageable_100 < gb_per_s_pinned_nb_100
#   - side_stream_speedup > 1.2
#   - step_pinned_speedup > 1
#   - step_non_blocking_speedup < 1.2
#   - step_side_stream_speedup < 1.2
# ---

# %% [markdown]
# # Handing batches to the GPU
#
# **Motive.** There is a spell that everybody copies from somebody: `num_workers=4, pin_memory=True,
# persistent_workers=True, prefetch_factor=4`, and a `non_blocking=True` for luck. Some of its words work,
# some work only beside others, and some do nothing for you. Which is which?
#
# **What is measured.** First the way from host memory to the GPU: ordinary and pinned memory, waiting and not
# waiting, one CUDA stream and two. Then what helpers (worker processes) are told: how far to work ahead,
# whether to stay, whether to keep the order, how large a batch is, and how they hand it over. At the end one
# real training loop is improved by one change at a time. Arms take turns in random order, and every ratio
# compares epochs of the same round.
#
# **Caveat.** What needs CUDA is left out without it, and the tables say so. On a CPU the training step runs
# on one thread, and helpers and model share the cores. In the middle part the work is a `time.sleep`, so that
# we know who is slow and when: it shows how the arguments work, not what they will be worth to you. In the
# training loop at the end nothing sleeps.

# %%
import contextlib
import io
import multiprocessing
import random
import re
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import (
    ask_apart,
    gpu_absence,
    gpu_failure,
    gpu_load,
    usable_cores,
    why_no_helpers,
    worker_pids,
)
from spritedocs.report import (
    Bars,
    Blocks,
    Gap,
    Lines,
    Measurement,
    Report,
    show,
)
from spritedocs.sprites import FAMILIES, draw_sprite, family_of
from spritedocs.timing import TimingError, dismiss, time_epoch

ROUNDS = 6
HELPERS = 2

# %% [markdown]
# ## Is there a GPU to hand anything to?
#
# The example asks before it needs the answer. Where torch finds no GPU, the tables have gaps, and the rest is
# measured on the processor. A GPU that is there but full, reserved for somebody else or failing is another
# matter: then the example says so and ends, since figures without a GPU would pass for this machine's. One
# that others use at the same time still measures, but its figures are theirs too; then a note says so.

# %% tags=["fold"]
NEEDED_MB = 600  # of GPU memory, at most


def last_words(message):
    """One sentence on a failure of the GPU, or None for others."""
    if "ALLOC_FAILED" in message:  # what cuBLAS and cuDNN call it
        message = "CUDA out of memory"
    if why := gpu_failure(message):
        return f"The GPU gave up, because {why}."
    # Of the message of a pinning thread only this line is not a traceback.
    said = re.search(r"(?m)^.*(CUDA|CUBLAS|CUDNN|cuDNN|\bHIP\b).*$", message)
    return said and (
        f"The GPU gave up ({said[0].strip().rstrip('.')[:200]}): "
        "see what 'nvidia-smi' says."
    )


def tried(measure, why_not=""):
    """What ``measure()`` returns, or {} if there is a reason why not.

    Leaves with a sentence if the GPU fails: figures without one are not what
    a machine with a GPU was asked for.
    """
    if why_not:
        return {}
    try:
        return measure()
    except RuntimeError as error:
        if sentence := last_words(str(error)):
            sys.exit(sentence)
        raise


def wake_gpu():
    """Claim the memory that will be needed, and give it back."""
    return torch.empty(NEEDED_MB * 10**6, dtype=torch.uint8, device="cuda")


def why_no_gpu():
    """A sentence if there is no GPU that CUDA can use here, else ''.

    Leaves with a sentence if there is one that cannot take the work.
    """
    with warnings.catch_warnings():
        # A driver that is too old warns; the sentence says it better.
        warnings.simplefilter("ignore")
        if not torch.cuda.is_available():
            return f"This needs CUDA, but {gpu_absence()}."
        tried(wake_gpu)
        return ""


def whose_gpu():
    """A note if others use the GPU, asked before we do, else ''."""
    found = gpu_load()
    if not found or not found.is_busy:
        return ""
    return f"Something else was on the GPU ({found}): it slows these figures."


def finish(device):
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    torch.set_num_threads(1)
    busy, no_gpu = whose_gpu(), why_no_gpu()
    device = torch.device("cpu" if no_gpu else "cuda:0")
    gpu_notes = [busy] if busy and not no_gpu else []


# %% [markdown]
# ## Everybody takes turns
#
# A first round is thrown away: it wakes helpers, caches and the GPU. A *cold* arm, which summons new helpers
# every time, has nobody to wake, and sits it out. The order is drawn anew in each round. Whoever comes after
# the cold arm may suffer from the coming and going, so that lot goes round all arms.


# %% tags=["fold"]
def random_orders(names, rounds, cold=""):
    """A random order for each round. All follow the cold arm, if any."""
    dice = random.Random(15)
    warm = [name for name in names if name != cold]
    # "" stands for whoever comes first in the next round.
    followers = dice.sample([*warm, ""], len(warm) + 1)
    for number in range(rounds):
        order = dice.sample(warm, len(warm))
        if cold in names:
            follower = followers[number % len(followers)]
            place = order.index(follower) if follower else len(order)
            order.insert(place, cold)
        yield order


def take_turns(arms, rounds, cold=""):
    """What each arm's function returns, round by round, in random order.

    All arms but the cold one have one round more, which does not count.
    """
    results = {name: [] for name in arms}
    for name in arms:
        if name != cold:
            arms[name]()
    for order in random_orders(arms, rounds, cold):
        for name in order:
            results[name].append(arms[name]())
    return results


def value(name, samples, unit, why_not="", label=""):
    """The value of these samples, or a gap where there are none."""
    if samples:
        return Measurement.of(name, samples, unit, label)
    return Gap(name, why_not)


def times_as_fast(name, before, after, why_not=""):
    """The ratio of two arms' times, round by round, or a gap."""
    if not before or not after:
        return Gap(name, why_not)
    pairs = zip(before, after, strict=True)
    return Measurement.of(name, [old / new for old, new in pairs], "×")


# %% [markdown]
# ## The last step of the way
#
# A batch that comes out of a `DataLoader` lies in ordinary, *pageable* memory. The operating system may move
# it, so a GPU cannot fetch from it: the driver first copies it into memory that stays where it is. *Pinned*
# memory stays where it is already. The GPU fetches from there by itself, and with `non_blocking=True` the
# host need not wait for it. It goes on, and launches the training step, which comes after the copy all the
# same, because both are in one CUDA stream.
#
# So `non_blocking=True` is worth something for pinned batches, and nothing for pageable ones.
# `DataLoader(pin_memory=True)` is how to get pinned ones: a thread of the main process receives each batch
# and pins it while the loop is busy with another (without helpers there is no thread, and the loop pins). To
# call `tensor.pin_memory()` in the loop is something else. There it copies the batch once more, and the loop
# waits for that. The last row shows that nothing is left of the gain then: it is slower than the first.
#
# (The other direction has a trap. A result that is copied to the host with `non_blocking=True` may be read
# before it has arrived. Wait for it, with `torch.cuda.synchronize()`.)


# %%
class Way(NamedTuple):
    """One way of copying a batch to a device."""

    title: str
    pinned: bool = False
    pin_first: bool = False
    non_blocking: bool = False

    def copy(self, pageable, pinned, device):
        """The batch on the device. It is given in both kinds of memory."""
        batch = pinned if self.pinned else pageable
        if self.pin_first:
            batch = batch.pin_memory()
        return batch.to(device, non_blocking=self.non_blocking)


WAYS = {
    "pageable": Way("pageable"),
    "pageable_nb": Way("pageable, non_blocking", non_blocking=True),
    "pinned": Way("pinned", pinned=True),
    "pinned_nb": Way("pinned, non_blocking", pinned=True, non_blocking=True),
    "pin_first": Way(
        "tensor.pin_memory(), then non_blocking",
        pin_first=True,
        non_blocking=True,
    ),
}
BATCH_SHAPE = (64, 3, 224, 224)  # bytes: pictures as ImageNet models take them


def timed_copy(copy, device):
    """ms until the host goes on, and ms until the copy is done."""
    finish(device)
    begun = time.perf_counter()
    copied = copy()
    went_on = time.perf_counter()
    finish(device)
    done = time.perf_counter()
    del copied  # only now, or its end would be part of the time
    return (went_on - begun) * 1000, (done - begun) * 1000


def race_of_ways(device):
    """timed_copy of each way, one a round."""
    pageable = torch.ones(BATCH_SHAPE, dtype=torch.uint8)
    pinned = pageable.pin_memory()
    arms = {
        name: partial(
            timed_copy, partial(way.copy, pageable, pinned, device), device
        )
        for name, way in WAYS.items()
    }
    return take_turns(arms, rounds=20)


def way_row(name, copies, why_not):
    """A row of the table: host, done, and times as fast as pageable."""
    host = [ms for ms, _ in copies.get(name, [])]
    done = [ms for _, ms in copies.get(name, [])]
    plain = [ms for _, ms in copies.get("pageable", [])]
    faster = (
        times_as_fast(f"copy_speedup_{name}", plain, done, why_not)
        if name != "pageable"
        else ""
    )
    return [
        WAYS[name].title,
        value(f"copy_host_ms_{name}", host, "ms", why_not),
        value(f"copy_done_ms_{name}", done, "ms", why_not),
        faster,
    ]


if __name__ == "__main__":
    copies = tried(partial(race_of_ways, device), no_gpu)
    show(
        Report(
            title="One batch of 64 pictures, 9.6 MB, to the GPU",
            columns=[
                "from memory that is",
                "the host goes on after",
                "the copy is done after",
                "done, times as fast",
            ],
            rows=[way_row(name, copies, no_gpu) for name in WAYS],
            notes=gpu_notes,
        )
    )

# %% [markdown]
# ## How wide is the gate?
#
# The same for batches of several sizes, now as a rate, between two CUDA events. Beside it stands what the
# PCIe link promises when it is awake: transfers per second and lane times the lanes, less the link's own
# coding. That is the *nominal* rate. Packets have headers, so nothing reaches it. Small batches stay far
# below it, since each copy has to be launched. Large ones go far faster from pinned memory, for pageable ones
# the processor has to copy first. How fast it does so depends on its memory and its caches, too: their rate
# need not be the same here as in the table before, or as in your loop.

# %% tags=["fold"]
MEGABYTES = (0.1, 1, 10, 100)
IN_A_ROW = 5
# Bits that a PCIe lane carries, in Gbit/s: its rate, less 8b/10b coding up
# to generation 2, 128b/130b up to 5, FLIT mode's overhead in 6 (PCI-SIG).
LANE_GBIT = {
    1: 2.5 * 8 / 10,
    2: 5 * 8 / 10,
    3: 8 * 128 / 130,
    4: 16 * 128 / 130,
    5: 32 * 128 / 130,
    6: 64 * 242 / 256,
}


def gigabytes_per_s(copy, count, device):
    """The rate of copies of ``count`` bytes, in GB (10⁹ bytes) a second."""
    finish(device)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(IN_A_ROW):
        copy()
    end.record()
    end.synchronize()
    return IN_A_ROW * count / begin.elapsed_time(end) / 1e6


def race_of_sizes(device):
    """Rates by (way, MB), one a round."""
    arms = {}
    for megabytes in MEGABYTES:
        count = round(megabytes * 10**6)
        pageable = torch.ones(count, dtype=torch.uint8)
        pinned = pageable.pin_memory()
        for name in ("pageable", "pinned_nb"):
            copy = partial(WAYS[name].copy, pageable, pinned, device)
            arms[name, megabytes] = partial(
                gigabytes_per_s, copy, count, device
            )
    return take_turns(arms, ROUNDS)


def pcie_link():
    """The link's generation and lanes at best, such as "5, 16"; or ''."""
    # CUDA_VISIBLE_DEVICES may count GPUs differently; the UUID is unique.
    uuid = getattr(torch.cuda.get_device_properties(0), "uuid", None)
    said = ask_apart(
        "nvidia-smi",
        # Not the current ones: a link that rests steps down.
        "--query-gpu=pcie.link.gen.max,pcie.link.width.max",
        "--format=csv,noheader",
        *([f"--id=GPU-{uuid}"] if uuid else []),
    )
    return said or ""


def nominal_gb_per_s(link):
    """GB/s of a PCIe link that is told as "generation, lanes", or None."""
    said = re.match(r"(\d+), *(\d+)", link)
    generation, lanes = map(int, said.groups()) if said else (0, 0)
    return (
        LANE_GBIT[generation] * lanes / 8 if generation in LANE_GBIT else None
    )


def link_value(link, rates, why_not):
    """The link's nominal rate, if copies went over it at all."""
    name = "link_gb_per_s"
    if why_not:
        return Gap(name, why_not)
    nominal = nominal_gb_per_s(link)
    if nominal is None:
        return Gap(name, "nvidia-smi does not say what PCIe link this GPU has.")
    if max(map(max, rates.values())) > nominal:
        return Gap(
            name,
            "Copies are faster than the PCIe link that nvidia-smi names: it "
            "names one that is slower than the real one, or they go another "
            "way, such as NVLink-C2C.",
        )
    return Measurement.of(name, [nominal], "GB/s")


def size_row(megabytes, rates, why_not):
    """A row of the table: a batch's size and its two rates."""
    mb = f"{megabytes:g}".replace(".", "_")
    return [
        f"{megabytes:g} MB",
        *(
            value(
                f"gb_per_s_{name}_{mb}",
                rates.get((name, megabytes)),
                "GB/s",
                why_not,
            )
            for name in ("pageable", "pinned_nb")
        ),
    ]


if __name__ == "__main__":
    rates = tried(partial(race_of_sizes, device), no_gpu)
    link = "" if no_gpu else pcie_link()
    show(
        Report(
            title="Copies to the GPU by size",
            columns=["a batch of", "pageable", "pinned, non_blocking"],
            rows=[
                *(size_row(mb, rates, no_gpu) for mb in MEGABYTES),
                ["the link, nominally", "", link_value(link, rates, no_gpu)],
            ],
        )
    )

# %% [markdown]
# ## A second stream
#
# In one stream, copy and training step take turns on the GPU, though it has an engine for copies beside those
# that compute. A *side stream* lets the copy of the next batch run during the step. Take this class with you.
# It wraps any loader and yields batches that are on the device. Where there is no CUDA it passes them
# through.
#
# Two waits keep it right, and neither makes the host wait. The main stream waits until a batch has arrived.
# The side stream waits for the steps launched so far before the next copy, whose memory may be that of a
# batch which these steps still read. (`tensor.record_stream()` would serve as well for the second. But then a
# host that runs ahead piles up batches on the GPU, as PyTorch's documentation warns; with the wait it never
# holds more than three.) The order matters: the main stream waits for the copy of *this* batch, before that
# of the next is launched.
#
# There is a price. A batch is handed out only when the loader has delivered the next one, so training starts
# one batch later. If your loop waits for its loader anyway, leave the class out: the copy can hide in that
# wait, and the batch need not.


# %%
def on_device(batch, device, non_blocking=False):
    """The batch with its tensors on the device.

    They are looked for in dicts, lists, tuples and named tuples, which keep
    their types (a dict becomes a plain one). Other objects stay as they are.
    """
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=non_blocking)
    if isinstance(batch, dict):
        return {
            key: on_device(part, device, non_blocking)
            for key, part in batch.items()
        }
    if isinstance(batch, (list, tuple)):
        parts = [on_device(part, device, non_blocking) for part in batch]
        named = hasattr(batch, "_fields")
        return type(batch)(*parts) if named else type(batch)(parts)
    return batch


class Prefetcher:
    """Batches on the device, each copied while the one before is in use.

    It gains most for a loader with pin_memory=True. Without CUDA the batches
    pass through as they are. Limits:

    - Each batch is held back until the loader has delivered the next one. If
      your loop waits for its loader anyway, leave this out.
    - Steps must run on the stream that was current at the first next().
    - Only tensors that ``on_device`` finds are copied: other objects stay on
      the CPU.
    """

    def __init__(self, loader, device):
        self.loader = loader
        self.device = torch.device(device)
        on_cuda = self.device.type == "cuda"
        self.side = torch.cuda.Stream(self.device) if on_cuda else None

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        if self.side is None:
            yield from self.loader
            return
        main = torch.cuda.current_stream(self.device)
        coming = None
        for batch in self.loader:
            main.wait_stream(self.side)  # the last copy has arrived
            self.side.wait_stream(main)  # what it overwrites has been used
            ready = coming
            with torch.cuda.stream(self.side):
                coming = on_device(batch, self.device, non_blocking=True)
            if ready is not None:
                yield ready
        if coming is not None:
            main.wait_stream(self.side)
            yield coming


# %% [markdown]
# To see what the second stream is worth, the loader is a list of pinned batches, and the step is a number of
# matrix products that take about as long as a copy. There is no better case for it: at most, two can be done
# in the time of one. Where the step takes ten times as long as the copy, an eleventh of the time is all that
# can be hidden. From pinned memory in one stream, a batch takes about as long as its step and its copy
# together; with the side stream it takes little more than the longer of the two.

# %% tags=["fold"]
BATCHES = 20
MATRIX = 1024
STREAMS = {
    "compute_only": "no copies, steps only",
    "copy_only": "copies only",
    "pageable_stream": "one stream, pageable",
    "pinned_stream": "one stream, pinned, non_blocking",
    "side_stream": "side stream, pinned (Prefetcher)",
}


class Products:
    """A training step of so many matrix products, on the device."""

    def __init__(self, device):
        self.left = torch.ones(MATRIX, MATRIX, device=device)
        self.out = torch.empty_like(self.left)
        self.count = 1

    def __call__(self, batch=None):
        for _ in range(self.count):
            torch.mm(self.left, self.left, out=self.out)


def ms_per_batch(batches, step, device, non_blocking=False):
    """ms per batch, copied and stepped, until the device is done."""
    finish(device)
    begun = time.perf_counter()
    for batch in batches:
        step(on_device(batch, device, non_blocking))
    finish(device)
    return (time.perf_counter() - begun) * 1000 / len(batches)


def nothing(batch):
    """No step at all."""


def race_of_streams(device):
    """ms per batch of each arm, one a round."""
    pageable = [
        torch.ones(BATCH_SHAPE, dtype=torch.uint8) for _ in range(BATCHES)
    ]
    pinned = [batch.pin_memory() for batch in pageable]
    resting = [pageable[0].to(device)] * BATCHES
    step = Products(device)
    for _ in range(2):  # the first time wakes what a first product needs
        copy = ms_per_batch(pinned, nothing, device, non_blocking=True)
        product = ms_per_batch(resting, step, device)
    step.count = max(1, round(copy / product))
    arms = {
        "compute_only": partial(ms_per_batch, resting, step, device),
        "copy_only": partial(ms_per_batch, pinned, nothing, device, True),
        "pageable_stream": partial(ms_per_batch, pageable, step, device),
        "pinned_stream": partial(ms_per_batch, pinned, step, device, True),
        "side_stream": partial(
            ms_per_batch, Prefetcher(pinned, device), step, device
        ),
    }
    return take_turns(arms, rounds=12)


def stream_row(name, streams, why_not):
    """A row of the table: ms per batch, and times as fast as one stream."""
    ms = value(f"{name}_ms", streams.get(name), "ms", why_not)
    if name != "side_stream":
        return [STREAMS[name], ms, ""]
    one = streams.get("pinned_stream")
    speedup = times_as_fast(
        "side_stream_speedup", one, streams.get(name), why_not
    )
    return [STREAMS[name], ms, speedup]


if __name__ == "__main__":
    streams = tried(partial(race_of_streams, device), no_gpu)
    show(
        Report(
            title="A batch of 9.6 MB and a step of about the same time",
            columns=["", "a batch takes", "as fast as pinned in one stream"],
            rows=[stream_row(name, streams, no_gpu) for name in STREAMS],
        )
    )

# %% [markdown]
# ## Helpers that do what the order says
#
# The rest holds with and without a GPU. To know who is slow and when, the orders say it: a request is a
# number and the seconds that it takes. The batch sampler, which lives in the main process, lists the requests
# of each batch, and may hold other orders in the next epoch. So the same helpers serve all of the middle
# part.
#
# Where PyTorch passes file descriptors, as it does on Linux, helpers need a socket in the temporary folder.
# Without such a folder a loader waits for ever, so that is looked at first. On one usable core torch warns
# that two workers are many; ours sleep, so the warning is silenced.


# %%
class SpritesToOrder(Dataset):
    """Asked for (number, seconds), it waits so long and gives a sprite."""

    def __init__(self):
        self.sprites = SpriteTensors(64)

    def __getitem__(self, request):
        number, seconds = request
        time.sleep(seconds)
        image, _ = self.sprites[number % len(self.sprites)]
        return image, number


class Orders:
    """A batch sampler: the requests of each batch of the next epoch."""

    def __init__(self, batches=()):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def orders(waits, size=4):
    """Batches of ``size`` sprites; the first of each waits, the rest do not.

    All sprites of a batch bear the number of the batch.
    """
    return [
        [(number, wait)] + [(number, 0)] * (size - 1)
        for number, wait in enumerate(waits)
    ]


def make_loader(**settings):
    """A loader of orders, whose two helpers stay unless told otherwise."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    defaults = {"num_workers": HELPERS, "persistent_workers": True}
    return DataLoader(
        SpritesToOrder(), batch_sampler=Orders(), **defaults | settings
    )


def timed(loader, batches, step=None):
    """One epoch of these batches, timed."""
    loader.batch_sampler.batches = batches
    return time_epoch(loader, step, count=len_of_batch)


def len_of_batch(batch):
    """How many sprites a batch has."""
    return len(batch[0])


def epoch_ms(loader, batches, step=None):
    """ms of one epoch of these batches."""
    return timed(loader, batches, step).total_s * 1000


def step_for(seconds):
    """A training step that takes so long (it sleeps)."""
    return lambda batch: time.sleep(seconds)


if __name__ == "__main__":
    no_helpers = why_no_helpers()
    default = make_loader()

# %% [markdown]
# ## prefetch_factor: how far to work ahead
#
# Each helper may be `prefetch_factor` batches ahead; the default is 2. Here the model takes 2 ms for a batch,
# steadily. Two sorts of batches cost the same on average. *Even* ones take 3 ms each, which two helpers
# deliver in time. Of the *bursty* ones every ninth takes 27 ms, and the others nothing.

# %% tags=["fold"]
PREFETCH = (2, 4, 8)
STEP_S = 0.002
MEAN_S, EVERY, BURSTS = 0.003, 9, 4
# An odd distance between bursts has the two helpers share them.
KINDS = {
    "even": orders([MEAN_S] * EVERY * BURSTS),
    "bursty": orders(
        [EVERY * MEAN_S * (n % EVERY == 5) for n in range(EVERY * BURSTS)]
    ),
}


def race_of_prefetch(loaders):
    """ms per epoch by (kind, prefetch_factor), one a round."""
    arms = {
        (kind, factor): partial(epoch_ms, loader, batches, step_for(STEP_S))
        for kind, batches in KINDS.items()
        for factor, loader in loaders.items()
    }
    return take_turns(arms, ROUNDS)


def prefetch_row(kind, races, why_not):
    """A row of the table: ms per epoch, and the gain over the default."""
    epochs = [races.get((kind, factor), []) for factor in PREFETCH]
    return [
        kind,
        *(
            value(f"epoch_ms_{kind}_{factor}", ms, "ms", why_not)
            for factor, ms in zip(PREFETCH, epochs, strict=True)
        ),
        *(
            times_as_fast(f"{kind}_speedup_{factor}", epochs[0], ms, why_not)
            for factor, ms in zip(PREFETCH[1:], epochs[1:], strict=True)
        ),
    ]


def prefetch_picture(rows):
    """Epoch time over prefetch_factor, or None without values."""
    if isinstance(rows[0][1], Gap):
        return None
    points = len(PREFETCH)
    return Lines(
        alt="Epochs with prefetch_factor 2, 4 and 8. "
        + "; ".join(
            f"{row[0]} batches: {', '.join(map(str, row[1 : 1 + points]))}"
            for row in rows
        ),
        series={
            f"{row[0]} batches": list(
                zip(PREFETCH, row[1 : 1 + points], strict=True)
            )
            for row in rows
        },
        x_label="prefetch_factor",
        y_label="ms per epoch",
        spacing="even",
    )


if __name__ == "__main__":
    ahead = {2: default} | {
        factor: make_loader(prefetch_factor=factor) for factor in PREFETCH[1:]
    }
    prefetched = {} if no_helpers else race_of_prefetch(ahead)
    for factor in PREFETCH[1:]:
        dismiss(ahead[factor])
    rows = [prefetch_row(kind, prefetched, no_helpers) for kind in KINDS]
    show(
        Report(
            title="Even and bursty batches that cost the same on average",
            columns=[
                "batches",
                "prefetch_factor=2",
                "4",
                "8",
                "4, times as fast",
                "8, times as fast",
            ],
            rows=rows,
            figure=prefetch_picture(rows),
        )
    )

# %% [markdown]
# A long queue hides a slow batch, as long as the queue lasts longer than the batch is late. It makes nobody
# faster on average: with even batches there is nothing to hide. What it costs is memory: up to
# `prefetch_factor × num_workers` batches lie ready.
#
# ## persistent_workers: whether they stay
#
# Without it, helpers go home after every epoch, and new ones are summoned for the next. What that costs does
# not depend on how long the epoch is, so short epochs suffer most. It does depend on the process that is
# forked: one that uses CUDA is large, and takes longer to fork. (The first epoch summons either way: those
# who stay save from the second on.) Here an epoch has 12 batches that cost nothing. The last column says how
# long an epoch would have to be for the summoning to be 5% of it: under this start method, and for two
# helpers.

# %% tags=["fold"]
SHORT = orders([0] * 12)


def race_of_stayers(kept, rounds):
    """ms per short epoch with new helpers and with kept ones."""
    arms = {
        "new": partial(epoch_ms, make_loader(persistent_workers=False), SHORT),
        "kept": partial(epoch_ms, kept, SHORT),
    }
    return take_turns(arms, rounds, cold="new")


def stayer_row(method, races, why_not):
    """New, kept, times as fast, the difference, and the epoch it is 5% of."""
    new, kept = races.get("new", []), races.get("kept", [])
    extra = [a - b for a, b in zip(new, kept, strict=True)]
    return [
        f"two helpers, by {method}, from the second epoch on",
        value("epoch_ms_new", new, "ms", why_not),
        value("epoch_ms_kept", kept, "ms", why_not),
        times_as_fast("persistent_speedup", new, kept, why_not),
        value("restart_ms", extra, "ms", why_not),
        value(
            "epoch_s_of_5_percent",
            [ms * 20 / 1000 for ms in extra],
            "s",
            why_not,
        ),
    ]


if __name__ == "__main__":
    start_method = multiprocessing.get_start_method()
    forks = start_method == "fork"
    # Other start methods take seconds for each helper.
    stayers = {} if no_helpers else race_of_stayers(default, 8 if forks else 1)
    show(
        Report(
            title="Short epochs, with new helpers and with kept ones",
            columns=[
                "",
                "new helpers",
                "kept helpers",
                "times as fast",
                "a summoning",
                "is 5% of an epoch of",
            ],
            rows=[stayer_row(start_method, stayers, no_helpers)],
        )
    )

# %% [markdown]
# ## in_order: whether one slow batch stops the others
#
# Batches come out in the order of the sampler, so a slow one holds up those that are ready behind it. With
# `in_order=False` (torch 2.6 on) they overtake it. Of these 12 batches number 1 takes 72 ms, the others
# nothing, and the model takes 6 ms for each. Number 0 comes before it either way. Ten are behind it, and the
# first column counts those of them that overtake it.

# %% tags=["fold"]
SLOW = 1
LATE = orders([0.072 if number == SLOW else 0 for number in range(12)])


class Listener:
    """A step of 6 ms that notes the number of each batch."""

    def __init__(self):
        self.order = []

    def __call__(self, batch):
        self.order.append(int(batch[1][0]))
        time.sleep(0.006)


def order_and_ms(loader):
    """The order in which the batches came, and the ms of the epoch."""
    listener = Listener()
    return listener.order, epoch_ms(loader, LATE, listener)


def race_of_orders(in_order, out_of_order):
    """order_and_ms of both loaders, one a round."""
    arms = {
        "in_order": partial(order_and_ms, in_order),
        "out_of_order": partial(order_and_ms, out_of_order),
    }
    return take_turns(arms, ROUNDS)


def ahead_of(slow, order):
    """How many batches came before ``slow`` that were asked for after it."""
    return sum(number > slow for number in order[: order.index(slow)])


def order_row(name, races, why_not):
    """A row of the table: overtakers, ms, and the gain."""
    ran = races.get(name, [])
    ms = {
        arm: [ms for _, ms in races.get(arm, [])] for arm in (name, "in_order")
    }
    overtakers = [ahead_of(SLOW, order) for order, _ in ran]
    return [
        f"in_order={name == 'in_order'}",
        value(f"batches_ahead_{name}", overtakers, "", why_not),
        value(f"epoch_ms_{name}", ms[name], "ms", why_not),
        ""
        if name == "in_order"
        else times_as_fast(
            f"{name}_speedup", ms["in_order"], ms[name], why_not
        ),
    ]


def order_picture(races):
    """The batches in the order of one round, or None without any."""
    if not races:
        return None
    return Blocks(
        alt="In order, the batches come as 0, 1, 2 and so on. Out of order, "
        "batch 1 comes late, after most of the others.",
        rows={f"in_order={n == 'in_order'}": races[n][0][0] for n in races},
        x_label="batches as they arrive",
    )


if __name__ == "__main__":
    hasty = make_loader(in_order=False)
    ordered = {} if no_helpers else race_of_orders(default, hasty)
    dismiss(hasty)
    show(
        Report(
            title="Twelve batches, of which number 1 is slow",
            columns=["", "overtook number 1", "epoch", "times as fast"],
            rows=[
                order_row(name, ordered, no_helpers)
                for name in ("in_order", "out_of_order")
            ],
            figure=order_picture(ordered),
        )
    )

# %% [markdown]
# The time is won, and the order is lost. It now depends on which helper was quick, so it differs from run to
# run, and slow samples come late in every epoch. What waits behind the slow batch in the same helper's queue
# comes late too.
#
# ## Large batches, small batches
#
# For each sprite a helper now sleeps a quarter of a millisecond, whatever the batch. Waking up comes on top,
# so a sprite takes longer than that. *Receiving* is the time in `next()` for a batch that is ready: the main
# process's part of the hand-over, during which no step is launched.

# %% tags=["fold"]
SIZES = (2, 16, 128)
SPRITES = 256
SPRITE_S = 0.00025


def size_trial(loader, size):
    """Sprites a second, ms until the first batch, ms to receive one."""
    batch = [(0, SPRITE_S)] * size
    epoch = timed(loader, [batch] * (SPRITES // size))
    # The step lasts longer than it takes two helpers to build a batch.
    step = step_for(0.003 + size * 50e-6)
    ready = timed(loader, [[(0, 0)] * size] * 10, step)
    # Of the first batch the helpers knew nothing when it was asked for.
    waited = ready.wait_s + ready.iter_s - ready.startup_s
    return (
        epoch.items_per_s,
        epoch.startup_s * 1000,
        waited / (ready.batches - 1) * 1000,
    )


def race_of_batch_sizes(loader):
    """size_trial of each size, one a round."""
    arms = {size: partial(size_trial, loader, size) for size in SIZES}
    return take_turns(arms, ROUNDS)


def batch_size_row(size, races, why_not):
    """A row of the table for batches of this size."""
    rate, first, receive = zip(*races[size], strict=True) if races else [()] * 3
    smallest = [per_s for per_s, _, _ in races.get(SIZES[0], [])]
    speedup = (
        "large_batches_speedup" if size == SIZES[-1] else f"speedup_{size}"
    )
    return [
        f"{size}",
        value(f"items_per_s_{size}", rate, "items/s", why_not),
        ""
        if size == SIZES[0]
        # Rates, so the new one over the old one.
        else times_as_fast(speedup, rate, smallest, why_not),
        value(f"first_batch_ms_{size}", first, "ms", why_not),
        value(f"handover_ms_{size}", receive, "ms", why_not),
    ]


if __name__ == "__main__":
    sized = {} if no_helpers else race_of_batch_sizes(default)
    show(
        Report(
            title="Batch sizes, two helpers, 0.25 ms of sleep a sprite",
            columns=[
                "sprites a batch",
                "loaded",
                "times as fast",
                "first batch after",
                "receiving a batch",
            ],
            rows=[batch_size_row(n, sized, no_helpers) for n in SIZES],
        )
    )

# %% [markdown]
# Large batches spread the hand-over over more sprites. In return the first batch takes longer to come, since
# one helper builds all of it; and all batches that lie ready take that much more memory. (What the batch size
# does to *learning* is another matter, and no loader can tell you.)
#
# ## How a batch changes hands
#
# A helper puts a batch into shared memory and tells the main process where. `torch.multiprocessing` knows two
# ways, its *sharing strategies*. With `file_descriptor` (the default on Linux) it passes an open file whose
# name is removed at once: nothing can be left behind, but every tensor that you keep is an open file of the
# main process, and their number is limited (`ulimit -n`). With `file_system` (the only one on macOS and
# Windows) it passes a name: no open files, but a name that exists until the last one who uses it is done.
# What counts is the strategy of the process that *sends*, so a `worker_init_fn` sets it, under every start
# method.


# %%
def by_file_system(worker_id):
    """A worker_init_fn: this helper hands over by name."""
    torch.multiprocessing.set_sharing_strategy("file_system")


# %% tags=["fold"]
STRATEGIES = ("file_descriptor", "file_system")
KEPT = orders([0] * 24)
TENSORS = 2  # in each batch: the images and their numbers
SHARED = Path("/dev/shm")


def why_no_strategy(name):
    """A sentence if this system does not know this strategy, else ''."""
    if name in torch.multiprocessing.get_all_sharing_strategies():
        return ""
    return f"This system does not know {name}: it takes Linux to compare."


def why_no_count():
    """A sentence if open files and shared memory cannot be seen, else ''."""
    if sys.platform == "linux" and SHARED.is_dir():
        return ""
    return "Only on Linux can both kinds of files be counted."


def why_no_manager(loader):
    """A sentence if names cannot be managed here, else ''; one epoch."""
    try:
        epoch_ms(loader, KEPT)
    except TimingError as error:
        if "torch_shm_manager" not in str(error):
            raise
        return (
            "torch_shm_manager, which file_system needs, finds no folder for "
            "its socket: set TMPDIR to one that can be written to."
        )
    return ""


def strategy_loader(name, default):
    """A loader whose helpers share by this strategy."""
    if name == torch.multiprocessing.get_sharing_strategy():
        return default
    return make_loader(worker_init_fn=by_file_system)


def open_and_shared(loader):
    """How many files this process has open, and its helpers' shared files."""
    names = [name for pid in worker_pids(loader) for name in shared_files(pid)]
    return psutil.Process().num_fds(), len(names)


def shared_files(pid):
    """The files in shared memory that torch made in this process."""
    return list(SHARED.glob(f"torch_{pid}_*"))


def files_per_tensor(loader):
    """Open files and shared files for each tensor of batches that are kept."""
    loader.batch_sampler.batches = KEPT
    kept = list(loader)
    opened, shared = open_and_shared(loader)
    del kept
    still_open, still_shared = open_and_shared(loader)
    tensors = len(KEPT) * TENSORS
    return (
        round((opened - still_open) / tensors),
        round((shared - still_shared) / tensors),
    )


def strategy_rows(default):
    """The table's rows, one a strategy."""
    unknown = {name: no_helpers or why_no_strategy(name) for name in STRATEGIES}
    loaders = {
        name: strategy_loader(name, default)
        for name in STRATEGIES
        if not unknown[name]
    }
    for name, loader in list(loaders.items()):
        unknown[name] = why_no_manager(loader)
        if unknown[name]:
            del loaders[name]
    arms = {
        name: partial(epoch_ms, loader, KEPT)
        for name, loader in loaders.items()
    }
    epochs = take_turns(arms, ROUNDS + 2)
    uncounted = why_no_count()
    counts = {
        name: files_per_tensor(loader)
        for name, loader in loaders.items()
        if not uncounted
    }
    for loader in loaders.values():
        if loader is not default:
            dismiss(loader)
    return [
        strategy_row(
            name, counts, epochs, unknown[name] or uncounted, unknown[name]
        )
        for name in STRATEGIES
    ]


def strategy_row(name, counts, epochs, uncounted, unknown):
    """A row of the table: open files, shared files, ms per batch."""
    opened, shared = ([n] for n in counts[name]) if name in counts else ([], [])
    ms = [epoch / len(KEPT) for epoch in epochs.get(name, [])]
    return [
        name,
        value(f"open_files_per_tensor_{name}", opened, "", uncounted),
        value(f"shm_files_per_tensor_{name}", shared, "", uncounted),
        value(f"batch_ms_{name}", ms, "ms", unknown),
    ]


def open_files_note():
    """How many files this process may have open, in a sentence, or ''."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit != resource.RLIM_INFINITY:
            return f"This process may have {limit:,} files open (ulimit -n)."
    return ""


if __name__ == "__main__":
    show(
        Report(
            title="A tensor that is kept, by sharing strategy",
            columns=[
                "",
                "open files",
                "names in /dev/shm",
                "a batch of 4 sprites takes",
            ],
            rows=strategy_rows(default),
            notes=[note for note in [open_files_note()] if note],
        )
    )
    dismiss(default)  # the helpers go home

# %% [markdown]
# Should you switch, where `file_system` is faster? These batches are tiny and cost their helpers next to
# nothing, so handing over is most of what a batch takes. Passing an open file takes a connection between the
# two processes for every tensor; passing a name does not. So it matters only where handing over is a large
# part of a batch. In return, names can be left behind in `/dev/shm`, as told below.
#
# *Too many open files* means that something keeps batches: a list of outputs for the end of the epoch will
# do. Copy what you keep (`tensor.clone()`), or raise the limit, or take `file_system`. A full `/dev/shm` is
# another error, *unable to allocate shared memory*, and no strategy helps: both fill it. Make it larger
# (`docker run --shm-size=…`), or the batches smaller, or fewer of them.
#
# With `file_system` a process called `torch_shm_manager` removes the names of those who died, once all who
# use it are gone. If it is killed too, names stay, and keep their memory until somebody deletes them or the
# machine restarts. They are called `torch_PID_…`, after the process that made them: those whose process no
# longer lives may go.
#
# ## One loop, one change at a time
#
# Now for the training loop. Nothing sleeps: its sprites are PNG files (held in memory, as a disk is another
# story), which Pillow decodes, and which are flipped, brightened and normalised at random. A small
# convolutional network learns their families. Each line below changes one thing and keeps all changes before
# it.


# %%
def decoded(png):
    """The picture in these PNG bytes: uint8, shape (4, size, size)."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.array(image)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def prepared(images):
    """Pictures, uint8, shape (n, 4, size, size), as floats: augmented."""
    count = len(images), 1, 1, 1
    images = images.float() / 255
    images = torch.where(torch.rand(count) < 0.5, images.flip(-1), images)
    brightness = 0.8 + 0.4 * torch.rand(count)
    return (images * brightness - 0.5) / 0.25


class Scrolls(Dataset):
    """Sprites in PNG files, decoded and augmented one by one."""

    def __init__(self, pngs):
        self.pngs = pngs

    def __len__(self):
        return len(self.pngs)

    def __getitem__(self, index):
        image = decoded(self.pngs[index])
        return prepared(image[None])[0], family_of(index)


class ScrollsByBatch(Scrolls):
    """The same, but a batch's pictures are augmented together.

    A loader calls __getitems__ where a dataset has it. Every picture is still
    decoded, and the arithmetic is the same: there are fewer calls.
    """

    def __getitems__(self, indices):
        images = torch.stack([decoded(self.pngs[index]) for index in indices])
        families = [family_of(index) for index in indices]
        return list(zip(prepared(images), families, strict=True))


def make_step(device):
    """A training step: a small network, its loss, and plain SGD."""
    torch.manual_seed(15)
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, len(FAMILIES)),
    ).to(device)

    def step(images, families):
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(images), families)
        loss.backward()
        # By hand: torch.optim would first import torch's compiler.
        with torch.no_grad():
            for weights in model.parameters():
                weights -= 0.05 * weights.grad
        return loss

    return step


def train(batches, step, device, non_blocking):
    """ms of an epoch of training, until the device is done as well."""
    finish(device)
    begun = time.perf_counter()
    for batch in batches:
        step(*on_device(batch, device, non_blocking))
    finish(device)
    return (time.perf_counter() - begun) * 1000


# %% [markdown]
# There are two controls: the naive loop a second time, and at the end the whole recipe a second time. They
# change nothing, so they show by how much equal loops differ here. Take no smaller difference for a gain.
# Where the interval of a ratio includes 1, the table says so: no gain of that change was seen here. It stays
# in the recipe all the same, as it does where the spell is copied, so the last loop need not be the best one.
#
# The last row is the headroom: the same training steps on the batches of one epoch, made beforehand and
# already on the device. It neither loads nor copies (nor shuffles, nor augments anew, so it is no way to
# train). No loader can be faster; its ratio says how much the recipe leaves to win.
#
# The helpers are as many as there are usable cores, at most four. An epoch is over in a fraction of a second,
# so summoning new helpers for each weighs more than it would in an epoch of an hour.

# %%
TRAINED = 512
BATCH_SIZE = 32
SIZE = 32
OURS = ("whole_batches", "non_blocking", "side_stream")
NEEDS_CUDA = {"pinned", "non_blocking", "side_stream"}


class Change(NamedTuple):
    """One change of the loop: what it is called, and what it sets."""

    title: str
    settings: dict


def changes_for(helpers):
    """The changes by name, each made to the loop before it."""
    return {
        "naive": Change("naive", {}),
        "helpers": Change(f"num_workers={helpers}", {"num_workers": helpers}),
        "persistent": Change(
            "persistent_workers=True", {"persistent_workers": True}
        ),
        "whole_batches": Change("__getitems__", {"whole_batches": True}),
        "prefetch": Change("prefetch_factor=4", {"prefetch_factor": 4}),
        "pinned": Change("pin_memory=True", {"pin_memory": True}),
        "non_blocking": Change("non_blocking=True", {"non_blocking": True}),
        "side_stream": Change("Prefetcher", {"side_stream": True}),
    }


def loops(changes, reasons):
    """All settings of each loop that has no reason not to run, by name."""
    settings, found = {}, {}
    for name, change in changes.items():
        settings = settings | change.settings
        if not reasons[name]:
            found[name] = settings
    return found


# %% tags=["fold"]
def make_loop(settings, pngs, step, device):
    """A loader with these settings, and an epoch of training with it."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    ours = {name: settings.get(name, False) for name in OURS}
    dataset = ScrollsByBatch if ours["whole_batches"] else Scrolls
    loader = DataLoader(
        dataset(pngs),
        BATCH_SIZE,
        shuffle=True,
        **{key: settings[key] for key in settings if key not in OURS},
    )
    batches = Prefetcher(loader, device) if ours["side_stream"] else loader
    return loader, partial(train, batches, step, device, ours["non_blocking"])


def pngs_of(count, size):
    """The bytes of so many sprites' PNG files."""
    streams = [io.BytesIO() for _ in range(count)]
    for index, stream in enumerate(streams):
        Image.fromarray(draw_sprite(index, size)).save(stream, "PNG")
    return [stream.getvalue() for stream in streams]


def with_controls(found):
    """The loops, and the first and the last of them a second time."""
    again = {"control": found["naive"]}
    *_, last = found
    if last != "naive":
        again["control_recipe"] = found[last]
    return found | again


def race_of_loops(found, device, rounds):
    """ms per epoch of each loop, controls and headroom, one a round."""
    pngs, step = pngs_of(TRAINED, SIZE), make_step(device)
    made = {
        name: make_loop(settings, pngs, step, device)
        for name, settings in with_controls(found).items()
    }
    naive, _ = made["naive"]
    replayed = [on_device(batch, device) for batch in naive]
    try:
        arms = {name: epoch for name, (_, epoch) in made.items()}
        arms["headroom"] = partial(train, replayed, step, device, False)
        return take_turns(arms, rounds, cold="helpers")
    finally:
        for loader, _ in made.values():
            dismiss(loader)


def loop_row(name, title, ms, before, reason):
    """A row of the table: what was added, ms per epoch, times as fast."""
    faster = times_as_fast(f"step_{name}_speedup", before, ms, reason)
    epoch = value(f"train_ms_{name}", ms, "ms", reason, title)
    return [f"+ {title}", epoch, faster]


def loop_rows(changes, epochs, reasons):
    """The table's rows: each loop, ms per epoch, against the one before."""
    naive = before = epochs["naive"]
    rows = [
        ["naive", Measurement.of("train_ms_naive", naive, "ms", "naive"), ""],
        control_row("control", "naive again", naive, epochs),
    ]
    for name, change in list(changes.items())[1:]:
        ms = epochs.get(name, [])
        rows.append(loop_row(name, change.title, ms, before, reasons[name]))
        before = ms or before
    last = [] if before is naive else before
    return [*rows, *recipe_rows(naive, last, epochs, reasons["helpers"])]


def recipe_rows(naive, last, epochs, reason):
    """The last rows: the recipe again, against naive, and the headroom."""
    ms = epochs["headroom"]
    headroom = Measurement.of("train_ms_headroom", ms, "ms", "from memory")
    left = times_as_fast("recipe_over_headroom", last, ms, reason)
    total = times_as_fast("recipe_speedup", naive, last, reason)
    return [
        control_row("control_recipe", "all of it, again", last, epochs, reason),
        ["all of it, against naive", "", total],
        ["headroom: batches from memory", headroom, left],
    ]


def control_row(name, title, before, epochs, reason=""):
    """The row of a control: a loop a second time, against the first."""
    ratio = name.replace("control", "control_ratio")
    again = epochs.get(name, [])
    return [
        f"control: {title}",
        value(f"train_ms_{name}", again, "ms", reason, title),
        times_as_fast(ratio, before, again, reason),
    ]


def loop_picture(rows):
    """A bar for each loop that was measured."""
    found = [row[1] for row in rows if isinstance(row[1], Measurement)]
    groups = {"naive again": 1, "all of it, again": 1, "from memory": 2}
    return Bars(
        alt="Milliseconds per epoch of training: the naive loop, the naive "
        "loop again, one bar for each change that was added, all of them "
        "again, and the same steps on batches from memory.",
        values=found,
        groups=[groups.get(bar.label, 0) for bar in found],
        x_label="ms per epoch",
    )


def why_no_loop(name, no_helpers, no_gpu):
    """A sentence if the loop of this name cannot run here, else ''."""
    if name == "naive":
        return ""
    return no_helpers or (no_gpu if name in NEEDS_CUDA else "")


if __name__ == "__main__":
    changes = changes_for(helpers=min(4, usable_cores()))
    reasons = {n: why_no_loop(n, no_helpers, no_gpu) for n in changes}
    found = loops(changes, reasons)
    trained = tried(partial(race_of_loops, found, device, 13 if forks else 1))
    rows = loop_rows(changes, trained, reasons)
    show(
        Report(
            title=f"Epochs of training on {device.type.upper()}, "
            "one change at a time",
            columns=["the loop", "an epoch", "times as fast as before"],
            rows=rows,
            figure=loop_picture(rows),
            notes=gpu_notes,
        )
    )

# %% [markdown]
# ## What to take home
#
# Summon helpers, let them stay, and see what your loop still waits for before you copy another word of the
# spell.
#
# - **`persistent_workers=True`** saves one summoning per epoch. It stops mattering where an epoch is much
#   longer than the last column of its table says.
# - **`prefetch_factor`** smooths. It is for batches that now and then take much longer than the others. For
#   even ones, more than the default wins nothing and takes memory.
# - **`in_order=False`** lets quick batches overtake a slow one, if you can do without the order. Where all
#   batches take about the same, there is nobody to overtake.
# - **Whole batches** (`__getitems__`) save what calls cost, and nothing of the work itself. A large gain from
#   them deserves a look at what was left out.
# - **`pin_memory=True`**, **`non_blocking=True`** and the **Prefetcher** build on one another, in this order,
#   and need a GPU. The last two can win no more than the time that a batch is on its way: its megabytes
#   divided by the rate. In the loop above they won nothing that could be told from chance: its batches have
#   half a megabyte. Where the copies take less than 5% of your training step, or where the loop waits for its
#   loader anyway, they do not matter.
# - **`pin_memory=True`** alone won something even there, and on the H200 more for each of the 16 batches than
#   copying it from pageable memory takes. Its thread also receives the batches, and the loop is spared that.
#   We presume that this is most of what it won.
#
# A change that wins nothing in your loop may go again. A ratio no further from 1 than those of the controls
# is no gain. And where batches from memory are no faster than your loop, no word of the spell can win
# anything.
