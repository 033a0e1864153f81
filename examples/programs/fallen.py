"""Sprite 13 takes its helper down: in three ways, at two moments."""

import ctypes
import faulthandler
import os
import signal
import time
import traceback

import torch
from torch.utils.data import DataLoader, Dataset


class FallenSprites(Dataset):
    def __init__(self, fall):
        self.fall = fall

    def __len__(self):
        return 64

    def __getitem__(self, index):
        if index == 13:
            time.sleep(0.3)
            self.fall()
        return torch.zeros(4, 16, 16)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def exits():
    os._exit(3)


def crashes():
    ctypes.string_at(0)


def watch(worker_id):
    faulthandler.disable()
    faulthandler.enable()


def train(fall, step_s):
    loader = DataLoader(
        FallenSprites(fall),
        batch_size=8,
        num_workers=2,
        worker_init_fn=watch,
    )
    for _batch in loader:
        time.sleep(step_s)  # the model's step


if __name__ == "__main__":
    ways = [(exits, 0)]
    if hasattr(signal, "SIGKILL"):  # Windows has none, and survives a crash
        ways = [(killed, 0), (killed, 2), (exits, 0), (crashes, 0)]
    for fall, step_s in ways:
        loop = "trains" if step_s else "waits"
        print(f"== {fall.__name__} while the loop {loop}")
        try:
            train(fall, step_s)
        except Exception:  # noqa: BLE001 - whatever is made of the death
            traceback.print_exc()
