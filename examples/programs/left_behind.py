"""Two ranks meet, and one dies. What does torchrun's store still have of them, when it starts both anew?

    python left_behind.py

Prints how many keys there are once both have met, and how many the second
attempt finds. Two of them are the addresses at which the ranks meet.
"""

import json
import os
import signal
from pathlib import Path

from torch import distributed

from spritedocs.machine import why_ranks_ended

KEYS = Path("keys")
TORCHRUN = "--standalone --nproc-per-node 2 --max-restarts 1"


def count_keys(attempt):
    at = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = distributed.TCPStore(*at, is_master=False)
    with KEYS.open("a") as file:
        file.write(json.dumps([attempt, store.num_keys()]) + "\n")


def meet(rank, attempt):
    if attempt == 0:  # later ones may fail to meet, or hang
        distributed.init_process_group("gloo")
        distributed.barrier()
    if rank == 0:
        count_keys(attempt)
    if attempt == 0:
        distributed.barrier()
        if rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()  # until torchrun ends it


def launch():
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import (
        ChildFailedError,
    )

    try:
        run.main([*TORCHRUN.split(), __file__])  # as the command does
    except ChildFailedError as failed:
        died = {rank: each.exitcode for rank, each in failed.failures.items()}
        if why := why_ranks_ended(died):
            raise NotImplementedError(why) from None
        raise
    counted = dict(map(json.loads, KEYS.read_text().splitlines()))
    if 0 not in counted:
        raise NotImplementedError(
            "a rank ended before its death was due: end other programs, and "
            "run it again"
        )
    print(json.dumps({"keys_met": counted[0], "keys_left": counted[1]}))


if __name__ == "__main__":
    if not hasattr(signal, "SIGKILL"):
        raise NotImplementedError("Windows has no SIGKILL for a rank to die of")
    if not (distributed.is_available() and distributed.is_gloo_available()):
        raise NotImplementedError("this torch comes without gloo")
    if "RANK" in os.environ:
        told = ("RANK", "TORCHELASTIC_RESTART_COUNT")
        meet(*(int(os.environ[name]) for name in told))
    else:
        launch()
