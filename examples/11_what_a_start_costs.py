# ---
# title: What a start costs, by fork, forkserver and spawn
# group: Starting and handing over
# description: How long two workers take to start by each start method, and what keeping or preloading saves.
# headline: "The first batch of two helpers comes after {first_batch_s_fork} by fork, and after
#   {first_batch_s_spawn} by spawn."
# time_limit_s: 180
# formerly: 11_platform_quirks
# claims:
#   - spawn_over_fork > 5
#   - forkserver_over_fork > 5
#   - persistent_speedup_spawn > 10
#   - preload_speedup > 3
# ---

# %% [markdown]
# # What a start costs, by fork, forkserver and spawn
#
# **Motive.** The same script starts its helpers at once on one computer, and takes seconds on another. The
# spell is the same. The summoning circle, which Python calls the *start method*, is not.
#
# **What is measured.** How long two workers take until the first batch is there, by each start method. And
# what a later epoch takes, with new workers and with the same ones (`persistent_workers=True`).
#
# **Caveat.** Most of the cost is `import torch`, from a file cache that is warm. After a reboot, or with more
# imports at the top of your script, it is higher. So it is for a build of torch with CUDA. The dataset is 64
# numbers, so that nothing but the start takes time.

# %% [markdown]
# ## Which circle is yours?
#
# *fork* copies your process. *spawn* starts a new Python, which imports your script and receives dataset and
# functions by pickle. *forkserver* forks from a small server, which is started once; pickle is needed here,
# too. By default, Windows and macOS use spawn. Linux uses fork up to Python 3.13, and forkserver from 3.14.

# %%
import multiprocessing
from functools import partial

from spritedocs.machine import needs, run_program
from spritedocs.report import Dots, Table, show
from spritedocs.timing import race

if __name__ == "__main__":
    default, *others = multiprocessing.get_all_start_methods()
    print(f"Default here: {default}. Others: {', '.join(others) or 'none'}.")

# %% [markdown]
# ## How long until somebody comes?
#
# Each measurement needs a fresh program: a fork server, once started, stays. The program's first loader keeps
# its two workers for a second epoch. Another loader, without `persistent_workers`, then starts new ones, and
# waits at the end until they have left, as every epoch does by default.
#
# What a fork server shall import beforehand must be said before it starts. So *preloaded* is a program of its
# own, which calls `set_forkserver_preload(["torch"])`.


# %%
def start(method, *preload):
    """What a fresh program measures of two workers, in seconds."""
    if method != "spawn":
        needs("fork")
    return run_program("starting", arguments=(method, *preload)).answer


METHODS = {
    "fork": "fork",
    "forkserver": "forkserver",
    "preloaded": "forkserver + torch",
    "spawn": "spawn",
}

if __name__ == "__main__":
    arms = {method: partial(start, method) for method in METHODS}
    arms["preloaded"] = partial(start, "forkserver", "torch")
    found = race(arms, rounds=2, warmup=False)

    first = found.values("first_batch_s", "first_batch_s")
    new = found.values("epoch_s_{}_new", "new_s")
    same = found.values("epoch_s_{}_persistent", "same_s")
    gain = found.values("persistent_speedup", "gain", unit="×")
    small = found.values("small_from_s", "added_s", unit="s", scale=1 / 0.05)
    show(
        Table("Two workers, by start method", rows=METHODS, head="start method")
        .column("first batch after", first)
        .column("later epoch, new workers", new)
        .column("same workers", same)
        .column("times as fast", gain)
        .column("new workers under 5% of", small)
        .bars("seconds", first, new, kind=Dots)
        .finding(
            "The first batch comes after {first_batch_s_fork} by fork, "
            "and after {first_batch_s_spawn} by spawn."
        )
        .record(found.values("first_epoch_s", "first_epoch_s"))
        .warn(found)
    )

# %% [markdown]
# The first batch comes {first_batch_s_fork} after the loop begins by fork, and {first_batch_s_spawn} by
# spawn. With workers that stay, a later epoch by spawn is {persistent_speedup_spawn} as fast.
#
# The last column follows from the two before it: what new workers add to an epoch, divided by 5%. In an epoch
# longer than that, starting them anew costs less than 5%. By spawn that is {small_from_s_spawn}.
#
# ## Where does the time go?
#
# A fork already has torch. A spawned worker imports it, and so does a worker of a fork server that has not.
# If the server imports torch, the first batch still waits for an import: for one, instead of one in each
# worker. That makes a difference where there are more workers than cores. From then on its workers are forks
# of a process that has torch.

# %%
if __name__ == "__main__":
    over_fork = found.ratios("{}_over_fork", "first_batch_s", over="fork")
    preloading = partial(found.ratio, above="forkserver", below="preloaded")
    show(
        Table("The same, compared", columns=["here"])
        .footer(
            "import torch, once",
            found.value("import_torch_s", "spawn", "import_s"),
        )
        .footer("first batch: spawn ÷ fork", over_fork["spawn"])
        .footer("first batch: forkserver ÷ fork", over_fork["forkserver"])
        .footer(
            "first batch: forkserver ÷ with torch preloaded",
            preloading("preload_speedup_first_batch", field="first_batch_s"),
        )
        .footer(
            "later epoch, new workers: forkserver ÷ with torch preloaded",
            preloading("preload_speedup", field="new_s"),
        )
    )

# %% [markdown]
# Preloaded, later epochs with new workers are {preload_speedup} as fast. Python 3.14.1 and later, and late
# releases of 3.13, need no such hint, says Python's change log: their server imports your script first. There
# the last line may well say that there is no difference.
#
# Two traps remain. In a notebook there is no script to import. And a name that the server cannot import is
# passed over in silence: if later epochs stay slow, suspect the spelling. `set_forkserver_preload` replaces
# the list, so on a recent Python say `["__main__", "torch"]`.
#
# ## What to take home
#
# **Keep the helpers**: without `persistent_workers=True`, *every* epoch starts its workers anew. **Preload**
# torch where the server does not import your script by itself. That does not make the first start free. And
# it stops mattering when epochs are long: the last column says how long.
