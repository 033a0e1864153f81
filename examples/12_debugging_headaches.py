# ---
# title: A helper stumbles, falls, or falls silent
# group: Errors and chance
# description: What an exception, a death and a hang in a DataLoader worker print, and how to find the line.
# headline: "Of {deaths} tracebacks about dead workers, {deaths_pointing_into_the_dataset} point at the line
#   that killed them."
# claims:
#   - batches_before_error_2 == batches_before_error_0
#   - batches_trained_meanwhile_2 > batches_trained_meanwhile_0
#   - traceback_lines_2 > traceback_lines_0
#   - causes_in_last_line < deaths
#   - deaths_pointing_into_the_dataset == 0
#   - crash_line == crash_line_planted
#   - hang_line == hang_line_planted
# ---

# %% [markdown]
# # A helper stumbles, falls, or falls silent
#
# **Motive.** In your own process an error points at its line. A helper sprite (a worker process) fails next
# door: what reaches you came by post, or not at all. How do you get from there to the line that did it?
#
# **What is measured.** Three programs fail on purpose, by an exception, by deaths, by a hang. What they print
# stands below. Lines and batches are counted; no time is measured.
#
# **Caveat.** The texts are those of the torch, the Python and the system named beside them: others word them
# a little differently. Under `forkserver` some say less. Windows has neither `SIGKILL` nor such a crash:
# there those deaths are missing.

# %% [markdown]
# ## Three programs that fail
#
# Copy them and watch them fail at home. Each has two helpers and batches of 8. So batch 0, sprites 0 to 7,
# goes to helper 0, batch 1 to helper 1, batch 2 to helper 0 again.
#
# - **Cursed.** Sprite 45 raises an exception, first with 0 helpers, then with 2.
# - **Fallen.** Sprite 13 takes its helper down. `SIGKILL` is what the Linux kernel sends when memory runs
#   out. `os._exit` stands for a library that ends the process, reading address 0 for a bug in C code. The
#   loop is then waiting for a batch, or training.
# - **Locked.** Sprite 13 waits for a lock that its own helper holds. `timeout=` makes the loop give up. It
#   must be longer than the start of a worker.
#
# Without helpers an exception has one traceback, whose last line of `cursed.py` is the culprit. (A `>` marks
# lines of the program; those of other files are only counted.)

# %%
import re

from spritedocs.machine import needs, program, run_programs
from spritedocs.report import Table, count, show

if __name__ == "__main__":
    said = run_programs(["locked", "fallen", "cursed"], limit_s=90)
    cursed, fallen = said["cursed"].parts, said["fallen"].parts
    print(cursed["0 helpers"].folded)

# %% [markdown]
# ## The helper that stumbles: an exception
#
# With two helpers there are two tracebacks in one. The upper one is your loop's, and its lines are innocent.
# The lower one, after *Original Traceback*, was written in the helper and sent over as text. **Read from the
# bottom up: the last marked line is yours.** The message names helper 1, whose batch 5 holds sprite 45.

# %%
if __name__ == "__main__":
    print(cursed["2 helpers"].folded)

# %% [markdown]
# Look at where *sprite 45 strikes* stands. Helpers work ahead, so the curse struck while the loop was
# training on earlier batches. The bad news waited in the queue until it was batch 5's turn.

# %%
STEP, CURSE, ERROR = range(3)
FIRST_WORDS = {"trained": STEP, "sprite": CURSE, "Traceback": ERROR}


def events(text):
    """What happened, in the order in which it was printed."""
    words = (line.split(" ")[0] for line in text.splitlines())
    return [FIRST_WORDS[word] for word in words if word in FIRST_WORDS]


def steps(text):
    """How many steps the model made."""
    return events(text).count(STEP)


def traceback_lines(text):
    """How many lines there are from the first "Traceback" on."""
    return len(text.partition("Traceback")[2].strip().splitlines())


def counted(name, count_in):
    """A count for each number of helpers."""
    texts = {n: cursed[f"{n} helpers"].text for n in (0, 2)}
    return {n: count(f"{name}_{n}", count_in(texts[n])) for n in texts}


if __name__ == "__main__":
    late = "batches_trained_meanwhile"
    meanwhile = counted(late, lambda text: steps(text.partition("strikes")[2]))
    show(
        Table("The same exception", columns={0: "0 helpers", 2: "2 helpers"})
        .row("steps before the error", counted("batches_before_error", steps))
        .row("… of them after the curse struck", meanwhile)
        .row("lines of traceback", counted("traceback_lines", traceback_lines))
        .blocks(
            {helpers: events(part.text) for helpers, part in cursed.items()},
            names=["step", "curse", "error"],
            x_label="in the order in which they were printed",
        )
        .finding("Steps from curse to error: {batches_trained_meanwhile_2}.")
    )

# %% [markdown]
# The error comes at the same batch with helpers as without, after {batches_before_error_2} steps. A `for`
# loop ends there: what the epoch still had to give is lost, finished batches in the queue included.
#
# ## The helper that falls: killed, gone, crashed
#
# A dead helper sends no traceback. All you get is what the main process makes of its death. While the loop
# *waits*, the last line does not say what happened. **The cause stands further up**, above *direct cause of
# the following exception*. While it *trains*, the death arrives as a signal, and its handler raises the error
# wherever your program happens to be: **in the middle of the model's step, which is innocent**.
#
# For the crash, `watch` pays: `faulthandler.enable()`, called *in the worker*, prints the helper's stack
# before it dies, the innermost call first. `python -X faulthandler` is not enough: torch puts handlers of its
# own in place when a worker starts. That is why `watch` disables first and then enables anew.

# %%
if __name__ == "__main__":
    for way, part in fallen.items():
        print(f"[{way}]\n{part.folded}\n")

# %% [markdown]
# All deaths side by side: the line of yours in the traceback is where *the loop* was, never where the helper
# fell. (A helper can fall at worse moments still, and leave a `ConnectionResetError` or an `EOFError` without
# a cause. Under `forkserver` helpers are a server's children: no signal reaches you, and the cause is not
# named. `multiprocessing_context="spawn"` brings it back.)

# %%
CRASH, UNNAMED = "crashes while the loop waits", "not named"


def cause_in(text):
    """What killed the helper, if the text says so."""
    cause = re.search(r"killed by signal: \w[\w ]*\w|exit code \d+", text)
    return cause[0] if cause else UNNAMED


if __name__ == "__main__":
    last_lines = {way: part.error for way, part in fallen.items()}
    causes = {way: cause_in(part.text) for way, part in fallen.items()}
    places = {way: part.frames[-1] for way, part in fallen.items()}
    in_last = sum(cause_in(line) != UNNAMED for line in last_lines.values())
    named = sum(cause != UNNAMED for cause in causes.values())
    inside = sum(at.function == "__getitem__" for at in places.values())
    show(
        Table("One sprite, several deaths", rows=list(fallen), head="helper")
        .column("last line", last_lines)
        .column("cause", causes)
        .column("your line", {way: at.code for way, at in places.items()})
        .footer(
            "how many of them tell",
            count("causes_in_last_line", in_last),
            count("causes_named", named),
            count("deaths_pointing_into_the_dataset", inside),
        )
        .record([count("deaths", len(fallen))])
    )

# %% [markdown]
# ## The helper that falls silent: a hang
#
# Without `timeout=` this loop would train on one batch, and then wait for ever. The error at the end says
# that something hangs, not what. The stacks above it do: `watch` made each helper print its own after a
# second, *whether it hung or not*. **The one that hangs has a line of the dataset, and on top.**
#
# If you have not prepared for it, ask from a second terminal. On Linux torch names the helpers, and
# `pgrep pt_data_worker` finds them. `py-spy dump --pid` prints the stack of a Python process that was never
# prepared for it.

# %%
if __name__ == "__main__":
    locked = said["locked"].parts
    for where, part in locked.items():
        print(f"[{where}]\n{part.folded}\n")

# %% [markdown]
# Did the stacks name the lines that were planted?


# %%
def line_of(name, code):
    """The number of the line of a program that has ``code`` in it."""
    lines = program(name).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if code in line)


def line_that_crashed():
    """The line that the crash shows: Windows, which has no fork, survives it."""
    needs("fork")
    return fallen[CRASH].line("crashes")


if __name__ == "__main__":
    planted = [
        count("crash_line_planted", line_of("fallen", "string_at")),
        count("hang_line_planted", line_of("locked", "DOOR.acquire")),
    ]
    hung = locked["the loop"].line("__getitem__")
    named = count("crash_line", line_that_crashed), count("hang_line", hung)
    show(
        Table("The lines, planted and found", columns=["crash", "hang"])
        .footer("planted in line", *planted)
        .footer("named by faulthandler", *named)
    )

# %% [markdown]
# ## What you see, what it means, what to do first
#
# The texts on the left are those that the programs printed here.

# %%
HAPPENED = {
    "exception": "an exception in the dataset or in collate_fn",
    "waits": "a helper died while the loop was waiting",
    "killed": "a helper was killed; on Linux mostly for its memory",
    "exits": "code in the dataset ended the process",
    "crashes": "a bug in C code, often of a decoder",
    "hang": "a batch took longer than timeout=",
}
DO_FIRST = {
    "exception": "read the last lines; repeat with num_workers=0",
    "waits": "read further up: the cause may be named there",
    "killed": "dmesg | grep -i killed; fewer helpers, smaller batches",
    "exits": "num_workers=0, and print each index: the last one did it",
    "crashes": "faulthandler.disable(), then enable(), in worker_init_fn",
    "hang": "look at the helper's stack: faulthandler, or py-spy dump",
}

if __name__ == "__main__":
    texts = {way.split()[0]: cause for way, cause in causes.items()} | {
        "exception": re.search(r"\w+: Caught .+", cursed["2 helpers"].text)[0],
        "waits": fallen["exits while the loop waits"].error,
        "hang": locked["the loop"].error,
    }
    told = [case for case in HAPPENED if texts.get(case, UNNAMED) != UNNAMED]
    show(
        Table("First aid", rows={at: texts[at] for at in told}, head="you see")
        .column("what happened", {at: HAPPENED[at] for at in told})
        .column("do first", {at: DO_FIRST[at] for at in told})
    )

# %% [markdown]
# ## What to take home
#
# **Set `num_workers=0` first**: an exception then has one short traceback, in your own process, where
# `breakpoint()` works. For what fails with helpers only, prepare: `faulthandler` in a `worker_init_fn` names
# the line of a crash, and `timeout=` ends a hang. Read past the last line, and do not blame your loop's.
