"""A training on two ranks, of which one dies in mid-epoch. torchrun starts both anew, and they go on.

    python restarted.py model|place|order|stateful

The word says what they go on from: see ``SAVED``. Prints how often each sprite
was read, and how often the model that is left was trained on it.
"""

import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import distributed
from torch.utils.data import DataLoader, DistributedSampler

from spritedocs.machine import why_ranks_ended

SPRITES, EPOCH = range(480), 1
BATCH, SAVE_EVERY, DEATH = 8, 5, 18  # so many sprites; so many batches
CHECKPOINT, NEW, LOG = map(Path, ("checkpoint.pt", "new.pt", "log"))
SAVED = {  # beside the model
    "model": ["epoch"],
    "place": ["epoch", "done"],
    "order": ["done"],  # but not of which epoch
    "stateful": ["epoch", "done", "loaders"],
}
# Without it ranks that start anew may find addresses of the dead, and hang.
OWN_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
TORCHRUN = "--standalone --nproc-per-node 2 --max-restarts 1"


def make_loader(way, state, rank):
    """What is left of the epoch, as far as the state knows."""
    sampler = DistributedSampler(SPRITES)
    sampler.set_epoch(state["epoch"])
    if way != "stateful":
        rest = list(sampler)[state["done"] * BATCH :]  # loads nothing
        return DataLoader(SPRITES, BATCH, sampler=rest, num_workers=1)
    from torchdata.stateful_dataloader import StatefulDataLoader

    loader = StatefulDataLoader(SPRITES, BATCH, sampler=sampler, num_workers=1)
    if "loaders" in state:
        loader.load_state_dict(state["loaders"][rank])
    return loader


def meet():
    try:
        distributed.init_process_group("gloo")
    except distributed.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        # torchrun had chosen a free port, and someone else was quicker.
        sys.exit(errno.EADDRINUSE)


def train(way):
    meet()
    rank = distributed.get_rank()
    attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    # The model is a tally: of each sprite, how many steps it has had.
    state = {"model": torch.zeros(len(SPRITES)), "epoch": EPOCH, "done": 0}
    if CHECKPOINT.exists():
        state |= {"epoch": 0} | torch.load(CHECKPOINT)
    loader = make_loader(way, state, rank)
    for batch in loader:
        note = json.dumps([attempt, time.monotonic(), batch.tolist()])
        with LOG.open("a") as file:
            file.write(f"{note}\n")
        state["done"] += 1
        if state["done"] == DEATH and not attempt:
            distributed.barrier()  # both have read so far
            if rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        step = torch.zeros(len(SPRITES))
        step[batch] = 1
        distributed.all_reduce(step)
        state["model"] += step
        if state["done"] % SAVE_EVERY == 0:
            save(way, state, loader, rank)
    save(way, state, loader, rank)
    distributed.destroy_process_group()


def save(way, state, loader, rank):
    """Whole or not at all: both ranks' loaders in one file."""
    state["loaders"] = [None, None]
    mine = loader.state_dict() if way == "stateful" else None
    distributed.all_gather_object(state["loaders"], mine)
    if rank == 0:
        kept = {key: state[key] for key in ["model", *SAVED[way]]}
        torch.save(kept, NEW)
        NEW.replace(CHECKPOINT)


def launch(way):
    """Have torchrun start both ranks, and tell what became of the sprites."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import (
        ChildFailedError,
    )

    os.environ |= OWN_STORE
    try:
        run.main([*TORCHRUN.split(), __file__, way])  # as the command does
    except ChildFailedError as failed:
        died = {rank: each.exitcode for rank, each in failed.failures.items()}
        if why := why_ranks_ended(died):
            raise NotImplementedError(why) from None
        raise
    read, seen_s = ([], []), ([], [])  # by attempt
    for line in LOG.read_text().splitlines():
        attempt, at_s, sprites = json.loads(line)
        seen_s[attempt].append(at_s)
        read[attempt].extend(sprites)
    if len(read[0]) < 2 * DEATH * BATCH:
        raise NotImplementedError(
            "a rank ended before its death was due: end other programs, and "
            "run it again"
        )
    trained = torch.load(CHECKPOINT)["model"].int().tolist()
    pause_s = min(seen_s[1]) - max(seen_s[0])
    print(json.dumps({"read": read, "trained": trained, "pause_s": pause_s}))


if __name__ == "__main__":
    if not hasattr(signal, "SIGKILL"):
        raise NotImplementedError("Windows has no SIGKILL for a rank to die of")
    if not (distributed.is_available() and distributed.is_gloo_available()):
        raise NotImplementedError("this torch comes without gloo")
    (train if "RANK" in os.environ else launch)(sys.argv[1])
