# ---
# title: Helpers that roll the same dice
# group: Errors and chance
# description: Which random generators repeat across workers, epochs and start methods, and the fixes.
# headline: "A generator object in the dataset rolls the same dice in each of two helpers:
#   {unique_numpy_object_2} draws differ."
# claims:
#   - unique_numpy_global_2 == 16
#   - two_epochs_numpy_global_2 == 32
#   - unique_numpy_object_2 == 8
#   - unique_numpy_object_4 == 4
#   - unique_numpy_unseeded_2 == unique_numpy_object_2
#   - two_epochs_numpy_object_2 == 8
#   - two_epochs_numpy_object_1 == 16
#   - two_epochs_numpy_object_2_persistent == 16
#   - unique_numpy_module_fork < unique_numpy_module_spawn
#   - two_epochs_python_global_2 == 32
#   - two_epochs_torch_global_2 == 32
#   - peeked_two_epochs_2 < lazy_two_epochs_2
#   - checked_two_epochs_2 == lazy_two_epochs_2
#   - init_fn_two_epochs_2 == lazy_two_epochs_2
# ---

# %% [markdown]
# # Helpers that roll the same dice
#
# **Motive.** You give every helper sprite (worker process) a bag of dice, so that no two pictures are
# augmented alike. But if one bag was filled and then *copied*, all helpers roll the same numbers. Nothing
# crashes and nothing warns. Which generators are copied, and what is the cure?
#
# **What is measured.** Counts. Each of 16 items is one random number: "16 of 16" says that all differ, "8 of
# 16" that half of them repeat.
#
# **Caveat.** The counts are exact for batches of 2 from a map-style dataset. Other settings repeat other
# items, for the same reason.

# %% [markdown]
# ## A dataset that is all dice
#
# Each item is one number from every generator, by name. `roll` gives the items of two epochs.

# %%
import random
import warnings
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from spritedocs.machine import by_start_method, needs
from spritedocs.report import Table, count, show
from spritedocs.timing import race


class Dice(Dataset):
    """16 items, each of them one number from every generator."""

    def __init__(self, **dice):
        self.dice = dice

    def __len__(self):
        return 16

    def __getitem__(self, index):
        return {name: draw() for name, draw in self.dice.items()}


def roll(dataset, num_workers=2, epochs=2, **options):
    """The items of all epochs, in the order of their arrival."""
    loader = DataLoader(
        dataset, 2, num_workers=num_workers, collate_fn=list, **options
    )
    return [item for _ in range(epochs) for batch in loader for item in batch]


# %% [markdown]
# ## Do two helpers agree?
#
# Here is one generator object, made before the helpers start. The same letter is the same number. *Later* is
# the second epoch.


# %%
def seeded():
    return Dice(numpy_object=np.random.default_rng(0).random)


def letters(items):
    # Each item's number as a letter: 0 is A, and the next new one B.
    known = list(dict.fromkeys(item["numpy_object"] for item in items))
    return [known.index(item["numpy_object"]) for item in items]


if __name__ == "__main__":
    needs("workers")
    # Of more workers than cores; nothing here is about speed.
    warnings.filterwarnings("ignore", "This DataLoader will create")
    alone, two = letters(roll(seeded(), 0))[:16], letters(roll(seeded(), 2))
    show(
        Table("Does default_rng(0) roll it twice?", columns=("0", "2"))
        .row("numbers", {"0": len(set(alone)), "2": len(set(two[:16]))})
        .blocks(
            {"0 helpers": alone, "2 helpers": two[:16], "2, later": two[16:]},
            names="ABCDEFGHIJKLMNOP",
            x_label="items in order; same letter: same draw",
        )
        .finding("Does each helper roll numbers of its own?")
    )

# %% [markdown]
# The object is copied with the dataset, state and all, and nobody seeds the copies anew. So two helpers roll
# the same numbers. The next epoch starts new helpers with new copies: **it is augmented as the first one
# was**.
#
# ## Which dice are copied?
#
# Three generators are *global*: those that `random`, NumPy and torch keep for everybody. Two are *objects*,
# one of them without a seed. The last one stands at the top of the script. Columns are numbers of helpers;
# *persistent* ones are kept for the second epoch.

# %%
ON_THE_TABLE = np.random.default_rng()


def python_global():
    return random.random()


def numpy_global():
    return np.random.rand()


def torch_global():
    return torch.rand((), dtype=torch.float64).item()


def on_the_table():
    return ON_THE_TABLE.random()


def many_dice():
    return Dice(
        python_global=python_global,
        numpy_global=numpy_global,
        torch_global=torch_global,
        numpy_object=np.random.default_rng(0).random,
        numpy_unseeded=np.random.default_rng().random,
        numpy_module=on_the_table,
    )


def unique(items):
    """How many draws differ among these items, by generator."""
    return {kind: len({item[kind] for item in items}) for kind in items[0]}


def counts(name, items):
    found = unique(items).items()
    return {kind: count(name.format(kind), n, len(items)) for kind, n in found}


if __name__ == "__main__":
    helpers = by_start_method(fork=(0, 1, 2, 4), other=(0, 2))
    rolled = {str(number): roll(many_dice(), number) for number in helpers}
    rolled["2_persistent"] = roll(many_dice(), persistent_workers=True)
    kinds = list(rolled["0"][0])
    once = Table("Different draws in one epoch", rows=kinds)
    twice = Table("Different draws in two epochs", rows=kinds)
    for key, items in rolled.items():
        once.column(key, counts(f"unique_{{}}_{key}", items[:16]))
        twice.column(key, counts(f"two_epochs_{{}}_{key}", items))
    show(once)
    show(twice)

# %% [markdown]
# The globals are safe: torch seeds them in each worker. (NumPy's only since torch 1.9:
# [pytorch#56488](https://github.com/pytorch/pytorch/pull/56488). Much advice on the web is older.) Objects
# repeat: with two helpers {unique_numpy_object_2} differ. **Leaving out the seed does not help**: such an
# object is random when it is made, but it is made once, and then copied.
#
# Even a single helper repeats the first epoch in the second: {two_epochs_numpy_object_1} differ. Kept helpers
# go on, still in step with each other: {two_epochs_numpy_object_2_persistent}. Without helpers it is
# {two_epochs_numpy_object_0}: that is how this survives a test with `num_workers=0`.
#
# ## The dice on the table
#
# For the generator at the top of the script the start method decides. fork copies the whole main process.
# spawn starts a new Python, which runs the top of the script anew.


# %%
def started_by(method):
    # How many draws of two helpers differ.
    needs("linux" if method == "fork" else "workers")
    return unique(roll(many_dice(), epochs=1, multiprocessing_context=method))


if __name__ == "__main__":
    arms = {name: partial(started_by, name) for name in ("fork", "spawn")}
    found = race(arms, rounds=1, warmup=False)
    table = Table(
        "Different draws of 2 helpers in one epoch", columns=list(arms)
    )
    for kind in ("numpy_global", "numpy_object", "numpy_module"):
        table.row(kind, found.values(f"unique_{kind}", kind, unit="of 16"))
    show(table)

# %% [markdown]
# At the top, fork gives {unique_numpy_module_fork} and spawn {unique_numpy_module_spawn}. So the same code
# repeats on Linux up to Python 3.13, where fork is the default, and not where spawn is: on macOS and Windows.
# Under forkserver it depends on whether the server has imported your module
# ([cpython#126631](https://github.com/python/cpython/issues/126631)): do not build on it.
#
# A `torch.Generator` in the dataset is no way out: on Linux it stops workers that are not forked
# ([pytorch#146828](https://github.com/pytorch/pytorch/issues/146828)).
#
# ## The fix: each helper makes its own dice
#
# In a worker `torch.initial_seed()` is that worker's own seed. The usual advice is to make a generator from
# it at the first draw (*lazy*). But whoever looks at `dataset[0]` in the main process *makes* it there, and
# then it is copied after all (*peeked*). Two ways out: make it anew for every new seed (*checked*), or in
# `worker_init_fn`, which runs in each worker before its first item (*init_fn*).


# %%
# The usual advice: made at the first draw, wherever that is.
class AtFirstDraw:
    generator = None

    def __call__(self):
        if self.generator is None:
            self.generator = np.random.default_rng(torch.initial_seed())
        return self.generator.random()


# Made at the first draw in each process: when the seed is a new one.
class ForEachSeed:
    seed = None

    def __call__(self):
        if self.seed != torch.initial_seed():
            self.seed = torch.initial_seed()
            self.generator = np.random.default_rng(self.seed)
        return self.generator.random()


def make_generator(worker_id):
    """For ``worker_init_fn``: give this worker's dataset its own one."""
    worker = get_worker_info()
    worker.dataset.dice["init_fn"] = np.random.default_rng(worker.seed).random


def mended(**options):
    """The items of two epochs of dice, at whose first item we looked."""
    dataset = Dice(peeked=AtFirstDraw(), checked=ForEachSeed())
    dataset[0]
    dataset.dice["lazy"] = AtFirstDraw()  # nobody has looked at this one
    return roll(dataset, worker_init_fn=make_generator, **options)


if __name__ == "__main__":
    new, kept = mended(), mended(persistent_workers=True)
    show(
        Table("Different draws of 2 helpers in two epochs", rows=list(new[0]))
        .column("new helpers", counts("{}_two_epochs_2", new))
        .column("kept helpers", counts("{}_two_epochs_2_persistent", kept))
    )

# %% [markdown]
# New workers have new seeds in every epoch. Kept ones keep the seed of their start, and that is right: their
# generator goes on. One more trap: a new `torch.Generator()` always starts from the same seed, so give it a
# `manual_seed` wherever you make it.
#
# ## What to take home
#
# A generator *object* made in `__init__` repeats as soon as workers draw from it, with a seed or without.
# Use the globals, or make the object in the worker, with `torch.initial_seed()` as its seed. Another
# experiment has the same pictures with any number of helpers.
