# ---
# title: A rank that dies
# group: Ranks and machines
# description: What is trained on twice, and what never, when torchrun starts all ranks anew in mid-epoch.
# headline: "Of 480 sprites {again_model} are read again if the place is not saved, {again_place} if it is."
# time_limit_s: 240
# claims:
#   - once_place == 480
#   - again_place == 48
#   - once_stateful == 480
#   - read_before == 288
#   - kept == 240
#   - once_model == 240
#   - twice_model == 240
#   - never_model == 0
#   - again_model == 288
#   - twice_order == never_order
#   - never_order > 0
#   - never_order < 240
#   - pause_s_place > 0.1
#   - pause_s_place < 60
#   - keys_left == keys_met
#   - keys_left > 1
# ---

# %% [markdown]
# # A rank that dies
#
# **Motive.** A training on two GPUs is two processes, its *ranks*. One of them dies in mid-epoch. `torchrun
# --max-restarts` ends the other one, starts both anew, and they go on from the last checkpoint. What does
# the model see twice then, and what never?
#
# **What is measured.** A rank is killed at its 18th batch of 30; after every fifth there is a checkpoint.
# The ranks note what they read. The model is a tally: of each sprite, how many steps it has had.
#
# **Caveat.** Both ranks are on one machine, without a GPU, and each has one helper (worker process). What
# helpers fetched ahead is lost as well, and is not counted. There is one run of each kind. A rank that dies
# for another reason, or twice, leaves a gap that names it.

# %% [markdown]
# ## What a checkpoint has to hold
#
# Each holds the model. The first has only the epoch beside it, the second also the *place*: how many
# batches are done. The third has the place, but not of which epoch, and `set_epoch` is told another one.
# The last has what torchdata's `StatefulDataLoader` says of its place.
#
# `DistributedSampler` gives each rank its order. What is left of it is a slice, for which nothing is
# loaded: `list(sampler)[done * batch_size :]`.

# %%
from functools import partial
from importlib.util import find_spec

from spritedocs.machine import NotHere, run_program
from spritedocs.report import Table, show
from spritedocs.timing import race

SAVED = {
    "model": "epoch",
    "place": "epoch, place",
    "order": "place",
    "stateful": "StatefulDataLoader",
}


def go_on(way):
    """What became of the sprites where this was saved."""
    if way == "stateful" and find_spec("torchdata") is None:
        raise NotHere("torchdata is missing: pip install torchdata.")
    told = run_program("restarted", arguments=(way,), limit_s=90)
    return tally(**told.answer)


def tally(read, trained, pause_s):
    """Counts of what both attempts read, and of the model that is left."""
    before, after = read
    return {
        "once": trained.count(1),
        "twice": trained.count(2),
        "never": trained.count(0),
        "again": len(before + after) - len({*before, *after}),
        "read_before": len(before),
        "kept": sum(trained) - len(after),
        "pause_s": pause_s,
    }


if __name__ == "__main__":
    ways = {way: partial(go_on, way) for way in SAVED}
    found = race(ways, rounds=1, warmup=False)
    again = found.values("again", "again")
    place = partial(found.value, arm="place")
    show(
        Table("480 sprites, two ranks", rows=SAVED, head="beside the model")
        .column("once", found.values("once", "once"))
        .column("twice", found.values("twice", "twice"))
        .column("never", found.values("never", "never"))
        .column("read again", again)
        .footer("read by its death", place("read_before", field="read_before"))
        .footer("in the checkpoint", place("kept", field="kept"))
        .footer("death to batch", place("pause_s_place", field="pause_s"))
        .bars("sprites read again", again, groups=dict.fromkeys(SAVED, 1))
        .finding("Read again: {again_model}, or {again_place} with the place.")
    )

# %% [markdown]
# When one died, the ranks had read {read_before} sprites, of which {kept} are in the checkpoint. The others
# are lost work: steps that were done, and a batch that was only read.
#
# **Without the place** the epoch begins anew. All {again_model} sprites are read again, and the model has
# had {twice_model} of them twice. No error says so.
#
# **With epoch and place** the model has had {once_place} sprites once. Only the lost work is read again,
# which is {again_place} sprites.
#
# **With the place in another order** the model has had {twice_order} sprites twice, and {never_order}
# never. Even the number of steps is right. So save the epoch, and call `set_epoch` before you slice.
#
# `StatefulDataLoader` stands in the table where it is installed. It takes `set_epoch` as well, and a state
# for each rank. The first batch after the death came {pause_s_place} after the last one before it.
#
# ## Ranks that wait for the dead
#
# Ranks meet by leaving their addresses in a store, which torchrun keeps for them. What is in it when they
# start anew?

# %%
if __name__ == "__main__":
    program = {"store": lambda: run_program("left_behind").answer}
    store = race(program, rounds=1, warmup=False)
    rows = {"keys_met": "both have met", "keys_left": "started anew"}
    show(
        Table("Keys in the store of torchrun", rows=rows).column(
            "keys", {key: store.value(key, "store", key) for key in rows}
        )
    )

# %% [markdown]
# {keys_left} of {keys_met} keys are still there, the addresses of the dead among them. A rank that comes
# first may read an old one, and call a process that is gone: it is refused, and a restart is used up
# ([pytorch#135712](https://github.com/pytorch/pytorch/issues/135712)). Or it waits until
# `init_process_group` gives up. We presume that a helper of the dead rank holds the socket open then.
#
# So put `TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1` before the command, as the first program does for itself.
# Each attempt has a store of its own then. That works with `--standalone` and `--rdzv-backend=c10d`, and not
# with `--master-port`, where one store stays.
#
# ## What to take home
#
# Save epoch and place beside the model, and go on with a slice of the same order. What was done since the
# last checkpoint is lost, so save as often as that hurts. Kill a rank before you need it, and count.
