# ---
# title: Many small files, one file, one array
# description: The same sprites as PNG files, as PNG bytes in one file and as an array, cache cold and warm.
# claims:
#   - png_over_packed_warm > 10
#   - png_over_blob_cold > 1.3
#   - decode_percent_of_png > 33.4
#   - packed_speedup_4_warm < 0.8
#   - space_bytes_png > content_bytes_packed
#   - step_later_ratio < 1.3
#   - content_bytes_packed > content_bytes_png
# ---

# %% [markdown]
# # Many small files, one file, one array
#
# **Motive.** A library that keeps every sprite on a scroll of its own is a joy to look at and slow to read:
# fetch a scroll, unroll it, decipher it, put it back. What keeps you waiting: the disk, the number of
# scrolls, or the deciphering? And which of them do helpers take off your hands?
#
# **What is measured.** The same 768 sprites are stored three ways: a folder of PNG files; the bytes of those
# files end to end in one file; and their pixels, decoded once, in one array. Each way is loaded in the same
# shuffled order, in batches of 64, without helpers and with four, from a *warm* page cache (the memory in
# which the operating system keeps what it has read from disk) and from a *cold* one.
#
# **Caveat.** *Cold* means: the contents of the files have left this machine's page cache. That is checked
# before every cold epoch. Names, sizes and places of the files stay in memory, which spares the many small
# files the most. Under a virtual disk the host may have a cache of its own, which nobody in here can empty.
# And these sprites are tiny: the array has less than a megabyte. Linux reads a good stretch around each
# page that a memory map misses, so a few reads bring all of it. A data set much larger than memory gets no
# such present.

# %%
import ctypes
import io
import mmap
import os
import random
import sys
import time
import warnings
import zlib
from collections import defaultdict
from functools import partial

import numpy as np
import psutil
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from spritedocs.datasets import PackedSprites, SpriteFolder
from spritedocs.machine import NoRoomError, room_for
from spritedocs.report import Bars, Gap, Measurement, Report, show
from spritedocs.sprites import (
    draw_sprite,
    family_of,
    sprite_file_name,
    write_packed,
    write_png_folder,
)
from spritedocs.timing import dismiss, time_epoch

SPRITES = 768
BATCH_SIZE = 64
HELPERS = 4
MEGABYTES = 10
ROUNDS = 6
NEARLY_ALL = 95  # per cent of the pages that must have left the page cache
STEP_S = 0.015
ENDS = {"png": HELPERS, "packed": 0}  # the slowest way and the fastest

# %% [markdown]
# ## Scrolls, loose and sewn together
#
# The folder of PNG files needs no code of ours: `SpriteFolder` opens file after file, and Pillow decodes it.
#
# The middle way leaves the PNG bytes as they are, end to end in one file, and keeps in one array where each
# begins. Every process opens the file when it first reads from it. `os.pread` is told the place to read
# from, and so needs no file position that other processes could move. (Windows has no `pread`. It has no
# `fork` either, so there no two processes share a position.)


# %%
def decoded(png):
    """The picture in these PNG bytes: uint8, shape (4, size, size)."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.array(image)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_at(descriptor, count, offset):
    """``count`` bytes from ``offset`` on."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)


class SpritesInOneFile(Dataset):
    """PNG files end to end in one file, and an array of where each begins."""

    def __init__(self, path):
        self.path = path
        self.offsets = np.load(path.with_suffix(".offsets.npy"))
        self.descriptor = None

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, index):
        position = range(len(self))[index]  # or an IndexError
        begin, end = self.offsets[position : position + 2].tolist()
        if self.descriptor is None:
            # Windows would otherwise take the bytes for text.
            binary = getattr(os, "O_BINARY", 0)
            self.descriptor = os.open(self.path, os.O_RDONLY | binary)
        png = read_at(self.descriptor, end - begin, begin)
        return decoded(png), family_of(position)

    def __getstate__(self):
        # A descriptor is a number that means nothing in another process.
        return self.__dict__ | {"descriptor": None}

    def __del__(self):
        if self.__dict__.get("descriptor") is not None:
            os.close(self.descriptor)


def png_of(index):
    """The bytes of a sprite's PNG file."""
    stream = io.BytesIO()
    Image.fromarray(draw_sprite(index)).save(stream, "PNG")
    return stream.getvalue()


def write_one_file(path, pngs):
    """Write the PNG bytes end to end, and their offsets beside them."""
    path.write_bytes(b"".join(pngs))
    offsets = np.cumsum([0, *map(len, pngs)], dtype=np.int64)
    np.save(path.with_suffix(".offsets.npy"), offsets)
    return path


# %% [markdown]
# ## Deciphered once and for all
#
# The third way decodes nothing when it is read. `write_packed` has stored the pixels themselves, and
# `PackedSprites` maps that file into memory. It has a method `__getitems__`, which fetches a whole batch with
# one indexing operation. A `DataLoader` calls it by itself wherever a dataset has one; there is nothing to
# switch on. To see what that is worth, `OneByOne` hides it.
#
# A helper that stays for all epochs keeps its map open, and the system does not drop pages that a process
# has mapped. So this dataset closes its map when it is asked for the item `CLOSE`. The measurement needs
# that; your training does not.

# %% tags=["fold"]
CLOSE = "close"


class Packed(PackedSprites):
    """The packed array; asked for the item ``CLOSE``, it closes its map."""

    def __getitem__(self, index):
        if index == CLOSE:
            self.__dict__.update(self.__getstate__())  # which has no map
            return torch.zeros(0), 0
        return super().__getitem__(index)

    def __getitems__(self, indices):
        if CLOSE in indices:
            return [self[CLOSE]]
        return super().__getitems__(indices)


class OneByOne(Packed):
    """The packed array without its way of fetching whole batches."""

    __getitems__ = None


class Requests(Sampler):
    """The indices to ask for: a shuffled order, the same in every epoch."""

    def __init__(self):
        self.indices = random.Random(14).sample(range(SPRITES), SPRITES)

    def __iter__(self):
        return iter(self.indices)

    def __len__(self):
        return len(self.indices)


WAYS = {
    "png": "PNG files",
    "blob": "PNG bytes in one file",
    "packed_items": "array, one by one",
    "packed": "array, by batches",
}


def write_all(folder, pngs):
    """Store the sprites all ways: what to open, and the files read then."""
    try:
        scrolls = write_png_folder(folder / "sprites", SPRITES)
        blob = write_one_file(folder / "sprites.pngs", pngs)
        array = write_packed(folder / "sprites.npy", SPRITES)
    except OSError as error:
        raise NoRoomError(
            f"The sprites cannot be written ({error.strerror}): "
            "set TMPDIR (on Windows TEMP) to a folder with room."
        ) from None
    datasets = {
        "png": partial(SpriteFolder, scrolls),
        "blob": partial(SpritesInOneFile, blob),
        "packed_items": partial(OneByOne, array),
        "packed": partial(Packed, array),
    }
    files = {
        "png": [scrolls / sprite_file_name(n) for n in range(SPRITES)],
        "blob": [blob],
        "packed_items": [array],
        "packed": [array],
    }
    return datasets, files


# %% [markdown]
# ## A cache that forgets on request
#
# `os.posix_fadvise(…, POSIX_FADV_DONTNEED)` asks Linux to drop a file's pages. It is advice and may come to
# nothing. Pages that are not on the disk yet stay, so every file is synced first; a folder in memory
# (tmpfs) has no disk to forget them to. So the example looks afterwards: `mincore` says of each page of a
# map whether it is in the cache, without touching it. Looking can spoil what it looks at. On Linux 6.18,
# where we tried it, `preadv` with `RWF_NOWAIT` reports a missing page and *starts to read it*: after such
# a look the epoch is no longer cold.


# %% tags=["fold"]
def sync(files):
    """Have everything written to the disk: only then can it be dropped."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def drop(files):
    """Ask the system to drop the contents of the files from its cache."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def pages_in_cache(file):
    """How many pages of the file are in the page cache, and of how many."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        file.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
    ):
        flags = (ctypes.c_ubyte * -(-len(view) // mmap.PAGESIZE))()
        array = np.frombuffer(view, np.uint8)
        place = ctypes.c_void_p(array.ctypes.data)
        status = libc.mincore(place, ctypes.c_size_t(len(view)), flags)
        del array  # a map that something points to cannot be closed
    if status:
        raise OSError(ctypes.get_errno(), "mincore failed")
    return sum(flag & 1 for flag in flags), len(flags)


def dropped_percent(files):
    """The share of the files' pages that the page cache lacks, in per cent."""
    cached, pages = np.sum([pages_in_cache(file) for file in files], axis=0)
    return float(100 * (1 - cached / pages))


def drop_and_look(files):
    """Drop the files, and say how much of them went, in per cent."""
    for _ in range(3):  # a page may be in use just now
        drop(files)
        percent = dropped_percent(files)
        if percent >= NEARLY_ALL:
            break
    return percent


STAYED = (
    "The page cache did not let go of the files, as where the temporary "
    "folder lies in memory: set TMPDIR to a folder on a disk."
)


def why_not_cold(files, samples):
    """Why files cannot be dropped here, and seen to be, or "".

    Notes how much of each way's files went, if that can be seen.
    """
    if sys.platform != "linux" or not hasattr(os, "posix_fadvise"):
        return (
            "This system lacks the calls that drop a file from the page cache "
            "and show that it is gone: cold reads need Linux."
        )
    try:
        for way, paths in files.items():
            sync(paths)
            samples[f"dropped_percent_{way}"].append(drop_and_look(paths))
    except (OSError, AttributeError):  # a file system, a libc without them
        return STAYED
    went = min(samples[f"dropped_percent_{way}"][-1] for way in files)
    return "" if went >= NEARLY_ALL else STAYED


# %% [markdown]
# ## Everybody takes turns
#
# Each way has a loader without helpers and one with four, which stay from the first epoch to the last. That
# first epoch is not timed. It starts the helpers, and the checksum of its pixels and labels must be that of
# the sprites as they were drawn, or the example stops. Then come six rounds. In each of them every loader
# has a warm epoch, before which every byte of its files is read, and a cold one, before which they are
# dropped, all in random order. (With four helpers the array comes by batches only.) On fewer than four
# usable cores torch warns that four workers are many; that is silenced here.


# %% tags=["fold"]
def make_loader(dataset, num_workers):
    """A loader whose helpers, if any, stay for all epochs."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    return DataLoader(
        dataset,
        batch_size=BATCH_SIZE,
        sampler=Requests(),
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


def checksum(batches):
    """A number for all pixels and all labels of an epoch, in their order."""
    pixels = labels = 0
    for images, families in batches:
        pixels = zlib.crc32(images.numpy().tobytes(), pixels)
        labels = zlib.crc32(bytes(families.tolist()), labels)
    return f"{pixels:08x}{labels:08x}"


def drawn_batches():
    """The epoch as it should be: every sprite drawn anew."""
    for index in Requests():
        image = torch.from_numpy(draw_sprite(index)).permute(2, 0, 1)
        yield image, torch.tensor([family_of(index)])


def close_maps(loaders):
    """Have every process close the map that would hold pages in the cache."""
    for loader in loaders:
        if isinstance(loader.dataset, Packed):
            order = loader.sampler.indices
            # A batch for each helper: they are handed out in turns.
            batches = max(1, loader.num_workers)
            loader.sampler.indices = [CLOSE] * (BATCH_SIZE * batches)
            for _ in loader:
                pass
            loader.sampler.indices = order


def microseconds(seconds):
    """Seconds an epoch in microseconds a sprite."""
    return seconds / SPRITES * 1e6


def decoding_us(pngs):
    """Microseconds to decode a sprite whose PNG bytes lie in memory."""
    begun = time.perf_counter()
    for index in Requests():
        decoded(pngs[index])
    return microseconds(time.perf_counter() - begun)


def bytes_from_disk():
    """What this process has had read from a disk so far; 0 if unknown."""
    if sys.platform != "linux":  # elsewhere it counts reads of any kind
        return 0
    try:
        return psutil.Process().io_counters().read_bytes
    except (psutil.Error, NotImplementedError, OSError):
        return 0


def rest(batch):
    """A training step that takes no core, as on a GPU."""
    time.sleep(STEP_S)


class Rounds:
    """Epochs of every way in turns, and samples of what they took."""

    def __init__(self, datasets, files, samples):
        self.files = files
        self.samples = samples
        self.loaders = {
            (way, helpers): make_loader(dataset(), helpers)
            for helpers in (HELPERS, 0)
            for way, dataset in datasets.items()
            if not (way == "packed_items" and helpers)
        }

    def check(self):
        """The checksum that all loaders share with the sprites as drawn."""
        expected = checksum(drawn_batches())
        for (way, helpers), loader in self.loaders.items():
            if checksum(loader) != expected:
                raise ValueError(
                    f"{WAYS[way]}, {helpers} helpers: not the sprites as drawn"
                )
        return expected

    def prepare(self, way, state):
        """Read all of a way's files, or drop them and note how far it went."""
        if state == "warm":
            for file in self.files[way]:
                file.read_bytes()
            return
        if way.startswith("packed"):
            close_maps(self.loaders.values())
        percent = drop_and_look(self.files[way])
        self.samples[f"dropped_percent_{way}"].append(percent)

    def time(self, way, state, helpers, step=None):
        """One epoch, timed, from a warm or a cold cache."""
        self.prepare(way, state)
        before = bytes_from_disk()
        epoch = time_epoch(self.loaders[way, helpers], step)
        read = round((bytes_from_disk() - before) / SPRITES)
        if not helpers:  # those of the helpers are counted elsewhere
            self.samples[f"disk_bytes_{way}_{state}"].append(read)
        return epoch

    def run(self, pngs, rounds, states):
        """Time every arm in every round, in random order."""
        arms = [(way, s, n) for way, n in self.loaders for s in states]
        for _ in range(rounds):
            self.samples["us_decode"].append(decoding_us(pngs))
            for way, state, helpers in random.sample(arms, len(arms)):
                took = microseconds(self.time(way, state, helpers).total_s)
                self.samples[f"us_{way}_{state}_{helpers}"].append(took)
        if not any(self.samples["disk_bytes_png_cold"]):
            for way in WAYS:  # a file system whose reads are not counted
                self.samples.pop(f"disk_bytes_{way}_warm", None)
                self.samples.pop(f"disk_bytes_{way}_cold", None)

    def run_with_step(self, rounds):
        """The slowest way with helpers, the fastest without, and a step."""
        arms = list(ENDS.items())
        for _ in range(rounds):
            for way, helpers in random.sample(arms, len(arms)):
                epoch = self.time(way, "cold", helpers, rest)
                later = epoch.total_s - epoch.startup_s
                wait = epoch.iter_s + epoch.wait_s - epoch.startup_s
                noted = {
                    f"step_first_ms_{way}": epoch.startup_s * 1e3,
                    f"step_later_ms_{way}": later * 1e3,
                    f"step_wait_percent_{way}": max(wait / later, 0) * 100,
                }
                for name, value in noted.items():
                    self.samples[name].append(value)

    def close(self):
        """Send the helpers home, and let go of all files."""
        for loader in self.loaders.values():
            dismiss(loader)
        self.loaders.clear()


# %% [markdown]
# ## The doors open
#
# What cannot be measured here becomes a gap in the tables, with a sentence that says why. Where no files can
# be written at all, decoding from memory is what remains.


# %% tags=["fold"]
class Findings:
    """Samples by name, and why some of them are missing."""

    def __init__(self):
        self.samples = defaultdict(list)
        self.no_files = self.no_cold = ""

    def value(self, name, unit="µs", label="", unknown=""):
        """The samples of that name, summed up."""
        if self.samples[name]:
            return Measurement.of(name, self.samples[name], unit, label)
        return Gap(name, self.no_files or unknown or self.no_cold)

    def discard_what_stayed(self):
        """Throw away cold epochs of files that the cache kept, even once."""
        for way in WAYS:
            if min(self.samples[f"dropped_percent_{way}"]) >= NEARLY_ALL:
                continue
            self.no_cold = STAYED
            cold = f"us_{way}_cold", f"disk_bytes_{way}_cold", "step_"
            for name in [n for n in self.samples if n.startswith(cold)]:
                del self.samples[name]

    def ratio(self, name, above, below, unit="×"):
        """How many times the other one of them is, round by round."""
        # Where one of them was not sampled, there is no ratio either.
        pairs = zip(self.samples[above], self.samples[below], strict=False)
        scale = 100 if unit == "%" else 1
        self.samples[name] = [scale * a / b for a, b in pairs]
        return self.value(name, unit)


def sizes(files):
    """Bytes a sprite: what its files hold, and what its disk sets aside."""
    found = [file.stat() for file in files]
    yield "content", round(sum(stat.st_size for stat in found) / SPRITES)
    if hasattr(found[0], "st_blocks"):  # of 512 bytes; Windows has none
        space = sum(stat.st_blocks for stat in found)
        yield "space", round(512 * space / SPRITES)


def measure_files(folder, pngs, findings):
    """Write the sprites all ways, and load them again and again."""
    datasets, files = write_all(folder, pngs)
    findings.no_cold = why_not_cold(files, findings.samples)
    for way, paths in files.items():
        for kind, size in sizes(paths):
            findings.samples[f"{kind}_bytes_{way}"].append(size)
    rounds = Rounds(datasets, files, findings.samples)
    try:
        print(f"Every loader gives the sprites as drawn: {rounds.check()}.")
        states = ["warm"] if findings.no_cold else ["warm", "cold"]
        rounds.run(pngs, ROUNDS, states)
        if not findings.no_cold:
            rounds.run_with_step(ROUNDS)
            findings.discard_what_stayed()
    finally:
        rounds.close()


def measure(pngs):
    """All that can be measured on this machine."""
    findings = Findings()
    try:
        with room_for(MEGABYTES) as folder:
            measure_files(folder, pngs, findings)
    except NoRoomError as error:
        findings.no_files = str(error)
        samples = [decoding_us(pngs) for _ in range(ROUNDS)]
        findings.samples["us_decode"] = samples
    return findings


if __name__ == "__main__":
    findings = measure([png_of(index) for index in range(SPRITES)])


# %% [markdown]
# ## What a scroll weighs
#
# File systems hand out space in blocks, and disks are read in pages. A PNG file smaller than either takes,
# and reads, a whole one. *Dropped* is what `mincore` said before each cold epoch; *read* is what Linux
# counted as fetched from the disk for this process during the epoch.

# %% tags=["fold"]
if __name__ == "__main__":
    unknown = "This system does not say what a file takes of its disk."
    uncounted = findings.no_cold or (
        "This system does not count what a process reads from disk."
    )
    rows = []
    for way in ("png", "blob", "packed"):
        read = [
            findings.value(f"disk_bytes_{way}_{state}", "B", "", uncounted)
            for state in ("warm", "cold")
        ]
        row = [
            WAYS[way].removesuffix(", by batches"),
            findings.value(f"content_bytes_{way}", "B"),
            findings.value(f"space_bytes_{way}", "B", "", unknown),
            findings.value(f"dropped_percent_{way}", "%"),
            *read,
        ]
        rows.append(row)
    columns = "content", "on disk", "dropped", "read, warm", "read, cold"
    show(Report(title="Bytes per sprite", columns=["", *columns], rows=rows))

# %% [markdown]
# ## What reading it takes
#
# *Decoding alone* is a plain loop over PNG bytes that already lie in memory: no file, no loader.

# %% tags=["fold"]
if __name__ == "__main__":
    decoding = findings.value("us_decode", label="decoding alone")
    rows, bars = [["decoding alone", decoding, "", "", ""]], [decoding]
    for way, label in WAYS.items():
        row = [label]
        for state in ("warm", "cold"):
            name = f"us_{way}_{state}"
            alone = findings.value(f"{name}_0", label=f"{label}, {state}")
            bars.append(alone)
            by_batches = way != "packed_items"
            helped = findings.value(f"{name}_4") if by_batches else ""
            row += [alone, helped]
        rows.append(row)
    bars = [bar for bar in bars if isinstance(bar, Measurement)]
    columns = [
        f"{state}, {helpers} helpers"
        for state in ("warm", "cold")
        for helpers in (0, HELPERS)
    ]
    show(
        Report(
            title="Microseconds per sprite",
            columns=["", *columns],
            rows=rows,
            figure=Bars(
                alt="Microseconds per sprite without helpers: decoding "
                "alone, then each way of storing it, from a warm and, where "
                "that could be measured, from a cold cache.",
                values=bars,
                groups=["cold" in bar.name for bar in bars],
                x_label="µs per sprite, without helpers",
            ),
        )
    )

# %% [markdown]
# ## What each change is worth
#
# One time divided by another of the same round. With helpers, more than 1 means that they make the epoch
# faster, and less than 1 that they make it slower.

# %% tags=["fold"]
COMPARED = {
    "png_over_blob": ("PNG files ÷ one file", "png_{}_0", "blob_{}_0"),
    "png_over_packed": ("PNG files ÷ array", "png_{}_0", "packed_{}_0"),
    "items_over_batches": (
        "array: one by one ÷ by batches",
        "packed_items_{}_0",
        "packed_{}_0",
    ),
    "png_speedup_4": ("PNG files: 0 ÷ 4 helpers", "png_{}_0", "png_{}_4"),
    "packed_speedup_4": ("array: 0 ÷ 4 helpers", "packed_{}_0", "packed_{}_4"),
}

if __name__ == "__main__":
    rows = []
    for name, (label, above, below) in COMPARED.items():
        cells = [
            findings.ratio(
                f"{name}_{state}",
                f"us_{above.format(state)}",
                f"us_{below.format(state)}",
            )
            for state in ("warm", "cold")
        ]
        rows.append([label, *cells])
    for way in ("png", "blob", "packed"):
        name, us = f"{way}_cold_over_warm", f"us_{way}"
        change = findings.ratio(name, f"{us}_cold_0", f"{us}_warm_0")
        rows.append([f"{WAYS[way]}: cold ÷ warm", "", change])
    gains = "helpers_cold_over_warm", "png_speedup_4_cold", "png_speedup_4_warm"
    rows.append(
        ["PNG files: helpers' gain, cold ÷ warm", "", findings.ratio(*gains)]
    )
    share = "decode_percent_of_png", "us_decode", "us_png_warm_0"
    share = findings.ratio(*share, unit="%")
    rows.append(["decoding alone, share of PNG files", share, ""])
    show(
        Report(
            title="How many times as long, or as fast",
            columns=["", "warm", "cold"],
            rows=rows,
        )
    )

# %% [markdown]
# ## A hero who takes his time
#
# So far nobody used the batches. Here a training step follows each of them: a sleep of 15 ms, a length that
# we chose. It stands for a GPU at work, which leaves the cores to the helpers. The slowest way, cold PNG
# files, has its four helpers back; the fastest, the array, goes without. The first batch, for which
# everybody waits, stands apart: in so short an epoch it would outweigh the rest.

# %% tags=["fold"]
if __name__ == "__main__":
    rows = [["without a step, whole epoch", "", ""]]
    for label, name, unit in (
        ("first batch after", "step_first_ms", "ms"),
        ("all batches after it", "step_later_ms", "ms"),
        ("data wait among these", "step_wait_percent", "%"),
    ):
        ends = [findings.value(f"{name}_{way}", unit) for way in ENDS]
        rows.append([label, *ends])
    ratios = [
        ("png_4_over_packed_0", "us_png_cold_4", "us_packed_cold_0"),
        ("step_first_ratio", "step_first_ms_png", "step_first_ms_packed"),
        ("step_later_ratio", "step_later_ms_png", "step_later_ms_packed"),
    ]
    last = [*(findings.ratio(*names) for names in ratios), ""]
    show(
        Report(
            title=f"Cold, and a step of {STEP_S * 1000:.0f} ms a batch",
            columns=["", "PNG files, 4 helpers", "array, 0 helpers", "÷"],
            rows=[[*row, cell] for row, cell in zip(rows, last, strict=True)],
        )
    )

# %% [markdown]
# ## What to take home
#
# **Decode once, not in every epoch.** From a warm cache the array takes less than a tenth of the time that
# the PNG files take. More than a third of theirs is decoding, of which a faster disk would spare
# nothing.
#
# **If they must stay PNG, put them into one file.** From a cold cache the loose files take more than 1.3
# times as long. (Our one file is small, so a few reads ahead fetch all of it. One larger than memory was not
# tried.) From a warm one, all there is to save is opening and closing them.
#
# **Helpers wait side by side, but decode with the cores there are.** The table has their gain for PNG
# files, cold and warm. The array they slow down: handing a batch over takes longer than reading it.
#
# **Where it stops mattering.** First, behind a long step. Once the first batch is there, cold PNG files with
# helpers take less than 1.3 times as long as the array, because our step outlasts their loading. A shorter
# one would show it: compare yours with the microseconds above, times your batch size. Second, where all
# files fit into the page cache: cold reads then happen once, and what is left to save is decoding. Third,
# where pictures are large. Ours are so small that a PNG file, which fills whole blocks, takes more of the
# disk than its pixels would. But the pixels by themselves are more bytes than the PNG data. The larger the
# picture, the more of them there are to read from the array, and that can come to cost more than decoding
# did. From what size on, we did not measure.
