# ---
# title: The same pictures with any number of helpers
# group: Errors and chance
# description: Keys of seed, epoch and index augment alike, whoever loads. Which keys collide, and the price.
# headline: "With dice keyed by seed, epoch and index, {items_that_differ} pictures differ, whoever loads
#   them."
# formerly: 13_repeating_randomness
# claims:
#   - items_that_differ == 0
#   - items_that_differ_global_0_1 == 32
#   - items_that_differ_global_1_1 == 0
#   - epochs_seen_attribute_2_persistent == 1
#   - epochs_seen_shared_2_persistent == epochs_seen_shared_0
#   - keys_sum_numpy < keys_list_numpy
#   - keys_shifted_torch < keys_shifted_numpy
#   - rng_per_lookup > 1
#   - rng_share_of_decode < 0.15
# ---

# %% [markdown]
# # The same pictures with any number of helpers
#
# **Motive.** You seed the run, summon one helper sprite (worker process) more, and get other pictures: which
# item gets which dice depends on who loads it. Can an item have dice of its own?
#
# **What is measured.** Which keys of seed, epoch and index collide. How many of 16 augmented sprites differ
# between runs with other numbers of workers. How many epochs the workers hear of. And what a generator for
# every item costs.
#
# **Caveat.** An index that a sampler draws twice in an epoch is augmented alike both times.

# %% [markdown]
# ## One key of three numbers
#
# Let the draw depend on what the item *is*: seed, epoch, index. How do these become one key? By a *sum*? With
# the epoch *shifted* above the index? As a *list*, which NumPy takes and torch does not?

# %%
import io
import warnings
from functools import partial
from itertools import pairwise
from timeit import timeit

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from spritedocs.datasets import SpriteTensors
from spritedocs.machine import by_start_method, needs
from spritedocs.report import Table, count, show
from spritedocs.sprites import draw_sprite
from spritedocs.timing import race

SEED = 0


KEYS = {
    "sum": lambda epoch, index: SEED + epoch + index,
    "shifted": lambda epoch, index: SEED + (epoch << 32) + index,
    "list": lambda epoch, index: [SEED, epoch, index],
}


def with_numpy(key):
    return np.random.default_rng(key).random()


def with_torch(key):
    return torch.rand((), generator=torch.Generator().manual_seed(key)).item()


def unique(name, draw, key):
    """How many first numbers differ over two epochs of 16 items."""
    keys = [key(epoch, index) for epoch in range(2) for index in range(16)]
    return count(name, len(set(map(draw, keys))), of=32)


if __name__ == "__main__":
    numpys = {k: unique(f"keys_{k}_numpy", with_numpy, KEYS[k]) for k in KEYS}
    taken = ("sum", "shifted")
    torches = {k: unique(f"keys_{k}_torch", with_torch, KEYS[k]) for k in taken}
    show(
        Table("Different draws in two epochs", rows=list(KEYS), head="key")
        .column("np.random.default_rng", numpys)
        .column("torch.Generator", torches)
    )

# %% [markdown]
# By a sum, item 1 in epoch 0 gets what item 0 gets in epoch 1: {keys_sum_numpy} differ. The shifted epoch
# looks clever, until torch gets it: {keys_shifted_torch}. Its generator on the CPU uses only the lower 32
# bits of a seed. The list is for NumPy, which mixes all of it, and can make 32 bits for torch of it:
# `np.random.SeedSequence([seed, epoch, index]).generate_state(1)`.
#
# ## The same pictures
#
# Here each sprite is augmented twice: by torch's global generator, seeded at the start, and by such a key.
# The item also says which epoch its worker believes it is, by a plain attribute and by a tensor in shared
# memory.


# %%
def augment(image, shift, light):
    """The sprite, moved sideways and lit; both draws are from 0 to 1."""
    return torch.roll(image, int(16 * shift), dims=-1) * (0.5 + light)


class Augmented(Dataset):
    """16 sprites, augmented in two ways, and the epoch in two ways."""

    def __init__(self):
        self.sprites = SpriteTensors(16)
        self.plain = 0
        self.shared = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch):
        self.plain = epoch
        self.shared.fill_(epoch)

    def __len__(self):
        return 16

    def __getitem__(self, index):
        image, _ = self.sprites[index]
        key = [SEED, int(self.shared), index]
        return {
            "global": augment(image, *torch.rand(2).tolist()),
            "key": augment(image, *np.random.default_rng(key).random(2)),
            "attribute": self.plain,
            "shared": int(self.shared),
        }


def two_epochs(num_workers, **options):
    """What two epochs gave: a tensor of 32 values for each key of an item."""
    torch.manual_seed(SEED)
    sprites, batches = Augmented(), []
    loader = DataLoader(sprites, 4, num_workers=num_workers, **options)
    for epoch in range(2):
        sprites.set_epoch(epoch)  # before the loop: workers fetch ahead
        batches += loader
    return {k: torch.cat([batch[k] for batch in batches]) for k in batches[0]}


def differ(name, ours, theirs, kind):
    """How many pictures are not the same, bit for bit."""
    different = (ours[kind] != theirs[kind]).flatten(1).any(dim=1)
    return count(name, int(different.sum()), of=len(different))


if __name__ == "__main__":
    needs("workers")
    warnings.filterwarnings("ignore", "This DataLoader will create")
    helpers = by_start_method(fork=(0, 1, 1, 2, 3), other=(0, 1, 1, 2))
    runs = [(number, two_epochs(number)) for number in helpers]
    by_global, by_key = {}, {}
    for (one, ours), (other, theirs) in pairwise(runs):
        pair = f"{one}_{other}"
        name = f"items_that_differ_global_{pair}"
        by_global[pair] = differ(name, ours, theirs, "global")
        name = f"items_that_differ_{pair}"
        by_key[pair] = differ(name, ours, theirs, "key")
    alone, kept = runs[0][1], two_epochs(2, persistent_workers=True)
    show(
        Table("Pictures that differ between two runs", rows=list(by_key))
        .column("torch.rand, seeded once", by_global)
        .column("[seed, epoch, index]", by_key)
        .record([differ("items_that_differ", alone, kept, "key")])
    )

# %% [markdown]
# Each row is a pair of runs, by their numbers of helpers. Seeding once repeats a run with the *same* number,
# and no other. Where a few pictures agree, a helper had the same seed in both runs. The key gives the same
# pictures, to the last bit, whoever loads them. With two helpers that are kept, {items_that_differ} differ
# from those without helpers.
#
# ## Which epoch is it?
#
# Epochs are counted in the main process. A plain attribute travels with the copy of the dataset. A tensor in
# shared memory is one and the same for all. How many epochs did the workers hear of?

# %%
if __name__ == "__main__":
    heard = {"0": alone, "2": runs[3][1], "2_persistent": kept}
    table = Table("Epochs that the items saw", columns=list(heard))
    for kind in ("attribute", "shared"):
        name = f"epochs_seen_{kind}"
        seen = {key: len(run[kind].unique()) for key, run in heard.items()}
        table.row(kind, {k: count(f"{name}_{k}", seen[k], of=2) for k in seen})
    show(table)

# %% [markdown]
# Helpers that are kept (`persistent_workers=True`) never hear of the attribute. They saw
# {epochs_seen_attribute_2_persistent}. Without helpers, and with new ones for each epoch, it works.
#
# ## What a generator for every item costs
#
# One generator for each item is made again and again (*rng*). Here it stands beside the cheapest item there
# is, a sprite copied from memory (*lookup*), and a PNG of 224 pixels, decoded from memory (*decode*).

# %%
if __name__ == "__main__":
    sprites, png = SpriteTensors(16), io.BytesIO()
    Image.fromarray(draw_sprite(0, size=224)).save(png, "png")
    arms = {
        "rng": lambda: with_numpy([SEED, 1, 3]),
        "lookup": lambda: sprites[3],
        "decode": lambda: np.array(Image.open(png)),
    }
    calls = {name: partial(timeit, arms[name], number=100) for name in arms}
    costs = race(calls, rounds=12)
    us = costs.values("{}_us_per_item", unit="µs", scale=1e6 / 100)
    shares = costs.ratios("{}_share_of_decode", over="decode")
    show(
        Table("A generator for every item, and two items", rows=list(arms))
        .column("each", us)
        .column("÷ lookup", costs.ratios("{}_per_lookup", over="lookup"))
        .column("÷ decode", shares)
        .warn(costs)
    )

# %% [markdown]
# NumPy's generator takes {rng_per_lookup} as long as a copy from memory. Beside an item that is decoded it
# hardly shows: {rng_share_of_decode} of its time. Where items are as cheap as a copy, make one generator for
# the whole batch, in `__getitems__`.
#
# ## What to take home
#
# To repeat a run with any number of workers, make each item's generator from the list `[seed, epoch, index]`.
# Let the epoch reach kept workers through shared memory, and set it before the loop. It stops mattering for
# all that is drawn in the main process, such as the order of a sampler.
