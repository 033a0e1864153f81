# ---
# title: Ranks of unequal length
# group: Ranks and machines
# description: Two ranks have 5 and 8 batches, and one waits for the other. What is trained on within Join.
# headline: "Of 13 batches {trained_alone} are trained on, and within Join {trained_joined}."
# time_limit_s: 90
# claims:
#   - steps_alone == 5
#   - trained_alone == 10
#   - ended_alone == 1
#   - steps_joined == 8
#   - trained_joined == 13
#   - ended_joined == 2
#   - ended_averaged == 2
#   - moved_alone == 10
#   - moved_joined == 13
#   - moved_averaged == 16
# ---

# %% [markdown]
# # Ranks of unequal length
#
# **Motive.** Each GPU has a process of its own, its *rank*. After each step all ranks agree on gradients.
# Shares of a stream are seldom equally long: one rank has a batch left, and nobody to agree with. What
# becomes of it, and what does `Join` do about it?
#
# **What is measured.** Two ranks have 5 and 8 batches. How many steps does each make, and how many batches
# is the model trained on? Each batch moves it by 1, and a step of both ranks by 2.
#
# **Caveat.** Both ranks are on one machine and agree by gloo, with a limit of 10 s. By default it is half an
# hour. NCCL, for GPUs, has limits and errors of its own.

# %% [markdown]
# ## One rank has batches left
#
# The program trains each rank in `with Join([model], **told):`, and `told` is what differs. Without `Join` it
# is `enable=False`. Whoever is done stays, as a rank does that evaluates.

# %%
from functools import cache, partial

from spritedocs.machine import run_program
from spritedocs.report import Table, show
from spritedocs.timing import race

WAYS = {
    "alone": "without Join",
    "joined": "within Join",
    "averaged": "divided otherwise",
}


@cache
def ranks():
    """What became of both ranks, in each way."""
    return run_program("unequal", limit_s=60).answer


def trained(way):
    """What became of the model: it is the same on both ranks."""
    quick, long = ranks()[way]
    return {
        "steps": long["steps"],
        "trained": quick["steps"] + long["steps"],
        "ended": [quick["error"], long["error"]].count(""),
        "moved": long["moved"],
    }


if __name__ == "__main__":
    ways = {way: partial(trained, way) for way in WAYS}
    found = race(ways, rounds=1, warmup=False)
    batches = found.values("trained", "trained")
    groups = {"alone": 0, "joined": 1, "averaged": 1}
    show(
        Table("Two ranks, 5 and 8 batches", rows=WAYS)
        .column("ranks at the end", found.values("ended", "ended"))
        .column("steps of 8", found.values("steps", "steps"))
        .column("batches of 13", batches)
        .column("model moved by", found.values("moved", "moved"))
        .bars("batches trained on", batches, groups=groups)
        .finding(
            "Of 13 batches: {trained_alone}, within Join {trained_joined}."
        )
    )

# %% [markdown]
# **Without `Join`** the longer rank makes {steps_alone} steps of its 8. At the next one it waits for the
# other, until gloo gives up: {ended_alone} of 2 ranks comes to the end. The model had {trained_alone} of 13
# batches.
#
# **Within `Join`** both ranks come to the end, and all {trained_joined} batches are trained on. The rank
# that is done takes part in each further step, with nothing to add.
#
# **Gradients are divided by all ranks**, also by the one that is done. So each batch counts alike, and the
# last 3 steps are half as long: the model moved by {moved_joined}. With `divide_by_initial_world_size=False`
# only those who still train count. Then the last batches weigh double, and it moved by {moved_averaged}.
#
# ## What to take home
#
# Give all ranks as many batches, as `DistributedSampler` does. Where you cannot, train within
# `Join([model])`. It answers for what the model itself asks of other ranks. An `all_reduce` of your own, as
# of a metric, belongs behind it.
