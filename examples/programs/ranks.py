"""Ranks of one training that share two cores: what an epoch takes, by the helpers of each rank.

    python ranks.py HELPERS,HELPERS,… MILLISECONDS …

There are as many ranks as MILLISECONDS: for so long an item of that rank
computes. Prints, rank by rank and for each number of HELPERS, what each round
gave.
"""

import json
import sys
from functools import partial
from time import sleep, thread_time

import psutil
import torch
from torch import distributed, multiprocessing
from torch.utils.data import DataLoader, Dataset, DistributedSampler

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


def train(loader):
    """An epoch, in which all ranks agree after each step, as on gradients."""

    def step(batch):
        sleep(0.004)  # as a GPU does it
        distributed.all_reduce(torch.zeros(1))

    distributed.barrier()
    epoch = time_epoch(loader, step)
    return {
        "epoch_ms": 1000 * epoch.total_s,
        "wait_percent": 100 * epoch.data_wait_share,
    }


def rank(number, helpers, milliseconds):
    ranks = len(milliseconds)
    store = distributed.FileStore("meeting", ranks)  # in the working folder
    distributed.init_process_group(
        "gloo", store=store, rank=number, world_size=ranks
    )
    data = Computed(ranks, milliseconds[number] / 1000)

    def make_loader(n):
        told = {"num_workers": n, "persistent_workers": n > 0}
        return DataLoader(data, 4, sampler=DistributedSampler(data), **told)

    # All ranks take the same turns, as none of them takes a round again.
    found = race(
        {n: partial(train, make_loader(n)) for n in helpers},
        rounds=8,
        load=lambda: None,
    )
    every = [None] * ranks
    distributed.all_gather_object(every, found.arms)
    if number == 0:
        print(json.dumps(dict(enumerate(every))))
    distributed.destroy_process_group()


if __name__ == "__main__":
    if not distributed.is_available():
        raise NotImplementedError("this torch comes without torch.distributed")
    me = psutil.Process()
    if sys.platform == "win32":
        raise NotImplementedError("a thread's clock there ticks too slowly")
    if hasattr(me, "cpu_affinity"):
        me.cpu_affinity(me.cpu_affinity()[:2])
    elif psutil.cpu_count() > 2:
        raise NotImplementedError("no process can be held to two cores there")
    helpers = [int(number) for number in sys.argv[1].split(",")]
    milliseconds = [float(number) for number in sys.argv[2:]]
    multiprocessing.spawn(
        rank, (helpers, milliseconds), nprocs=len(milliseconds)
    )
