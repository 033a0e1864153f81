# ---
# title: Ordinary workloads
# group: When helpers pay
# description: What items cost, and how many helpers are enough, for JPEG pictures, sound, text and Parquet.
# headline: "Pictures come {pictures_speedup_2} as fast with 2 helpers, text {text_speedup_2}."
# time_limit_s: 180
# claims:
#   - pictures_speedup_2 > text_speedup_2
#   - audio_speedup_2 > text_speedup_2
#   - text_speedup_2 < 1
#   - text_item_ms < pictures_item_ms
# ---

# %% [markdown]
# # Ordinary workloads
#
# **Motive.** Sprites are small, and their costs are planted. What about the data that people train on?
#
# **What is measured.** One item in the main process, and how much of that is on a core. Then later epochs in
# batches of 8 without a training step, by the number of helpers: photographs of 500 × 375 pixels, lines of
# text, seconds of sound, rows of a Parquet file.
#
# **Caveat.** The script makes the data, and they stay in the file cache. So nothing waits for a disk here.
# Photographs are made of noise and gradients; real ones may take longer to decode, or less.

# %% [markdown]
# ## Four datasets
#
# Each does what is usual. A picture is decoded, cropped at random, scaled to 224 × 224, perhaps mirrored.
# A line is split into words, and numbered; a batch is padded. Of 5 s of sound, one is cut out and turned
# into a spectrogram. A row is found in its row group.

# %%
import re
import wave
from functools import cache, partial
from importlib.util import find_spec
from time import perf_counter, thread_time

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from spritedocs import machine
from spritedocs.report import Gap, Table, count, show
from spritedocs.timing import compare, race

DICE = np.random.default_rng(25)


class Items(Dataset):
    def __len__(self):
        return len(self.items)


class Pictures(Items):
    def __init__(self, folder):
        self.items = [folder / f"{number}.jpg" for number in range(192)]
        for path in self.items:
            rough = DICE.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            smooth = Image.fromarray(rough).resize((500, 375), Image.BICUBIC)
            grainy = np.asarray(smooth) + DICE.integers(-12, 13, (375, 500, 3))
            pixels = grainy.clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path, quality=90)

    def __getitem__(self, index):
        with Image.open(self.items[index]) as photograph:
            left, top = torch.randint(120, (2,)).tolist()
            box = (left, top, left + 255, top + 255)
            picture = photograph.convert("RGB").resize((224, 224), box=box)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
        return pixels.flip(2) if torch.rand(()) < 0.5 else pixels


class Text(Items):
    def __init__(self, folder):
        words = [f"word{number}" for number in range(5000)]
        self.numbers = {word: n for n, word in enumerate(words)}
        sizes = DICE.integers(20, 200, 1024)
        self.items = [" ".join(DICE.choice(words, size)) for size in sizes]

    def __getitem__(self, index):
        words = re.findall(r"\w+|[^\w\s]", self.items[index].lower())
        return torch.tensor([self.numbers.get(word, 0) for word in words])


class Audio(Items):
    def __init__(self, folder):
        self.items = [folder / f"{number}.wav" for number in range(256)]
        for path in self.items:
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                noise = DICE.integers(-9999, 9999, 80_000, dtype=np.int16)
                file.writeframes(noise.tobytes())

    def __getitem__(self, index):
        with wave.open(str(self.items[index])) as file:
            sound = np.frombuffer(file.readframes(80_000), np.int16)
        begin = int(torch.randint(64_000, ()))
        second = torch.from_numpy(sound[begin : begin + 16_000] / 32768)
        window = torch.hann_window(400, dtype=second.dtype)
        bands = torch.stft(second, 400, 160, window=window, return_complex=True)
        return bands.abs().log1p().float()


class Rows(Items):
    def __init__(self, folder):
        if find_spec("pyarrow") is None:
            raise machine.NotHere("Rows need pyarrow: pip install pyarrow.")
        from pyarrow import parquet, table

        self.items, self.path = range(512), folder / "rows.parquet"
        columns = {f"column{n}": DICE.random(4096) for n in range(20)}
        parquet.write_table(table(columns), self.path, row_group_size=256)

    def __getitem__(self, index):
        group, row = divmod(index * 1009 % 4096, 256)
        rows = opened(self.path).read_row_group(group).slice(row, 1)
        return torch.tensor(list(rows.to_pylist()[0].values()))


@cache
def opened(path):
    """The file, opened once; helpers that are forked have it open."""
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path)


# %% [markdown]
# ## How many helpers are enough
#
# The smallest number is *enough* if the interval of its gain reaches 97% of the largest gain.

# %%
KINDS = {"pictures": Pictures, "audio": Audio, "text": Text, "rows": Rows}
NUMBERS = (0, 1, 2, 4)


def make_loader(data, n):
    """A loader with n helpers, who stay; its batches are as long as needed."""
    told = {"num_workers": n, "persistent_workers": n > 0, "shuffle": True}
    pad = partial(pad_sequence, batch_first=True)
    return DataLoader(data(), 8, collate_fn=pad, **told)


def item(data):
    """What an item costs in this process, and how much of that is on a core."""
    dataset, begun, on_core = data(), perf_counter(), thread_time()
    for index in range(64):
        dataset[index]
    took_s, core_s = perf_counter() - begun, thread_time() - on_core
    return {"ms": 1000 * took_s / 64, "core_pct": 100 * core_s / took_s}


def enough(speedup):
    """The smallest number that may be within 3% of the fastest."""
    for missing in (gain for gain in speedup.values() if isinstance(gain, Gap)):
        raise machine.NotHere(missing.reason)
    least = 0.97 * max(ratio.median for ratio in speedup.values())
    fits = (n for n in speedup if speedup[n].bounds[1] >= least)
    return 0 if least <= 1 else next(fits)


if __name__ == "__main__":
    machine.needs("workers")
    torch.set_num_threads(1)
    with machine.room_for(megabytes=60) as room:
        data = {kind: cache(partial(KINDS[kind], room)) for kind in KINDS}
        costs = race({kind: partial(item, data[kind]) for kind in KINDS}, 6)
        loaders = {
            kind: {n: partial(make_loader, data[kind], n) for n in NUMBERS}
            for kind in KINDS
        }
        fetched = {k: compare(loaders[k], rounds=6, keep=True) for k in KINDS}

    table = Table("Times as fast as without", rows=NUMBERS[1:], head="helpers")
    good = []
    for kind, found in fetched.items():
        speedup = found.speedups(f"{kind}_speedup", against=0)
        table.column(kind, speedup)
        good.append(count(f"{kind}_enough", partial(enough, speedup)))
    show(
        table.footer("enough", *good)
        .footer("an item", *costs.values("{}_item_ms", "ms").values())
        .footer("on a core", *costs.values("{}_core_pct", "core_pct").values())
        .finding("Two helpers: pictures {pictures_speedup_2} as fast.")
        .warn(costs, *fetched.values())
    )

# %% [markdown]
# **Pictures** take {pictures_item_ms} each, nearly all of it on a core. With 2 helpers they come
# {pictures_speedup_2:interval} as fast as with none. **Sound** takes {audio_item_ms}:
# {audio_speedup_2:interval}.
#
# **A line of text** takes {text_item_ms}, less than its share of carrying a batch of 8 over, and larger
# batches lower that share. With 2 helpers text comes {text_speedup_2:interval} as fast. Number the words
# once, and store the numbers.
#
# **A row of a Parquet file** takes {rows_item_ms}, since a whole row group is read for it. pyarrow has
# threads of its own, so the thread that asks is on a core for {rows_core_pct} of that time. In random order
# the 8 rows of a batch lie in 6 or 7 of the 16 groups, so to read them together would spare little. Smaller
# row groups would spare more; neither was measured.
#
# ## What to take home
#
# Ask what an item of yours costs before you ask for helpers: `spritedocs tune` says both. All four compute.
# So the cores decide, and on two of them helpers compete with the main process.
