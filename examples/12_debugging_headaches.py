# ---
# title: A helper stumbles, falls, or falls silent
# description: What an exception, a death and a hang in a DataLoader worker print, and how to find the line.
# claims:
#   - batches_before_error_2 == batches_before_error_0
#   - batches_trained_meanwhile_2 > batches_trained_meanwhile_0
#   - traceback_lines_2 > traceback_lines_0
#   - causes_in_last_line < deaths
#   - deaths_pointing_into_the_dataset == 0
#   - crash_line == crash_line_planted
#   - hang_line == hang_line_planted
#   - bad_files_named_bare == 0
#   - bad_index_found == 1234
#   - bad_files_scanned_out == bad_files_planted
#   - none_messages > 1
#   - batches_after_error > 0
# ---

# %% [markdown]
# # A helper stumbles, falls, or falls silent
#
# **Motive.** In your own process an error points at its line. A helper sprite (a worker process) fails next
# door: what reaches you came by post, or speaks of another matter, or does not come at all. What does each
# failure look like, and how do you get from there to the line that did it?
#
# **What is measured.** Three short programs fail on purpose: by an exception, by deaths, by a hang. Each
# runs in a process of its own, with a time limit, and what it printed stands below. Then a few bad files
# hide among thousands. What is counted is lines, batches and items; no time is measured.
#
# **Caveat.** Each failure is planted, so that we know what the search should find. The texts are those of
# the torch, the Python and the system named beside them: others word them a little differently. Under the
# start method `forkserver` some say less; where they do, the text says so. Windows has no `SIGKILL`, and
# makes an exception of the crash: those deaths are missing there.

# %%
import errno
import io
import itertools
import os
import re
import traceback
import warnings

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, default_collate

from spritedocs.machine import NoRoomError, room_for, run_scripts
from spritedocs.report import Blocks, Gap, Measurement, Report, show
from spritedocs.sprites import draw_sprite

HELPERS = 2
BATCH_SIZE = 50
FILES = 2000
BAD = {1234: "cut short", 1500: "empty", 1777: "a web page"}
LIMIT_S = 90
NOTHING_SAID = (
    "Some program did not print what it should: it needs a temporary folder "
    f"that can be written to (TMPDIR, on Windows TEMP), and {LIMIT_S} s."
)

# %% [markdown]
# ## Three programs that fail
#
# Each is complete: copy it into a file `train.py` and watch it fail at home. Each has two helpers and
# batches of 8, so batch 0 (sprites 0 to 7) goes to helper 0, batch 1 to helper 1, batch 2 to helper 0
# again.
#
# **Cursed.** Sprite 45 raises an exception, first with 0 helpers, then with 2. It is in batch 5. The step
# of the model is a short sleep.

# %%
CURSED = """\
import time
import traceback

import torch
from torch.utils.data import DataLoader, Dataset


class CursedSprites(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        if index == 45:
            print("sprite 45 strikes")
            raise ValueError(f"sprite {index} is cursed")
        return torch.zeros(4, 16, 16)


def train(num_workers):
    loader = DataLoader(
        CursedSprites(), batch_size=8, num_workers=num_workers
    )
    for number, batch in enumerate(loader):
        time.sleep(0.05)  # the model's step
        print(f"trained on batch {number}")


if __name__ == "__main__":
    for num_workers in (0, 2):
        print(f"== {num_workers} helpers")
        try:
            train(num_workers)
        except ValueError:
            traceback.print_exc()
"""

# %% [markdown]
# **Fallen.** Sprite 13 takes its helper down, in one of three ways. `SIGKILL` is what the Linux kernel
# sends when memory runs out. `os._exit` stands for a library that ends the process. Reading address 0
# stands for a bug in C code. The step takes 0 or 2 seconds: so the loop is either waiting for a batch or
# training when the helper falls. `watch` prepares a message for crashes, as we shall see.

# %%
FALLEN = """\
import ctypes
import faulthandler
import os
import signal
import time
import traceback

import torch
from torch.utils.data import DataLoader, Dataset


class FallenSprites(Dataset):
    def __init__(self, fall):
        self.fall = fall

    def __len__(self):
        return 64

    def __getitem__(self, index):
        if index == 13:
            time.sleep(0.3)
            self.fall()
        return torch.zeros(4, 16, 16)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def exits():
    os._exit(3)


def crashes():
    ctypes.string_at(0)


def watch(worker_id):
    faulthandler.disable()
    faulthandler.enable()


def train(fall, step_s):
    loader = DataLoader(
        FallenSprites(fall),
        batch_size=8,
        num_workers=2,
        worker_init_fn=watch,
    )
    for batch in loader:
        time.sleep(step_s)  # the model's step


if __name__ == "__main__":
    ways = [(exits, 0), (crashes, 0)]
    if hasattr(signal, "SIGKILL"):  # Windows has none
        ways = [(killed, 0), (killed, 2), *ways]
    for fall, step_s in ways:
        loop = "trains" if step_s else "waits"
        print(f"== {fall.__name__} while the loop {loop}")
        try:
            train(fall, step_s)
        except Exception:
            traceback.print_exc()
"""

# %% [markdown]
# **Locked.** Sprite 13 waits for a lock that its own helper holds. `timeout=` makes the loop give up; it
# must be longer than the start of a worker, which takes seconds where it has to import torch. `watch` asks
# for each helper's stack, a second after its start. At the end `py-spy` looks at both helpers, as you would
# from a second terminal.

# %%
LOCKED = """\
import faulthandler
import multiprocessing
import subprocess
import threading
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

DOOR = threading.Lock()


class LockedSprites(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        with DOOR:
            if index == 13:
                DOOR.acquire()  # and here it waits for itself
            return torch.zeros(4, 16, 16)


def watch(worker_id):
    # At different moments, lest they print into each other's lines.
    faulthandler.dump_traceback_later(1 + worker_id / 2)


def look_at(worker):
    comm = Path(f"/proc/{worker.pid}/comm")  # only Linux has it
    if comm.exists():
        print(f"a process named {comm.read_text().strip()}")
    try:
        subprocess.run(["py-spy", "dump", "--pid", str(worker.pid)])
    except FileNotFoundError:
        print("py-spy is not installed")


if __name__ == "__main__":
    forks = multiprocessing.get_start_method() == "fork"
    loader = DataLoader(
        LockedSprites(),
        batch_size=8,
        num_workers=2,
        timeout=3 if forks else 20,
        worker_init_fn=watch,
    )
    batches = iter(loader)
    print("== the loop")
    try:
        for number, batch in enumerate(batches):
            print(f"trained on batch {number}")
    except RuntimeError as error:
        print(f"RuntimeError: {error}")
    print("== a second terminal")
    for worker in multiprocessing.active_children():
        look_at(worker)
"""

# %% [markdown]
# All three start now, the slowest first. Their texts are cut at the lines with `==` that they print.
# Folders before file names are left out. `fold` makes long ones readable: a `>` marks the lines of
# `train.py`, and lines of other files are only counted.

# %% tags=["fold"]
FRAME = re.compile(r'\s+File "(.+?)", line|\s+.+ \((\S+?):\d+\)$')
FOREIGN = ("  Binary file", "Extension modules")


def sections_of(text):
    """The parts of a program's output, by the headings it printed."""
    _, *parts = re.split(r"^== (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def is_ours(line, before):
    """Whether ``line`` shows train.py, or None where it shows no code.

    ``before`` is the answer for the line before: code follows its place.
    """
    if frame := FRAME.match(line):
        return "train.py" in frame.groups()
    if line.startswith(FOREIGN):
        return False
    return before if line.startswith("    ") else None


def marked(text, fold=False):
    """The lines of ``text``, those of train.py marked, others folded."""
    lines, folded, ours = [], 0, None
    for line in [*text.strip().splitlines(), ""]:
        ours = is_ours(line, ours)
        if fold and ours is False:
            folded += 1
            continue
        if folded:
            lines.append(f"  … lines of other files: {folded}")
        folded = 0
        lines.append(f"> {line[2:]}" if ours else line)
    return "\n".join(lines).rstrip()


def tell(title, text, fold=False):
    """Print what a program said, under a title."""
    said = marked(text, fold) if text else "  Nothing was printed here."
    print(f"\n[{title}]\n{said}")


def run_all(programs):
    """The sections that each program printed; none if it cannot run."""
    try:
        outcomes = run_scripts(programs, limit_s=LIMIT_S)
    except OSError as error:
        # Its own text may list folders that are nobody's business.
        why = os.strerror(error.errno or errno.ENOENT)
        print(f"No program can run here: {why}.")
        return {name: {} for name in programs}
    return {name: sections_of(run.text) for name, run in outcomes.items()}


def counts(numbers, why_not=NOTHING_SAID):
    """Named numbers as values; a gap in place of each that is None."""
    return [
        Gap(name, why_not)
        if number is None
        else Measurement.of(name, [number], "")
        for name, number in numbers.items()
    ]


if __name__ == "__main__":
    programs = {"locked": LOCKED, "fallen": FALLEN, "cursed": CURSED}
    said = run_all(programs)

# %% [markdown]
# ## The helper that stumbles: an exception
#
# Without helpers, one traceback, and its last line of `train.py` is the culprit:

# %%
if __name__ == "__main__":
    alone = said["cursed"].get("0 helpers", "")
    helped = said["cursed"].get("2 helpers", "")
    tell("0 helpers", alone)

# %% [markdown]
# With two helpers, two tracebacks in one. The upper one is your loop's: it ends in `reraise`, and its line
# of `train.py` is innocent. The lower one, after *Original Traceback*, was written in the helper and sent
# over as text. **Read from the bottom up: the last marked line is yours.** The message names the helper;
# sprite 45 is in batch 5, and batch 5 is helper 1's.

# %%
if __name__ == "__main__":
    tell("2 helpers", helped)


# %% [markdown]
# Look at where *sprite 45 strikes* stands. Helpers work ahead, so the curse struck while the loop was still
# training on earlier batches. The bad news waited in the queue until it was batch 5's turn.


# %% tags=["fold"]
def traceback_in(text):
    """The lines from the first "Traceback" on, to the last with text."""
    start = text.find("Traceback")
    return text[start:].strip().splitlines() if start >= 0 else []


def order_of_events(text):
    """0 for a step, 1 for the curse, 2 for the error that ends the loop."""
    kinds = {"trained": 0, "sprite": 1, "Traceback": 2}
    words = (line.split(" ")[0] for line in text.splitlines())
    return [kinds[word] for word in words if word in kinds]


def cursed_values(text, helpers):
    """Steps before the error and after the curse, lines and places."""
    events, lines = order_of_events(text), traceback_in(text)
    struck = events.index(1) if 1 in events else 0
    numbers = {
        "batches_before_error": events.count(0),
        "batches_trained_meanwhile": events[struck:].count(0),
        "traceback_lines": len(lines),
        "traceback_places": sum('File "train.py"' in x for x in lines),
    }
    complete = 1 in events and lines
    return counts(
        {
            f"{name}_{helpers}": number if complete else None
            for name, number in numbers.items()
        }
    )


if __name__ == "__main__":
    told = [
        "steps before the error",
        "… of them after the curse struck",
        "lines of traceback",
        "… places in train.py",
    ]
    columns = [cursed_values(alone, 0), cursed_values(helped, HELPERS)]
    events = {
        "0 helpers": order_of_events(alone),
        "2 helpers": order_of_events(helped),
    }
    show(
        Report(
            title="The same exception, without helpers and with two",
            columns=["", "0 helpers", "2 helpers"],
            rows=[list(row) for row in zip(told, *columns, strict=True)],
            figure=Blocks(
                alt="Without helpers the curse strikes after five steps and "
                "the error follows at once; with two helpers it strikes "
                "earlier, and the error still comes after five steps.",
                rows=events,
                names=["step", "curse", "error"],
                x_label="in the order in which they were printed",
            )
            if all(events.values())
            else None,
        )
    )

# %% [markdown]
# The error comes at the same batch with helpers as without. A `for` loop ends there: what the epoch still
# had to give is lost, finished batches in the queue included.
#
# ## The helper that falls: killed, gone, crashed
#
# A dead helper sends no traceback. All you get is what the main process makes of its death. First, killed
# while the loop *waits* for a batch:

# %%
if __name__ == "__main__":
    fallen = said["fallen"]
    way = "killed while the loop waits"
    tell(way, fallen.get(way, ""), fold=True)

# %% [markdown]
# The last line, which is the one that people search for, does not say what happened. **The cause stands
# further up**, above *direct cause of the following exception*. Now killed while the loop *trains*:

# %%
if __name__ == "__main__":
    way = "killed while the loop trains"
    tell(way, fallen.get(way, ""), fold=True)

# %% [markdown]
# The death arrives as a signal (`SIGCHLD`). Its handler raises the error wherever your program happens to
# be: here **in the middle of the model's step, which has nothing to do with it**.
#
# Last, the crash. Here `watch` pays: `faulthandler.enable()`, called *in the worker*, prints the helper's
# stack before it dies, the innermost call first. To start with `python -X faulthandler` is not enough, for
# torch puts handlers of its own in place when a worker starts. That is why `watch` disables first and then
# enables anew.

# %%
if __name__ == "__main__":
    way = "crashes while the loop waits"
    tell(way, fallen.get(way, ""), fold=True)

# %% [markdown]
# All deaths side by side. What the loop was doing decides what the last line says. And the line of yours in
# the traceback is where *the loop* was, never where the helper fell.


# %% tags=["fold"]
CAUSE = re.compile(r"killed by signal: \w[\w ]*\w|exit code \d+")
UNNAMED = "not named"


def line_of(program, code):
    """The number of the line of ``program`` that contains ``code``."""
    lines = program.splitlines()
    return next(n for n, line in enumerate(lines, 1) if code in line)


def last_line_of(text):
    """The last line that is not blank, or an empty string."""
    return (text.strip().splitlines() or [""])[-1].strip()


def death_of(text):
    """Last line, cause, and the loop's own line, from the traceback."""
    lines = traceback_in(text)
    cause = CAUSE.search("\n".join(lines))
    ours = [
        code.strip()
        for place, code in itertools.pairwise(lines)
        if 'File "train.py"' in place
    ]
    cause = cause[0] if cause else UNNAMED
    return last_line_of(text), cause, ours[-1] if ours else "none"


def deaths_report(deaths):
    """The table of deaths, and how many of them tell something."""
    seen = list(deaths.values())
    named = sum(cause != UNNAMED for _, cause, _ in seen)
    in_last = sum(bool(CAUSE.search(last)) for last, _, _ in seen)
    inside = sum("self.fall()" in ours for _, _, ours in seen)
    numbers = {
        "deaths": len(seen),
        "causes_named": named,
        "causes_in_last_line": in_last,
        "deaths_pointing_into_the_dataset": inside,
    }
    return Report(
        title="One sprite, several deaths",
        columns=["helper", "last line", "cause", "line of train.py"],
        rows=[[way, *death] for way, death in deaths.items()],
        notes=[
            f"Of {len(seen)} deaths {named} name their cause somewhere, "
            f"{in_last} in the last line; {inside} point into the dataset."
        ]
        if seen
        else [],
        more_values=counts(numbers if seen else dict.fromkeys(numbers)),
    )


if __name__ == "__main__":
    deaths = {way: death_of(text) for way, text in fallen.items()}
    show(deaths_report(deaths))

# %% [markdown]
# A helper can fall at worse moments still, while the loop opens a batch that this helper had finished. Then
# the last line may be `ConnectionResetError` or `EOFError`, and may name no cause at all. Under
# `forkserver` helpers are the children of a server, so that no signal reaches you: your program finds the
# helper gone after up to 5 s of waiting, and says `exited unexpectedly`. `multiprocessing_context="spawn"`
# brings the cause back.
#
# ## The helper that falls silent: a hang
#
# Without `timeout=` this loop would train on one batch, and then wait for ever. With it:

# %%
if __name__ == "__main__":
    locked = said["locked"]
    inside = locked.get("the loop", "")
    tell("the loop, and each helper's stack", inside, fold=True)

# %% [markdown]
# The error at the end says that something hangs, not what. The stacks above it do: `watch` made each helper
# print its own after a second, *whether it hung or not*. A helper that waits for work has no line of the
# dataset in its stack (only the line that started it, under fork). **The one that hangs has, and on top.**
#
# If you have not prepared for it, ask from outside. The helpers are easy to find on Linux: torch names
# their processes, so `top` and `pgrep pt_data_worker` show them. `py-spy dump --pid` prints the stack of a
# Python process that was never prepared for it (and `--subprocesses` those of its children). It has to be
# installed, `pip install py-spy`; where it was not, the text below says so.

# %%
if __name__ == "__main__":
    outside = locked.get("a second terminal", "")
    tell("a second terminal", outside, fold=True)


# %% tags=["fold"]
def stack_line_in(text):
    """The line of train.py at which the dataset is, by a helper's stack."""
    found = re.search(
        r'File "train.py", line (\d+) in (?!<module>|train\b)'
        r"|__getitem__ \(train.py:(\d+)\)",
        text.partition("Traceback")[0],
    )
    return int(found[1] or found[2]) if found else None


def seen_from_outside(text):
    """What a second terminal found: the line, and processes by name."""
    line, named = stack_line_in(text), text.count("pt_data_worker")
    no_stack = (
        "py-spy gave no stack here: it is not installed (pip install "
        "py-spy), or only an administrator may look into other processes."
    )
    no_names = (
        "The names that torch gives to workers are read from /proc here, "
        "which Windows and macOS do not have."
    )
    return [
        *counts({"py_spy_line": line}, no_stack if text else NOTHING_SAID),
        *counts(
            {"workers_named": named or None},
            no_names if text else NOTHING_SAID,
        ),
    ]


if __name__ == "__main__":
    crash = fallen.get("crashes while the loop waits", "")
    planted = {
        "crash_line_planted": line_of(FALLEN, "ctypes.string_at(0)"),
        "hang_line_planted": line_of(LOCKED, "DOOR.acquire()"),
    }
    named = {
        "crash_line": stack_line_in(crash),
        "hang_line": stack_line_in(inside),
    }
    by_py_spy, by_name = seen_from_outside(outside)
    show(
        Report(
            title="The lines of train.py, planted and found",
            columns=["", "crash", "hang"],
            rows=[
                ["planted in line", *counts(planted)],
                ["named by faulthandler", *counts(named)],
                ["named by py-spy", "too late", by_py_spy],
                ["helpers named pt_data_worker", "", by_name],
            ],
        )
    )

# %% [markdown]
# ## One bad file among thousands
#
# Now a failure of the quiet kind. Of 2,000 sprite files three are bad: one was cut short in a download, one
# is empty, and one is the web page that a server sent in place of a picture.


# %% tags=["fold"]
def path_of(folder, index):
    """Where sprite ``index`` is kept."""
    return folder / f"{index:06d}.png"


def write_sprites(folder):
    """Write FILES sprites as PNG files, then spoil those in BAD."""
    whole = []
    for number in range(8):
        stream = io.BytesIO()
        Image.fromarray(draw_sprite(number)).save(stream, "PNG")
        whole.append(stream.getvalue())
    for index in range(FILES):
        path_of(folder, index).write_bytes(whole[index % len(whole)])
    cut, empty, page = (path_of(folder, index) for index in BAD)
    cut.write_bytes(whole[0][: len(whole[0]) // 2])
    empty.write_bytes(b"")
    page.write_bytes(b"<!doctype html><title>404 Not Found</title>")


class SpriteFiles(Dataset):
    """A folder of PNG files, decoded one by one."""

    def __init__(self, folder):
        self.folder = folder

    def __len__(self):
        return FILES

    def __getitem__(self, index):
        with Image.open(path_of(self.folder, index)) as file:
            return torch.from_numpy(np.array(file))


# %% [markdown]
# **A loop over the folder** dies of the first bad file. As we shall see, the message names the kind of
# error and the helper, but neither the file nor the index: the code that decodes a picture does not know
# which one it is.
#
# (Two remarks on the code. On a machine with one usable core torch warns that two workers are more than it
# would suggest; here they are wanted, so the warning is silenced. And an error that is *caught* keeps its
# loader alive, helpers included, because the error and the frames it went through hold on to each other:
# hence `clear_frames`. Without it Python's collector may find them later, and your program pauses for 5 s
# per helper, or a new helper complains that it `can only test a child process`.)


# %% tags=["fold"]
def loader_of(dataset, helpers=HELPERS, **settings):
    """A loader as they are all made here."""
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )
    return DataLoader(
        dataset, batch_size=BATCH_SIZE, num_workers=helpers, **settings
    )


def error_of(dataset):
    """What a loop over ``dataset`` with helpers dies of, as text."""
    try:
        for _ in loader_of(dataset):
            pass
    except (OSError, RuntimeError) as error:
        traceback.clear_frames(error.__traceback__)
        return f"{type(error).__name__}: {error}"
    return ""


# %% [markdown]
# **Wrap the dataset**, and the same loop names the culprit. Whatever an item raises is raised again with
# its index, and `from error` keeps the first cause. It is a `RuntimeError` with one string, which survives
# the trip to the main process, as not every kind of error does.


# %%
class Around(Dataset):
    """As many items as ``dataset`` has."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)


class Named(Around):
    """The items of ``dataset``, with errors that say which it was."""

    def __getitem__(self, index):
        try:
            return self.dataset[index]
        except Exception as error:
            raise RuntimeError(f"item {index}") from error


# %% [markdown]
# That finds the *first* bad file, at the price of a training run. **Scan** instead, before you train: a
# dataset that *returns* its errors is read to the end, and the helpers look at several batches at once.


# %%
class Scanned(Around):
    """For each item of ``dataset`` its index, and its error if any."""

    def __getitem__(self, index):
        try:
            self.dataset[index]
        except Exception as error:  # noqa: BLE001 - any error is wanted
            return index, type(error).__name__
        return index, ""


def scan(dataset):
    """The error of each item that has one, by index; all are read."""
    loader = loader_of(Scanned(dataset), collate_fn=list)
    read = dict(item for batch in loader for item in batch)
    return len(read), {i: error for i, error in read.items() if error}


# %% [markdown]
# **Or return `None`**, as is often advised, and look what becomes of it. After an error in a batch `next()`
# goes on with the batch after it, so one loader can show us all of its errors. (A `for` loop cannot: the
# error leaves it.)


# %%
class OrNone(Around):
    """The items of ``dataset``, ``None`` for those that cannot be read."""

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
    while True:
        try:
            next(batches)
            told.append("")
        except StopIteration:
            return told
        except (AttributeError, RuntimeError, TypeError) as error:
            kind, last = type(error).__name__, last_line_of(str(error))
            told.append(last if kind in last else f"{kind}: {last}")


# %% [markdown]
# Now all of it, in a temporary folder.


# %% tags=["fold"]
def search(folder):
    """What each way of looking finds among the files in ``folder``."""
    write_sprites(folder)
    sprites = SpriteFiles(folder)
    missing = OrNone(sprites)
    kept = loader_of(missing, helpers=0, collate_fn=without_none)
    return {
        "bare": error_of(sprites),
        "wrapped": error_of(Named(sprites)),
        "scan": scan(sprites),
        "alone": batch_by_batch(loader_of(missing, helpers=0)),
        "helped": batch_by_batch(loader_of(missing)),
        "kept": sum(len(batch) for batch in kept),
    }


def search_somewhere():
    """What ``search`` finds, or nothing, and why not."""
    try:
        with room_for(megabytes=20) as folder:
            return search(folder), ""
    except NoRoomError as error:
        return {}, str(error)


if __name__ == "__main__":
    found, no_room = search_somewhere()
    bare = found.get("bare", "")
    wrapped = found.get("wrapped", "")
    tell("the bare loop", bare, fold=True)
    tell("the wrapped dataset", wrapped, fold=True)


# %% tags=["fold"]
def indices_in(text):
    """Which of the bad files ``text`` names; line numbers do not count."""
    numbers = re.findall(r"(?<!line )(?<!\w)0*(\d+)(?!\w)", text)
    return [index for index in BAD if str(index) in numbers]


def search_report(found, why_not):
    """Which bad files each way of looking named."""
    looked_at, errors = found.get("scan", (None, {}))
    first = indices_in(found.get("wrapped", ""))
    named = {
        "planted": list(BAD),
        "named_bare": indices_in(found.get("bare", "")),
        "named_wrapped": first,
        "scanned_out": list(errors),
    }
    labels = ["planted", "the bare error", "the wrapped error", "the scan"]
    values = counts(
        {
            f"bad_files_{name}": len(indices) if found else None
            for name, indices in named.items()
        },
        why_not,
    )
    which = [
        ", ".join(map(str, indices)) if found else ""
        for indices in named.values()
    ]
    return Report(
        title=f"Three bad files among {FILES:,}: who names them?",
        columns=["", "bad files", "which"],
        rows=[list(row) for row in zip(labels, values, which, strict=True)],
        notes=[
            f"The scan read {looked_at:,} items: "
            + ", ".join(f"{BAD[i]}: {error}" for i, error in errors.items())
            + "."
        ]
        if found
        else [],
        more_values=counts(
            {
                "bad_index_found": first[0] if first else None,
                "items_scanned": looked_at,
            },
            why_not,
        ),
    )


if __name__ == "__main__":
    show(search_report(found, no_room))


# %% [markdown]
# The bare error names none, the wrapped one the first, the scan all of them. And `None`?


# %% tags=["fold"]
def none_report(found, why_not):
    """The errors that ``None`` leads to, and what the cure keeps."""
    rows, notes = [], []
    messages, after, kept = None, None, found.get("kept")
    if found:
        alone, helped = found["alone"], found["helped"]
        first, later = 1500 // BATCH_SIZE, 1234 // BATCH_SIZE
        rows = [
            ["first in its batch", alone[first], helped[first]],
            ["later in its batch", alone[later], helped[later]],
        ]
        said = {re.sub(r"\d+", "N", text) for row in rows for text in row[1:]}
        messages, after = len(said), helped[later:].count("")
        notes = [
            f"Of {len(helped)} batches {after} came after the first error.",
            f"By way of without_none {kept:,} of {FILES:,} items came.",
        ]
    return Report(
        title="What None leads to",
        columns=["None comes", "0 helpers", "2 helpers"],
        rows=rows,
        notes=notes,
        more_values=counts(
            {
                "none_messages": messages,
                "batches_after_error": after,
                "items_kept": kept,
            },
            why_not,
        ),
    )


if __name__ == "__main__":
    show(none_report(found, no_room))

# %% [markdown]
# One mistake has several messages, by where `None` stands in its batch and by who collates; `NoneType` is
# in all of them, and none tells the index. `without_none` cures it: some batches are then smaller, and one
# with nothing but `None` still fails. But it also makes bad files invisible. Rather scan once, and leave
# out what the scan found: `Subset(dataset, good_indices)`.
#
# ## What you see, what it means, what to do first
#
# The texts on the left are those that the programs above printed here.


# %% tags=["fold"]
ADVICE = {
    "exception": (
        "an exception in the dataset or in collate_fn",
        "read the last lines; repeat with num_workers=0",
    ),
    "waits": (
        "a helper died while the loop was waiting",
        "read further up: the cause may be named there",
    ),
    "trains": (
        "a helper was killed; on Linux mostly by the kernel, for memory",
        "dmesg | grep -i killed; fewer helpers, smaller batches",
    ),
    "exits": (
        "code in the dataset ended the process",
        "num_workers=0, and print each index: the last one did it",
    ),
    "crashes": (
        "a bug in C code, often of a decoder",
        "faulthandler.disable(), then enable(), in worker_init_fn",
    ),
    "hang": (
        "a batch took longer than timeout=",
        "look at the helper's stack: faulthandler, or py-spy dump",
    ),
    "bad file": (
        "an item cannot be read",
        "wrap the dataset to learn its index; scan for others",
    ),
    "None": (
        "__getitem__ returned None",
        "raise an error that names the item instead",
    ),
}


def texts_seen(helped, deaths, inside, found):
    """What each failure printed: its last line, or the part that tells."""

    def death(way):
        last, cause, _ = deaths.get(way, ("", UNNAMED, ""))
        return last, "" if cause == UNNAMED else cause

    caught = re.search(r"^\w+: Caught .+$", helped, re.MULTILINE)
    waits, exit_code = death("exits while the loop waits")
    killed, by_signal = death("killed while the loop trains")
    nones = found.get("helped")
    return {
        "exception": caught[0] if caught else "",
        "waits": waits,
        "trains": killed if by_signal else "",
        "exits": exit_code,
        "crashes": death("crashes while the loop waits")[1],
        "hang": last_line_of(inside),
        "bad file": last_line_of(found.get("bare", "")),
        "None": nones[1234 // BATCH_SIZE] if nones else "",
    }


if __name__ == "__main__":
    seen = texts_seen(helped, deaths, inside, found)
    show(
        Report(
            title="First aid",
            columns=["you see", "what happened", "do first"],
            rows=[[seen[case], *ADVICE[case]] for case in ADVICE if seen[case]],
        )
    )

# %% [markdown]
# ## What to take home
#
# **Set `num_workers=0` first** (and leave out `timeout`, `prefetch_factor`, `persistent_workers` and
# `multiprocessing_context`, which need helpers). An exception then has one short traceback, in your own
# process, where `breakpoint()` works. If it fails there too, it is an ordinary bug, and helpers are not to
# blame.
#
# **For what fails with helpers only, prepare before it happens.** `faulthandler.disable()` and then
# `enable()`, in a `worker_init_fn`, names the line of a crash; `timeout=` ends a hang; a wrapper that names
# the item spares you a search. Read past the last line: a dead helper's cause may stand further up, and the
# line of yours that the traceback points at may be innocent.
#
# **Where it stops mattering.** Without helpers an exception points at its line. (A crash or a hang of the
# dataset's own happens there, too, and is as silent; `python -X faulthandler` then names the line of a
# crash.) If the model does not wait for its data, leave `num_workers` at 0.
