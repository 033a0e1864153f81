# ---
# title: Keeping the GPU fed
# description: A CNN learns from PNG files, with helpers and without. Who was busy when? What is left to win?
# time_limit_s: 180
# claims:
#   - utilisation_helped > utilisation_0
#   - data_wait_helped < data_wait_0
#   - speedup_helped > 1.2
#   - helped_over_headroom < 2
#   - loss_last < loss_first
#   - accuracy_pct > 60
#   - chance_pct < 25
# ---

# %% [markdown]
# # Keeping the GPU fed
#
# **Motive.** While the hero trains on batch 0, somebody could fetch batch 1. Without helpers nobody does:
# he stands there and waits for it. How much of his time do helpers save? And how much could they save at
# most?
#
# **What is measured.** A small convolutional network learns to tell the eight families of sprites apart,
# from PNG files that are decoded, scaled and changed at random on the way. It is trained twice, without
# helpers and with them, and every batch is traced: who loaded it, who waited for it, who computed. Then
# epochs are timed, untraced, beside a third kind. That is the *headroom run*, which trains on batches that
# already lie in memory.
#
# **Caveat.** Without a GPU the model is trained on the processor, by one thread. Then helpers and model
# share the cores, and the machine's memory and caches. And the model is cut to fit: of several widths the
# first is chosen whose training step takes a little longer than its helpers need to load a batch. If your
# step is much shorter than that, helpers cannot hide all of the loading. If it is much longer, there is
# little to hide.

# %%
import atexit
import json
import random
import re
import statistics
import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from spritedocs.machine import (
    NoRoomError,
    gpu_absence,
    gpu_failure,
    room_for,
    usable_cores,
    why_no_helpers,
)
from spritedocs.report import Bars, Measurement, Report, show
from spritedocs.sprites import (
    FAMILIES,
    family_of,
    sprite_file_name,
    write_png_folder,
)
from spritedocs.timeline import (
    ClockError,
    Lanes,
    merged_trace,
    trace_epoch,
    traced,
)
from spritedocs.timing import compare, dismiss

PNG_SIZE = 96
SIDE = 64
SHIFT = 10
HELD_OUT = 256
ROUNDS = 6
SEED = 9

# %% [markdown]
# ## The lesson: pictures that are never twice the same
#
# Each time a sprite is fetched, its file is decoded and scaled. For training it is also moved, perhaps
# mirrored, and made brighter or darker. The dice come from torch's own generator, which every worker has
# seeded differently. (With other generators that goes wrong easily: `13_repeating_randomness.py` shows
# how.)
#
# A picture leaves the dataset as bytes. Making them floats is left to the device: as bytes they are a
# quarter of the size on the way there.


# %%
class SpritePictures(Dataset):
    """Sprites from PNG files, uint8 of shape (4, SIDE, SIDE), and families."""

    def __init__(self, folder, indices, augment):
        self.folder = folder
        self.indices = indices
        self.augment = augment

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, position):
        name = sprite_file_name(self.indices[position])
        with Image.open(self.folder / name) as picture:
            if self.augment:
                picture = moved(picture)
            picture = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        if self.augment:
            pixels = mirrored_and_lit(pixels)
        return pixels.contiguous(), family_of(self.indices[position])


def moved(picture):
    """The picture, moved by up to SHIFT pixels each way."""
    x, y = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
    return picture.crop((x, y, x + picture.width, y + picture.height))


def mirrored_and_lit(pixels):
    """Perhaps mirrored; 30% darker to 30% brighter, the outline as it was."""
    if torch.rand(()) < 0.5:
        pixels = pixels.flip(2)
    light = 0.7 + 0.6 * torch.rand(())
    colours = (pixels[:3] * light).clamp(0, 255).to(torch.uint8)
    return torch.cat([colours, pixels[3:]])


# %% [markdown]
# ## The hero
#
# Three convolutions, each with fewer pixels and twice as many channels as the one before, and a linear
# layer that names the family.
#
# Two habits matter on a GPU. The copy is `non_blocking`, out of memory that the loader has pinned, so that
# the loop goes on while the bytes travel. And the loop never asks for the loss: `loss.item()` waits until
# the GPU has finished the step, and meanwhile nothing can be launched and no batch asked for. So the losses
# are added up on the device, and asked for once an epoch.


# %%
def make_net(width):
    """A small CNN; its step takes longer, the larger the width."""
    layers, channels = [], 4
    for stage in range(3):
        wider, stride = width * 2**stage, 1 if stage else 2
        layers += [
            nn.Conv2d(channels, wider, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = wider
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, *head, nn.Linear(channels, len(FAMILIES)))


class Trainer:
    """A model, its optimiser, and the losses of the epoch so far."""

    def __init__(self, width, device):
        torch.manual_seed(SEED)
        self.device = device
        self.net = make_net(width).to(device)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=0.01 / width**0.5
        )
        self.loss_sum = torch.zeros((), device=device)
        self.steps = 0

    def copy(self, batch):
        """The batch on the device; on its way there, if it is pinned."""
        return [part.to(self.device, non_blocking=True) for part in batch]

    def compute(self, batch):
        """One training step on a batch that is on the device."""
        pictures, families = batch
        guesses = self.net(pictures.float() / 255)
        loss = nn.functional.cross_entropy(guesses, families)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.loss_sum += loss.detach()
        self.steps += 1

    def step(self, batch):
        """Copy and compute."""
        self.compute(self.copy(batch))

    def mean_loss(self):
        """The mean loss since it was last asked for. Waits for the device."""
        mean = self.loss_sum.item() / self.steps
        self.loss_sum.zero_()
        self.steps = 0
        return mean

    @torch.no_grad()
    def accuracy_pct(self, loader):
        """How many per cent of the pictures get the right family."""
        self.net.eval()
        hits = 0
        for batch in loader:
            pictures, families = self.copy(batch)
            guesses = self.net(pictures.float() / 255).argmax(1)
            hits += (guesses == families).sum().item()
        self.net.train()
        return 100 * hits / len(loader.dataset)


# %% [markdown]
# ## Where to train, and with how many helpers
#
# On a GPU, if torch can use one through CUDA. (Apple's MPS is passed over: the device's own times are read
# from CUDA events here.) A GPU gets as many helpers as there are usable cores, but at most 8. On the
# processor the model needs a core for itself, so there is one helper less.
#
# CUDA is in use before the helpers are forked. *They* must never touch it, and have no reason to: helpers
# decode pictures, the main process pins them and copies them to the GPU. It is a fork of a process with
# threads all the same, of which Python warns from 3.12 on; helpers of a fork server are no such copies.
#
# Inside a worker torch uses one thread. The main process is held to one as well, or else its 0 helpers
# would secretly be several.


# %% tags=["fold"]
def choose_device():
    """Where to train: on the GPU if torch can use it, else on the CPU."""
    with warnings.catch_warnings():
        # A driver that does not fit warns; the remark below says it better.
        warnings.simplefilter("ignore")
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def remarks_on(device):
    """What a reader of the figures must know about this machine."""
    if device.type == "cuda":
        return
    if torch.version.cuda:  # then a GPU could be expected
        yield f"No GPU was used, because {gpu_absence()}."
    yield "Without a GPU, helpers and model share the cores."
    if usable_cores() == 1:
        yield (
            "There is one core, so helpers take it from the model: a step "
            "that waits for the core counts as computing all the same."
        )


def helpers_for(device):
    """How many helpers: 8, or as many as the cores allow; at least 1."""
    cores = usable_cores()
    return min(8, cores if device.type == "cuda" else max(1, cores - 1))


@contextmanager
def one_sentence_if_the_gpu_fails(device):
    """Leave with a sentence instead of a traceback if the GPU fails us."""
    try:
        yield
    except RuntimeError as error:
        why = gpu_failure(str(error))
        if device.type != "cuda" or why is None:
            raise
        wanted = re.search(r"Tried to allocate ([\d.]+ \w+)", str(error))
        more = f" ({wanted[1]} more was wanted)" if wanted else ""
        sys.exit(
            f"Training ended, because {why}{more}. With CUDA_VISIBLE_DEVICES "
            "set to nothing it runs on the processor."
        )


def make_loader(dataset, batch_size, num_workers, device):
    """A loader whose helpers, if any, stay for all epochs."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(SEED),
    )


def counted(number):
    """The number of helpers, in words that a table can bear."""
    return f"{number} helper{'s' if number > 1 else ''}"


# %% [markdown]
# ## A model that fits its food
#
# How long does a batch take to load in this process, and how long does a step take? The first width is
# taken whose step is at least 1.25 times as long as the loading divided by the number of helpers; on a GPU
# 2 times, since several helpers are less than that many times as fast as one. From here on the width is
# fixed.

# %% tags=["fold"]
WIDTHS = (8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 96)
WIDTHS += (128, 192, 256, 384, 512, 768, 1024)


def finish(device):
    """Wait until the device has done what it was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def loading_s(loader, batches=8):
    """Seconds to load a batch in this process: the median of some."""
    iterator, samples = iter(loader), []
    for _ in range(batches):
        begun = time.perf_counter()
        next(iterator)
        samples.append(time.perf_counter() - begun)
    return statistics.median(samples)


def step_s(trainer, batch, steps=6):
    """Seconds a training step, while nothing else is done."""
    samples = []
    for _ in range(2 * steps):  # the first half sets things up
        begun = time.perf_counter()
        trainer.step(batch)
        finish(trainer.device)
        samples.append(time.perf_counter() - begun)
    return statistics.median(samples[steps:])


def fitting_width(loader, helpers, device):
    """The chosen width, seconds of a batch's loading, and of a step."""
    loading = loading_s(loader)
    times = 2 if device.type == "cuda" else 1.25
    batch = next(iter(loader))
    for width in WIDTHS:
        step = step_s(Trainer(width, device), batch)
        if step >= times * loading / helpers:
            return width, loading, step
    print("Even the widest network is quicker than that: helpers cannot do.")
    return width, loading, step


def sprites_in(room, count):
    """A folder of so many PNG files; leaves with a sentence if it cannot."""
    try:
        folder = room.enter_context(room_for(megabytes=20)) / "png"
        return write_png_folder(folder, count, PNG_SIZE)
    except NoRoomError as error:
        sys.exit(f"There is nothing to train on. {error}")
    except OSError as error:
        sys.exit(
            f"The sprites could not be written ({error.strerror}): "
            "set TMPDIR (on Windows TEMP) to a folder with room."
        )


if __name__ == "__main__":
    if why_not := why_no_helpers():
        sys.exit(why_not)
    torch.set_num_threads(1)
    device = choose_device()
    helpers = helpers_for(device)
    batch_size = 64 if device.type == "cuda" else 16
    lessons = batch_size * max(24, 4 * helpers)
    room = ExitStack()  # closed at the end, or else at exit
    atexit.register(room.close)
    folder = sprites_in(room, lessons + HELD_OUT)
    train_set = SpritePictures(folder, range(lessons), augment=True)
    test_set = SpritePictures(
        folder, range(lessons, lessons + HELD_OUT), augment=False
    )
    alone = make_loader(train_set, batch_size, 0, device)
    helped = make_loader(train_set, batch_size, helpers, device)
    with one_sentence_if_the_gpu_fails(device):
        width, loading, step = fitting_width(alone, helpers, device)
    print(
        f"Training on the {'GPU' if device.type == 'cuda' else 'processor'}, "
        f"with {counted(helpers)} or none, in batches of {batch_size}.\n"
        f"A batch takes {loading * 1e3:.1f} ms to load in this process, and a "
        f"step of the network of width {width} takes {step * 1e3:.1f} ms."
    )
    for remark in remarks_on(device):
        print(remark)

# %% [markdown]
# ## Two heroes, one lesson
#
# Two models with the same initial weights, one without helpers and one with them, take turns, in random
# order. Every epoch is traced. (The helpers are summoned before, by an epoch that nobody trains on.)
# Afterwards comes the question that training is for: does the loss fall, and how many sprites that the
# models have never seen do they name? Helpers change the dice of the augmentation, so the two do not learn
# exactly the same. They are one run each, too few to say which learns better; nothing says that either does.

# %% tags=["fold"]


def learn_in_turns(loaders, trainers):
    """Traced epochs and mean losses of every arm, round by round."""
    timelines = {arm: [] for arm in loaders}
    losses = {arm: [] for arm in loaders}
    shuffled = random.Random(SEED)
    for _ in range(ROUNDS):
        for arm in shuffled.sample(list(loaders), len(loaders)):
            timelines[arm].append(traced_epoch(loaders[arm], trainers[arm]))
            losses[arm].append(trainers[arm].mean_loss())
    return timelines, losses


def traced_epoch(loader, trainer):
    """One epoch of training, and who was busy when."""
    on_gpu = trainer.device.type == "cuda"
    try:
        return trace_epoch(
            loader,
            trainer.compute,
            copy=trainer.copy if on_gpu else None,  # else it is there already
            device=trainer.device,
        )
    except ClockError as error:
        sys.exit(f"There can be no timeline: {error}.")


def chance_pct(dataset):
    """What naming the most frequent family every time would score, in %."""
    families = [family_of(index) for index in dataset.indices]
    return 100 * families.count(statistics.mode(families)) / len(families)


if __name__ == "__main__":
    arms = {"0": "0 helpers", "helped": counted(helpers)}
    watched = {"0": traced(alone), "helped": traced(helped)}
    for _ in watched["helped"]:  # the helpers are summoned
        pass
    tests = DataLoader(test_set, batch_size=64)
    with one_sentence_if_the_gpu_fails(device):
        trainers = {arm: Trainer(width, device) for arm in arms}
        timelines, losses = learn_in_turns(watched, trainers)
        scores = {arm: trainers[arm].accuracy_pct(tests) for arm in arms}
    dismiss(watched["helped"])
    rows = []
    for arm, label in arms.items():
        suffix = "_0" if arm == "0" else ""
        rows.append(
            [
                label,
                Measurement.of(f"loss_first{suffix}", losses[arm][:1], ""),
                Measurement.of(f"loss_last{suffix}", losses[arm][-1:], ""),
                Measurement.of(f"accuracy_pct{suffix}", [scores[arm]], "%"),
            ]
        )
    guess = Measurement.of("chance_pct", [chance_pct(test_set)], "%")
    show(
        Report(
            title=f"What they learned in {ROUNDS} epochs",
            columns=["", "loss, first", "loss, last", "unseen, named right"],
            rows=[*rows, ["always the most frequent family", "", "", guess]],
        )
    )

# %% [markdown]
# ## Who was busy when
#
# The picture shows how the last epoch of each began, on one time axis. Without helpers and without a GPU,
# loading and computing take turns in one lane, and the model stands still during every loading. With
# helpers it waits for the first batch. While it trains on that one, the next is loaded beside it.
#
# On the processor a short wait remains between two steps, though the next batch has been loaded: it must be
# handed over. On Linux the tensors lie in shared memory. For each of them the main process asks the helper
# for access, and a thread of the helper answers, in between its loading. On a GPU a second thread of the main
# process receives the batches and pins them, beside the training loop and while the GPU computes.
#
# On a GPU the main process only launches the work. What its lane calls *compute* are launches, and the
# device's own lane, read from CUDA events, shows when the work was done. So even without helpers the next
# batch is loaded while the GPU computes. But one process loads too slowly for that to be enough. And with
# helpers the main process runs ahead: what it waits for may not delay the GPU at all.
#
# For a closer look there is a trace of both epochs, from beginning to end, with arrows from each batch's
# loading to its use. A recording keeps one: the link below the picture. For your own, name a file:
# `python 09_keeping_the_gpu_fed.py trace.json`. [ui.perfetto.dev](https://ui.perfetto.dev) opens it (*Open
# trace file*); your browser reads the file, and nothing is uploaded.

# %% tags=["fold"]
SHOWN_BATCHES = 5


def window_of(timeline):
    """When the first few batches of an epoch had been trained on, in s."""
    lane = "main" if timeline.device == "cpu" else "device"
    return max(
        span.end_s
        for span in timeline.spans
        if (span.lane, span.kind) == (lane, "compute")
        and span.batch < SHOWN_BATCHES
    )


KINDS = {
    "loading": ("load", "collate"),
    "waiting": ("wait",),
    "copying": ("copy",),
    "computing": ("compute",),
}
LANES = {"helper": "each helper", "main": "main process", "device": "GPU"}


def share_pct(timeline, lane, kind):
    """The share of the epoch that a kind of thing took in a lane, in %."""
    share = timeline.share(lane, *KINDS[kind])
    if kind == "waiting":  # without helpers, loading takes place inside it
        share -= timeline.share(lane, *KINDS["loading"])
    return 100 * max(0, share)


def share_rows(arm, label, timelines, kinds):
    """A row for the helpers' mean, the main process and the GPU each."""
    for prefix, who in LANES.items():
        lanes = [lane for lane in timelines[0].lanes if lane.startswith(prefix)]
        if not lanes:
            continue
        row = [f"{label}: {who}"]
        for kind in kinds:
            samples = [
                statistics.fmean(share_pct(t, lane, kind) for lane in lanes)
                for t in timelines
            ]
            name = f"{prefix}_{kind}_pct_{arm}"
            value = Measurement.of(name, samples, "%")
            row.append(value if any(samples) else "")
        yield row


def trace_file(arguments):
    """The file that a command line names for the trace, if it does."""
    # A Jupyter kernel has arguments too: -f, and its connection file.
    if len(arguments) != 1 or arguments[0].startswith("-"):
        return None
    return Path(arguments[0]) if arguments[0].endswith(".json") else None


def write_trace(path, epochs):
    """Write the epochs for Perfetto; a sentence that says what came of it."""
    try:
        path.write_text(json.dumps(merged_trace(epochs)), encoding="utf-8")
    except OSError as error:
        return f"The trace could not be written ({error.strerror})."
    return f"The trace is in {path.name}: open it at ui.perfetto.dev."


if __name__ == "__main__":
    last = {label: timelines[arm][-1] for arm, label in arms.items()}
    end_s = window_of(timelines["0"][-1])
    windows = {name: epoch.between(0, end_s) for name, epoch in last.items()}
    copies = device.type == "cuda"
    kinds = [kind for kind in KINDS if copies or kind != "copying"]
    show(
        Report(
            title="Share of the epoch",
            columns=["", *kinds],
            rows=[
                row
                for arm, label in arms.items()
                for row in share_rows(arm, label, timelines[arm], kinds)
            ],
            figure=Lanes(
                alt="Two timelines. Without helpers the main process loads a "
                "batch, trains on it, and loads the next. With helpers they "
                "load while the model trains. It waits for the first batch, "
                "and a little for each of the others.",
                panels=windows,
                names={"device": "GPU"},
            ),
            trace=merged_trace(last),
        )
    )
    if path := trace_file(sys.argv[1:]):
        print(write_trace(path, last))

# %% [markdown]
# ## What is there to win?
#
# Before you tune a loader, ask how fast the training would be if loading were free: replay batches that lie
# in memory. The makers of SPDL call this
# [headspace analysis](https://facebookresearch.github.io/spdl/latest/optimization_guide/headspace_analysis.html).
# The model learns little from such a run. It is a ruler: no loader makes an epoch shorter than that.
#
# All three are timed in turns, in random order, untraced: plain training loops, which wait for the device
# once, at the end of the epoch. The other figures come from the traced epochs above.
#
# **Utilisation** is short for accelerator utilisation: the time in which the accelerator computes, divided
# by all the time, as in
# [MLPerf Storage](https://github.com/mlcommons/storage/blob/03ef5ec0f44645eb00a7f3a11702ccf4f67df52e/Submission_guidelines.md).
# (There the computing time is known beforehand, and loading the first batch is left out. Here the one is
# measured, and the other counts.) A step counts as computing from beginning to end, moments included in which
# a GPU waits for the next launch: so the share is an upper bound. Without helpers there are more such
# moments, since nothing is launched while a batch is loaded; so a step may last longer than in the headroom
# run, and that run may win more than the data wait promises. Without a GPU the main process takes the
# accelerator's part. Then a step counts as computing even while a helper has taken its core, so trust the
# seconds more than the share.
#
# **Data wait** is the share of the epoch in which the training stood still: the main process's waiting, or on
# a GPU all the time in which that neither computed nor copied.


# %%
class Training:
    """A training loop over the loader, to be timed as a whole."""

    def __init__(self, loader, trainer):
        self.loader = loader
        self.trainer = trainer
        self.num_workers = getattr(loader, "num_workers", 0)

    def __iter__(self):
        for batch in self.loader:
            self.trainer.step(batch)
            yield batch
        finish(self.trainer.device)


if __name__ == "__main__":
    with one_sentence_if_the_gpu_fails(device):
        stopwatch = Trainer(width, device)  # nobody asks what it learns
        training = {
            "0": Training(alone, stopwatch),
            "helped": Training(helped, stopwatch),
            "headroom": Training(list(alone), stopwatch),
        }
        timed = compare(training, rounds=8)
    del alone, helped, training  # the helpers go home
    room.close()


# %% tags=["fold"]
def data_wait_pct(timeline):
    """For how much of the epoch training stood still, in %."""
    if "device" in timeline.lanes:
        return 100 * (1 - timeline.share("device"))
    return 100 * timeline.data_wait_share


def first_batch_ms(timeline):
    """How long the main process waited for the epoch's first batch."""
    spans = timeline.spans
    waits = [s for s in spans if (s.lane, s.kind) == ("main", "wait")]
    return 1e3 * min(waits, key=lambda span: span.batch).end_s


TRACED = {
    "utilisation": (lambda timeline: 100 * timeline.utilisation, "%"),
    "data_wait": (data_wait_pct, "%"),
    "first_batch_ms": (first_batch_ms, "ms"),
}


def traced_values(arm, timelines):
    """What the traced epochs of an arm say of it."""
    for name, (value_of, unit) in TRACED.items():
        samples = [value_of(timeline) for timeline in timelines]
        yield Measurement.of(f"{name}_{arm}", samples, unit)


if __name__ == "__main__":
    labels = {**arms, "headroom": "headroom run"}
    epochs = [
        timed.value(f"epoch_s_{arm}", arm, "total_s", label=label)
        for arm, label in labels.items()
    ]
    rows = [
        ["0 helpers", *traced_values("0", timelines["0"]), epochs[0], ""],
        [
            counted(helpers),
            *traced_values("helped", timelines["helped"]),
            epochs[1],
            timed.ratio("speedup_helped", "0", "helped"),
        ],
        [
            "headroom run",
            *([""] * len(TRACED)),
            epochs[2],
            timed.ratio("speedup_headroom", "0", "headroom"),
        ],
    ]
    left = timed.ratio("helped_over_headroom", "helped", "headroom")
    rows.append([f"{counted(helpers)} ÷ headroom", "", "", "", left, ""])
    fed = timed.ratio("fed_over_headroom", "helped", "headroom", "rest_s")
    rows.append(["the same, after the first batch", "", "", "", fed, ""])
    show(
        Report(
            title="What helpers win, and what can be won",
            columns=[
                "",
                "utilisation",
                "data wait",
                "first batch",
                "epoch",
                "times as fast",
            ],
            rows=rows,
            figure=Bars(
                alt="Seconds per epoch: without helpers, with helpers, and "
                "with batches that already lie in memory.",
                values=epochs,
                groups=[0, 1, 2],
                x_label="seconds per epoch",
            ),
            notes=timed.warnings,
        )
    )

# %% [markdown]
# ## What to take home
#
# **Helpers turn waiting into computing.** The epochs with helpers are more than 1.2 times as fast, and the
# model waits for a smaller share of them.
#
# **Measure the headroom before you tune.** The epoch with helpers takes less than twice as long as the
# headroom run. That is all that more helpers, a faster disk or another loader could still win. On the
# processor a part of it cannot be won at all: helpers and model share the memory and its caches, which the
# headroom run has for itself. Nor can the wait for the first batch: the more batches in an epoch, the less
# it weighs. The last line of the table leaves it out. Where it says about 1, as it did on the GPU that we
# recorded, helpers have won all that there was to win behind the first batch.
#
# **Where it stops to matter.** At a data wait below 5%, we suggest: were there no waiting, the epoch would
# be shorter by a twentieth at most. MLPerf Storage lets a system pass at a utilisation of 90% for its image
# models 3D U-Net and ResNet-50, and of 70% for CosmoFlow (rules of version 2.0). From there on it is the
# step that counts. Make that faster, and look at the wait again: a faster hero is a hungrier one.
