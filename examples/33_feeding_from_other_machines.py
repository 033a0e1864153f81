# ---
# title: Feeding from other machines
# group: Ranks and machines
# description: Ray Data decodes on two nodes for one training loop, beside a DataLoader, until a node dies.
# headline: "A node dies, and still each of {once_death} sprites comes once, {wait_s_death} later."
# time_limit_s: 300
# claims:
#   - once_torch == 3072
#   - once_ray == 3072
#   - once_death == 3072
#   - nodes_ray == 2
#   - again_ray == 0
#   - wait_s_death > 1
#   - ray_over_torch < 1.1
# ---

# %% [markdown]
# # Feeding from other machines
#
# **Motive.** The cores beside a GPU cannot decode as fast as it trains, and other machines have idle ones.
# Ray Data makes batches on the nodes of a cluster, and sends them to the training loop. Does each sprite
# come once, and also when a node dies in mid-epoch?
#
# **What is measured.** Two nodes decode and turn PNG files for a small model, beside a `DataLoader` with two
# helpers (worker processes): the pace after the first 5 batches of 24, and the wait for the first one.
#
# **Caveat.** Both nodes are on this machine and share its cores with the loop. So this shows that it works,
# and what it costs. It cannot show the gain, which is the cores of other machines.

# %% [markdown]
# ## Two nodes for one loop
#
# Ray believes that each node has one core, so it gives each one task at a time. A task reads 128 files and
# decodes them, in one go. Its batch stays in the memory of its node, until the loop fetches it.

# %%
from importlib.util import find_spec

from spritedocs.machine import NotHere, needs, run_program
from spritedocs.report import Table, show
from spritedocs.timing import Comparison

LOADERS = {
    "torch": "DataLoader, two helpers",
    "ray": "Ray Data, two nodes",
}
EPOCHS = LOADERS | {"death": "Ray Data, a node dies"}
ASKED = {"turns": LOADERS, "epochs": EPOCHS}


def two_nodes():
    """What the loaders gave, in turns and in whole epochs, or why nothing."""
    try:
        needs("workers")
        if find_spec("ray") is None:
            raise NotHere('Ray is missing: pip install "ray[data,train]".')
        given, why = run_program("two_nodes", limit_s=240).answer, ""
    except (NotHere, RuntimeError) as error:
        given, why = {}, str(error)
    keys = [(part, name) for part in ASKED for name in ASKED[part]]
    arms = {(part, n): tuple(given[part][n]) for part, n in keys if not why}
    missing = dict.fromkeys(keys, why) if why else {}
    return Comparison(arms, tuple(given.get("warnings", ())), missing=missing)


if __name__ == "__main__":
    found = two_nodes()
    turns = found.part("turns")
    pace = turns.values("pace", "items_per_s", unit="sprites/s")
    show(
        Table("Two cores, one loop", rows=LOADERS, head="two at a time")
        .column("pace", pace)
        .column("first batch", turns.values("first_ms", "first_ms"))
        .footer(
            "Ray Data over DataLoader",
            turns.ratio("ray_over_torch", "ray", "torch", "items_per_s"),
        )
        .bars("sprites a second", pace, groups={"torch": 0, "ray": 1})
        .finding("Ray Data: {ray_over_torch} the pace of a DataLoader.")
        .warn(turns)
    )

# %% [markdown]
# With as many cores, Ray Data has {ray_over_torch:interval} the pace of a `DataLoader`. Its batches travel
# from node to node, and its own processes need time as well. The first batch of an epoch comes after
# {first_ms_ray}, that of helpers who stay after {first_ms_torch}. So other machines have to bring more cores
# than that costs.
#
# ## A node dies in mid-epoch
#
# The loop stops at its 5th batch, until more than half of the 24 are made. Then all processes of the second
# node are killed, and what lay in its memory is lost. Ray knows how each batch was made, and makes lost ones
# again on the node that is left. Each task leaves a note, by which they are counted.

# %%
if __name__ == "__main__":
    epochs = found.part("epochs")
    waits = epochs.values("wait_s", "wait_s")
    again, nodes = (epochs.values(name, name) for name in ("again", "nodes"))
    show(
        Table("3,072 sprites in 24 batches", rows=EPOCHS, head="an epoch")
        .column("come once", epochs.values("once", "once"))
        .column("twice", epochs.values("twice", "twice"))
        .column("never", epochs.values("never", "never"))
        .column("nodes", {name: nodes[name] for name in ("ray", "death")})
        .column("again", {name: again[name] for name in ("ray", "death")})
        .column("longest wait", waits)
        .footer("start of Ray", epochs.value("start_s", "ray", "start_s"))
        .bars("longest wait for a batch, s", waits)
        .finding(
            "{once_death} sprites come once, with a wait of {wait_s_death}."
        )
    )

# %% [markdown]
# Each of {once_death} sprites comes once, and {twice_death} twice. Batches made a second time: {again_death}.
# But for {wait_s_death} none came, until Ray took the silent node for dead. By default it asks every 3 s, and
# gives up after the fifth silence. Two environment variables change that: `RAY_health_check_period_ms` and
# `RAY_health_check_failure_threshold`. The node where the loop runs must not die: a rank that dies has an
# experiment of its own.
#
# ## What to take home
#
# Use up the cores of the machine that has the GPU first. If they do not suffice, Ray Data makes batches
# elsewhere, each once, and outlives a node. `ray start --head` begins a cluster, and on each other machine
# `ray start --address=…` joins it. The dataset has to be where all nodes can read it.
