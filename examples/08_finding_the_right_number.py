# ---
# title: Finding the right number of helpers
# description: Throughput against the number of workers, for items that wait, that compute, and PNG files.
# time_limit_s: 240
# claims:
#   - waiting_beyond_cores > 1.3
#   - computing_beyond_cores < 1.25
#   - png_beyond_cores < 1.25
#   - computing_at_cores < usable_cores
#   - waiting_speedup_1 < 1.05
#   - smallest_good_waiting == 4
#   - waiting_gain_8 < 1.05
#   - cpu_count_held == cpu_count
#   - usable_cores_held == 1
# ---

# %% [markdown]
# # Finding the right number of helpers
#
# **Motive.** Two helper sprites carry more than one, and four more than two. So why not a hundred?
# Because at some number the next helper finds nothing left to help with. Where that is depends on
# what makes an item slow, on the cores you may use, and on how fast the model eats.
#
# **What is measured.** First, the throughput (items per second, nobody training) with 0, 1, 2, 4 and 8
# helpers, with as many as there are usable cores, and with twice as many; for items that *wait*, items
# that *compute*, and PNG files. Then, the data wait of a training loop. Last, the procedure of the
# guide, which turns such figures into a number. Only later epochs count: `persistent_workers=True`
# has the helpers there already. All settings take turns, in random order.
#
# **Caveat.** Items wait in a `time.sleep`, which stands for a network or a slow disk, and the training
# step is another. How long these take is typed in, below; how they *scale* is measured. A real disk or
# network fills up at some point, a sleep never does. The PNG files were written just before, so they
# come from the file cache: what they cost is decoding, not the disk.

# %%
import atexit
import json
import random
import re
import time
import warnings
from contextlib import ExitStack
from itertools import cycle, pairwise
from typing import NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from spritedocs.datasets import Delayed, SpriteFolder, SpriteTensors
from spritedocs.machine import (
    NoRoomError,
    room_for,
    run_scripts,
    usable_cores,
    why_no_helpers,
)
from spritedocs.report import Gap, Lines, Measurement, Report, show
from spritedocs.sprites import write_png_folder
from spritedocs.timing import compare, dismiss

KINDS = {
    "waiting": "waiting",
    "computing": "computing",
    "png": "PNG files",
}
SPRITES = 128
BATCH_SIZE = 16
WAIT_S = 0.002
COMPUTE_S = 0.0006
PNG_SIZE = 256
CROP = 32
ROUNDS = 6

# %% [markdown]
# ## Three kinds of item in one dataset
#
# An *item that waits* sleeps. An *item that computes* runs plain Python until it has used its share of
# a core. A *PNG file* is opened and decoded, and a corner of the picture handed out: large pictures
# in, small ones out, as in many a training run.
#
# An index may be anything that the dataset understands. Here it is a pair, a kind and a number. So
# the same helpers can fetch all three kinds, and the sampler, which stays in the main process, says
# which kind is wanted.


# %%
class Kinds(Dataset):
    """Several datasets in one: an index is a pair, the kind and a number."""

    def __init__(self, kinds):
        self.kinds = kinds

    def __getitem__(self, index):
        kind, number = index
        picture, _ = self.kinds[kind][number]
        return picture


class Cropped(Dataset):
    """The upper left corner of each picture of ``dataset``."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, number):
        picture, family = self.dataset[number]
        return picture[:, :CROP, :CROP], family


class Wanted(Sampler):
    """The items of the next epoch: so many batches of one kind."""

    kind = "waiting"
    batches = 1

    def __init__(self):
        pass

    def __len__(self):
        return self.batches * BATCH_SIZE

    def __iter__(self):
        for number in range(len(self)):
            yield self.kind, number % SPRITES


def three_kinds(room):
    """The dataset, its files in ``room``; and for a kind it lacks, why."""
    sprites = SpriteTensors(SPRITES)
    kinds = {
        "waiting": Delayed(sprites, WAIT_S, kind="wait"),
        "computing": Delayed(sprites, COMPUTE_S, kind="cpu"),
    }
    try:
        folder = room.enter_context(room_for(megabytes=2)) / "png"
        files = SpriteFolder(write_png_folder(folder, SPRITES, PNG_SIZE))
    except NoRoomError as error:
        return Kinds(kinds), {"png": str(error)}
    except OSError as error:
        reason = (
            f"The PNG files could not be written ({error.strerror}): "
            "set TMPDIR (on Windows TEMP) to a folder with room."
        )
        return Kinds(kinds), {"png": reason}
    return Kinds(kinds | {"png": Cropped(files)}), {}


# %% [markdown]
# ## How many helpers to try
#
# Twice the usable cores is where kinds of item part ways. More than 32 helpers are not started
# here: they would find something else to quarrel about, memory first.

# %% tags=["fold"]
MOST_HELPERS = 32


def numbers_to_try(cores):
    """0, 1, 2, 4, 8, the usable cores and twice as many, up to the most."""
    wanted = {0, 1, 2, 4, 8, cores, 2 * cores}
    return sorted(number for number in wanted if number <= MOST_HELPERS)


def batches_for(kind, number):
    """Enough for an epoch: 4 for each helper, and more of quick items."""
    return max(5 if kind == "waiting" else 10, 4 * number)


def make_loader(dataset, number):
    """A loader whose helpers, if any, stay for all epochs."""
    return DataLoader(
        dataset,
        batch_size=BATCH_SIZE,
        sampler=Wanted(),
        num_workers=number,
        persistent_workers=number > 0,
    )


class Errand:
    """Batches of one kind through one loader: something to time."""

    def __init__(self, loader, kind, batches):
        self.loader = loader
        self.kind = kind
        self.batches = batches
        self.num_workers = loader.num_workers

    def __iter__(self):
        self.loader.sampler.kind = self.kind
        self.loader.sampler.batches = self.batches
        return iter(self.loader)


# %% [markdown]
# Inside a worker torch uses one thread. The main process is held to one as well, else its 0 helpers
# would secretly be several. And torch warns of more workers than cores, which is the very thing that
# is tried here, so that warning is silenced. (And where helpers have no temporary folder to hand anything
# over, a loader would wait for ever. Then only 0 helpers are measured.)


# %%
def why_missing(missing, kind, number):
    """Why a kind is not measured with so many helpers here, or ''."""
    return missing.get(kind) or (number and missing.get("helpers")) or ""


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    room = ExitStack()  # closed at the end, or else at exit
    atexit.register(room.close)
    dataset, missing = three_kinds(room)
    if no_helpers := why_no_helpers():
        missing["helpers"] = no_helpers
    cores = usable_cores()
    numbers = numbers_to_try(cores)
    loaders = {
        number: make_loader(dataset, number)
        for number in (numbers[:1] if no_helpers else numbers)
    }
    for loader in loaders.values():
        for kind in dataset.kinds:  # each helper's first items are not timed
            for _ in Errand(loader, kind, loader.num_workers):
                pass


# %% [markdown]
# ## Throughput against helpers


# %% tags=["fold"]
def fetch_in_turns(loaders, kind):
    """Epochs of one kind by all loaders, timed in turns."""
    arms = {
        f"{kind} {number}": Errand(loader, kind, batches_for(kind, number))
        for number, loader in loaders.items()
    }
    return compare(arms, rounds=ROUNDS, warmup=False)


def throughput(fetched, missing, kind, number):
    """Items per second, or why this kind is not measured here."""
    name = f"{kind}_items_per_s_{number}"
    if why_not := why_missing(missing, kind, number):
        return Gap(name, why_not)
    return fetched[kind].value(name, f"{kind} {number}", "items_per_s")


def times_as_many(fetched, kind, above, below, name):
    """The throughput of ``above`` helpers over that of ``below``, in ×."""
    return fetched[kind].ratio(
        name, f"{kind} {above}", f"{kind} {below}", "items_per_s"
    )


def speedups(fetched, missing, kind, numbers):
    """Points for a figure: a number of helpers, and × of the 0 helpers."""
    for number in numbers:
        name = f"{kind}_speedup_{number}"
        if why_not := why_missing(missing, kind, number):
            yield number, Gap(name, why_not)
        else:
            yield number, times_as_many(fetched, kind, number, 0, name)


def label_of(number, cores):
    """The number, and what it is to this machine."""
    meaning = {cores: " = usable cores", 2 * cores: " = twice as many"}
    return f"{number}{meaning.get(number, '')}"


if __name__ == "__main__":
    fetched = {kind: fetch_in_turns(loaders, kind) for kind in dataset.kinds}
    points = {
        kind: list(speedups(fetched, missing, kind, numbers)) for kind in KINDS
    }
    lines = {
        label: points[kind]
        for kind, label in KINDS.items()
        if not why_missing(missing, kind, numbers[-1])
    }
    rows = [
        [label_of(number, cores)]
        + [throughput(fetched, missing, kind, number) for kind in KINDS]
        for number in numbers
    ]
    show(
        Report(
            title="Items per second, by number of helpers",
            columns=["helpers", *KINDS.values()],
            rows=rows,
            figure=Lines(
                alt="Throughput relative to no helpers. Items that wait gain "
                "with every doubling. Items that compute, and PNG files, "
                "level off at the usable cores.",
                series=lines,
                x_label="helpers",
                y_label="× the throughput of 0 helpers",
                spacing="even",
                reference=(cores, "usable cores"),
            )
            if lines
            else None,
            notes=[
                f"An item waits for {WAIT_S * 1e3:g} ms, or computes for "
                f"{COMPUTE_S * 1e3:g} ms, or is a PNG file of {PNG_SIZE} × "
                f"{PNG_SIZE} pixels; {BATCH_SIZE} items make a batch.",
                *(
                    note
                    for result in fetched.values()
                    for note in result.warnings
                    if "more workers" not in note  # which is the lesson
                ),
            ],
            more_values=[
                speedup
                for kind in KINDS
                for number, speedup in points[kind]
                if number > 0
            ],
        )
    )

# %% [markdown]
# **One helper is hardly faster than none.** Nobody trains here, so there is nothing to overlap with: the
# work has only moved next door, and every batch must be carried back.
#
# ## Why some profit beyond the cores
#
# How much of an item's time is spent *on a core*? Processor time divided by time on the clock says so,
# for the main process alone, without any helper. Where it is small, a helper mostly waits, and while it
# waits its core is free for another helper. Where it is nearly all, each helper needs a core of its
# own, and when there is none left the helpers share. (Take this figure on a quiet machine: a program that
# has to wait for a core looks as if its items waited.)


# %% tags=["fold"]
TOO_MANY = (
    f"More than {MOST_HELPERS} helpers are not started here: hold the script "
    "to fewer cores, on Linux with taskset -c 0-15."
)


def core_share(dataset, kind, seconds=0.1):
    """The share of its time, 0 to 1, that fetching items is on a core."""
    begun, on_core = time.perf_counter(), time.thread_time()
    for number in cycle(range(SPRITES)):
        dataset[kind, number]
        if (elapsed := time.perf_counter() - begun) >= seconds:
            break
    return min(1, (time.thread_time() - on_core) / elapsed)


def past_the_cores(fetched, missing, kind, cores):
    """What as many helpers as cores gain, and twice as many beyond that."""
    steps = {
        f"{kind}_at_cores": (cores, 0),
        f"{kind}_beyond_cores": (2 * cores, cores),
    }
    for name, (above, below) in steps.items():
        if why_not := why_missing(missing, kind, above):
            yield Gap(name, why_not)
        elif above > MOST_HELPERS:
            yield Gap(name, TOO_MANY)
        else:
            yield times_as_many(fetched, kind, above, below, name)


def scaling(dataset, fetched, missing, kind, cores):
    """The cells of one kind: time on a core, and the gains."""
    name = f"{kind}_core_share_pct"
    if kind in missing:
        on_core = Gap(name, missing[kind])
    else:
        shares = [100 * core_share(dataset, kind) for _ in range(3)]
        on_core = Measurement.of(name, shares, "%")
    return [on_core, *past_the_cores(fetched, missing, kind, cores)]


if __name__ == "__main__":
    show(
        Report(
            title="Throughput with as many helpers as cores, and with more",
            columns=[
                "",
                "time on a core",
                f"{cores} against 0",
                f"{2 * cores} against {cores}",
            ],
            rows=[
                [label, *scaling(dataset, fetched, missing, kind, cores)]
                for kind, label in KINDS.items()
            ],
        )
    )

# %% [markdown]
# With twice as many helpers as cores, items that wait come more than 1.3 times as fast as with one
# helper a core. Items that compute, and PNG files, gain less than a quarter from the same step, and
# where the interval includes 1, nothing that could be told from noise. Nor do items that compute gain
# a whole core's worth from each core: carrying batches takes processor time too, from the helpers and
# from the main process.
#
# On a machine with many cores another end comes near. The main process receives all batches, one after
# another, and no number of helpers can bring more of them in a second than it can take. You see it where the
# last rows of the table have items that wait and items that compute come at about the same rate, though they
# take different times. `07_summoning_cost.py` measures how long it takes to receive a batch. Larger batches
# push that end away.
#
# ## The count that lies
#
# So "usable cores" matters, and it is not what `os.cpu_count()` says: that counts the machine's
# logical cores, whoever may use them. Two small programs look around, one of them held to one core by
# its *affinity*, as `taskset`, a batch system or a container does it.

# %% tags=["fold"]
LOOK_AROUND = """
import json, os, warnings
import psutil
from torch.utils.data import DataLoader
from spritedocs.machine import quota_cores, usable_cores

me = psutil.Process()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    DataLoader([0], num_workers=100_000)  # made, but never started
print(json.dumps({
    "cpu_count": os.cpu_count(),
    "affinity_cores": hasattr(me, "cpu_affinity") and len(me.cpu_affinity()),
    "suggested_workers": "".join(str(one.message) for one in caught),
    "quota_cores": quota_cores(),
    "usable_cores": usable_cores(),
}))
"""
ONE_CORE = """
import psutil

me = psutil.Process()
me.cpu_affinity(me.cpu_affinity()[:1])
"""
ASKED = {
    "cpu_count": "os.cpu_count()",
    "affinity_cores": "affinity",
    "suggested_workers": "the DataLoader's suggestion",
    "quota_cores": "quota of the cgroup",
    "usable_cores": "usable_cores()",
}


def seen_by(outcome):
    """What a program that looked around said, or why it said nothing."""
    said = re.search(r"^\{.*\}$", outcome.text, re.MULTILINE)
    if "no attribute 'cpu_affinity'" in outcome.text:
        return "No process can be held to one core here: Linux and Windows can."
    if outcome.status != 0 or not said:
        return "The script that looks around failed: run it by hand to see why."
    seen = json.loads(said[0])
    number = re.search(r"system is (\d+)", seen["suggested_workers"])
    return seen | {"suggested_workers": number and int(number[1])}


def cores_cell(seen, asked, name):
    """A count of cores, or what stands in place of it."""
    if isinstance(seen, str):
        return Gap(name, seen)
    if asked == "quota_cores" and seen[asked] is None:
        return "no limit"
    if not seen[asked]:
        return Gap(name, "This system does not say what it was asked for.")
    return Measurement.of(name, [seen[asked]], "")


def look_around():
    """What a free process sees, and one that is held to one core."""
    try:
        with room_for(megabytes=1):
            outcomes = run_scripts(
                {"free": LOOK_AROUND, "held": ONE_CORE + LOOK_AROUND}
            )
    except NoRoomError as error:
        return str(error), str(error)
    except OSError as error:
        reason = (
            f"No script could be written ({error.strerror}): "
            "set TMPDIR (on Windows TEMP) to a folder with room."
        )
        return reason, reason
    return seen_by(outcomes["free"]), seen_by(outcomes["held"])


if __name__ == "__main__":
    free, held = look_around()
    show(
        Report(
            title="How many cores are there?",
            columns=["asked", "this process", "held to one core"],
            rows=[
                [
                    question,
                    cores_cell(free, asked, asked),
                    cores_cell(held, asked, f"{asked}_held"),
                ]
                for asked, question in ASKED.items()
            ],
        )
    )

# %% [markdown]
# Held to one core, `os.cpu_count()` still counts them all, and `usable_cores()` says 1. (Python 3.13 has
# `os.process_cpu_count()`, which knows affinity.) On Linux the DataLoader's own suggestion follows
# affinity too.
#
# What none of them but `usable_cores()` knows is a CPU *quota*, with which `docker run --cpus=2` and
# Kubernetes' limits hold a container back. To set one takes rights that an example should not ask for,
# so no such process is tried here: the row only says what this one was given. Where to read it:
# `/sys/fs/cgroup/cpu.max`, quota and period in microseconds (cgroup v2); their ratio is the number of cores.
#
# ## A model that eats at its own pace
#
# So far nobody trained. Now a training step follows each batch: a sleep, which stands for a GPU at
# work and leaves the cores alone. (A step that computes on the CPU would need a core like any helper.)
# The *data wait* is the share of the time in which the loop stands waiting for a batch. It is counted
# from the first batch to the last: in an epoch as short as this one, the first batch would weigh too
# much.

# %%
STEP_S = 0.014
TRIED = {"waiting": (0, 2, 4, 8), "png": (0, 2, 4)}


class Trained(NamedTuple):
    """One epoch of training."""

    data_wait: float
    """The share of the time, 0 to 1, not spent in the step."""
    steps_per_s: float


def train(loader, step_s=STEP_S):
    """Train for an epoch, timed from the first batch to the last."""
    begun, done = [], []
    for _ in loader:
        begun.append(time.perf_counter())
        time.sleep(step_s)
        done.append(time.perf_counter())
    span = begun[-1] - begun[0]
    waits = [start - end for end, start in zip(done, begun[1:], strict=False)]
    return Trained(sum(waits) / span, len(waits) / span)


def train_in_turns(loaders, kinds):
    """For each kind and number an epoch a round, in random order."""
    settings = [
        (kind, number)
        for kind, numbers in TRIED.items()
        if kind in kinds
        for number in numbers
        if number in loaders
    ]
    trained = {setting: [] for setting in settings}
    shuffled = random.Random(0)
    for _ in range(ROUNDS):
        for kind, number in shuffled.sample(settings, len(settings)):
            batches = max(5, 3 * number)
            errand = Errand(loaders[number], kind, batches)
            trained[kind, number].append(train(errand))
    return trained


# %% [markdown]
# A data wait of *w* with 0 helpers bounds the gain: even if batches came for free, training would be at
# most 1 / (1 − *w*) times as fast. And the guide's procedure needs two figures for each number of
# helpers, the data wait, and what the step up from the number before has brought.


# %%
ENOUGH_PCT = 5
WORTHWHILE = 1.05


def smallest_good(data_wait, gain):
    """Where the procedure stops, and why.

    ``data_wait`` is in %, by number of helpers; ``gain`` is the throughput
    over that of the number before, in ×. What counts is the end of an
    interval that speaks against the helpers.
    """
    numbers = sorted(data_wait)
    for before, number in pairwise([None, *numbers]):
        if before is not None and gain[number].bounds[0] < WORTHWHILE:
            return before, f"{number} are not measurably better"
        if data_wait[number].bounds[1] < ENOUGH_PCT:
            return number, f"the data wait is under {ENOUGH_PCT}%"
    return numbers[-1], "more were not tried"


# %% tags=["fold"]
def data_waits(trained, kind):
    """The data wait in % by number of helpers."""
    return {
        number: Measurement.of(
            f"{kind}_data_wait_pct_{number}",
            [100 * epoch.data_wait for epoch in trained[kind, number]],
            "%",
        )
        for number in TRIED[kind]
        if (kind, number) in trained
    }


def faster(trained, kind, above, below, name):
    """Steps per second over those with ``below`` helpers, round by round."""
    pairs = zip(trained[kind, above], trained[kind, below], strict=True)
    ratios = [more.steps_per_s / less.steps_per_s for more, less in pairs]
    return Measurement.of(name, ratios, "×")


def gains(trained, kind):
    """What each number brought over the number before it, in ×."""
    return {
        number: faster(trained, kind, number, before, f"{kind}_gain_{number}")
        for before, number in pairwise(TRIED[kind])
    }


def training_cells(trained, missing, number):
    """Of each kind the data wait, and the gain over the number before."""
    for kind in TRIED:
        names = f"{kind}_data_wait_pct_{number}", f"{kind}_gain_{number}"
        if number not in TRIED[kind]:
            yield from ("–", "–")
        elif why_not := why_missing(missing, kind, number):
            yield Gap(names[0], why_not)
            yield Gap(names[1], why_not) if number else ""
        else:
            yield data_waits(trained, kind)[number]
            yield gains(trained, kind)[number] if number else ""


if __name__ == "__main__":
    trained = train_in_turns(loaders, dataset.kinds)
    for loader in loaders.values():
        dismiss(loader)
    room.close()
    columns = ["helpers"]
    for kind in TRIED:
        columns += [f"{KINDS[kind]}: data wait", "times as fast as before"]
    show(
        Report(
            title=f"Training, {STEP_S * 1e3:g} ms a step",
            columns=columns,
            rows=[
                [str(number), *training_cells(trained, missing, number)]
                for number in TRIED["waiting"]
            ],
        )
    )

# %% [markdown]
# ## The procedure
#
# 1. Start with **0**. Measure the data wait. Under 5%: stop, helpers have nothing to win.
# 2. Try **2**. Time later epochs, in turns with those of 0, more than once.
# 3. Try **4**, and go on: up to the usable cores, and beyond them if items mostly wait.
# 4. **Stop** when the data wait is under 5%, or when the last step up brought nothing you can measure.
# 5. Keep the **smallest** number that is as good. Every helper costs memory.
#
# `smallest_good` above is this procedure. It calls a step up measurable if the interval of its gain lies
# above 1.05 as a whole: less than that is what a data wait of 5% could bring at most. Likewise, a data wait
# counts as under 5% if its whole interval is. This is where it stops, among the numbers tried:


# %% tags=["fold"]
def verdict(trained, missing, kind):
    """At most, reached, the number of helpers; and a sentence why."""
    names = f"{kind}_bound", f"{kind}_reached", f"smallest_good_{kind}"
    if kind in missing:
        return [Gap(name, missing[kind]) for name in names], missing[kind]
    bounds = [1 / (1 - epoch.data_wait) for epoch in trained[kind, 0]]
    bound = Measurement.of(names[0], bounds, "×")
    if why_not := missing.get("helpers"):
        return [bound, *(Gap(name, why_not) for name in names[1:])], why_not
    number, why = smallest_good(data_waits(trained, kind), gains(trained, kind))
    reached = faster(trained, kind, number, 0, names[1])
    cells = [bound, reached, Measurement.of(names[2], [number], "")]
    return cells, f"{KINDS[kind]}: stop at {number}, since {why}."


if __name__ == "__main__":
    verdicts = {kind: verdict(trained, missing, kind) for kind in TRIED}
    show(
        Report(
            title="The smallest number that is as good",
            columns=["", "at most", "reached", "helpers"],
            rows=[
                [KINDS[kind], *cells] for kind, (cells, _) in verdicts.items()
            ],
            figure=Lines(
                alt="Data wait by number of helpers. It falls with each step "
                "up until the model is fed, and then stays small.",
                series={
                    KINDS[kind]: list(data_waits(trained, kind).items())
                    for kind in TRIED
                    if kind not in missing
                },
                x_label="helpers",
                y_label="data wait in %",
                spacing="even",
                reference=(ENOUGH_PCT, f"{ENOUGH_PCT}%: stop"),
            )
            if not no_helpers
            else None,
            notes=[sentence for _, sentence in verdicts.values()],
        )
    )

# %% [markdown]
# ## What to take home
#
# Ask first *why* an item is slow. If it computes, the usable cores are about the end of it. If it waits, they
# are not: go on until the disk or the network is full, or the main process receives all that it can. Take the
# cores you *may* use for that, not those that `os.cpu_count()` sees.
#
# **It stops mattering where the model is fed.** Of the numbers tried, 4 is the smallest that
# feeds it with items that wait, and 8 bring less than a twentieth more, because by then every batch is there
# before it is wanted. What is left of the data wait is, we presume, the carrying of batches, which no further
# helper makes shorter.
