# ---
# title: What cannot travel to a worker
# group: Starting and handing over
# description: Five things that pickle refuses, a script without a guard, a dataset in a notebook; and cures.
# headline: "Of {unpicklable} things that pickle refuses, fork carries {carried_by_fork}, and spawn none."
# formerly: 11_platform_quirks
# time_limit_s: 120
# claims:
#   - unpicklable == 5
#   - carried_by_fork == 5
#   - cured == 5
#   - cured_batches_spawn == 10
#   - unguarded_readings == 2
#   - unguarded_batches == 0
#   - notebook_batches_fork == 8
#   - notebook_batches_spawn == 0
#   - notebook_batches_file == 8
# ---

# %% [markdown]
# # What cannot travel to a worker
#
# **Motive.** A script that ran for years fails on macOS, on Windows, or with Python 3.14. There helper
# sprites (worker processes) are not copied by *fork* but start empty-handed. What they need has to travel to
# them.
#
# **What is measured.** Five things that cannot travel, with the real message and a cure. A script without a
# main guard. And a dataset from a notebook cell. What fails on purpose is run for real; batches are counted,
# no time is measured.
#
# **Caveat.** Messages are those of the Python and the torch of this page. Others word them a little
# differently, and may end in another last line. Where IPython is not installed, no cell of a notebook is run,
# and no batch arrives from one.

# %% [markdown]
# ## What will not fit through the door
#
# Under spawn and forkserver, the dataset goes to the worker by pickle, and `collate_fn` too. Pickle finds
# functions and classes *by name*, and refuses what belongs to *one process*. Five common pieces of luggage do
# not fit.

# %%
import os
import pickle
import re
import threading
from functools import partial
from pathlib import Path

import numpy as np
from torch.utils.data import ConcatDataset, DataLoader

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import needs, run_programs
from spritedocs.report import Table, count, show


class Carrying(SpriteTensors):
    """Eight sprites, and one thing more that goes wherever they go."""

    def __init__(self, luggage):
        super().__init__(8)
        self.luggage = luggage


def too_much_luggage(file):
    """Datasets by what is wrong with them."""

    class Local(SpriteTensors):
        """Sprites of a class that only this function knows."""

    return {
        "a lambda": Carrying(lambda image: image),
        "a local class": Local(8),
        "an open file": Carrying(file),
        "a lock": Carrying(threading.Lock()),
        "a generator": Carrying(n for n in range(8)),
    }


def refusal(dataset):
    """What pickle says to a dataset, or "" if it gives it back."""
    try:
        pickle.loads(pickle.dumps(dataset))
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    file = Path(os.__file__).open("rb")  # noqa: SIM115 - closed below
    luggage = too_much_luggage(file)
    says = {what: refusal(luggage[what]) for what in luggage}
    refused = count("unpicklable", sum(map(bool, says.values())))
    show(
        Table("Luggage", rows=list(luggage), head="a dataset with")
        .column("pickle says", says)
        .footer("refused", refused)
    )

# %% [markdown]
# ## The cures
#
# What is found by name gets a name at the top level of a file. What belongs to one process is made late: the
# dataset carries the recipe, and each process makes its own at its first item. `__getstate__` leaves behind
# what is already made. (A function with arguments is `functools.partial` of one at the top level. Handles of
# HDF5 and LMDB are made late.)


# %%
class TopLevelSprites(SpriteTensors):
    """Sprites of a class that any process can import."""


def countdown():
    """A function that any process can import; it makes a generator."""
    yield from reversed(range(8))


class Late(SpriteTensors):
    """Sprites, and a thing that each process makes for itself."""

    def __init__(self, make):
        super().__init__(8)
        self.make, self.thing = make, None

    def __getstate__(self):
        return self.__dict__ | {"thing": None}

    def __getitem__(self, index):
        if self.thing is None:
            self.thing = self.make()
        return super().__getitem__(index)


def travelling_light(path):
    """The same five, cured, by their cures."""
    return {
        "a top-level function": Carrying(countdown),
        "a top-level class": TopLevelSprites(8),
        "its path, opened late": Late(partial(np.memmap, path, mode="r")),
        "a lock, made late": Late(threading.Lock),
        "its function, called late": Late(countdown),
    }


def batches_by(method, data):
    """How many batches of 4 arrive from a worker that starts in that way."""
    loader = DataLoader(data, 4, num_workers=1, multiprocessing_context=method)
    return sum(1 for _ in loader)


def carried_by_fork():
    """How many of the datasets with luggage arrive where workers are forked."""
    needs("fork")
    return sum(batches_by("fork", each) == 2 for each in luggage.values())


if __name__ == "__main__":
    needs("workers")
    with file:
        carried = count("carried_by_fork", carried_by_fork)
    cures = travelling_light(os.__file__)
    travel = [cure for cure in cures if not refusal(cures[cure])]
    arrived = batches_by("spawn", ConcatDataset(cures.values()))
    show(
        Table("With and without cure", columns=["how many"])
        .footer("uncured, carried by fork", carried)
        .footer("cured, taken by pickle", count("cured", len(travel)))
        .footer("batches by spawn", count("cured_batches_spawn", arrived))
        .note(f"The cures: {'; '.join(travel)}.")
    )

# %% [markdown]
# Fork carries {carried_by_fork} of the {unpicklable} that pickle refuses. That is why the same script
# "suddenly" fails elsewhere. What fork carries is not always what you want, though. A file that was opened
# before has *one* position, which all workers move.
#
# The cured five went into one loader, and {cured_batches_spawn} batches came from a real worker by spawn.
# From version 2.10 on, torch warns of what pickle refuses, and suggests to go back to fork. That hides the
# luggage; the cures work everywhere.
#
# ## The spell that reads itself
#
# A spawned worker imports your script, under the name `__mp_main__`, to find the classes in it. If the script
# starts workers outside `if __name__ == "__main__":`, the worker would start workers, and so on. Python stops
# that. This script has no guard, and says who reads it. (Places in other files are only counted.)

# %%
if __name__ == "__main__":
    ran = run_programs(["in_a_notebook", "unguarded"])
    unguarded, notebook = ran["unguarded"], ran["in_a_notebook"]
    print(unguarded.folded)

# %% [markdown]
# The last line, which most people search for, says nothing of the cause. The first error does: it comes from
# the worker, and stands further up.
#
# ## A dataset written in a notebook
#
# A guard does not help there: a notebook's cells *are* `__main__`, and there is no file that a worker could
# import. So a program gives cells to IPython's shell, on which a notebook runs. The dataset is used by fork,
# by spawn, and by spawn from a module beside the notebook.

# %%
if __name__ == "__main__":
    print(notebook.folded)

# %% [markdown]
# Here, too, the cause stands above. The worker looks for the class in *its* `__main__`, where no cell was
# ever run. A module beside the notebook can be imported by both.


# %%
def batches(said, how):
    """The number of batches that a program says it got, 0 if it got none."""
    if how == "by fork":
        needs("fork")
    found = re.search(rf"^batches {how}: (\d+)$", said.text, re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    in_a_cell = partial(batches, notebook)
    arrived = [
        count("unguarded_batches", batches(unguarded, "by spawn")),
        count("notebook_batches_fork", partial(in_a_cell, "by fork")),
        count("notebook_batches_spawn", in_a_cell("by spawn")),
        count("notebook_batches_file", in_a_cell("by spawn, from a file")),
    ]
    readings = unguarded.text.count("I am being read")
    show(
        Table("Batches that arrived, of 8", columns=["by", "batches"])
        .footer("script without a guard", "spawn", arrived[0])
        .footer("dataset in a cell", "fork", arrived[1])
        .footer("dataset in a cell", "spawn", arrived[2])
        .footer("dataset in a file", "spawn", arrived[3])
        .record([count("unguarded_readings", readings)])
    )

# %% [markdown]
# ## What to take home
#
# Functions and classes stand at the top level of a file; files, locks and generators are made in the worker.
# Guard the main part, and read the *first* error, not the last. From a notebook, put the dataset into a `.py`
# file beside it. Try `multiprocessing_context="spawn"` once, before somebody else does.
