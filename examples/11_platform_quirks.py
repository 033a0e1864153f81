# ---
# title: "Three summoning circles: fork, forkserver, spawn"
# description: What each start method costs, what cannot travel to a worker, and why guards and files matter.
# time_limit_s: 180
# claims:
#   - spawn_over_fork > 5
#   - forkserver_over_fork > 5
#   - persistent_speedup_spawn > 10
#   - preload_speedup > 3
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
# # Three summoning circles: fork, forkserver, spawn
#
# **Motive.** The same script starts its helpers at once on one computer, takes seconds on a second, and
# fails on a third. The spell is the same. The summoning circle, which Python calls the *start method*,
# is not.
#
# **What is measured.** For each start method that this system has: how long two workers take until the
# first batch is there, and what a later epoch takes with new workers and with the same ones
# (`persistent_workers=True`). Then five things that cannot travel to a worker, with the real message and
# a cure; a script without a main guard; and a dataset from a notebook cell. What fails on purpose is run
# for real, and what it says is shown.
#
# **Caveat.** Most of the cost is `import torch`, from a file cache that is warm. After a reboot, on a
# network file system, or with more imports at the top of your script, it is higher; so it is for a build of
# torch with CUDA, which has far more to load than one for the processor. The dataset is 64 numbers, so that
# nothing but the start-up takes time.

# %%
import json
import multiprocessing
import os
import pickle
import platform
import random
import re
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import run_script, run_scripts, why_no_helpers
from spritedocs.report import Bars, Gap, Measurement, Report, show

METHODS = multiprocessing.get_all_start_methods()
DEFAULT = METHODS[0]

# %% [markdown]
# ## Which circle is yours?
#
# *fork* copies your process. *spawn* starts a new Python, which imports your script and receives dataset
# and functions by pickle. *forkserver* forks from a small server, which is started once; they travel by
# pickle here, too. Who uses what, unless told otherwise, is in Python's documentation. The table is
# copied from there, not measured. The line below it is this machine's own answer.

# %%
if __name__ == "__main__":
    python = ".".join(platform.python_version_tuple()[:2])
    others = ", ".join(METHODS[1:]) or "none"
    show(
        Report(
            title="Default start method, by Python's documentation",
            columns=["system", "Python 3.11–3.13", "Python 3.14"],
            rows=[
                ["Linux", "fork", "forkserver"],
                ["macOS", "spawn", "spawn"],
                ["Windows", "spawn", "spawn"],
            ],
            notes=[
                f"This machine ({platform.system()}, Python {python}) says: "
                f"default {DEFAULT}; others it has: {others}."
            ],
        )
    )

# %% [markdown]
# ## How long until somebody comes?
#
# Each measurement needs a fresh program. A fork server, once started, stays; and what it shall import
# beforehand (`set_forkserver_preload`) must be said before it starts. This program measures the start
# methods it is given, in that order. Its first loader keeps its two workers for a second epoch. Another
# loader, without `persistent_workers`, then starts new ones, and at the end waits until they have left, as
# every epoch does by default.

# %%
SUMMON = """\
import json, multiprocessing, sys, time

begun = time.perf_counter()
import torch
IMPORT_S = time.perf_counter() - begun

from torch.utils.data import DataLoader, TensorDataset
from spritedocs.timing.epochs import dismiss, time_epoch


def loader(method, persistent):
    return DataLoader(
        TensorDataset(torch.arange(64)),
        batch_size=8,
        num_workers=2,
        persistent_workers=persistent,
        multiprocessing_context=method,
    )


def epochs(method):
    kept = loader(method, persistent=True)
    first, same = time_epoch(kept), time_epoch(kept)
    dismiss(kept)
    new = time_epoch(loader(method, persistent=False))
    return {
        "first_batch": first.startup_s,
        "first_epoch": first.total_s,
        "same": same.total_s,
        "new": new.total_s,
    }


if __name__ == "__main__":
    preload, *methods = sys.argv[1:]
    if preload:
        multiprocessing.set_forkserver_preload([preload])
    measured = {method: epochs(method) for method in methods}
    print(json.dumps({"import": IMPORT_S, **measured}))
"""

# %% [markdown]
# One round runs it twice: once with all start methods in random order, and once with a fork server that
# imports torch beforehand. Three rounds are too few for an interval. A claim is then judged by the least
# favourable round. Where a round takes long there are fewer of them, and a note says so. From a single round
# take the order of magnitude and no more: nothing shows how far another one would differ.

# %% tags=["fold"]
ROUNDS = 3
PATIENCE_S = 42
PROGRAM_LIMIT_S = 40
ARMS = {
    "fork": "fork",
    "forkserver": "forkserver",
    "preloaded": "forkserver + torch",
    "spawn": "spawn",
}


class Unmeasured(Exception):
    """A program measured nothing. One sentence says why."""


def summon(preload, methods):
    """Seconds by name, by start method, as a fresh program measured them."""
    try:
        outcome = run_script(
            SUMMON, arguments=(preload, *methods), limit_s=PROGRAM_LIMIT_S
        )
    except OSError as error:
        raise Unmeasured(no_room(error)) from None
    answer = re.search(r"^\{.*\}$", outcome.text, re.MULTILINE)
    if outcome.timed_out:
        raise Unmeasured(
            f"Workers took more than {PROGRAM_LIMIT_S} s to start: end other "
            "programs, or give this machine more cores."
        )
    if not answer:
        said = outcome.error or f"exit status {outcome.status}"
        raise Unmeasured(f"The program that measures it ended in {said}.")
    return json.loads(answer[0])


def no_room(error):
    """A sentence about programs that the system would not let us run."""
    # Its own text may name folders, which are nobody's business.
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    return (
        f"Neither programs nor workers could run here ({why}): they need a "
        "temporary folder that can be written to; set TMPDIR (on Windows TEMP) "
        "to one."
    )


def one_round(methods, chance):
    """What both programs measured: seconds by name, by arm."""
    runs = [("", methods)]
    if "forkserver" in methods:
        runs.append(("torch", ["forkserver"]))
    found = {}
    for preload, wanted in chance.sample(runs, len(runs)):
        measured = summon(preload, chance.sample(wanted, len(wanted)))
        if preload:
            measured = {"preloaded": measured["forkserver"]}
        found.update(measured)
    return found


def all_rounds(methods, clock=time.perf_counter):
    """The rounds that there was time for, and why there are no more, or ""."""
    chance, rounds, begun = random.Random(0), [], clock()
    while len(rounds) < ROUNDS:
        try:
            rounds.append(one_round(methods, chance))
        except Unmeasured as why:
            return rounds, str(why)
        per_round = (clock() - begun) / len(rounds)
        if len(rounds) < ROUNDS and clock() - begun + per_round > PATIENCE_S:
            return rounds, (
                f"Only {len(rounds)} of {ROUNDS} rounds: each takes "
                f"{per_round:.0f} s here, too long to wait for more."
            )
    return rounds, ""


if __name__ == "__main__":
    rounds, cut_short = all_rounds(METHODS)

# %% [markdown]
# Ratios are taken round by round. The last column follows from the two before it: what new workers add to
# an epoch, divided by 5%. In an epoch longer than that, starting them anew costs less than 5%.

# %% tags=["fold"]
SMALL_SHARE = 0.05


def value(name, pick, unit="s", label=""):
    """``pick`` of every round as one value, or the gap that it leaves."""
    try:
        samples = [pick(measured) for measured in rounds]
    except KeyError as missing:
        arm = (
            "forkserver" if missing.args[0] == "preloaded" else missing.args[0]
        )
        return Gap(name, no_method(arm))
    if not samples:
        return Gap(name, cut_short)
    return Measurement.of(name, samples, unit, label)


def no_method(method):
    """A sentence about a start method that this system lacks."""
    return f"{platform.system()} has no {method}: Linux has all three."


def seconds(what, arm, name, label=""):
    """The seconds ``what`` took in ``arm``, as the value ``name``."""
    return value(name, lambda measured: measured[arm][what], label=label)


def times(name, above, below):
    """How many times as long ``above`` took as ``below``: (arm, what) each."""
    return value(
        name,
        lambda measured: (
            measured[above[0]][above[1]] / measured[below[0]][below[1]]
        ),
        "×",
    )


def small_from(arm):
    """The epoch in seconds of which new workers are a small share."""
    return value(
        f"small_from_s_{arm}",
        lambda measured: (
            (measured[arm]["new"] - measured[arm]["same"]) / SMALL_SHARE
        ),
    )


if __name__ == "__main__":
    first, new, rows = {}, {}, []
    for arm, label in ARMS.items():
        first[arm] = seconds(
            "first_batch", arm, f"first_batch_s_{arm}", f"{label}, first"
        )
        new[arm] = seconds("new", arm, f"epoch_s_{arm}_new", f"{label}, later")
        same = seconds("same", arm, f"epoch_s_{arm}_persistent")
        gain = times(f"persistent_speedup_{arm}", (arm, "new"), (arm, "same"))
        rows.append([label, first[arm], new[arm], same, gain, small_from(arm)])
    bars = [
        (result, group)
        for arm in ARMS
        for group, result in enumerate((first[arm], new[arm]))
        if isinstance(result, Measurement)
    ]
    show(
        Report(
            title="Two workers, by start method",
            columns=[
                "start method",
                "first batch after",
                "later epoch, new workers",
                "later epoch, same workers",
                "times as fast",
                "new workers under 5% of",
            ],
            rows=rows,
            figure=Bars(
                alt="Two bars for each start method, in seconds: until the "
                "first batch, and a later epoch with new workers. "
                + "; ".join(f"{bar.label}: {bar}" for bar, _ in bars),
                values=[result for result, _ in bars],
                groups=[group for _, group in bars],
                x_label="seconds: to the first batch; a later epoch, new workers",
            )
            if bars
            else None,
            notes=[cut_short] if cut_short and rounds else [],
            more_values=[
                seconds("first_epoch", arm, f"first_epoch_s_{arm}")
                for arm in ARMS
            ],
        )
    )

# %% [markdown]
# Where does the time go? Compare the first batch with one `import torch` in the main process. A fork
# already has torch. A spawned worker imports it, and so does a worker of a fork server that has not. If
# the server imports torch, the first batch still waits for an import: for one, instead of one in each
# worker, which makes a difference where there are more workers than cores. Elsewhere it need not come any
# sooner. From then on its workers are forks of a process that has torch.

# %% tags=["fold"]
if __name__ == "__main__":
    show(
        Report(
            title="The same, compared",
            columns=["", "here"],
            rows=[
                [
                    "import torch, once",
                    value("import_torch_s", lambda found: found["import"]),
                ],
                [
                    "first batch: spawn ÷ fork",
                    times(
                        "spawn_over_fork",
                        ("spawn", "first_batch"),
                        ("fork", "first_batch"),
                    ),
                ],
                [
                    "first batch: forkserver ÷ fork",
                    times(
                        "forkserver_over_fork",
                        ("forkserver", "first_batch"),
                        ("fork", "first_batch"),
                    ),
                ],
                [
                    "first batch: forkserver ÷ the same with torch preloaded",
                    times(
                        "preload_speedup_first_batch",
                        ("forkserver", "first_batch"),
                        ("preloaded", "first_batch"),
                    ),
                ],
                [
                    "later epoch, new workers: forkserver ÷ with torch preloaded",
                    times(
                        "preload_speedup",
                        ("forkserver", "new"),
                        ("preloaded", "new"),
                    ),
                ],
            ],
        )
    )

# %% [markdown]
# Python 3.14.1 and later, and late releases of 3.13, need no such hint, says Python's change log: their
# server imports your script first, and with it whatever the script imports at its top. (Before, that was
# meant to happen and did not.) There the last line may well say that there is no difference. Two traps
# remain. In a notebook there is no script to import. And a name that the server cannot import is passed
# over in silence: if later epochs stay slow, suspect the spelling. `set_forkserver_preload` replaces the
# list, so on a recent Python say `["__main__", "torch"]`.

# %% [markdown]
# ## What will not fit through the door
#
# Under spawn and forkserver, the dataset and `collate_fn` go to the worker by pickle. Five common pieces of
# luggage do not fit. Each is given to a real loader, with `multiprocessing_context="spawn"` and then
# `"fork"`.

# %%
SPRITES = 8


class Carrying(SpriteTensors):
    """Sprites, and one thing more that goes wherever the dataset goes."""

    def __init__(self, luggage):
        super().__init__(SPRITES)
        self.luggage = luggage


def hidden():
    """A dataset whose class only this function knows."""

    class Sprites(SpriteTensors):
        """Sprites of a class that has no address."""

    return Sprites(SPRITES)


def nameless():
    """A collate function: a batch of pictures, without their labels."""
    return lambda samples: torch.stack([image for image, _ in samples])


def too_much_luggage(file):
    """What is handed to the loader, by what is wrong with it."""
    return {
        "a lambda": {
            "dataset": SpriteTensors(SPRITES),
            "collate_fn": nameless(),
        },
        "a local class": {"dataset": hidden()},
        "an open file": {"dataset": Carrying(file)},
        "a lock": {"dataset": Carrying(threading.Lock())},
        "a generator": {"dataset": Carrying(n for n in range(SPRITES))},
    }


# %% [markdown]
# The cures are of two kinds. What is found *by name* gets a name at the top level of a file. What belongs to
# *one process* is made late: the dataset carries the recipe, and each process makes its own at its first
# item. `__getstate__` leaves behind what is already made. (A function with arguments is
# `functools.partial` of one at the top level. Handles of HDF5 and LMDB are of the second kind.)


# %%
def stack(samples):
    """A batch of pictures, without their labels."""
    return torch.stack([image for image, _ in samples])


class TopLevelSprites(SpriteTensors):
    """Sprites of a class that any process can import."""


def countdown():
    """A generator, made by whoever calls this."""
    yield from reversed(range(SPRITES))


class Late(SpriteTensors):
    """Sprites, and a thing that each process makes for itself."""

    def __init__(self, make):
        super().__init__(SPRITES)
        self.make = make
        self.thing = None

    def __getstate__(self):
        return self.__dict__ | {"thing": None}

    def __getitem__(self, index):
        if self.thing is None:
            self.thing = self.make()
        return super().__getitem__(index)


def travelling_light(path):
    """The same five, cured, and how. The file is opened as a memory map."""
    return {
        "a lambda": (
            "a top-level function",
            {"dataset": SpriteTensors(SPRITES), "collate_fn": stack},
        ),
        "a local class": (
            "a top-level class",
            {"dataset": TopLevelSprites(SPRITES)},
        ),
        "an open file": (
            "its path, opened late",
            {"dataset": Late(partial(np.memmap, path, mode="r"))},
        ),
        "a lock": (
            "made late",
            {"dataset": Late(threading.Lock)},
        ),
        "a generator": (
            "its function, called late",
            {"dataset": Late(countdown)},
        ),
    }


# %% [markdown]
# A start that fails like this takes no time: the parent pickles before it starts anything. (On Windows the
# process is started first, and complains as well; there, pickle is asked directly.) From version 2.10 on,
# torch adds a warning of its own. It is caught here, and printed below the table if it came. Each cure is
# pickled, too. Then all five go into one loader, to a real worker by spawn.


# %% tags=["fold"]
# Which of them it is differs between Pythons.
FAILURES = (
    AttributeError,
    EOFError,
    OSError,
    RuntimeError,
    TypeError,
    pickle.PicklingError,
)


def attempt(method, parts):
    """How many batches arrived, and what was raised in their place, or ""."""
    try:
        if method == "spawn" and sys.platform == "win32":
            pickle.dumps(parts)
        loader = DataLoader(
            **parts,
            batch_size=SPRITES // 2,
            num_workers=1,
            multiprocessing_context=method,
            timeout=PROGRAM_LIMIT_S,
        )
        return sum(1 for batch in loader), ""
    except FAILURES as error:
        return 0, f"{type(error).__name__}: {error}"


def pickles(parts):
    """Whether pickle takes these parts of a loader, and gives them back."""
    try:
        pickle.loads(pickle.dumps(parts))
    except FAILURES:
        return False
    return True


def verdict(well):
    """In a word, whether it went well."""
    return "travels" if well else "fails"


def count(name, number):
    """A count as a value of that name."""
    return Measurement.of(name, [number], "")


if __name__ == "__main__":
    no_spawn = why_no_helpers()  # without, a loader would hang
    no_fork = no_spawn if "fork" in METHODS else no_method("fork")
    # Any file will do: this one is part of Python.
    with (
        Path(os.__file__).open("rb") as file,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        broken = too_much_luggage(file)
        by_spawn = {
            name: attempt("spawn", parts)[1] for name, parts in broken.items()
        }
        by_fork = {
            name: attempt("fork", parts)[0]
            for name, parts in broken.items()
            if not no_fork
        }
    cures = travelling_light(os.__file__)
    travels = {name: pickles(parts) for name, (_, parts) in cures.items()}
    all_cured = {
        "dataset": ConcatDataset(
            [part["dataset"] for _, part in cures.values()]
        ),
        "collate_fn": stack,
    }
    arrived, stopped_by = (
        (0, no_spawn) if no_spawn else attempt("spawn", all_cured)
    )
    torch_says = {
        " ".join(str(warning.message).split())
        for warning in caught
        if "pickle error" in str(warning.message)
    }
    show(
        Report(
            title="Luggage",
            columns=["luggage", "spawn says", "fork", "cure", "cured"],
            rows=[
                [
                    name,
                    by_spawn[name] or "nothing: it travels",
                    verdict(by_fork[name]) if by_fork else "not tried",
                    cure,
                    verdict(travels[name]),
                ]
                for name, (cure, _) in cures.items()
            ],
            notes=[
                stopped_by
                or f"All five cures in one loader, by spawn: {arrived} batches.",
                *(f"torch warns: {said}" for said in sorted(torch_says)),
            ],
            more_values=[
                count("unpicklable", sum(map(bool, by_spawn.values()))),
                count("carried_by_fork", sum(map(bool, by_fork.values())))
                if by_fork
                else Gap("carried_by_fork", no_fork),
                count("cured", sum(travels.values())),
                Gap("cured_batches_spawn", no_spawn)
                if no_spawn
                else count("cured_batches_spawn", arrived),
            ],
        )
    )

# %% [markdown]
# All five stop spawn, and none stops fork. That is why the same script "suddenly" fails on macOS, on Windows,
# or with Python 3.14. What fork carries is not always what you want, though: a file that was opened before
# has *one* position, which all workers move. The warning of torch ends with a suggestion to go back to
# fork. That hides the luggage; the cures work everywhere.

# %% [markdown]
# ## The spell that reads itself
#
# A spawned worker imports your script, under the name `__mp_main__`, to find the classes in it. If the
# script starts workers outside `if __name__ == "__main__":`, the worker would start workers, and so on.
# Python stops that. This script has no guard, and says who reads it:

# %%
UNGUARDED = """\
import torch
from torch.utils.data import DataLoader, TensorDataset

print("I am being read as", __name__)
sprites = TensorDataset(torch.arange(64))
loader = DataLoader(sprites, batch_size=8, num_workers=1,
                    multiprocessing_context="spawn")
print("batches by spawn:", sum(1 for batch in loader))
"""

# %% [markdown]
# ## A dataset written in a notebook
#
# A guard does not help there: a notebook's cells *are* `__main__`, and there is no file that a worker could
# import. This program starts what a notebook runs on, IPython's shell, and gives it five cells. The same
# dataset is used by fork, by spawn, and by spawn from a module beside the notebook. (Where there is no
# fork, its cell is left out. Tracebacks are set to their shortest.)

# %%
NOTEBOOK = '''\
import multiprocessing, os
# Its profile and history shall go when this folder goes.
os.environ["IPYTHONDIR"] = os.path.join(os.getcwd(), "ipython")
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

DATASET = """\\
from torch.utils.data import Dataset

class Sprites(Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return index
"""

CELLS = [
    DATASET + """\\

from torch.utils.data import DataLoader

def count_batches(method):
    loader = DataLoader(Sprites(), batch_size=8, num_workers=1,
                        multiprocessing_context=method)
    return sum(1 for batch in loader)
""",
    """print("batches by fork:", count_batches("fork"))""",
    """print("batches by spawn:", count_batches("spawn"))""",
    "%%writefile my_sprites.py\\n" + DATASET,
    """\\
from my_sprites import Sprites
print("batches by spawn, from a file:", count_batches("spawn"))
""",
]

shell = InteractiveShell.instance(
    colors="nocolor", config=Config(HistoryManager={"enabled": False})
)
shell.InteractiveTB.set_mode("Minimal")
for number, cell in enumerate(CELLS, 1):
    if "fork" in multiprocessing.get_all_start_methods() or "fork" not in cell:
        print(f"In [{number}]:", cell.strip().replace("\\n", "\\n   ...: "))
        shell.run_cell(cell)
'''

# %% [markdown]
# Both run now. The frames of the tracebacks, many and all inside Python and torch, are replaced by
# their number. Everything else is what a terminal would show.


# %% tags=["fold"]
def without_frames(text):
    """``text`` with the frames of each traceback replaced by their number."""
    lines, frames, inside = [], 0, False
    for line in [*text.splitlines(), ""]:
        if inside and line.startswith(" "):
            frames += line.startswith("  File ")
            continue
        if inside:
            lines.append(f"  … {frames} frame{'s' * (frames != 1)} left out …")
        inside, frames = line.startswith("Traceback (most recent"), 0
        lines.append(line)
    return "\n".join(lines).rstrip()


def batches_by(how, text):
    """The number of batches that a program says it got, 0 if it got none."""
    found = re.search(rf"^batches {how}: (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    try:
        ran = run_scripts(
            {"notebook": NOTEBOOK, "unguarded": UNGUARDED},
            limit_s=PROGRAM_LIMIT_S,
        )
        not_run = ""
    except OSError as error:
        ran, not_run = {}, no_room(error)

# %% [markdown]
# ### Without a guard

# %%
if __name__ == "__main__":
    print(not_run or without_frames(ran["unguarded"].text))

# %% [markdown]
# The last line, which most people search for, says nothing of the cause. The first error does: it comes from
# the worker, and stands further up. (forkserver, and other Pythons and systems, may end in another last line,
# such as `ConnectionResetError` or `BrokenPipeError`.)
#
# ### In a notebook

# %%
if __name__ == "__main__":
    print(not_run or without_frames(ran["notebook"].text))

# %% [markdown]
# Here, too, the cause stands above. The worker looks for the class in *its* `__main__`, where no cell was
# ever run. A module beside the notebook can be imported by both.

# %% tags=["fold"]
PROGRAMS = {
    "unguarded_batches": ("script without a guard", "by spawn"),
    "notebook_batches_fork": ("dataset in a cell", "by fork"),
    "notebook_batches_spawn": ("dataset in a cell", "by spawn"),
    "notebook_batches_file": ("dataset in a file", "by spawn, from a file"),
}


def counted(name, number):
    """``number(text)`` of what that program said, or why nobody knows."""
    program = name.split("_")[0]
    if not_run:
        return Gap(name, not_run)
    if ran[program].timed_out:
        return Gap(name, f"It took more than {PROGRAM_LIMIT_S} s: end others.")
    return count(name, number(ran[program].text))


def arrived_in(name):
    """How many batches the program of that value got, or why nobody knows."""
    how = PROGRAMS[name][1]
    if how == "by fork" and "fork" not in METHODS:
        return Gap(name, no_method("fork"))
    return counted(name, partial(batches_by, how))


def readings(text):
    """How many processes read the script that says so."""
    return text.count("I am being read")


if __name__ == "__main__":
    show(
        Report(
            title="Batches that arrived, of 8",
            columns=["", "start method", "batches"],
            rows=[
                [what, how.split(",")[0].removeprefix("by "), arrived_in(name)]
                for name, (what, how) in PROGRAMS.items()
            ],
            more_values=[counted("unguarded_readings", readings)],
        )
    )

# %% [markdown]
# ## What to take home
#
# - **Keep the helpers.** By spawn and by forkserver, the first batch comes more than five times as late as by
#   fork. Without `persistent_workers=True`, *every* epoch starts its workers anew. By spawn, an epoch as
#   short as ours is more than ten times as fast with workers that stay.
# - **Preload.** Where the server does not import your script by itself,
#   `multiprocessing.set_forkserver_preload(["torch"])` before the first loader makes later epochs with new
#   workers more than three times as fast. It does not make the first start free.
# - **Travel light.** Functions and classes stand at the top level of a file; files, locks and generators are
#   made in the worker. Try `multiprocessing_context="spawn"` once, before somebody else does.
# - **Guard the main part**, and read the *first* error, not the last.
# - **From a notebook**, put the dataset into a `.py` file beside it.
#
# **It stops mattering** when epochs are long: the last column of the table "Two workers" says how long.
# Beyond that, new workers cost less than 5% of an epoch, and the start method decides only what can travel.
