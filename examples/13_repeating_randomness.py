# ---
# title: Helpers that roll the same dice
# description: Which random generators repeat across workers and epochs, the fix, and what it costs.
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
#   - peeked_two_epochs_2 < lazy_two_epochs_2
#   - items_that_differ == 0
#   - items_that_differ_global_0_1 == 32
#   - items_that_differ_global_1_1 == 0
#   - epochs_seen_attribute_2_persistent == 1
#   - epochs_seen_shared_2_persistent == epochs_seen_shared_0
#   - keys_shifted_torch < keys_shifted_numpy
#   - rng_per_lookup > 1
#   - rng_share_of_decode < 15
# ---

# %% [markdown]
# # Helpers that roll the same dice
#
# **Motive.** You give every helper sprite (worker process) a bag of dice, so that no two pictures are
# augmented alike. But if you filled one bag and had it *copied*, all helpers roll the same numbers, and the
# model sees less variety than you think. Nothing crashes and nothing warns. Which generators are copied, and
# what is the cure?
#
# **What is measured.** Counts. Each of 16 items is one random number. If all differ, the count is
# "16 of 16"; "8 of 16" says that half of them are repeats. Loaded with 0 to 4 workers, for one epoch and
# for two. Then the fixes, counted in the same way; an augmentation that comes out bit for bit alike
# with any number of workers; and the price of the generator that it needs, in microseconds.
#
# **Caveat.** The counts are exact for these settings: batches of 2, handed to the workers in turns, from a
# map-style dataset. Other settings repeat other items, but for the same reason. The microseconds are this
# machine's.

# %%
import io
import itertools
import multiprocessing
import random
import string
import sys
import time
import warnings

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, StackDataset, get_worker_info

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import why_no_helpers
from spritedocs.report import Blocks, Gap, Measurement, Report, show
from spritedocs.sprites import draw_sprite
from spritedocs.timing import dismiss

ITEMS = 16
BATCH_SIZE = 2
SEED = 0
MODULE_GENERATOR = np.random.default_rng()

# %% [markdown]
# ## A dataset that is all dice
#
# Three of its generators are *global*: the ones that `random`, NumPy and torch keep for everybody. Four are
# *objects* that `__init__` makes, one of them without a seed. One stands at the top of the script,
# outside the class.
#
# A `torch.Generator` is handed in, because on Linux a dataset that holds one stops the workers of spawn and
# forkserver ([pytorch#146828](https://github.com/pytorch/pytorch/issues/146828)). So it is tried under fork.


# %%
class RandomItems(Dataset):
    """Items that are nothing but one number from each generator."""

    def __init__(self, torch_generator=None):
        self.python = random.Random(SEED)
        self.numpy = np.random.default_rng(SEED)
        self.unseeded = np.random.default_rng()
        self.torch = torch_generator

    def __len__(self):
        return ITEMS

    def __getitem__(self, index):
        item = {
            "python_global": random.random(),
            "numpy_global": np.random.rand(),
            "torch_global": drawn_by_torch(None),
            "python_object": self.python.random(),
            "numpy_object": self.numpy.random(),
            "numpy_unseeded": self.unseeded.random(),
            "numpy_module": MODULE_GENERATOR.random(),
        }
        if self.torch is not None:
            item["torch_object"] = drawn_by_torch(self.torch)
        return item


def drawn_by_torch(generator):
    """A float from 0 to 1, from torch's global generator if it is None."""
    # In float64, as random and NumPy draw: float32 has few enough values
    # for two draws to agree by chance.
    return torch.rand((), generator=generator, dtype=torch.float64).item()


def random_items(num_workers, start_method):
    """The dataset, with a torch.Generator where no worker dies of it."""
    if num_workers == 0 or start_method == "fork":
        return RandomItems(torch.Generator().manual_seed(SEED))
    return RandomItems()


# %% [markdown]
# ## Load, and count what differs
#
# With `keep`, the workers stay from epoch to epoch (`persistent_workers=True`). Else each epoch starts new
# ones. On fewer cores than workers torch warns that there are too many; nothing here is about speed, so that
# warning is silenced. (And where workers have no temporary folder to hand anything over, a loader would wait
# for ever: then there is nothing to count.)


# %% tags=["fold"]
def load_epochs(dataset, num_workers, epochs, keep=False, **options):
    """What each epoch drew: a dict from generator to its draws, in order.

    None where workers are wanted and cannot work.
    """
    if num_workers and why_no_helpers():
        return None
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    loader = DataLoader(
        dataset,
        batch_size=BATCH_SIZE,
        num_workers=num_workers,
        persistent_workers=keep,
        **options,
    )
    drawn = []
    for epoch in range(epochs):
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(epoch)
        batches = list(loader)
        drawn.append(
            {
                kind: torch.cat([batch[kind] for batch in batches]).tolist()
                for kind in batches[0]
            }
        )
    dismiss(loader)  # kept workers would stay as long as the loader
    return drawn


def count_unique(name, kind, epochs):
    """How many draws differ among all that these epochs made of a kind."""
    if epochs is None:
        return Gap(name, why_no_helpers())
    draws = [draw for epoch in epochs for draw in epoch.get(kind, [])]
    if not draws:
        return Gap(
            name,
            "A torch.Generator in a dataset can stop workers that are not "
            "forked (pytorch#146828): make it in the worker.",
        )
    return Measurement.of(name, [len(set(draws))], f"of {len(draws)}")


def count_row(label, prefix, kind, runs):
    """A row of a table: how many draws of a kind differ, run by run."""
    return [
        label,
        *(
            count_unique(f"{prefix}_{kind}_{name}", kind, run)
            for name, run in runs.items()
        ),
    ]


def first_seen(draws):
    """Number the draws: equal draws get equal numbers, new ones the next."""
    known = {}
    return [known.setdefault(draw, len(known)) for draw in draws]


# %% [markdown]
# ## One epoch: do two helpers agree?

# %% tags=["fold"]
if __name__ == "__main__":
    start_method = multiprocessing.get_start_method()
    forks = start_method == "fork"
    # Where workers are not forked each takes seconds to start.
    helpers = (0, 1, 2, 4) if forks else (0, 2)
    runs = {
        number: load_epochs(
            random_items(number, start_method), number, epochs=2
        )
        for number in helpers
    }
    labels = {
        "python_global": "global: random.random()",
        "numpy_global": "global: np.random.rand()",
        "torch_global": "global: torch.rand(())",
        "python_object": "object: Random(0)",
        "numpy_object": "object: default_rng(0)",
        "numpy_unseeded": "object: default_rng()",
        "torch_object": "object: torch.Generator()",
    }
    first = {number: run and run[:1] for number, run in runs.items()}
    pictures = {
        f"object, {number} helpers": run[0]["numpy_object"]
        for number, run in runs.items()
        if run and number != 1
    }
    if runs[2]:
        draws = {"global, 2 helpers": runs[2][0]["numpy_global"]}
        pictures = draws | pictures
    show(
        Report(
            title=f"Different draws in one epoch, by {start_method}",
            columns=["helpers", *map(str, helpers)],
            rows=[
                count_row(label, "unique", kind, first)
                for kind, label in labels.items()
            ],
            figure=Blocks(
                alt="Each block is an item, in order; the same letter is the "
                "same random number. A global generator gives 16 letters, an "
                "object without helpers too. With helpers each letter of the "
                "object comes once from every helper.",
                rows={
                    name: first_seen(draws) for name, draws in pictures.items()
                },
                names=string.ascii_uppercase,
                x_label="items in order; same letter: same draw",
            ),
        )
    )

# %% [markdown]
# The globals are safe: in each worker torch seeds `random`, NumPy's global generator and its own from a base
# seed and the worker's number. (NumPy's only since torch 1.9:
# [pytorch#56488](https://github.com/pytorch/pytorch/pull/56488). Much advice on the web is older. It warns of
# a generator that no longer repeats.)
#
# The objects are copied with the dataset, state and all, and nobody seeds them again. Two helpers draw each
# number twice, four draw it four times. **Leaving out the seed does not help**: such a generator is random
# when it is made, but it is made once and then copied.
#
# ## Two epochs: do the helpers remember?
#
# The epochs from above, both of them, and two more with workers that are kept.

# %% tags=["fold"]
if __name__ == "__main__":
    kept = load_epochs(random_items(2, start_method), 2, epochs=2, keep=True)
    settings = {str(number): run for number, run in runs.items() if number < 4}
    settings["2_persistent"] = kept
    pictures = {}
    for name, run in {"new": runs[2], "kept": kept}.items() if kept else ():
        numbers = first_seen(run[0]["numpy_object"] + run[1]["numpy_object"])
        pictures[f"{name}, epoch 1"] = numbers[:ITEMS]
        pictures[f"{name}, epoch 2"] = numbers[ITEMS:]
    show(
        Report(
            title=f"Different draws in two epochs, by {start_method}",
            columns=["helpers", *list(settings)[:-1], "2, kept"],
            rows=[
                count_row(label, "two_epochs", kind, settings)
                for kind, label in labels.items()
            ],
            figure=Blocks(
                alt="New helpers draw in the second epoch exactly what they "
                "drew in the first. Kept helpers go on to new numbers, but "
                "still each number comes from both.",
                rows=pictures,
                names=string.ascii_uppercase,
                x_label="items in order; same letter: same draw",
            )
            if pictures
            else None,
        )
    )

# %% [markdown]
# New workers get a new copy, and the copy starts where the first one did: **every epoch is augmented as the
# first one was**, already with a single helper. More epochs add nothing. Kept workers go on drawing, but
# still in step with each other. Without helpers the dataset itself goes on, and nothing repeats: that is how
# this survives a test with `num_workers=0`.
#
# ## The dice on the table: a generator at the top of the script
#
# Here the start method decides. fork copies the whole main process, with all that stands at the top of the
# script. spawn starts a new Python, which runs the top of the script anew: an *unseeded* generator there is
# another one in each worker. The same code passes on a Mac or on Windows, where spawn is the default, and
# repeats on Linux up to Python 3.13, where fork is.


# %% tags=["fold"]
def by_start_method(own, drawn):
    """Draws of 2 workers under fork, spawn and our own start method."""
    results = {"fork": None, "spawn": None, own: drawn}
    if results["fork"] is None and sys.platform == "linux":
        results["fork"] = load_epochs(
            RandomItems(), 2, 1, multiprocessing_context="fork"
        )
    if results["spawn"] is None:
        results["spawn"] = load_epochs(
            RandomItems(), 2, 1, multiprocessing_context="spawn"
        )
    return results


def count_or_gap(name, kind, epochs):
    """``count_unique``, or why this start method was not tried."""
    if epochs is None:
        return Gap(
            name,
            why_no_helpers()
            or "fork is missing on Windows and unsafe on macOS: "
            "Linux shows what it does.",
        )
    return count_unique(name, kind, epochs)


if __name__ == "__main__":
    tried = by_start_method(start_method, first[2])
    places = {
        "numpy_global": "global: np.random.rand()",
        "numpy_object": "in __init__: default_rng(0)",
        "numpy_unseeded": "in __init__: default_rng()",
        "numpy_module": "at the top: default_rng()",
    }
    show(
        Report(
            title="Different draws in one epoch with 2 helpers",
            columns=["start method", *tried],
            rows=[
                [
                    label,
                    *(
                        count_or_gap(f"unique_{kind}_{method}", kind, drawn)
                        for method, drawn in tried.items()
                    ),
                ]
                for kind, label in places.items()
            ],
        )
    )

# %% [markdown]
# forkserver can do either: its workers are forked from a server, and it depends on whether that server has
# imported your module before (through `set_forkserver_preload`, or as the main script in newer Pythons:
# [cpython#126631](https://github.com/python/cpython/issues/126631)). Do not build on it.
#
# ## The fix: each helper makes its own dice
#
# In a worker `torch.initial_seed()` is that worker's own seed, the same number as `get_worker_info().seed`.
# (In the main process it is there too, where `get_worker_info()` is `None`.) To make a generator from it at
# the first draw is the usual advice, and has a trap: whoever looks at `dataset[0]` in the main process
# *makes* it there, and then it is copied after all. Two ways out: make it anew whenever the seed is another
# one, or make it in `worker_init_fn`, which runs in each worker before its first item.


# %%
class LazyGenerator:
    """The usual advice: made at the first draw, wherever that is."""

    def __init__(self):
        self.generator = None

    def random(self):
        if self.generator is None:
            self.generator = np.random.default_rng(torch.initial_seed())
        return self.generator.random()


class WorkerGenerator:
    """Made at the first draw in each process: when the seed is a new one."""

    def __init__(self):
        self.seed = None

    def random(self):
        if self.seed != torch.initial_seed():
            self.seed = torch.initial_seed()
            self.generator = np.random.default_rng(self.seed)
        return self.generator.random()


class UnseededTorchGenerator:
    """Made in the worker, and yet the same everywhere."""

    def __init__(self):
        self.generator = None

    def random(self):
        if self.generator is None:
            self.generator = torch.Generator()
        return drawn_by_torch(self.generator)


class FixedItems(Dataset):
    """Items that are one number from each of the fixes."""

    def __init__(self):
        self.lazy = LazyGenerator()
        self.peeked = LazyGenerator()
        self.checked = WorkerGenerator()
        self.unseeded_torch = UnseededTorchGenerator()
        self.generator = np.random.default_rng(SEED)
        # As dataset[0] in the main process would:
        self.peeked.random()
        self.checked.random()
        self.generator.random()

    def __len__(self):
        return ITEMS

    def __getitem__(self, index):
        return {
            "lazy": self.lazy.random(),
            "peeked": self.peeked.random(),
            "checked": self.checked.random(),
            "init_fn": self.generator.random(),
            "unseeded_torch": self.unseeded_torch.random(),
        }


def make_generator(worker_id):
    """For ``worker_init_fn``: give this worker's dataset its own generator."""
    worker = get_worker_info()
    worker.dataset.generator = np.random.default_rng(worker.seed)


# %% tags=["fold"]
if __name__ == "__main__":
    renewed = load_epochs(
        FixedItems(), 2, epochs=2, worker_init_fn=make_generator
    )
    kept = load_epochs(
        FixedItems(), 2, epochs=2, keep=True, worker_init_fn=make_generator
    )
    fixes = {
        "lazy": "at the first draw",
        "peeked": "at the first, after a look",
        "checked": "for a new seed, after a look",
        "init_fn": "worker_init_fn, after a look",
        "unseeded_torch": "torch.Generator(), no seed",
    }
    show(
        Report(
            title="Different draws with 2 helpers that make their generator",
            columns=["made", "1 epoch", "2 epochs, new", "2 epochs, kept"],
            rows=[
                [
                    label,
                    count_unique(f"{kind}_2", kind, renewed and renewed[:1]),
                    count_unique(f"{kind}_two_epochs_2", kind, renewed),
                    count_unique(f"{kind}_two_epochs_2_persistent", kind, kept),
                ]
                for kind, label in fixes.items()
            ],
        )
    )

# %% [markdown]
# New workers have new seeds in every epoch. Kept workers keep the seed of their start, and that is right:
# their generator goes on. The last row is a trap of its own: a new `torch.Generator()` always starts from the
# same seed, a constant, so it needs a `manual_seed` wherever it is made. (`random.Random()` and
# `np.random.default_rng()` ask the operating system, and are another one each time.)
#
# ## The same pictures with any number of helpers
#
# Now all draws differ, but *which* item gets which draw still depends on who loads it. Set a seed, change
# `num_workers`, and you get other pictures. If a run must repeat on another machine, let the draw depend on
# what the item *is*: seed, epoch, index. Here each sprite is augmented twice: by torch's global generator,
# seeded at the start, and by such a key.


# %%
def augment(image, shift, light):
    """The sprite, moved sideways and lit; both draws are from 0 to 1."""
    moved = torch.roll(image, int(shift * image.shape[-1]), dims=-1)
    return moved.float() * (0.5 + light)


class GlobalAugmented(Dataset):
    """Sprites, augmented by torch's global generator."""

    def __init__(self):
        self.sprites = SpriteTensors(ITEMS)

    def __len__(self):
        return ITEMS

    def __getitem__(self, index):
        image, _ = self.sprites[index]
        return augment(image, *torch.rand(2).tolist())


class KeyAugmented(Dataset):
    """Sprites, augmented by what they are: seed, epoch and index."""

    def __init__(self):
        self.sprites = SpriteTensors(ITEMS)
        # A tensor in shared memory: workers that are kept see it change.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch):
        self.epoch.fill_(epoch)

    def __len__(self):
        return ITEMS

    def __getitem__(self, index):
        image, _ = self.sprites[index]
        key = [SEED, int(self.epoch), index]
        return augment(image, *np.random.default_rng(key).random(2))


# %% tags=["fold"]
class Both(StackDataset):
    """Both of them in one loader, each sprite as a dict of two pictures."""

    def __init__(self):
        super().__init__(by_global=GlobalAugmented(), by_key=KeyAugmented())

    def set_epoch(self, epoch):
        self.datasets["by_key"].set_epoch(epoch)


def seeded_epochs(num_workers):
    """Two epochs after torch.manual_seed, the same seed each time."""
    torch.manual_seed(SEED)
    return load_epochs(Both(), num_workers, epochs=2, keep=num_workers > 0)


def differences(run, other, kind):
    """How many items of all epochs are not the same bit for bit."""
    pairs = zip(run, other, strict=True)
    return sum(
        ours != theirs
        for mine, yours in pairs
        for ours, theirs in zip(mine[kind], yours[kind], strict=True)
    )


def count_differences(name, pairs, kind):
    """How many items differ between the two runs of each pair, in all."""
    if any(run is None for pair in pairs for run in pair):
        return Gap(name, why_no_helpers())
    count = sum(differences(run, other, kind) for run, other in pairs)
    items = sum(ITEMS * len(run) for run, _ in pairs)
    return Measurement.of(name, [count], f"of {items}")


def count_alike(name, run):
    """How many items the key augments alike in the first two epochs."""
    if run is None:
        return Gap(name, why_no_helpers())
    alike = ITEMS - differences(run[:1], run[1:], "by_key")
    return Measurement.of(name, [alike], f"of {ITEMS}")


# %% [markdown]
# Two epochs each time. One number is run twice, as a control.

# %% tags=["fold"]
if __name__ == "__main__":
    numbers = (0, 1, 1, 2, 3) if forks else (0, 1, 1, 2)
    seeded = [seeded_epochs(number) for number in numbers]
    labels = {
        "by_global": ("torch.rand, seeded once", "items_that_differ_global"),
        "by_key": ("[seed, epoch, index]", "items_that_differ"),
    }
    pairs = list(itertools.pairwise(seeded))
    steps = [f"{one}_{two}" for one, two in itertools.pairwise(numbers)]
    rows = [
        [
            label,
            *(
                count_differences(f"{name}_{step}", [pair], kind)
                for step, pair in zip(steps, pairs, strict=True)
            ),
        ]
        for kind, (label, name) in labels.items()
    ]
    alike = count_alike("items_alike_in_both_epochs", seeded[2])
    show(
        Report(
            title="Items that differ between two runs",
            columns=[
                "helpers",
                *(f"{one}, {two}" for one, two in itertools.pairwise(numbers)),
            ],
            rows=rows,
            more_values=[
                *(
                    count_differences(name, pairs, kind)
                    for kind, (_, name) in labels.items()
                ),
                alike,
            ],
        )
    )
    print(f"By key, alike in both epochs: {alike}.")

# %% [markdown]
# Seeding once repeats a run with the *same* number of helpers, and no other. (Where a few items agree, they
# are the first batch of a worker that has the same seed in both runs.) The key gives the same pictures, to
# the last bit, whoever loads them, and other ones in the next epoch.
#
# ## How the helpers learn which epoch it is
#
# The key needs the epoch, and epochs are counted in the main process. A plain attribute travels with the
# copy: new workers get the new value, kept workers never hear of it. A tensor in shared memory is one and the
# same for all. Set it before the `for` loop over the loader: workers fetch ahead from its first moment.


# %%
class EpochWatcher(Dataset):
    """Items that are nothing but the epoch, as the worker sees it."""

    def __init__(self):
        self.plain = 0
        self.shared = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch):
        self.plain = epoch
        self.shared.fill_(epoch)

    def __len__(self):
        return ITEMS

    def __getitem__(self, index):
        return {"attribute": self.plain, "shared": int(self.shared)}


# %% tags=["fold"]
def count_epochs(name, kind, run):
    """How many epochs' numbers the items have seen, of those there were."""
    if run is None:
        return Gap(name, why_no_helpers())
    seen = {number for epoch in run for number in epoch[kind]}
    return Measurement.of(name, [len(seen)], f"of {len(run)}")


if __name__ == "__main__":
    epochs = 3 if forks else 2
    settings = {
        "0": load_epochs(EpochWatcher(), 0, epochs),
        "2": load_epochs(EpochWatcher(), 2, epochs),
        "2_persistent": load_epochs(EpochWatcher(), 2, epochs, keep=True),
    }
    show(
        Report(
            title=f"Epochs that the items saw, by {start_method}",
            columns=["helpers", "0", "2", "2, kept"],
            rows=[
                [
                    label,
                    *(
                        count_epochs(f"epochs_seen_{kind}_{name}", kind, run)
                        for name, run in settings.items()
                    ),
                ]
                for kind, label in (
                    ("attribute", "a plain attribute"),
                    ("shared", "a tensor in shared memory"),
                )
            ],
        )
    )

# %% [markdown]
# ## Which key?
#
# Three ways to make one key of three numbers. A *sum* gives item 1 in epoch 0 what item 0 gets in epoch 1.
# The epoch *shifted* above the index looks clever, until torch gets it: its generator on the CPU uses only
# the lower 32 bits of a seed. A *list* is for NumPy, whose `SeedSequence` mixes all of it, and can also make
# the 32 bits that torch takes.


# %%
def with_numpy(key):
    """The first number of NumPy's generator for a key: a number or a list."""
    return np.random.default_rng(key).random()


def with_torch(key):
    """The first number of torch's generator for a key."""
    if isinstance(key, list):
        key = int(np.random.SeedSequence(key).generate_state(1)[0])
    return drawn_by_torch(torch.Generator().manual_seed(key))


def key_of_sum(epoch, index):
    return SEED + epoch + index


def key_of_shift(epoch, index):
    return SEED + (epoch << 32) + index


def key_of_list(epoch, index):
    return [SEED, epoch, index]


# %% tags=["fold"]
def unique_keys(name, draw, key):
    """How many first numbers differ over two epochs of items."""
    keys = [key(epoch, index) for epoch in range(2) for index in range(ITEMS)]
    return Measurement.of(name, [len(set(map(draw, keys)))], f"of {len(keys)}")


if __name__ == "__main__":
    keys = {
        "sum": ("seed + epoch + index", key_of_sum),
        "shifted": ("seed + (epoch << 32) + index", key_of_shift),
        "list": ("[seed, epoch, index]", key_of_list),
    }
    show(
        Report(
            title="Different draws in two epochs, main process only",
            columns=["key", "np.random.default_rng", "torch.Generator"],
            rows=[
                [
                    label,
                    unique_keys(f"keys_{name}_numpy", with_numpy, key),
                    unique_keys(f"keys_{name}_torch", with_torch, key),
                ]
                for name, (label, key) in keys.items()
            ],
        )
    )

# %% [markdown]
# ## What a generator per item costs
#
# A worker's own generator is made once. One per item is made for every item, so its price counts. It stands
# here beside the cheapest item there is, a sprite copied from memory, and beside one of some substance: a PNG
# of 224 pixels, decoded from memory. (A sprite's PNG compresses well and decodes fast; photographs take
# longer.) The five take turns in random order.


# %% tags=["fold"]
def with_python(key):
    """The first number of ``random``'s generator, seeded by a text."""
    return random.Random(" ".join(map(str, key))).random()


def png_of(index, size):
    """The bytes of a sprite's PNG file."""
    file = io.BytesIO()
    Image.fromarray(draw_sprite(index, size)).save(file, "png")
    return file.getvalue()


def microseconds(arms, rounds, items):
    """µs per call for each arm: a list with one sample a round."""
    order, samples = list(arms), {name: [] for name in arms}
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            begun = time.perf_counter()
            for index in range(items):
                arms[name](index)
            seconds = time.perf_counter() - begun
            samples[name].append(seconds / items * 1e6)
    return samples


def cost_row(label, arm, samples):
    """µs per item; beside a generator its ratios too, paired by round."""
    row = [label, Measurement.of(f"{arm}_us_per_item", samples[arm], "µs")]
    if arm in ("lookup", "decode"):
        return [*row, "", ""]
    for other, name, unit, factor in (
        ("lookup", "per_lookup", "×", 1),
        ("decode", "share_of_decode", "%", 100),
    ):
        pairs = zip(samples[arm], samples[other], strict=True)
        ratios = [factor * ours / theirs for ours, theirs in pairs]
        row.append(Measurement.of(f"{arm}_{name}", ratios, unit))
    return row


if __name__ == "__main__":
    sprites, png = SpriteTensors(ITEMS), png_of(0, size=224)
    arms = {
        "rng": lambda index: with_numpy([SEED, 1, index]),
        "torch_rng": lambda index: with_torch([SEED, 1, index]),
        "python_rng": lambda index: with_python([SEED, 1, index]),
        "lookup": lambda index: sprites[index % ITEMS],
        "decode": lambda index: np.array(Image.open(io.BytesIO(png))),
    }
    microseconds(arms, rounds=1, items=50)  # a warm-up
    samples = microseconds(arms, rounds=12, items=100)
    rows = [
        cost_row("np.random.default_rng", "rng", samples),
        cost_row("torch, SeedSequence", "torch_rng", samples),
        cost_row("random.Random(text)", "python_rng", samples),
        cost_row("a sprite from memory", "lookup", samples),
        cost_row("a PNG, decoded", "decode", samples),
    ]
    show(
        Report(
            title="A generator for every item, and two items",
            columns=["", "each", "of a copy", "of a decoding"],
            rows=rows,
        )
    )

# %% [markdown]
# Beside an item that is decoded, a generator hardly shows. NumPy's costs more than a copy from memory, and
# the others about as much or more: where items are as cheap as that, make one for the whole batch, in
# `__getitems__`.
#
# ## What to take home
#
# - **It hits you** if `__init__` makes a generator *object*, with a seed or without, and workers draw from
#   it. Two workers draw the same numbers. Workers that are started anew for each epoch repeat the first
#   epoch, even if there is only one of them. The globals of `random`, NumPy and torch do not repeat.
# - **Do** use the globals, or make the object in the worker with `torch.initial_seed()` as its seed: in
#   `worker_init_fn`, or anew whenever that is another one. "At the first item" alone fails after a look at
#   `dataset[0]`.
# - **To repeat a run with any number of workers**, make the generator from the list `[seed, epoch, index]`,
#   and let the epoch reach kept workers through shared memory. An index that a sampler draws twice in an
#   epoch is then augmented alike both times.
# - **It stops mattering** without workers, and for all that is drawn in the main process only, such as the
#   order of a sampler, or the augmentation of whole batches on the GPU.
