# ---
# title: Four helpers for a dataset that waits
# description: A dataset that waits, loaded without helpers and with four, timed and compared.
# claims:
#   - speedup_4 > 3
#   - epoch_s_4 < epoch_s_0
#   - startup_s_4 > startup_s_0
#   - first_epoch_speedup_4 < speedup_4
# ---

# %% [markdown]
# # Four helpers for a dataset that waits
#
# **Motive.** A model that waits for its sprites learns nothing meanwhile. Helper sprites (worker
# processes) can fetch while it waits. How much faster does an epoch get, and what does it cost to
# summon them?
#
# **What is measured.** The same 64 sprites are loaded in batches of 4, by the main process alone
# and with 4 workers. The first epoch, which starts the workers, is timed apart from the later ones,
# in which `persistent_workers=True` keeps them at hand. The two loaders take turns in random order,
# so that a busy moment of the machine hits both.
#
# **Caveat.** The slowness is a `time.sleep`: it stands for a slow disk or a network, and waiting needs
# no core. That is why four helpers pay even on two cores. Items that *compute* stop profiting at
# the number of usable cores.

# %%
import multiprocessing
import time
import warnings

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import why_no_helpers
from spritedocs.report import Bars, Blocks, Gap, Measurement, Report, show
from spritedocs.timing import compare

SPRITES = 64
BATCH_SIZE = 4
SECONDS_PER_SPRITE = 0.008
HELPERS = 4
MAIN_PROCESS = -1

# %% [markdown]
# ## Step 1: a dataset that waits
#
# `__getitem__` sleeps before it hands out its sprite, and says who fetched it: the number of the
# worker it runs in, or -1 in the main process.


# %%
class SlowSprites(Dataset):
    """Sprites that take their time, and a note of who fetched them."""

    def __init__(self, count, seconds):
        self.sprites = SpriteTensors(count)
        self.seconds = seconds

    def __len__(self):
        return len(self.sprites)

    def __getitem__(self, index):
        time.sleep(self.seconds)
        image, family = self.sprites[index]
        worker = get_worker_info()
        return image, family, worker.id if worker else MAIN_PROCESS


# %% [markdown]
# ## Steps 2 and 3: a loader without helpers, and one with four
#
# They differ in their helpers only. On fewer than four usable cores torch warns that four workers are more
# than it would suggest. For items that wait it need not worry, so the warning is silenced here. And where
# helpers have no temporary folder to hand anything over, the loader would wait for ever: then all that can
# be measured is the loader without.


# %%
def make_loader(num_workers):
    """A loader whose helpers, if any, stay for all epochs."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    dataset = SlowSprites(SPRITES, SECONDS_PER_SPRITE)
    return DataLoader(
        dataset,
        batch_size=BATCH_SIZE,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


if __name__ == "__main__":
    loaders = {"0 helpers": make_loader(num_workers=0)}
    no_helpers = why_no_helpers()
    if not no_helpers:
        loaders["4 helpers"] = make_loader(num_workers=HELPERS)


# %% [markdown]
# ## Who loaded what?
#
# Each worker builds whole batches, and they take turns: batch 0 comes from worker 0, batch 1 from
# worker 1, and after the last one it is worker 0's turn again. The main process only receives.


# %%
def who_loaded_what(loader):
    """The worker that fetched each batch; an error if two of them shared one."""
    actors = []
    for _, _, fetched_by in loader:
        (actor,) = torch.unique(fetched_by).tolist()
        actors.append(actor)
    return actors


if __name__ == "__main__":
    rows = {name: who_loaded_what(loader) for name, loader in loaders.items()}
    actors = [MAIN_PROCESS, *range(HELPERS)]
    show(
        Report(
            title="Batches loaded by each process",
            columns=[
                "loader",
                "main",
                *(f"helper {n}" for n in range(HELPERS)),
            ],
            rows=[
                [name, *(str(loaded.count(actor)) for actor in actors)]
                for name, loaded in rows.items()
            ],
            figure=Blocks(
                alt="Without helpers the main process loads every batch; "
                "with four they take turns, 0 to 3.",
                rows=rows,
                main="·",
                x_label="batches in the order of their arrival",
            ),
            notes=[no_helpers] if no_helpers else [],
        )
    )

# %% [markdown]
# ## Step 4: time both, first epochs first
#
# A fresh loader each time, so every first epoch pays for the summoning. How much that is depends on
# the start method. *fork* copies the main process. *spawn* starts a new Python for every helper,
# which must import torch before it can fetch anything. *forkserver* forks helpers from a server;
# the server, or each helper, imports torch. (A server that already runs, from the section above, may
# have done so.) Imports cost seconds, so there are fewer rounds of them.

# %%
if __name__ == "__main__":
    start_method = multiprocessing.get_start_method()
    forks = start_method == "fork"
    makers = {
        "0 helpers": lambda: make_loader(0),
        "4 helpers": lambda: make_loader(HELPERS),
    }
    first = compare(
        {name: makers[name] for name in loaders},
        rounds=6 if forks else 2,
        warmup=False,
    )

# %% [markdown]
# And later ones: the two loaders from above again and again, their helpers already there.

# %%
if __name__ == "__main__":
    later = compare(loaders, rounds=7)
    del loaders  # the helpers go home, and take their sockets along

# %% [markdown]
# ## Step 5: compare


# %%
def measured(result, field, name, label=""):
    """A field of the arm that ``name`` ends in, or why it is a gap."""
    arm = f"{name[-1]} helpers"
    if arm not in result.arms:
        return Gap(name, why_no_helpers())
    return result.value(name, arm, field, label=label)


def speedup(result, name):
    """How many times as fast an epoch is with helpers, or why it is a gap."""
    if "4 helpers" not in result.arms:
        return Gap(name, why_no_helpers())
    return result.ratio(name, "0 helpers", "4 helpers")


if __name__ == "__main__":
    start_up = [
        measured(first, "startup_s", "startup_s_0"),
        measured(first, "startup_s", "startup_s_4"),
    ]
    first_epoch = [
        measured(first, "total_s", "first_epoch_s_0", "first, 0"),
        measured(first, "total_s", "first_epoch_s_4", "first, 4"),
    ]
    later_epoch = [
        measured(later, "total_s", "epoch_s_0", "later, 0"),
        measured(later, "total_s", "epoch_s_4", "later, 4"),
    ]
    bars = [
        value
        for value in first_epoch + later_epoch
        if isinstance(value, Measurement)
    ]
    item_ms = SECONDS_PER_SPRITE * 1000
    show(
        Report(
            title=f"{SPRITES} sprites, {item_ms:.0f} ms each, by {start_method}",
            columns=["", "0 helpers", "4 helpers", "times as fast"],
            rows=[
                ["first batch after", *start_up, ""],
                [
                    "first epoch",
                    *first_epoch,
                    speedup(first, "first_epoch_speedup_4"),
                ],
                ["later epochs", *later_epoch, speedup(later, "speedup_4")],
            ],
            figure=Bars(
                alt="Seconds per epoch, first and later, with 0 and 4 helpers.",
                values=bars,
                groups=[int(bar.name.endswith("4")) for bar in bars],
                x_label="seconds per epoch, by number of helpers",
            ),
            notes=list(dict.fromkeys(first.warnings + later.warnings)),
        )
    )

# %% [markdown]
# ## What to take home
#
# Once they are there, four helpers make the epoch more than three times as fast, because four of
# them wait at the same time. The first epoch gains less: it pays for the start-up. Under fork that is
# a small price. Under spawn (macOS, Windows) and forkserver (Linux from Python 3.14) it is so large
# that a short run is *slower* with helpers, at least until torch has been imported once. Keep them
# with `persistent_workers=True`, or have epochs that are long enough.
