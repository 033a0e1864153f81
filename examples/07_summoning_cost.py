# ---
# title: What a summoning costs
# description: Sprites in RAM, helpers that make them slower, and the item cost from which helpers pay.
# claims:
#   - ratio_2 > 2
#   - ratio_4 > 2
#   - ratio_2_large < ratio_2
#   - break_even_us_large < break_even_us
#   - handover_ms_per_batch > making_ms_per_batch
#   - first_batch_ms_4 > first_batch_ms_1
# ---

# %% [markdown]
# # What a summoning costs
#
# **Motive.** These sprites are in the room already: they lie in RAM, and picking one up is next to no work.
# Somebody summons helpers all the same, because helpers make things faster. How much *slower* does the
# epoch get, how much work must a sprite be before helpers pay, and what is it that costs so much?
#
# **What is measured.** Later epochs over sprites in RAM with 0, 1, 2 and 4 workers, in small and in large
# batches. Then the same sprites made dearer step by step, with 0 workers and with 2, until the two break
# even. Last, the two bills themselves: what a worker costs at the start, and what a batch costs on its way.
# Loaders take turns in random order, and every ratio compares epochs of the same round.
#
# **Caveat.** Nobody trains here: the loop only loads. During a training step helpers could work unseen, but
# the time inside `next()`, which the last table shows, stays the main process's own. The dear sprites
# *compute*, in plain Python, so helpers compete for cores with each other and with the main process.
# Sprites that wait for a disk need no core meanwhile, and have another break-even.

# %%
import itertools
import math
import multiprocessing
import random
import statistics
import sys
import time
import warnings
from functools import partial

import torch
from torch.utils.data import DataLoader

from spritedocs.datasets import Delayed, SpriteTensors
from spritedocs.machine import usable_cores, why_no_helpers
from spritedocs.report import (
    FEWEST_SAMPLES,
    Bars,
    Gap,
    Lines,
    Measurement,
    Report,
    show,
)
from spritedocs.timing import compare, dismiss, time_epoch

SPRITES = 512
SMALL, LARGE = 8, 64
ENDINGS = {SMALL: "", LARGE: "_large"}  # of the names of values
HELPERS = (0, 1, 2, 4)
ROUNDS, SWEEPS = 6, 8
EPOCH_S = 0.025  # about as long as an epoch takes here,
FEWEST_BATCHES = 12  # and it has at least so many batches

# %% [markdown]
# ## One party for all trials
#
# The helpers stay for all epochs (`persistent_workers=True`), and they do not care how large a batch is:
# they build what they are told to. So the same helpers can serve small and large batches. `Portions` is the
# loader's batch sampler, which lists the indices of each batch in the main process, and its portions may
# change between epochs.
#
# Where PyTorch passes file descriptors, as it does on Linux, a helper hands its batches over through a
# socket in the temporary folder. If no such folder can be written to, the loader waits for ever, so that is
# looked at first. On few cores torch warns that 4 workers are more than it would suggest. Too many is what
# is to be shown here, so the warning is silenced.


# %%
class Portions:
    """A batch sampler whose batches may change in size and number."""

    def __init__(self, sprites):
        self.sprites = sprites
        self.batch_size = SMALL
        self.batches = FEWEST_BATCHES

    def __len__(self):
        return self.batches

    def __iter__(self):
        indices = itertools.cycle(range(self.sprites))
        for _ in range(self.batches):
            yield list(itertools.islice(indices, self.batch_size))


def make_loader(dataset, num_workers):
    """A loader of portions whose helpers, if any, stay for all epochs."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    return DataLoader(
        dataset,
        batch_sampler=Portions(len(dataset)),
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


def gather(dataset, numbers):
    """A loader for each number of helpers, with its helpers awake."""
    party = {number: make_loader(dataset, number) for number in numbers}
    for loader in party.values():
        time_epoch(loader)
    return party


def send_home(party):
    """End all helpers in good order, so that they tidy up behind them."""
    for loader in party.values():
        dismiss(loader)


def measured(name, samples, unit, why_not, label=""):
    """The value of these samples, or a gap where there are none."""
    if samples:
        return Measurement.of(name, samples, unit, label)
    return Gap(name, why_not)


if __name__ == "__main__":
    sprites = SpriteTensors(SPRITES)
    no_helpers = why_no_helpers()
    party = gather(sprites, HELPERS[:1] if no_helpers else HELPERS)

# %% [markdown]
# ## A fair race
#
# The same number of batches would not do: without helpers it is over in a blink, with them it takes a
# while. So each loader gets as many as keep it busy for some hundredths of a second, and what is compared
# is the time of an epoch *divided by its sprites*.


# %% tags=["fold"]
def us_per_sprite(loader, batch_size, batches):
    """The time of one epoch, in µs for each of its sprites."""
    loader.batch_sampler.batch_size = batch_size
    loader.batch_sampler.batches = batches
    epoch = time_epoch(loader)
    return epoch.total_s / epoch.items * 1e6


def plan(party, batch_size):
    """How many batches last for EPOCH_S with each loader, after a trial."""
    batches = {}
    for number, loader in party.items():
        us = us_per_sprite(loader, batch_size, FEWEST_BATCHES) * batch_size
        batches[number] = max(FEWEST_BATCHES, round(EPOCH_S * 1e6 / us))
    return batches


def race(party, batch_size, batches):
    """µs per sprite with each loader, one after another in random order."""
    return {
        number: us_per_sprite(party[number], batch_size, batches[number])
        for number in random.sample(list(party), len(party))
    }


def times(races, number):
    """µs per sprite with so many helpers, race by race."""
    return [us[number] for us in races if number in us]


def ratios(races, number):
    """How many times as long as without helpers, race by race."""
    return [us[number] / us[0] for us in races if number in us]


if __name__ == "__main__":
    plans = {size: plan(party, size) for size in ENDINGS}
    in_ram = {size: [] for size in ENDINGS}
    for _ in range(ROUNDS):
        for size, races in in_ram.items():
            races.append(race(party, size, plans[size]))

# %% [markdown]
# ## Sprites in RAM, helpers in the way
#
# More than 1× means slower than without helpers.


# %% tags=["fold"]
def in_ram_rows(size, races, why_not):
    """Two rows of a table: µs per sprite, and how many times as long."""
    end = ENDINGS[size]
    us = [
        measured(f"sprite_us_{n}{end}", times(races, n), "µs", why_not)
        for n in HELPERS
    ]
    slower = [
        measured(f"ratio_{n}{end}", ratios(races, n), "×", why_not)
        for n in HELPERS[1:]
    ]
    return [[f"batches of {size}", *us], ["times as long", "", *slower]]


def headings(numbers):
    """Column names: 0 helpers, 1 helper, 2 helpers."""
    return [f"{n} helper{'s' * (n != 1)}" for n in numbers]


if __name__ == "__main__":
    show(
        Report(
            title="Sprites in RAM: time per sprite, later epochs",
            columns=["", *headings(HELPERS)],
            rows=[
                row
                for size, races in in_ram.items()
                for row in in_ram_rows(size, races, no_helpers)
            ],
        )
    )

# %% [markdown]
# In small batches the sprites take more than twice as long with two helpers, and four helpers do not mend
# it. Hands are not what is missing. Every *batch* has to be carried from one process to another, and a
# batch of 64 spreads that over 64 sprites where a batch of 8 has 8 to spread it over. So two helpers do
# less harm to the large ones.
#
# ## A dial for the work
#
# Now every sprite gets some computing to do. Helpers hold the dataset as it was when they were summoned: an
# ordinary attribute would change in the main process alone. A tensor in shared memory is one and the same
# for all of them, so it can be the dial.


# %%
class DialledSprites(Delayed):
    """Sprites that compute for as long as a dial in shared memory says."""

    def __init__(self, dataset):
        self.dial = torch.zeros(1, dtype=torch.float64).share_memory_()
        super().__init__(dataset, seconds=0.0, kind="cpu")

    @property
    def seconds(self):
        """The processor time that is added to each sprite."""
        return float(self.dial)

    @seconds.setter
    def seconds(self, value):
        self.dial.fill_(value)


ADDED_US = {SMALL: (0, 30, 100, 300, 1000), LARGE: (0, 15, 50, 150)}
PAIR = (0, 2)


def why_no_sweep():
    """A sentence if work cannot be added by the microsecond, else ''."""
    if sys.platform == "win32":
        return (
            "On Windows the clock of a thread's work ticks too slowly to add "
            "microseconds: run this on Linux (WSL will do) or macOS."
        )
    return why_no_helpers()


def sweep(dialled, pair, rounds):
    """The races of each pair (batch size, added µs), one a round."""
    cells = [(size, us) for size in ADDED_US for us in ADDED_US[size]]
    plans, races = {}, {cell: [] for cell in cells}
    for size, added in cells:
        dialled.seconds = added / 1e6
        plans[size, added] = plan(pair, size)
    for _ in range(rounds):
        for size, added in random.sample(cells, len(cells)):
            dialled.seconds = added / 1e6
            races[size, added].append(race(pair, size, plans[size, added]))
    return races


if __name__ == "__main__":
    no_sweep = why_no_sweep()
    swept = {}
    if not no_sweep:
        dialled = DialledSprites(sprites)
        pair = gather(dialled, PAIR)
        swept = sweep(dialled, pair, SWEEPS)
        send_home(pair)

# %% [markdown]
# ## Where they break even
#
# Every round draws a curve of its own: the ratio over the cost of a sprite, *as measured without helpers*
# in the same round. (The work added is only what the dial was set to: picking the sprite up and putting it
# into its batch come on top.) Somewhere between a sprite that is slower with helpers and the next dearer
# one, which is not, the curve crosses 1. Where exactly is interpolated between the two, on logarithmic
# scales. If it comes down more than once, the last time counts. (Reading the dial takes a little time as
# well. So with no work added the ratio is lower here than in the first table.)


# %% tags=["fold"]
def break_even(costs, ratios):
    """The cost at which the ratios fall below 1 for good, between two points.

    None if they do not: the dearest sprite still loses, or every sprite wins.
    """
    steps = itertools.pairwise(zip(costs, ratios, strict=True))
    for (cheap, slow), (dear, fast) in reversed(list(steps)):
        if fast >= 1:
            return None
        if slow >= 1:
            share = math.log(slow) / math.log(slow / fast)
            return cheap * (dear / cheap) ** share
    return None


def break_evens(swept, size):
    """Each round's break-even cost in µs, for the rounds that have one."""
    cells = [swept[size, added] for added in ADDED_US[size]]
    found = [
        break_even([us[0] for us in curve], [us[2] / us[0] for us in curve])
        for curve in zip(*cells, strict=True)
    ]
    return [us for us in found if us is not None]


def why_no_break_even(swept, size):
    """A sentence if too few rounds break even to say where, else ''."""
    if usable_cores() < 2:
        return (
            "On one usable core two helpers that compute cannot win, whatever "
            "a sprite costs: it takes a second core to break even."
        )
    if len(break_evens(swept, size)) >= FEWEST_SAMPLES:
        return ""
    dearest = ratios(swept[size, ADDED_US[size][-1]], 2)
    if lost := sum(ratio >= 1 for ratio in dearest):
        return (
            f"With batches of {size} helpers lost in {lost} of {len(dearest)} "
            "rounds even with the dearest sprite: end other programs, which "
            "take their cores."
        )
    return (
        f"With batches of {size} helpers pay for the cheapest sprite already: "
        "smaller batches would break even."
    )


def left_out(swept, size):
    """A sentence if some rounds do not count for want of one, else ''."""
    rounds, found = len(swept[size, 0]), len(break_evens(swept, size))
    if why_no_break_even(swept, size) or found == rounds:
        return ""
    return (
        f"With batches of {size}, {found} of {rounds} rounds break even; the "
        "others are left out."
    )


def break_even_values(swept, size, why_not):
    """The cost at break-even: of a sprite in µs, and of a batch in ms."""
    why_not = why_not or why_no_break_even(swept, size)
    us = [] if why_not else break_evens(swept, size)
    ms = [cost * size / 1000 for cost in us]
    end = ENDINGS[size]
    label = f"break even, {size}"
    return (
        measured(f"break_even_us{end}", us, "µs", why_not),
        measured(f"break_even_ms_per_batch{end}", ms, "ms", why_not, label),
    )


def curve_of(swept, size):
    """For each step of the dial, a sprite's cost and the ratio."""
    curve = []
    for added in ADDED_US[size]:
        races, end = swept[size, added], f"with_{added}_us{ENDINGS[size]}"
        cost = Measurement.of(f"sprite_us_{end}", times(races, 0), "µs")
        ratio = Measurement.of(f"ratio_2_{end}", ratios(races, 2), "×")
        curve.append((cost, ratio))
    return curve


def rows_of(size, curve, cost_at_break_even):
    """A table's rows: the curve, if there is one, and its break-even."""
    name = f"batches of {size}"
    steps = [
        [name, f"{us} µs", *point]
        for us, point in zip(ADDED_US[size], curve, strict=False)
    ]
    return [*steps, [name, "at break-even", cost_at_break_even, ""]]


def picture_of(curves):
    """The ratios over the cost of a sprite."""
    return Lines(
        alt="The dearer a sprite, the smaller the ratio of the time with 2 "
        "helpers to the time without. Small batches start higher than large.",
        series={
            f"batches of {size}": [
                (float(f"{cost.median:.3g}"), ratio) for cost, ratio in curve
            ]
            for size, curve in curves.items()
        },
        x_label="cost of a sprite without helpers, µs",
        y_label="time with 2 helpers / without",
        spacing="log",
        log_y=True,
        reference=(1, "break even"),
    )


if __name__ == "__main__":
    curves = {size: curve_of(swept, size) for size in ENDINGS if swept}
    even = {size: break_even_values(swept, size, no_sweep) for size in ENDINGS}
    notes = [left_out(swept, size) for size in curves]
    show(
        Report(
            title="Sprites with work added, 2 helpers against none",
            columns=["", "work added", "a sprite then takes", "times as long"],
            rows=[
                row
                for size, (cost, _) in even.items()
                for row in rows_of(size, curves.get(size, []), cost)
            ],
            figure=picture_of(curves) if curves else None,
            notes=[note for note in notes if note],
        )
    )

# %% [markdown]
# In large batches a sprite may be cheaper and still pay for its helpers. They are summoned for sprites, but
# they are paid by the *batch*. So the last table gives the break-even once more, as the work in a whole
# batch.
#
# ## The first bill: waking them
#
# New loaders, again and again: how long until the first batch? Workers are started one after another, and
# no indices are handed out until the last has been started. So the first batch waits for all of them, not
# only for the helper that builds it. The slope of a straight line through the three times of a round is
# what each further helper adds. Under spawn and forkserver this takes seconds, so there are fewer rounds.


# %% tags=["fold"]
def first_batches(dataset, numbers, rounds):
    """ms until the first batch of a new loader, by number of helpers."""
    arms = {str(n): partial(make_loader, dataset, n) for n in numbers}
    epochs = compare(arms, rounds, warmup=False).arms if arms else {}
    return {
        int(name): [epoch.startup_s * 1000 for epoch in arm]
        for name, arm in epochs.items()
    }


def slopes(waits):
    """What each further helper adds, round by round."""
    numbers = list(waits)
    return [
        statistics.linear_regression(numbers, ms).slope
        for ms in zip(*waits.values(), strict=True)
    ]


if __name__ == "__main__":
    start_method = multiprocessing.get_start_method()
    new = first_batches(
        sprites,
        [] if no_helpers else HELPERS[1:],
        rounds=7 if start_method == "fork" else 2,
    )
    show(
        Report(
            title=f"Until the first batch of a new loader, by {start_method}",
            columns=[*headings(HELPERS[1:]), "each further helper"],
            rows=[
                [
                    *(
                        measured(
                            f"first_batch_ms_{number}",
                            new.get(number),
                            "ms",
                            no_helpers,
                        )
                        for number in HELPERS[1:]
                    ),
                    measured(
                        "startup_ms_per_worker", slopes(new), "ms", no_helpers
                    ),
                ]
            ],
        )
    )

# %% [markdown]
# Four new helpers keep you waiting longer for the first batch than one does. That happens once, if they stay.
#
# ## The second bill: carrying batches
#
# To see what receiving alone costs, the main process now steps (it sleeps) for 5 ms after each batch. One
# helper has built the next one long before, so all the time in `next()` is the hand-over. It is the main
# process's side of it: read the message, have the worker pass a file descriptor for each tensor (pictures
# and labels), map the memory, and send the indices of a batch to come. What the worker does on its side is
# not in it, unless the main process waits for it.
#
# The *full price* of a batch is taken from the first table: an epoch with one helper less the epoch
# without, for each batch. It also depends on where the operating system puts a helper: one on a core that
# has gone to sleep takes longer to reach than one on the main process's own. That can change from minute to
# minute, so read values of different tables side by side with care.

# %% tags=["fold"]
STEP_S = 0.005
RECEIVED = 12
AT_ONCE = 2  # batches that a worker is told to build before the first next()


def ms_to_receive(loader, batch_size):
    """The median time in next() for a batch that is ready, in ms."""
    loader.batch_sampler.batch_size = batch_size
    loader.batch_sampler.batches = RECEIVED
    waits, batches, asked = [], iter(loader), time.perf_counter()
    while next(batches, None) is not None:
        waits.append(time.perf_counter() - asked)
        time.sleep(STEP_S)
        asked = time.perf_counter()
    return statistics.median(waits[AT_ONCE:]) * 1000


def receive(party, rounds):
    """ms_to_receive with one helper, one a round, by batch size."""
    received = {size: [] for size in ENDINGS}
    for size in list(ENDINGS) * rounds if 1 in party else []:
        received[size].append(ms_to_receive(party[1], size))
    return received


def batch_bill(size, races, received, why_not):
    """What a batch costs in ms: to make, to receive, and in all."""
    end = ENDINGS[size]
    making = [us * size / 1000 for us in times(races, 0)]
    price = [(us[1] - us[0]) * size / 1000 for us in races if 1 in us]
    return [
        measured(
            f"{name}_ms_per_batch{end}", ms, "ms", why_not, f"{label}, {size}"
        )
        for name, label, ms in (
            ("making", "make", making),
            ("handover", "receive", received),
            ("price", "full price", price),
        )
    ]


if __name__ == "__main__":
    received = receive(party, rounds=6)
    send_home(party)
    bills = {
        size: [
            *batch_bill(size, races, received[size], no_helpers),
            even[size][1],
        ]
        for size, races in in_ram.items()
    }
    rows = list(zip(*bills.values(), strict=True))
    bars = [
        (value, group)
        for row in rows
        for group, value in enumerate(row)
        if isinstance(value, Measurement)
    ]
    whats = (
        "make it, without helpers",
        "receive it, when it is ready",
        "full price of one helper",
        "work at break-even, 2 helpers",
    )
    show(
        Report(
            title="A batch",
            columns=["", *(f"of {size}" for size in bills)],
            rows=[[what, *row] for what, row in zip(whats, rows, strict=True)],
            figure=Bars(
                alt="Milliseconds to make a batch in RAM, to receive one, its "
                "full price, and the work at break-even, for both sizes.",
                values=[value for value, _ in bars],
                groups=[group for _, group in bars],
                x_label="ms per batch",
            ),
        )
    )

# %% [markdown]
# ## What to take home
#
# Helpers are paid by the batch. For sprites in RAM, in small batches, receiving one takes longer than
# making it. There helpers cannot win, not even with a training step during which they work unseen, and more
# of them do not help.
#
# Time an epoch of your own loader without helpers, and divide by its batches. If that is far below the last
# row of the table, stay at 0; should that be too slow, make batches larger or sprites cheaper. If it is
# above, and there are cores for them, two helpers pay. The further above, the less the hand-over matters;
# and the start stops mattering once you keep your helpers (`persistent_workers=True`) for epochs that
# together last much longer than the first batch takes to come.
