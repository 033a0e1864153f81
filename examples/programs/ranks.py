"""Ranks of one training that share two cores: what an epoch takes, by the ranks that train and their helpers.

    python ranks.py TRAINING,… HELPERS,HELPERS,… MILLISECONDS …

There are as many ranks as MILLISECONDS: for so long an item of that rank
computes. The first TRAINING of them train, while the others wait. Prints what
each round gave, as TRAINING_RANK_HELPERS.
"""

import json
import sys
from functools import partial
from time import sleep, thread_time

import psutil
import torch
from torch import distributed, multiprocessing
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from spritedocs.machine import why_ranks_ended
from spritedocs.timing import race, time_epoch


class Computed(Dataset):
    """48 items for each rank, each of which computes for so many seconds."""

    def __init__(self, ranks, seconds):
        self.items, self.seconds = 48 * ranks, seconds

    def __len__(self):
        return self.items

    def __getitem__(self, index):
        end = thread_time() + self.seconds
        while thread_time() < end:
            pass
        return torch.tensor(index)


def train(loader, group):
    """An epoch, in which its ranks agree after each step, as on gradients."""

    def step(batch):
        sleep(0.004)  # as a GPU does it
        distributed.all_reduce(torch.zeros(1), group=group)

    distributed.barrier()
    if loader is None:
        return {}
    epoch = time_epoch(loader, step)
    return {
        "epoch_ms": 1000 * epoch.total_s,
        "items_per_s": len(loader.dataset) / epoch.total_s,  # of its ranks
        "wait_percent": 100 * epoch.data_wait_share,
    }


def rank(number, training, helpers, milliseconds):
    ranks = len(milliseconds)
    store = distributed.FileStore("meeting", ranks)  # in the working folder
    distributed.init_process_group(
        "gloo", store=store, rank=number, world_size=ranks
    )

    def make_loader(ranks, n):
        if number >= ranks:
            return None
        data = Computed(ranks, milliseconds[number] / 1000)
        told = {"num_workers": n, "persistent_workers": n > 0}
        return DataLoader(
            data, 4, sampler=DistributedSampler(data, ranks, number), **told
        )

    # All ranks take the same turns, as none of them takes a round again.
    groups = {k: distributed.new_group([*range(k)]) for k in training}
    found = race(
        {
            (k, n): partial(train, make_loader(k, n), groups[k])
            for k in training
            for n in helpers
        },
        rounds=8,
        load=lambda: None,
    )
    every = [None] * ranks
    distributed.all_gather_object(every, found.arms)
    if number == 0:
        arms = [(k, r, n) for k in training for r in range(k) for n in helpers]
        print(json.dumps({f"{k}_{r}_{n}": every[r][k, n] for k, r, n in arms}))
    distributed.destroy_process_group()


def start(training, helpers, milliseconds):
    """All ranks, until they are done, or one has died."""
    told = training, helpers, milliseconds
    ranks = multiprocessing.spawn(
        rank, told, nprocs=len(milliseconds), join=False
    )
    try:
        while not ranks.join():
            pass
    except (ProcessExitedException, ProcessRaisedException):
        # Whoever waits for the dead fails as well, and may do so first.
        died = {n: each.exitcode for n, each in enumerate(ranks.processes)}
        if why := why_ranks_ended(died):
            raise NotImplementedError(why) from None
        raise


if __name__ == "__main__":
    if not (distributed.is_available() and distributed.is_gloo_available()):
        raise NotImplementedError("this torch comes without gloo")
    me = psutil.Process()
    if sys.platform == "win32":
        raise NotImplementedError("a thread's clock there ticks too slowly")
    if hasattr(me, "cpu_affinity"):
        me.cpu_affinity(me.cpu_affinity()[:2])
    elif psutil.cpu_count() > 2:
        raise NotImplementedError("no process can be held to two cores there")
    numbers = [[*map(int, each.split(","))] for each in sys.argv[1:3]]
    start(*numbers, [float(number) for number in sys.argv[3:]])
