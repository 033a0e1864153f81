# ---
# title: Memory goblins
# description: What each worker keeps in its own memory when a dataset is a list, an array or a tensor.
# claims:
#   - list_private_pct > 80
#   - tensor_private_pct < 10
#   - growth_list_mb > 10
#   - growth_array_mb < 2
#   - growth_tensor_mb < 2
#   - rss_growth_list_mb < 2
#   - second_epoch_growth_list_mb < 2
#   - total_list_mb_4 > total_tensor_mb_4
#   - rss_overcount_tensor_4 > 1.2
#   - in_order_over_shuffled < 0.5
#   - growth_collected_mb > 10
#   - growth_collected_frozen_mb < 2
#   - million_captions_per_gb_4 > 1
#   - read_us_tensor < 50
#   - read_us_tensor > read_us_array
# ---

# %% [markdown]
# # Memory goblins
#
# **Motive.** Every helper brings a goblin with a sack. At the start of the epoch the sack looks empty.
# At its end the machine is out of memory, and the dataset has not grown by a single sprite. What went
# into the sack?
#
# **What is measured.** The same captions are held in three ways: as a list of `str`, as one NumPy array and
# as one tensor of bytes. An epoch reads all of them once, shuffled, with 0, 2 and 4 helpers. Meanwhile the
# main process reads from the system how much memory each worker has to itself (USS), and how much all
# processes take together (the sum of PSS). RSS, which `top` shows, stands beside them.
#
# **Caveat.** *When* the sack fills depends on how workers start. Under *fork* they begin with the main
# process's memory, shared, and a list is copied while it is read. Under *spawn* and *forkserver* the
# dataset is pickled, and a list is there in full from the first batch: then there is no growth to see, but
# the same price. So there are two numbers for each storage: how much a worker *grows* over the epoch,
# and what the dataset *costs* it: its USS at the end, less that of a worker whose dataset holds nothing.

# %%
import gc
import multiprocessing
import random
import shutil
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from spritedocs.machine import (
    memory_of,
    memory_of_tree,
    why_no_helpers,
    worker_pids,
)
from spritedocs.report import Gap, Lines, Measurement, Report, show
from spritedocs.timing import dismiss

CAPTIONS = 150_000
BATCH_SIZE = 500
HELPERS = (0, 2, 4)
MOST = max(HELPERS)
PREFETCH_FACTOR = 2
LOOKS_PCT = (0, 2.5, 5, 10, 15, 20, 30, 40, 60, 80, 100)
SHARED_MEMORY = Path("/dev/shm")

# %% [markdown]
# ## One treasure, three sacks
#
# The captions are all different, as captions are. In a list each is a Python object of its own: its
# letters, and a header in front of them with, among other things, a reference count. In the array
# and the tensor a caption is a row of bytes, filled up with zeros to the length of the longest, and there
# are no objects but the array itself.
#
# Reading one caption gives a `str` in all three. A whole batch gives a single number, how many letters it
# has, so that handing it over costs next to nothing. It is also the proof that all was read: the three
# storages must arrive at the same number.

# %%
HEROES = ("knight", "goblin", "wizard", "dragon", "ghost", "slime", "bard")
DOINGS = ("asleep on its watch", "looking for the exit", "proud of a new hat")


def caption_of(index):
    """The caption of one sprite, in ASCII."""
    hero, doing = HEROES[index % 7], DOINGS[index % 3]
    return f"sprite {index}: a {hero} of the lower dungeon, {doing}, 16 pixels"


def rows_of(count):
    """The captions as one array of bytes; each row as wide as the longest."""
    captions = [caption_of(index).encode() for index in range(count)]
    return np.array(captions)


class NoCaptions(Dataset):
    """A dataset that holds nothing: what a worker takes by itself."""

    storage = "nothing"

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return caption_of(index)

    def __getitems__(self, indices):
        return [sum(len(caption_of(index)) for index in indices)]

    def megabytes(self):
        """What the captions take in memory, in MB."""
        return 0.0


class CaptionList(NoCaptions):
    """A list of str: one Python object for each caption."""

    storage = "list"

    def __init__(self, count):
        super().__init__(count)
        self.captions = [caption_of(index) for index in range(count)]

    def __getitem__(self, index):
        return self.captions[index]

    def __getitems__(self, indices):
        return [sum(len(self.captions[index]) for index in indices)]

    def megabytes(self):
        """The objects and the list of pointers to them, in MB."""
        objects = sum(map(sys.getsizeof, self.captions))
        return (objects + sys.getsizeof(self.captions)) / 1e6


class CaptionArray(NoCaptions):
    """One NumPy array of fixed-width bytes."""

    storage = "array"

    def __init__(self, count):
        super().__init__(count)
        self.captions = rows_of(count)

    def __getitem__(self, index):
        return self.captions[index].decode()

    def __getitems__(self, indices):
        batch = self.captions[indices].view(np.uint8)
        return [int(np.count_nonzero(batch))]

    def megabytes(self):
        """The array's bytes, in MB."""
        return self.captions.nbytes / 1e6


class CaptionTensor(NoCaptions):
    """One uint8 tensor of shape (captions, letters of the longest)."""

    storage = "tensor"

    def __init__(self, count):
        super().__init__(count)
        rows = rows_of(count)
        letters = rows.view(np.uint8).reshape(count, rows.itemsize)
        self.captions = torch.from_numpy(letters)

    def __getitem__(self, index):
        letters = self.captions[index].numpy().tobytes()
        return letters.rstrip(b"\0").decode()

    def __getitems__(self, indices):
        return [int(self.captions[indices].count_nonzero())]

    def megabytes(self):
        """The tensor's bytes, in MB."""
        return self.captions.nbytes / 1e6


STORAGES = (CaptionList, CaptionArray, CaptionTensor)

# %% [markdown]
# How large is each, and what does it cost to read one caption? (In the main process, in random order.) The
# list has its strings ready, but in random order most of them are not in the processor's cache. Array and
# tensor make a short-lived one for each reading, and torch a small tensor before it: the tensor takes
# longest.


# %% tags=["fold"]
def read_us(dataset, reads=1000):
    """Microseconds to read one caption, on average over random reads."""
    indices = random.choices(range(len(dataset)), k=reads)
    begun = time.perf_counter()
    for index in indices:
        dataset[index]
    return (time.perf_counter() - begun) / reads * 1e6


def size_and_speed(rounds=7):
    """For each storage: its name, its size in MB, the µs of each round."""
    # In a function, so that none of them is left in memory afterwards.
    datasets = [storage(CAPTIONS) for storage in STORAGES]
    for dataset in datasets:
        read_us(dataset)
    timed = [[read_us(dataset) for dataset in datasets] for _ in range(rounds)]
    return [
        (dataset.storage, dataset.megabytes(), [times[n] for times in timed])
        for n, dataset in enumerate(datasets)
    ]


if __name__ == "__main__":
    sizes_mb = {}
    rows = []
    for storage, megabytes, times in size_and_speed():
        sizes_mb[storage] = megabytes
        rows.append(
            [
                storage,
                Measurement.of(f"size_{storage}_mb", [megabytes], "MB"),
                Measurement.of(f"read_us_{storage}", times, "µs"),
            ]
        )
    show(
        Report(
            title=f"{CAPTIONS:,} captions, three ways",
            columns=["held as", "size", "to read one"],
            rows=rows,
        )
    )

# %% [markdown]
# ## Looking into the sacks
#
# Three figures are in use, and they answer different questions.
#
# - **USS** (unique set size): the pages that one process alone has mapped. It is what comes back when
#   that process ends, and what grows when it copies a page. One trap: a page that *could* be shared
#   counts, too, for as long as only one process has mapped it. A memory-mapped file that a single
#   worker reads looks private until a second worker reads it.
# - **PSS** (proportional set size): each page divided by the number of processes that map it. These add
#   up: their sum is what the processes take together. Linux only.
# - **RSS** (resident set size): all pages in full, shared or not. When a shared page becomes a copy,
#   there is still one page in its place, so RSS stays where it was.
#
# To see a worker *before* it has read anything, the first batches of an epoch are empty. Workers fetch
# ahead, so there are enough of them for every worker to have delivered one, and to have been given only
# empty ones, when the first look is taken. Later looks count what has arrived; what the workers have read
# is up to two batches for each of them ahead of it. The last look comes with the last batch.


# %% tags=["fold"]
class Batches:
    """Batches of indices: empty ones first, then every caption once."""

    def __init__(self, helpers, captions=CAPTIONS, shuffle=True):
        # One for each worker to deliver, and what it fetches ahead meanwhile.
        self.empty = helpers * (1 + PREFETCH_FACTOR)
        self.captions, self.shuffle = captions, shuffle

    def __len__(self):
        return self.empty + -(-self.captions // BATCH_SIZE)

    def __iter__(self):
        yield from [[]] * self.empty
        order = torch.randperm if self.shuffle else torch.arange
        for part in order(self.captions).split(BATCH_SIZE):
            yield part.tolist()

    def read_pct(self, arrived):
        """The % of the captions that so many batches have brought."""
        read = max(0, arrived - self.empty) * BATCH_SIZE
        return min(100.0, 100 * read / self.captions)


class Watched(NamedTuple):
    """What was seen while a loader ran for some epochs."""

    epochs: list
    """For each epoch its looks: (% read, the MemoryUse of each worker)."""
    tree: tuple
    """The MemoryUse of all processes at the end of the first epoch."""
    letters: int
    """How many letters the first epoch has read."""


def walk(iterator, batches, helpers, due):
    """Run one epoch, looking when ``due`` % are read: looks and letters."""
    looks, letters = [], 0
    pids = worker_pids(iterator)
    for arrived, found in enumerate(iterator, 1):
        letters += found
        read_pct = batches.read_pct(arrived)
        # The first look waits until every worker has answered.
        if arrived >= helpers and read_pct >= due[len(looks)]:
            looks.append((read_pct, [memory_of(pid) for pid in pids]))
    return looks, letters


def watch(make, batches, helpers, epochs=1, freeze=True):
    """Run a loader over a new dataset ``make(CAPTIONS)``, and look."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    loader = DataLoader(
        make(CAPTIONS),
        batch_sampler=batches,
        num_workers=helpers,
        persistent_workers=helpers > 0,
        prefetch_factor=PREFETCH_FACTOR if helpers else None,
        collate_fn=sum,
    )
    gc.collect()
    if freeze:
        gc.freeze()
    try:
        looks, letters = walk(iter(loader), batches, helpers, LOOKS_PCT)
        seen, tree = [looks], memory_of_tree()
        for _ in range(epochs - 1):
            again, _ = walk(iter(loader), batches, helpers, (0, 100))
            seen.append(again)
        return Watched(seen, tree, letters)
    finally:
        dismiss(loader)
        gc.unfreeze()


# %% [markdown]
# ## A second goblin: the garbage collector
#
# Python's garbage collector writes, too. A full collection makes a note beside every object that it
# tracks, those that can hold others: lists, dicts, functions, classes. A process with torch loaded has a
# great many of them, and in a forked worker each page that they lie on becomes a copy, whatever the dataset.
# Strings hold nothing, so the collector passes them by (`gc.is_tracked("a string")` is false). A list of
# *lists* would not be spared: the collector writes into each of them, even if nobody reads it.
#
# `gc.freeze()`, called before the workers start, takes all objects there are out of the collector's
# sight. We call it in each run, so that the two goblins do not get mixed up. Two runs are for the second
# goblin alone: their workers read nothing and collect garbage once, without and with `gc.freeze()`.


# %% tags=["fold"]
class Swept(CaptionList):
    """A list of which nothing is read: each batch collects garbage."""

    def __getitems__(self, indices):
        if indices:
            gc.collect()
        return [0]


def arms_of(start_method):
    """The runs to compare: a name, and how to make each."""
    one_each = Batches(MOST, captions=MOST * BATCH_SIZE)
    arms = {
        f"{make.storage} {helpers}": partial(
            watch, make, Batches(helpers), helpers
        )
        for make in STORAGES
        for helpers in HELPERS
    }
    arms["nothing"] = partial(watch, NoCaptions, Batches(MOST), MOST)
    arms[f"list {MOST}"] = partial(
        watch, CaptionList, Batches(MOST), MOST, epochs=2
    )
    if start_method == "fork":
        in_order = Batches(MOST, shuffle=False)
        arms["in order"] = partial(watch, CaptionList, in_order, MOST)
        arms["collected"] = partial(watch, Swept, one_each, MOST, freeze=False)
        arms["frozen"] = partial(watch, Swept, one_each, MOST)
    return arms


def without(start_method, tensor_mb):
    """The runs that cannot be made here, each with a sentence why."""
    reasons = {}
    if start_method != "fork":
        reasons |= dict.fromkeys(
            ("in order", "collected", "frozen"),
            f"Workers started by {start_method} share no Python objects with "
            "the main process, so reading and collecting copy nothing: this "
            "takes a system that forks, such as Linux up to Python 3.13.",
        )
        if SHARED_MEMORY.is_dir():
            free_mb = shutil.disk_usage(SHARED_MEMORY).free / 1e6
            if free_mb < 1.1 * tensor_mb:
                reasons |= dict.fromkeys(
                    (f"tensor {helpers}" for helpers in HELPERS if helpers),
                    f"The tensor has {tensor_mb:.0f} MB and /dev/shm only "
                    f"{free_mb:.0f} MB free: give it more, in Docker with "
                    "--shm-size.",
                )
    # Our batches are numbers, which need no folder to travel. On Linux
    # datasets need none either, but a fork server does.
    in_need = start_method == "forkserver" or sys.platform != "linux"
    if in_need and (why_not := why_no_helpers()):
        helped = (name for name in arms_of(start_method) if name[-1] != "0")
        reasons |= dict.fromkeys(helped, why_not)
    return reasons


# %% [markdown]
# The runs take turns in random order. Each builds its dataset anew, so that the main process never holds
# another one beside it. Where starting workers takes seconds there is one round, else there are several.


# %% tags=["fold"]
class UnreadableError(Exception):
    """The system does not tell how much memory a process has."""


def mb_of(use, figure):
    """``figure`` ("uss", "pss", "rss") of a MemoryUse, in MB."""
    found = getattr(use, f"{figure}_mb")
    if found is None:
        raise UnreadableError(use.missing)
    return found


def at_end(run, figure="uss"):
    """What each worker has at the end of the first epoch, in MB."""
    return [mb_of(use, figure) for use in run.epochs[0][-1][1]]


def growth(run, figure="uss", epoch=0):
    """What each worker has gained over an epoch, in MB."""
    (_, first), *_, (_, last) = run.epochs[epoch]
    pairs = zip(first, last, strict=True)
    return [mb_of(end, figure) - mb_of(start, figure) for start, end in pairs]


def cost(run, nothing):
    """What the dataset costs each worker, in MB."""
    pairs = zip(at_end(run), at_end(nothing), strict=True)
    return [full - bare for full, bare in pairs]


def sum_of(run, figure):
    """That figure of all processes, added up, in MB."""
    return sum(mb_of(use, figure) for use in run.tree)


class Runs(NamedTuple):
    """All runs by the name of their arm, and why there are none of some."""

    made: dict
    reasons: dict

    def value(self, name, arms, samples_of, unit="MB"):
        """What ``samples_of`` finds in each round, or the gap it leaves."""
        for arm in arms:
            if arm in self.reasons:
                return Gap(name, self.reasons[arm])
        rounds = zip(*(self.made[arm] for arm in arms), strict=True)
        try:
            samples = [s for runs in rounds for s in samples_of(*runs)]
        except UnreadableError as error:
            return Gap(name, str(error))
        return Measurement.of(name, samples, unit)


def take_turns(arms, reasons, rounds):
    """Run each arm once a round, in random order."""
    arms = {name: arm for name, arm in arms.items() if name not in reasons}
    made = {name: [] for name in arms}
    order = list(arms)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            made[name].append(arms[name]())
    return Runs(made, reasons)


def letters_read(runs):
    """How many letters each whole epoch has read: the same for all."""
    whole = [
        run.letters
        for name, made in runs.made.items()
        if name not in ("collected", "frozen")
        for run in made
    ]
    (letters,) = set(whole)
    return len(whole), letters


if __name__ == "__main__":
    start_method = multiprocessing.get_start_method()
    runs = take_turns(
        arms_of(start_method),
        without(start_method, sizes_mb["tensor"]),
        rounds=2 if start_method == "fork" else 1,
    )
    epochs, letters = letters_read(runs)
    print(f"{epochs} epochs, each of which has read {letters:,} letters.")

# %% [markdown]
# ## What is in the sack
#
# The workers of all runs with 4 helpers are the samples. (They resemble each other: the intervals say how
# alike workers are on this machine, not what another machine would show.) *Its price* is the USS at the end,
# less that of a worker with nothing: in MB, and as a share of what the storage takes in the main process.
# (Close to zero it can come out negative: workers differ by as much without any dataset. And it can exceed
# 100%. The size adds up the objects, but Python hands out memory in steps of 16 bytes, and what is copied is
# whole pages, gaps included.)


# %% tags=["fold"]
def arms_of_most():
    """The name of each storage, and of its arm with the most helpers."""
    arms = {make.storage: f"{make.storage} {MOST}" for make in STORAGES}
    return arms | {"nothing": "nothing"}


def row_of(runs, storage):
    """A row about the workers that read this storage."""
    arm, pair = f"{storage} {MOST}", (f"{storage} {MOST}", "nothing")

    def share(run, nothing):
        return [100 * mb / sizes_mb[storage] for mb in cost(run, nothing)]

    return [
        storage,
        runs.value(f"growth_{storage}_mb", [arm], growth),
        runs.value(
            f"rss_growth_{storage}_mb", [arm], partial(growth, figure="rss")
        ),
        runs.value(f"cost_{storage}_mb", pair, cost),
        runs.value(f"{storage}_private_pct", pair, share, "%"),
    ]


def curve(runs, arm):
    """USS of a worker against the share of the captions that is read."""

    def seen(run, number):
        return [mb_of(use, "uss") for use in run.epochs[0][number][1]]

    return [
        (pct, runs.value("uss_mb", [arm], partial(seen, number=number)))
        for number, pct in enumerate(LOOKS_PCT)
    ]


def picture(runs):
    """The curves of all storages; None where there is nothing to draw."""
    curves = {
        storage: curve(runs, arm) for storage, arm in arms_of_most().items()
    }
    measured = {
        storage: points
        for storage, points in curves.items()
        if isinstance(points[0][1], Measurement)
    }
    if not measured:
        return None
    return Lines(
        alt="Private memory of a worker over an epoch, by what its dataset "
        "holds: a list, an array, a tensor or nothing.",
        series=measured,
        x_label="captions read, % of the epoch",
        y_label="USS of a worker, MB",
    )


if __name__ == "__main__":
    nothing = [
        "nothing",
        runs.value("growth_nothing_mb", ["nothing"], growth),
        runs.value(
            "rss_growth_nothing_mb",
            ["nothing"],
            partial(growth, figure="rss"),
        ),
        "",
        "",
    ]
    uss_at_end = [
        runs.value(f"uss_{storage}_mb", [arm], at_end)
        for storage, arm in arms_of_most().items()
    ]
    show(
        Report(
            title=f"A worker, one of {MOST}, over an epoch, by {start_method}",
            columns=[
                "dataset",
                "USS grows",
                "RSS grows",
                "its price",
                "of its size",
            ],
            rows=[row_of(runs, make.storage) for make in STORAGES] + [nothing],
            figure=picture(runs),
            more_values=uss_at_end,
        )
    )

# %% [markdown]
# Under *fork* the list is shared at first, and every page that holds strings becomes a private copy as
# soon as one of them is read: to look at an object Python adds one to its reference count, in the object
# itself, and takes it off again afterwards. The letters stay as they were, but for the system a write is a
# write. A page holds many strings, and shuffling sends every worker to every page. So each worker ends
# with more than four fifths of the list for itself, though it has read only its share of the captions.
#
# Reading a row of the array or of the tensor writes to neither. The short-lived objects that it makes lie
# elsewhere, and the next row uses their memory again.
#
# RSS of the workers with the list does not grow: each copy takes the place of a shared page. It errs in
# the other direction as well. Under *spawn* and *forkserver* torch moves the tensor into shared memory, one
# for all, and a worker's RSS grows by whatever it reads there, though nothing new is taken.
#
# ## What all of them take together
#
# The main process and its workers, at the end of the first epoch. (Pages of libraries that programs
# outside use, too, count in part only.)


# %% tags=["fold"]
def totals_of(runs, storage):
    """The memory of all processes, by the number of helpers."""
    return [
        runs.value(
            f"total_{storage}_mb_{helpers}",
            [f"{storage} {helpers}"],
            lambda run: [sum_of(run, "pss")],
        )
        for helpers in HELPERS
    ]


def rss_of(runs, storage):
    """What adding up RSS says, and how many times too much that is."""
    arm, name = [f"{storage} {MOST}"], f"{storage}_mb_{MOST}"
    return [
        runs.value(f"rss_sum_{name}", arm, lambda run: [sum_of(run, "rss")]),
        runs.value(
            f"rss_overcount_{storage}_{MOST}",
            arm,
            lambda run: [sum_of(run, "rss") / sum_of(run, "pss")],
            "×",
        ),
    ]


def picture_of_totals(totals):
    """Memory against helpers; None where there is nothing to draw."""
    lines = {
        storage: list(zip(HELPERS, values, strict=True))
        for storage, values in totals.items()
        if all(isinstance(value, Measurement) for value in values)
    }
    if not lines:
        return None
    return Lines(
        alt="Memory of all processes with 0, 2 and 4 helpers: the line of the "
        "list is the steepest.",
        series=lines,
        x_label="helpers",
        y_label="PSS of all processes, MB",
        spacing="even",
    )


if __name__ == "__main__":
    totals = {make.storage: totals_of(runs, make.storage) for make in STORAGES}
    show(
        Report(
            title="All processes together, by PSS and by RSS",
            columns=[
                "dataset",
                *(f"{helpers} helpers" for helpers in HELPERS),
                f"RSS, {MOST} helpers",
                "RSS / PSS",
            ],
            rows=[
                [storage, *values, *rss_of(runs, storage)]
                for storage, values in totals.items()
            ],
            figure=picture_of_totals(totals),
        )
    )

# %% [markdown]
# Every helper takes something for itself, whatever the dataset. With the list it takes a copy of the list on
# top. Adding up RSS tells neither: it counts each shared page once for every process.
#
# ## Is it a leak?
#
# Memory that grows from batch to batch looks like one. Here the workers with the list go through it again,
# shuffled anew; others read it in order, and others do not read it at all.


# %% tags=["fold"]
def in_order_ratio(in_order, shuffled):
    """Growth in order over growth shuffled, for each worker."""
    pairs = zip(growth(in_order), growth(shuffled), strict=True)
    return [ordered / mixed for ordered, mixed in pairs]


if __name__ == "__main__":
    shuffled = f"list {MOST}"
    second = runs.value(
        "second_epoch_growth_list_mb", [shuffled], partial(growth, epoch=1)
    )
    in_order = runs.value("growth_in_order_mb", ["in order"], growth)
    collected = runs.value("growth_collected_mb", ["collected"], growth)
    frozen = runs.value("growth_collected_frozen_mb", ["frozen"], growth)
    # Measured already: a value is recorded under one name.
    first = str(runs.value("growth_list_mb", [shuffled], growth))
    show(
        Report(
            title=f"The list and {MOST} helpers: what makes a worker grow",
            columns=["what the worker does", "USS grows"],
            rows=[
                ["reads its share, shuffled", first],
                ["reads another share, shuffled anew", second],
                ["reads its share in order", in_order],
                ["reads nothing, collects garbage", collected],
                ["the same, after gc.freeze()", frozen],
            ],
            more_values=[
                runs.value(
                    "in_order_over_shuffled",
                    ["in order", shuffled],
                    in_order_ratio,
                    "×",
                )
            ],
        )
    )

# %% [markdown]
# It is no leak. What has been copied is not copied again, so the second epoch adds next to nothing.
# (Without `persistent_workers` each epoch has new workers, and they begin anew.) In order, each worker
# reads only the pages of its own batches, and grows less than half as much: where the captions lie in
# memory in the order in which they are read, a validation loader that does not shuffle is the cheaper one.
#
# The collector is a goblin of its own. One full collection in a worker copies more than 10 MB of objects
# that Python and its libraries have made, and `gc.freeze()` before the workers start prevents it. Against
# reference counts it is powerless: it was called before every run in which the list was copied.
#
# ## How much is much?
#
# The price grows with the number of objects, and with the helpers. For captions as long as these:

# %% tags=["fold"]
if __name__ == "__main__":
    arms = [f"list {MOST}", "nothing"]

    def mb_per_million(run, bare):
        return [mb / CAPTIONS * 1e6 for mb in cost(run, bare)]

    def millions_per_gb(run, bare):
        return [1000 / (MOST * mb) for mb in mb_per_million(run, bare)]

    show(
        Report(
            title="What a list of captions costs",
            columns=["a list of such captions", "measured"],
            rows=[
                [
                    "a million captions cost each helper",
                    runs.value("mb_per_million_list", arms, mb_per_million),
                ],
                [
                    f"{MOST} helpers take 1 GB more from",
                    runs.value(
                        f"million_captions_per_gb_{MOST}",
                        arms,
                        millions_per_gb,
                        "million captions",
                    ),
                ],
            ],
        )
    )

# %% [markdown]
# ## What to take home
#
# Keep what is large in one piece. A list of strings costs each helper more than four fifths of its size,
# under each start method; one tensor costs less than a tenth of its own. Under *fork* one NumPy array serves
# as well: workers that read it grow by less than 2 MB. (Not one of `dtype=object`, which is a list of objects
# again.) Under *spawn* and *forkserver* every worker gets a copy of the array, but none of the tensor: take
# the tensor if you do not know who will run your code. What you pay is the room for the longest row, and a
# line to decode it: less than 50 µs a caption here.
#
# Watch USS or PSS, never RSS alone. `spritedocs.machine.memory.memory_of(pid)` reads all three.
#
# **Where it stops mattering.** Multiply: the size of the Python objects that your dataset holds, times the
# helpers of all loaders that are alive, times the ranks on the machine. With four helpers, a million captions
# like these take less than a GB. If the product is small beside the memory you have, keep your
# list: it is the simplest to read. If it is not, the tensor is a few lines away, and fewer helpers are a
# remedy, too.
