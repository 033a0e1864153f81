# ---
# title: The count that lies
# group: Starting and handing over
# description: How many cores a process sees and how many it may use, once it is held to one.
# headline: "In a program held to one core, os.cpu_count() still says {cpu_count_held}."
# formerly: 08_finding_the_right_number
# claims:
#   - cpu_count_held == cpu_count
#   - usable_cores_held == 1
# ---

# %% [markdown]
# # The count that lies
#
# **Motive.** "As many helpers as cores", says many a rule. So you ask `os.cpu_count()`, and it answers at
# once. But it counts the machine's logical cores, whoever may use them.
#
# **What is measured.** What a small program finds when it looks around: once it is free, and once held to
# one core by its *affinity*, as `taskset`, a batch system or a container does it.
#
# **Caveat.** A CPU *quota* holds a container back, too. To set one takes rights that an example should not
# ask for. So the table only says what quota this process was given.

# %% [markdown]
# ## What the program sees
#
# `programs/counting_cores.py` asks `os.cpu_count()`, the affinity, a DataLoader that warns of too many
# workers, and `usable_cores()`. It runs twice, each time in a process of its own.

# %%
from functools import partial

from spritedocs.machine import quota_cores, run_program
from spritedocs.report import Table, show
from spritedocs.timing import race

ASKED = {
    "cpu_count": "os.cpu_count()",
    "affinity_cores": "affinity",
    "suggested_workers": "the DataLoader's suggestion",
    "usable_cores": "usable_cores()",
}


def look_around(*arguments):
    """The numbers of cores that a program finds."""
    return run_program("counting_cores", arguments=arguments).answer


if __name__ == "__main__":
    programs = {"free": look_around, "held": partial(look_around, "held")}
    seen = race(programs, rounds=1, warmup=False)  # counts are exact
    free = {what: seen.value(what, "free", what) for what in ASKED}
    held = {what: seen.value(f"{what}_held", "held", what) for what in ASKED}
    show(
        Table("How many cores are there?", rows=ASKED, head="asked")
        .column("free", free)
        .column("held to one core", held)
        .footer("quota of this process", quota_cores() or "no limit")
    )

# %% [markdown]
# Held to one core, `os.cpu_count()` still says {cpu_count_held}, and `usable_cores()` says
# {usable_cores_held}. (Python 3.13 has `os.process_cpu_count()`, which knows affinity.) On Linux the
# DataLoader's own suggestion follows affinity too: {suggested_workers_held}.
#
# What none of them but `usable_cores()` knows is a quota, as `docker run --cpus=2` and Kubernetes' limits
# set it. Where to read it: `/sys/fs/cgroup/cpu.max` has quota and period in microseconds (cgroup v2). Their
# ratio is the number of cores.
#
# ## What to take home
#
# Take the cores you *may* use: `spritedocs.machine.usable_cores()`, or the smallest of affinity and quota.
# Items that compute gain nothing from helpers beyond it. `08_finding_the_right_number.py` measures that.
