"""Two ranks with unequally many batches train one model, without Join and within it.

    python unequal.py

Prints for each way what became of both ranks: how many steps they made, how far
their model went, and the error of whoever did not come to the end.
"""

import json
from datetime import timedelta

import torch
from torch import distributed, multiprocessing
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, IterableDataset

from spritedocs.machine import why_ranks_ended

BATCHES = [5, 8]
WAYS = {  # what Join is told
    "alone": {"enable": False},
    "joined": {},
    "averaged": {"divide_by_initial_world_size": False},
}
LIMIT, PATIENCE = timedelta(seconds=10), timedelta(minutes=2)


class Share(IterableDataset):
    """A rank's share of a stream: so many batches of 4."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(torch.ones(4 * self.batches, 1))


def train(way, batches):
    """An epoch, of which each batch moves the model by 1."""
    from torch.distributed.algorithms.join import Join

    one = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(one.weight)
    group = distributed.new_group(timeout=LIMIT)  # in place of 30 minutes
    model = DistributedDataParallel(one, process_group=group)
    # Gradients are averaged over the ranks.
    optimizer = torch.optim.SGD(model.parameters(), lr=len(BATCHES))
    steps, error = 0, ""
    try:
        with Join([model], **WAYS[way]):
            for batch in DataLoader(Share(batches), batch_size=4):
                optimizer.zero_grad()
                model(-batch).mean().backward()
                optimizer.step()
                steps += 1
    except RuntimeError as failed:
        error = str(failed)
    return {"steps": steps, "moved": one.weight.item(), "error": error}


def rank(number):
    ranks = len(BATCHES)
    store = distributed.FileStore("meeting", ranks)  # in the working folder
    distributed.init_process_group(
        "gloo", store=store, rank=number, world_size=ranks
    )
    found = {}
    for way in WAYS:
        store.set(f"{way}-{number}", json.dumps(train(way, BATCHES[number])))
        # Who is done stays, as to evaluate. Else gloo tells the other at once.
        keys = [f"{way}-{each}" for each in range(ranks)]
        store.wait(keys, PATIENCE)
        found[way] = [json.loads(store.get(key)) for key in keys]
    if number == 0:
        print(json.dumps(found))
    distributed.destroy_process_group()


def start():
    """Both ranks, until they are done, or one has died."""
    ranks = multiprocessing.spawn(rank, nprocs=len(BATCHES), join=False)
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
    start()
