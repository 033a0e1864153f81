# ---
# title: One bad file among thousands
# group: Errors and chance
# description: Three bad files among 2,000, and who names them, a plain loop, a wrapped dataset, or a scan.
# headline: "Of {bad_files_planted} bad files a plain loop names {bad_files_named_bare}; a scan finds
#   {bad_files_scanned_out}."
# formerly: 12_debugging_headaches
# claims:
#   - bad_files_named_bare == 0
#   - bad_index_found == 1234
#   - bad_files_scanned_out == bad_files_planted
#   - none_messages > 1
#   - batches_after_error > 0
# ---

# %% [markdown]
# # One bad file among thousands
#
# **Motive.** At night, in batch 24, your training dies of `image file is truncated`. Of which file? The error
# came by post from a helper sprite (a worker process), and does not say.
#
# **What is measured.** Three of 2,000 sprite files are bad. Three ways of looking for them are tried, and
# then what becomes of a dataset that returns `None` instead. What is counted is files, batches and messages;
# no time is measured.
#
# **Caveat.** The bad files are planted, so that we know what a search should find. Messages are those of the
# torch and the Pillow of this page.

# %% [markdown]
# ## A loop over the folder dies of the first
#
# One file was cut short in a download, and one is empty. The third is a web page that a server sent in place
# of a picture. The code that decodes a picture does not know which one it is. So the error names neither the
# file nor the index.

# %%
import re
import traceback
import warnings

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, default_collate

from spritedocs.machine import room_for
from spritedocs.report import Table, count, show
from spritedocs.sprites import write_png_folder

CUT, EMPTY, PAGE = BAD = (1234, 1500, 1777)
warnings.filterwarnings("ignore", "This DataLoader will create")


class SpriteFiles(Dataset):
    """The pictures of a folder, decoded one by one."""

    def __init__(self, folder):
        self.paths = sorted(folder.glob("*.png"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as file:
            return torch.from_numpy(np.array(file))


def spoilt_sprites(folder):
    """2,000 sprites in a new folder, three of them bad."""
    sprites = SpriteFiles(write_png_folder(folder / "sprites", 2000))
    cut = sprites.paths[CUT].read_bytes()
    sprites.paths[CUT].write_bytes(cut[: len(cut) // 2])
    sprites.paths[EMPTY].write_bytes(b"")
    sprites.paths[PAGE].write_bytes(b"<!doctype html><title>404</title>")
    return sprites


def error_of(dataset):
    """What a loop over the dataset dies of."""
    try:
        list(DataLoader(dataset, batch_size=50, num_workers=2))
    except (OSError, RuntimeError) as error:
        # What is caught keeps its loader alive, and its helpers.
        traceback.clear_frames(error.__traceback__)
        return str(error)


if __name__ == "__main__":
    with room_for(megabytes=20) as folder:
        bare = error_of(spoilt_sprites(folder))
    print(bare.splitlines()[0], "…", bare.splitlines()[-1], sep="\n")

# %% [markdown]
# ## Wrap the dataset, or scan it
#
# **Wrapped**, the same loop names the culprit. Whatever an item raises is raised again with its index, and
# `from error` keeps the first cause. It is a `RuntimeError` with one string, which survives the trip to the
# main process. Not every kind of error does.
#
# That finds the *first* bad file, at the price of a training run. **Scan** instead, before you train. A
# dataset that *returns* its errors is read to the end, and the helpers look at several batches at once.


# %%
class Around(Dataset):
    """As many items as another dataset has."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)


class Named(Around):
    """The same items, with errors that say which it was."""

    def __getitem__(self, index):
        try:
            return self.dataset[index]
        except Exception as error:
            raise RuntimeError(f"item {index}") from error


class Scanned(Around):
    """For each item its index, and its error if any."""

    def __getitem__(self, index):
        try:
            self.dataset[index]
        except Exception as error:  # noqa: BLE001 - any error is wanted
            return index, type(error).__name__
        return index, ""


def named_in(text):
    """Which of the bad files a text names; line numbers do not count."""
    numbers = re.findall(r"(?<!line )\b0*(\d+)\b", text)
    return [index for index in BAD if str(index) in numbers]


def named(way, files):
    """How many files one way of looking names, and which."""
    return count(f"bad_files_{way}", len(files)), ", ".join(map(str, files))


if __name__ == "__main__":
    with room_for(megabytes=20) as folder:
        sprites = spoilt_sprites(folder)
        wrapped = error_of(Named(sprites))
        scan = DataLoader(Scanned(sprites), 50, num_workers=2, collate_fn=list)
        scanned = dict(item for batch in scan for item in batch)
    first = named_in(wrapped)
    bad = {index: error for index, error in scanned.items() if error}
    show(
        Table("Who names them?", columns=["bad files", "which"])
        .footer("planted", *named("planted", BAD))
        .footer("the bare error", *named("named_bare", named_in(bare)))
        .footer("the wrapped error", *named("named_wrapped", first))
        .footer("the scan", *named("scanned_out", bad))
        .note(*(f"{index}: {error}" for index, error in bad.items()))
        .record([count("bad_index_found", first[0])])
        .record([count("items_scanned", len(scanned))])
    )

# %% [markdown]
# Of {bad_files_planted} bad files the bare error names {bad_files_named_bare}, the wrapped one the first, and
# the scan, which read {items_scanned} items, {bad_files_scanned_out}.
#
# ## Or return None?
#
# So it is often advised. Look what becomes of it, without helpers and with two. After an error in a batch
# `next()` goes on with the batch after it, so one loader can show us all of its errors. (A `for` loop cannot:
# the error leaves it.)


# %%
class OrNone(Around):
    """The same items, ``None`` for those that cannot be read."""

    def __getitem__(self, index):
        try:
            return self.dataset[index]
        except OSError:
            return None


def without_none(batch):
    """Collate the items that are there."""
    return default_collate([item for item in batch if item is not None])


def batch_by_batch(loader):
    """For each batch the last line of its error, or an empty string."""
    batches, told = iter(loader), []
    for _ in range(len(loader)):
        try:
            next(batches)
            told.append("")
        except (AttributeError, RuntimeError, TypeError) as error:
            told.append(str(error).splitlines()[-1].split("Error: ")[-1])
    return told


if __name__ == "__main__":
    with room_for(megabytes=20) as folder:
        missing = OrNone(spoilt_sprites(folder))
        alone = batch_by_batch(DataLoader(missing, 50))
        helped = batch_by_batch(DataLoader(missing, 50, num_workers=2))
        kept = sum(map(len, DataLoader(missing, 50, collate_fn=without_none)))
    said = {re.sub(r"\d+", "N", line) for line in alone + helped} - {""}
    show(
        Table("None comes", columns=["0 helpers", "2 helpers"])
        .footer("first in its batch", alone[EMPTY // 50], helped[EMPTY // 50])
        .footer("later in its batch", alone[CUT // 50], helped[CUT // 50])
        .record([count("none_messages", len(said)), count("items_kept", kept)])
        .record([count("batches_after_error", helped[CUT // 50 :].count(""))])
    )

# %% [markdown]
# One mistake has {none_messages} messages, by where `None` stands in its batch and by who collates.
# `NoneType` is in all of them, and none tells the index. The loader goes on: {batches_after_error} whole
# batches came after the first error.
#
# `without_none` cures it, and {items_kept} items came. Some batches are then smaller, and one with nothing
# but `None` still fails. But it also makes bad files invisible.
#
# ## What to take home
#
# Wrap the dataset, so that an error names its item. Better still, scan once before you train, and leave out
# what the scan found: `Subset(dataset, good_indices)`. Returning `None` hides bad files, and its errors are
# about something else.
