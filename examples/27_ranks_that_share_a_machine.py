# ---
# title: Ranks that share a machine
# group: Ranks and machines
# description: Who reads what without a distributed sampler, one rank or two on two cores, and one slow rank.
# headline: "On two cores, one helper each makes two ranks {two_ranks_1} as fast, two make one {one_rank_2}."
# time_limit_s: 240
# claims:
#   - reads_alone == 126
#   - twice_alone == 63
#   - twice_shared == 1
#   - never_dropped == 1
#   - same_places == 32
#   - two_ranks_1 > 1
#   - one_rank_2 > two_ranks_2
#   - one_rank_2 > one_rank_4
#   - one_rank_2 > two_ranks_4
#   - two_over_one > 1
#   - two_over_one < 2
#   - wait_percent_slow > wait_percent_quick
#   - slow_over_quick > 0.9
#   - slow_over_quick < 1.1
# ---

# %% [markdown]
# # Ranks that share a machine
#
# **Motive.** A training on several GPUs is several processes, its *ranks*. Each of them makes a loader of its
# own, with helpers (worker processes) of its own, and they all live on the same cores. Who reads what, how
# many helpers should each rank have, and who waits for whom?
#
# **What is measured.** What two ranks read in an epoch, by the sampler. Later epochs of one rank, and of two
# at once, by the number of helpers that each has. And two ranks of which one loads slowly.
#
# **Caveat.** Items are loops that compute, and a step is a `time.sleep` of 4 ms with an `all_reduce` of one
# number. The ranks hold themselves to two cores. That takes Linux: elsewhere only the first table is
# measured. Rounds that others disturb are not taken again here, and a rank that is killed leaves gaps.

# %% [markdown]
# ## Who reads what
#
# A sampler can be asked without any rank. Here are 63 sprites, so that two equal shares cannot be had.

# %%
from collections import Counter
from functools import partial

from torch.utils.data import DistributedSampler, RandomSampler

from spritedocs.machine import NotHere, needs, run_program
from spritedocs.report import Table, count, show
from spritedocs.timing import Comparison

SPRITES = range(63)
SHARED = partial(DistributedSampler, SPRITES, 2)
SAMPLERS = {
    "alone": lambda rank: RandomSampler(SPRITES),
    "shared": SHARED,
    "dropped": partial(SHARED, drop_last=True),
}


def readings(sampler):
    """How often two ranks read each sprite in an epoch."""
    return Counter(index for rank in (0, 1) for index in sampler(rank))


def same_places(epoch):
    """How many places of rank 0 have the sprite of the epoch before."""
    sampler = SHARED(0)
    before = list(sampler)
    sampler.set_epoch(epoch)
    return sum(a == b for a, b in zip(before, sampler, strict=True))


if __name__ == "__main__":
    rows = {
        "alone": "shuffle=True",
        "shared": "DistributedSampler",
        "dropped": "with drop_last=True",
    }
    found = {key: readings(SAMPLERS[key]) for key in rows}
    times = {key: Counter(found[key].values()) for key in rows}
    show(
        Table("63 sprites, two ranks", rows=rows)
        .column(
            "reads",
            {key: count(f"reads_{key}", found[key].total()) for key in rows},
        )
        .column(
            "read twice",
            {key: count(f"twice_{key}", times[key][2]) for key in rows},
        )
        .column(
            "never",
            {key: count(f"never_{key}", 63 - len(found[key])) for key in rows},
        )
        .footer("same place again", count("same_places", same_places(0), of=32))
        .footer(
            "after set_epoch(1)", count("places_told", same_places(1), of=32)
        )
    )

# %% [markdown]
# Without a distributed sampler each rank reads everything: {reads_alone} reads, every sprite twice. An epoch
# takes twice as long as it should, and nothing says so. `DistributedSampler` shares out, and reads
# {twice_shared} sprite twice to make the shares equal; with `drop_last=True` it leaves {never_dropped} out.
#
# Its order comes from a seed, the same in each epoch: {same_places} places are as they were. So call
# `sampler.set_epoch(epoch)` before each epoch, and {places_told} are.
#
# ## How many helpers for each rank
#
# A batch computes for 8 ms and a step takes 4. The same two cores belong to one rank and to two, in turns.

# %%
NUMBERS = (0, 1, 2, 4)


def trained(*milliseconds, ranks=(2,), helpers=NUMBERS):
    """Epochs by how many ranks train, by the rank, and by its helpers."""
    told = [",".join(map(str, each)) for each in (ranks, helpers)]
    told += map(str, milliseconds)
    keys = [(k, r, n) for k in ranks for r in range(k) for n in helpers]
    try:
        answer = run_program("ranks", arguments=(*told,), limit_s=110).answer
    except NotHere as why_not:
        return Comparison({}, missing=dict.fromkeys(keys, str(why_not)))
    return Comparison({k: tuple(answer["_".join(map(str, k))]) for k in keys})


def best_ratio(*epochs):
    """How many times the items two ranks take, each with its best number."""
    paces = [epoch["items_per_s"] for epoch in epochs]
    return max(paces[len(NUMBERS) :]) / max(paces[: len(NUMBERS)])


if __name__ == "__main__":
    needs("workers")
    both = trained(2, 2, ranks=(1, 2))
    one, two = both.part(1, 0), both.part(2, 0)
    gains = (
        one.speedups("one_rank", "epoch_ms", against=0),
        two.speedups("two_ranks", "epoch_ms", against=0),
    )
    first_ranks = [(ranks, 0, n) for ranks in (1, 2) for n in NUMBERS]
    show(
        Table("Two cores, one rank or two", rows=NUMBERS, head="helpers")
        .column("one rank", one.values("pace_one", "items_per_s"))
        .column("two together", two.values("pace_two", "items_per_s"))
        .column("as fast: one", gains[0])
        .column("each of two", gains[1])
        .lines(
            "helpers of each rank",
            "times as fast as without",
            {"one rank": gains[0], "two ranks": gains[1]},
            spacing="even",
        )
        .footer(
            "two over one",
            "",
            both.combined("two_over_one", best_ratio, *first_ranks, unit="×"),
        )
        .finding("2 helpers: one rank {one_rank_2}, two ranks {two_ranks_2}.")
        .warn(both)
    )

# %% [markdown]
# One rank alone has a core left beside its own: with 2 helpers it is {one_rank_2:interval} as fast as with
# none. Two ranks without help leave a core idle only while they step. One helper each fills that time:
# {two_ranks_1:interval}. Two bring {two_ranks_2:interval}, as there are no more cores to load with. With 4
# each, one rank has {one_rank_4:interval}, and two have {two_ranks_4:interval}.
#
# So a second GPU brings less than twice the pace. Two ranks together take {two_over_one:interval} as many
# items as one does, in each round with the number of helpers that is best for them.
#
# ## One slow rank
#
# Now the items of one rank compute six times as long as those of the other, as with a slower disk or larger
# files. Each rank has one helper.

# %%
if __name__ == "__main__":
    both = trained(1, 6, helpers=[1])
    keys = {"quick": (2, 0, 1), "slow": (2, 1, 1)}
    show(
        Table("Two ranks, one helper each", rows=keys.keys(), head="rank")
        .column(
            "waits for data",
            {
                k: both.value(f"wait_percent_{k}", keys[k], "wait_percent")
                for k in keys
            },
        )
        .column(
            "epoch",
            {k: both.value(f"epoch_ms_{k}", keys[k], "epoch_ms") for k in keys},
        )
        .footer(
            "slow over quick",
            "",
            both.ratio("slow_over_quick", *reversed(keys.values()), "epoch_ms"),
        )
        .warn(both)
    )

# %% [markdown]
# Both ranks take {epoch_ms_slow} for an epoch, as all of them agree after each step. Only the slow one waits
# for its loader: {wait_percent_slow} of the time, the quick one {wait_percent_quick}. Whoever looks at rank 0
# alone sees steps that are long for no reason. So look at all ranks: `spritedocs.watch` names the slow one.
#
# ## What to take home
#
# Give every rank its share, and tell the sampler the epoch. Divide the cores by the ranks before you choose
# `num_workers`. If steps are slow and the loader is not, ask the other ranks.
