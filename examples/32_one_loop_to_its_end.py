# ---
# title: One loop to its end
# group: The whole loop
# description: Past the usual spell, a loop decodes once, takes whole batches, and augments them together.
# headline: "Without any helper the last loop has {end_of_headroom} the pace of ready batches."
# time_limit_s: 180
# claims:
#   - step_control_speedup > 0.75
#   - step_control_speedup < 1.33
#   - step_control_end_speedup > 0.75
#   - step_control_end_speedup < 1.33
#   - step_packed_speedup > 1.2
#   - step_whole_speedup > 1.1
#   - step_stored_speedup > 1
#   - step_end_speedup > 0.95
#   - step_end_speedup < 1.33
#   - end_speedup > 1.5
#   - end_over_naive > 2
#   - end_of_headroom > 0.85
#   - end_of_headroom < 1
#   - step_augmented_speedup > 0.8
#   - step_augmented_speedup < 1.05
#   - over_augmented > 0.8
#   - over_augmented < 1.25
# ---

# %% [markdown]
# # One loop to its end
#
# **Motive.** *One change at a time* ends with much left to gain. Why stop there? What if the work that
# helpers (worker processes) share were not done at all?
#
# **What is measured.** Epochs of a small training. Each line of the table goes a step further than the one
# before it; the loops take turns in random order.
#
# **Caveat.** All sprites fit into memory, and are tiny. With large pictures an array takes far more room than
# files, and the step decides more. Decoding once takes time once, which is not counted here.

# %% [markdown]
# ## The same pictures, with less work
#
# The first loops load PNG files: alone, and with two helpers as before. Then the sprites are decoded once,
# into one array, and the helpers go home. Then the array is asked for a batch at a time, and all of a batch
# is augmented together, where the model is. At last each sprite lies in the array twice, as it is and
# mirrored: to flip it is to choose. Dividing by 255, brightness and normalising become one multiplication
# and one subtraction, and all batches come in the same two buffers. The last loop has no `DataLoader` left:
# it asks the dataset itself.

# %%
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from spritedocs.datasets import PackedSprites, SpriteFolder
from spritedocs.machine import by_start_method, needs, room_for
from spritedocs.prefetching import on_device
from spritedocs.report import Table, show
from spritedocs.sprites import FAMILIES, write_packed, write_png_folder
from spritedocs.timing import race, time_epoch

COUNT = 2048


def dice(images):
    return torch.rand(len(images), 1, 1, 1, device=images.device)


def prepared(images):
    # uint8, shape (n, 4, size, size), to floats
    images = torch.where(dice(images) < 0.5, images.flip(-1), images)
    return (images / 255 * (0.8 + 0.4 * dice(images)) - 0.5) / 0.25


def brightened(images, floats):
    # The same without flips, into a buffer that is used again.
    torch.mul(images, (0.8 + 0.4 * dice(images)) / 63.75, out=floats)
    return floats.sub_(2)


class OneByOne(Dataset):
    def __init__(self, stored):
        self.stored = stored

    def __len__(self):
        return len(self.stored)

    def __getitem__(self, index):
        image, family = self.stored[index]
        return prepared(image[None])[0], family


class Whole(Dataset):
    def __init__(self, file, buffer=None):
        [[self.images, self.families]] = DataLoader(PackedSprites(file), COUNT)
        self.buffer = buffer

    def __getitem__(self, which):
        found = torch.index_select(self.images, 0, which, out=self.buffer)
        return found, self.families[which]

    def __iter__(self):  # what its loader takes for a sampler
        return iter(torch.randperm(COUNT).split(32))

    def batches(self):  # of an epoch, without a loader
        return map(self.__getitem__, self)


class Mirrored(Whole):
    def __init__(self, file):
        super().__init__(file, torch.empty((32, 4, 32, 32), dtype=torch.uint8))
        self.images = torch.cat([self.images, self.images.flip(-1)])
        self.families = self.families.repeat(2)

    def __iter__(self):
        flips = COUNT * torch.randint(2, (COUNT,))
        return iter((torch.randperm(COUNT) + flips).split(32))


def trainer(device):
    model = nn.Sequential(
        *(nn.Conv2d(4, 8, 3, stride=2), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, len(FAMILIES))),
    ).to(device)

    def step(batch, augment):
        images, families = on_device(batch, device)
        model.zero_grad()
        nn.functional.cross_entropy(model(augment(images)), families).backward()
        for weights in model.parameters():
            # By hand: torch.optim imports a compiler.
            weights.data -= 0.05 * weights.grad

    def epoch_ms(batches, augment=lambda images: images):
        told = batches() if callable(batches) else batches
        return 1000 * time_epoch(told, partial(step, augment=augment)).total_s

    return epoch_ms


# %% [markdown]
# ## To the end
#
# There are two controls: the first loop and the last one, each a second time. The headroom is the same steps
# on batches that are ready on the device. They are neither loaded nor shuffled nor augmented anew, so it is
# no way to train, and no loader can be faster.

# %%
TITLES = {
    "naive": "PNG files, one by one",
    "control": "control: the first again",
    "spell": "+ two helpers who stay",
    "packed": "decoded once, no helpers",
    "whole": "+ whole batches",
    "stored": "+ flips stored, two buffers",
    "end": "+ asked by the loop itself",
    "control_end": "control: the last again",
    "headroom": "headroom: batches in memory",
    "augmented": "the same, augmented anew",
}


def loops(device, folder):
    files = OneByOne(SpriteFolder(write_png_folder(folder / "png", COUNT, 32)))
    file = write_packed(folder / "packed.npy", COUNT, 32)
    floats = torch.empty((32, 4, 32, 32), device=device)
    mirrored, brighten = Mirrored(file), partial(brightened, floats=floats)

    def one_by_one(data, **told):
        loader = DataLoader(data, 32, shuffle=True, **told)
        return partial(trainer(device), loader)

    def by_batch(data, augment):
        batches = DataLoader(data, batch_size=None, sampler=data)
        return partial(trainer(device), batches, augment)

    ready = [on_device(batch, device) for batch in DataLoader(files, 32)]
    return {
        "naive": one_by_one(files),
        "spell": one_by_one(files, num_workers=2, persistent_workers=True),
        "packed": one_by_one(OneByOne(PackedSprites(file))),
        "whole": by_batch(Whole(file), prepared),
        "stored": by_batch(mirrored, brighten),
        "end": partial(trainer(device), mirrored.batches, brighten),
        "control": one_by_one(files),
        "control_end": partial(trainer(device), mirrored.batches, brighten),
        "headroom": partial(trainer(device), ready),
        "augmented": partial(trainer(device), ready, brighten),
    }


if __name__ == "__main__":
    needs("workers")
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with room_for(megabytes=20) as folder:
        trained = race(loops(device, folder), by_start_method(fork=20, other=1))

    ms, ratio = trained.values("train_ms"), trained.ratio
    pairs = pairwise(TITLES)
    faster = {n: ratio(f"step_{n}_speedup", before, n) for before, n in pairs}
    show(
        Table(f"Epochs of training on {device.upper()}", rows=TITLES)
        .column("times as fast as before", faster)
        .column("an epoch", ms)
        .footer("last over first", ratio("end_over_naive", "naive", "end"))
        .footer("over two helpers", ratio("end_speedup", "spell", "end"))
        .footer("of headroom", ratio("end_of_headroom", "headroom", "end"))
        .footer("over augmented", ratio("over_augmented", "end", "augmented"))
        .bars("ms per epoch", ms)
        .finding("The last loop: {end_of_headroom} its headroom's pace.")
        .warn(trained)
    )

# %% [markdown]
# To decode once brings {step_packed_speedup:interval}, without any helper. Whole batches, augmented together,
# bring {step_whole_speedup:interval}. Stored flips, less arithmetic and two buffers together bring
# {step_stored_speedup:interval}, for an array twice as large. Whoever keeps a batch of its buffers has to
# copy it. The last loop is {end_over_naive:interval} as fast as the first, and {end_speedup:interval} as fast
# as the one with helpers.
#
# It has {end_of_headroom:interval} the pace of batches that are ready. What is in the way? A `DataLoader`
# was, if little: without it the loop is {step_end_speedup:interval} as fast, and the same loop a second time
# {step_control_end_speedup:interval}, which is chance. Ready batches that are augmented anew have
# {step_augmented_speedup:interval} their own pace. Of these an epoch takes {over_augmented:interval} as long
# in the last loop, which fetches new pictures besides.
#
# ## What to take home
#
# Helpers share work. First ask which of it need be done at all, and in how many pieces. Decode once, fetch
# whole batches, and augment them together where the model is. Then measure whether a helper still wins.
