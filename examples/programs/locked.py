"""Sprite 13 waits for a lock that its own helper holds."""

import faulthandler
import multiprocessing
import subprocess
import threading
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

DOOR = threading.Lock()


class LockedSprites(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        with DOOR:
            if index == 13:
                DOOR.acquire()  # and here it waits for itself
            return torch.zeros(4, 16, 16)


def watch(worker_id):
    # At different moments, lest they print into each other's lines.
    faulthandler.dump_traceback_later(1 + worker_id / 2)


def look_at(worker):
    comm = Path(f"/proc/{worker.pid}/comm")  # only Linux has it
    if comm.exists():
        print(f"a process named {comm.read_text().strip()}")
    try:
        subprocess.run(["py-spy", "dump", "--pid", str(worker.pid)])
    except FileNotFoundError:
        print("py-spy is not installed: pip install py-spy")


if __name__ == "__main__":
    forks = multiprocessing.get_start_method() == "fork"
    loader = DataLoader(
        LockedSprites(),
        batch_size=8,
        num_workers=2,
        timeout=3 if forks else 20,
        worker_init_fn=watch,
    )
    batches = iter(loader)
    print("== the loop")
    try:
        for number, _batch in enumerate(batches):
            print(f"trained on batch {number}")
    except RuntimeError as error:
        print(f"RuntimeError: {error}")
    print("== a second terminal")
    for worker in multiprocessing.active_children():
        look_at(worker)
