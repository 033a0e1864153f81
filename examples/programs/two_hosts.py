"""A stream shared out over two hosts: torchrun starts a rank on each, and each rank has two workers.

    python two_hosts.py

The hosts are network namespaces of this machine, which a cable of the kernel's
joins. They go with the last process in them. Prints of each rank its namespace,
and the items that it read.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from torch import distributed
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

ITEMS, SHARDS = 128, 4
HOSTS = ["10.77.0.1", "10.77.0.2"]
TOOLS = "unshare", "mount", "ip"
APART = "unshare --user --map-root-user --net --mount --kill-child"
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
TORCHRUN = (
    f"-m torch.distributed.run --nnodes 2 --master-addr {HOSTS[0]} --node-rank"
)


class Stream(IterableDataset):
    def __iter__(self):
        # A worker is one of world_size × num_workers readers.
        ranks, rank = distributed.get_world_size(), distributed.get_rank()
        worker = get_worker_info()
        reader = rank * worker.num_workers + worker.id
        for shard in range(reader, SHARDS, ranks * worker.num_workers):
            yield from range(shard, ITEMS, SHARDS)


def read():
    distributed.init_process_group("gloo")
    items = torch.cat([*DataLoader(Stream(), 4, num_workers=2)]).tolist()
    host = str(Path("/proc/self/ns/net").readlink())
    every = [None, None]
    distributed.all_gather_object(every, (host, items))
    if distributed.get_rank() == 0:
        print(json.dumps({"ranks": every}))
    distributed.destroy_process_group()


def launch():
    """Both ranks, each on its host."""
    for line in CABLE.strip().split("\n"):
        if subprocess.run(line.split()).returncode:
            raise NotImplementedError(f"this system refuses to {line}")
    command = [sys.executable, *TORCHRUN.split()]
    os.environ["GLOO_SOCKET_IFNAME"] = "eth77"
    there = ["ip", "netns", "exec", "other"]
    other = subprocess.Popen([*there, *command, "1", __file__])
    subprocess.run([*command, "0", __file__], check=True)
    if other.wait():
        raise RuntimeError("the rank on the other host failed")


if __name__ == "__main__":
    if "RANK" in os.environ:
        read()
    elif sys.argv[1:]:
        launch()
    elif missing := [name for name in TOOLS if not shutil.which(name)]:
        raise NotImplementedError(f"{missing[0]}, of Linux, is missing")
    elif subprocess.run(
        [*APART.split(), "true"], capture_output=True
    ).returncode:
        raise NotImplementedError("this system allows no network namespaces")
    else:
        os.execvp("unshare", [*APART.split(), sys.executable, __file__, "in"])
