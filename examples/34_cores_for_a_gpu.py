# ---
# title: Cores for a GPU
# group: Ranks and machines
# description: On paper, the cores, disks and networks that 8, 64 and 1,024 GPUs take, from one measured core.
# headline: "At 1,000 photographs a second a GPU takes {cores_large_1} cores, stored small {cores_small_1}."
# time_limit_s: 120
# claims:
#   - cores_large_1 > 2
#   - cores_large_8 > cores_small_8
#   - read_large_8 > read_small_8
#   - wait_large_4 > wait_small_4
#   - gpus_cores_large < gpus_cores_small
#   - gpus_cores_large < gpus_wide_large
#   - gpus_cores_small < gpus_narrow_small
#   - gpus_narrow_large < gpus_wide_large
# ---

# %% [markdown]
# # Cores for a GPU
#
# **Motive.** A machine with 8 GPUs is to be bought, or 128 such machines are rented. How many cores must each
# have, how fast must its disks and its network be, and which of them is too slow first?
#
# **What is measured.** What one core takes to decode, crop and shrink a photograph, stored large or small,
# and the bytes of each. All else is computed from that, and from a pace of the GPU that is put in.
#
# **Caveat.** On paper! The photographs are made of noise and gradients, and your core is another one. Cores
# that share a memory or a power budget do less each when all of them work.

# %% [markdown]
# ## One core
#
# `PACE` is no measurement: put in what your GPU does without waiting, which `spritedocs.watch` tells you.

# %%
from functools import partial
from io import BytesIO
from time import process_time

import numpy as np
from PIL import Image

from spritedocs.model import Costs, Settings, predict
from spritedocs.report import Table, show
from spritedocs.timing import race

PACE = 1000  # photographs a second that one GPU trains on
GPUS = (1, 8, 64, 1024)
CORES = (1, 2, 4, 8, 16)
STORED = {
    "large": ((1000, 750), "1000 × 750"),
    "small": ((340, 255), "340 × 255"),
}
PIXELS = 224 * 224 * 3  # bytes that the model takes, as uint8
WALLS = {  # of one machine, put in too: what it has in a second
    "cores": ("128 cores", "core_ms", 128_000),
    "wide": ("a link of 100 Gbit/s", "stored_kb", 100e6 / 8),
    "narrow": ("a link of 25 Gbit/s", "stored_kb", 25e6 / 8),
    "disk": ("a disk that reads 7 GB/s", "stored_kb", 7e6),
}
BATCH = 256


def photographs(size):  # JPEG files in memory
    dice, files = np.random.default_rng(34), []
    for _ in range(16):
        rough = dice.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        smooth = Image.fromarray(rough).resize((1000, 750))
        grain = dice.integers(-12, 13, (750, 1000, 3))
        pixels = (np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)
        files.append(BytesIO())
        Image.fromarray(pixels).resize(size).save(files[-1], "jpeg", quality=90)
    return files


def prepared(file):  # the middle of a photograph, as the model takes it
    with Image.open(file) as picture:
        cut = min(picture.size) // 16
        box = (cut, cut, picture.width - cut, picture.height - cut)
        return np.array(picture.convert("RGB").resize((224, 224), box=box))


def one_core(files):  # what a photograph takes of it, and its size
    begun = process_time()
    for file in files:
        prepared(file)
    taken_s = (process_time() - begun) / len(files)
    size = sum(len(file.getbuffer()) for file in files) / len(files)
    return {"core_ms": 1000 * taken_s, "stored_kb": size / 1000}


if __name__ == "__main__":
    found = race(
        {
            key: partial(one_core, photographs(size))
            for key, (size, _) in STORED.items()
        },
        rounds=8,
    )
    core = found.values("core_ms", "core_ms")
    rows = {key: label for key, (_, label) in STORED.items()}
    show(
        Table("A photograph, on one core", rows=rows, head="stored")
        .column("decoded", core)
        .column("read", found.values("stored", "stored_kb", unit="kB"))
        .bars("milliseconds of one core", core)
        .finding("{core_ms_large} of a core, or {core_ms_small} if small.")
        .warn(found)
    )

# %% [markdown]
# ## On paper
#
# Cores are the seconds of a core for a photograph, times photographs a second. *Read* is what disks or the
# network have to bring. *Pixels* come to the machines of the GPUs instead, where other machines decode.

# %%
if __name__ == "__main__":

    def times_pace(name, field, unit, per):  # by the number of GPUs
        told = {"field": field, "unit": unit}
        return {
            n: found.values(f"{name}_{{}}_{n}", **told, scale=n * PACE / per)
            for n in GPUS
        }

    cores = times_pace("cores", "core_ms", "", 1000)
    read = times_pace("read", "stored_kb", "GB/s", 1e6)
    rows = {n: f"{n:,}" for n in GPUS}
    table = Table(f"{PACE:,} photographs a second each", rows=rows, head="GPUs")
    for key in STORED:
        table.column(f"cores, {key}", {n: cores[n][key] for n in GPUS})
        table.column(f"read, {key}", {n: read[n][key] for n in GPUS})
    pixels = {n: f"{n * PACE * PIXELS / 1e9:.3g} GB/s" for n in GPUS}
    show(table.column("pixels", pixels))

    def fed(wall, key):  # the GPUs for which it suffices
        _, field, most = WALLS[wall]
        name, per_gpu = f"gpus_{wall}_{key}", most / PACE
        return found.combined(name, lambda a: per_gpu / a[field], key, unit="")

    rows = {wall: title for wall, (title, *_) in WALLS.items()}
    table = Table("The GPUs that it feeds", rows=rows, head="one machine's")
    for key in STORED:
        table.column(STORED[key][1], {wall: fed(wall, key) for wall in WALLS})
    show(table)

# %% [markdown]
# **The cores are the first wall,** unless the link is narrow, and each machine has a wall of its own. With
# 8 GPUs it takes {cores_large_8} cores for large photographs, and {cores_small_8} for small ones. So each
# GPU's rank has {cores_large_1} helpers or {cores_small_1}, one on each core. More machines do not change
# that: 128 cores feed {gpus_cores_large} GPUs, or {gpus_cores_small}.
#
# **The network of a machine is the second.** For 8 GPUs it brings {read_large_8} of large files or
# {read_small_8} of small ones. A link of 100 Gbit/s feeds {gpus_wide_large} GPUs with large files, and one
# of 25 Gbit/s {gpus_narrow_large}, or {gpus_narrow_small} with small ones. Pixels that others decoded may
# be more than the files were, and as `float32` they are four times as many.
#
# **The storage is the third,** if all machines share it: its load grows with every GPU. For 1,024 it reads
# {read_large_1024} or {read_small_1024}. A copy on each machine's own disks takes this wall away.
#
# ## Fewer cores than that
#
# What does a GPU lose whose machine has fewer? `spritedocs.model` plays the epoch of one rank through, with
# as many helpers as cores. Batches travel for free in it, and the training step needs no core.

# %%
if __name__ == "__main__":

    def wait_percent(core_ms, n):  # of a GPU with n cores
        costs = Costs((core_ms / 1000,), (core_ms / 1000,), BATCH, cores=n)
        epoch = predict(costs, Settings(n, 2, True), 200, BATCH / PACE)
        return 100 * epoch.wait_s / epoch.epoch_s

    waits = {
        key: {
            n: found.combined(
                f"wait_{key}_{n}",
                lambda taken, n=n: wait_percent(taken["core_ms"], n),
                key,
                unit="%",
            )
            for n in CORES
        }
        for key in STORED
    }
    table = Table("A GPU waits, predicted", rows=CORES, head="its cores")
    for key in STORED:
        table.column(key, waits[key])
    show(
        table.lines(
            "cores for each GPU",
            "% of the time",
            {STORED[key][1]: waits[key] for key in STORED},
            spacing="even",
        ).finding("With 4 cores it waits {wait_large_4}, or {wait_small_4}.")
    )

# %% [markdown]
# With 4 cores a GPU waits {wait_large_4} of the time for large photographs, and {wait_small_4} for small
# ones. Two GPUs on 8 cores wait as one on 4. With 16 cores {wait_large_16} are left: the first batch of an
# epoch, which one helper makes alone.
#
# ## What to take home
#
# Multiply what one core takes by the pace of your GPU: it takes at least that many cores, as the training
# loop needs some too. Store the pictures small before you buy cores, which takes less of the disks and of the
# network as well. Then count the cores of a machine, its network, and the shared storage, in this order.
