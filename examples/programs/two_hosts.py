"""A stream shared out over two hosts: torchrun starts a rank on each, and each rank has two workers.

    python two_hosts.py

The hosts are network namespaces of this machine, which a cable of the kernel's
joins. Thus no port can be taken. All processes are in one namespace of their
own, and go with the first of them. Prints of each rank its host, and the items
that it read. If a rank dies, the other does not wait for it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import distributed
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from spritedocs.machine import why_ranks_ended

ITEMS, SHARDS = 128, 4
HOSTS = ["10.77.0.1", "10.77.0.2"]
TOOLS = "unshare", "mount", "ip"
APART = "unshare --user --map-root-user --net --mount --pid --fork --kill-child"
CABLE = f"""
mount -t tmpfs none /run
ip netns add other
ip link add eth77 type veth peer name eth77 netns other
ip address add {HOSTS[0]}/24 dev eth77
ip -n other address add {HOSTS[1]}/24 dev eth77
ip link set lo up
ip -n other link set lo up
ip link set eth77 up
ip -n other link set eth77 up
"""
TORCHRUN = f"--nnodes 2 --master-addr {HOSTS[0]} --node-rank"
PATIENCE_S = 5


class Stream(IterableDataset):
    def __init__(self):
        # A worker that is not forked has no process group to ask.
        self.ranks = distributed.get_world_size()
        self.rank = distributed.get_rank()

    def __iter__(self):
        # A worker is one of world_size × num_workers readers.
        worker = get_worker_info()
        reader = self.rank * worker.num_workers + worker.id
        for shard in range(reader, SHARDS, self.ranks * worker.num_workers):
            yield from range(shard, ITEMS, SHARDS)


def read():
    distributed.init_process_group("gloo")
    items = torch.cat([*DataLoader(Stream(), 4, num_workers=2)]).tolist()
    host = str(Path("/proc/self/ns/net").readlink())
    every = [None, None]
    distributed.all_gather_object(every, (host, items))
    if distributed.get_rank() == 0:
        print(json.dumps({"read": every}))
    distributed.destroy_process_group()


def torchrun(node):
    """What the command does on a host, which ends as its rank does."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import (
        ChildFailedError,
    )

    try:
        run.main([*TORCHRUN.split(), node, __file__])
    except ChildFailedError as failed:
        [rank] = failed.failures.values()
        sys.exit(rank.exitcode if rank.exitcode > 0 else 128 - rank.exitcode)


def endings(hosts):
    """How the command ended on each host. Where one fails, the others have to."""
    while None in (ended := [host.poll() for host in hosts]) and not any(ended):
        time.sleep(0.1)
    for host in hosts:
        try:
            # Who has lost the other fails as well. But the dead tells why.
            host.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            host.terminate()
            host.wait()
    ended = [host.returncode for host in hosts]
    return [128 - status if status > 128 else status for status in ended]


def launch():
    """Both ranks, each on its host."""
    for line in CABLE.strip().split("\n"):
        if subprocess.run(line.split()).returncode:
            raise NotImplementedError(f"this system refuses to {line}")
    os.environ["GLOO_SOCKET_IFNAME"] = "eth77"
    there = ([], ["ip", "netns", "exec", "other"])
    command = [sys.executable, __file__]
    ended = endings(
        [
            subprocess.Popen([*there[node], *command, str(node)])
            for node in range(2)
        ]
    )
    if why := why_ranks_ended(dict(enumerate(ended))):
        raise NotImplementedError(why)
    if any(ended):
        raise RuntimeError(f"of ranks 0 and 1 the exit statuses are {ended}")


if __name__ == "__main__":
    if not (distributed.is_available() and distributed.is_gloo_available()):
        raise NotImplementedError("this torch comes without gloo")
    if "RANK" in os.environ:
        read()
    elif sys.argv[1:] == ["in"]:
        launch()
    elif sys.argv[1:]:
        torchrun(sys.argv[1])
    elif missing := [name for name in TOOLS if not shutil.which(name)]:
        raise NotImplementedError(f"{missing[0]}, of Linux, is missing")
    elif subprocess.run(
        [*APART.split(), "true"], capture_output=True
    ).returncode:
        raise NotImplementedError("this system allows no network namespaces")
    else:
        os.execvp("unshare", [*APART.split(), sys.executable, __file__, "in"])
