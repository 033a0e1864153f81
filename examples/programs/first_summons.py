"""Two epochs of 64 slow sprites, without helpers and with two."""

import time

import torch
from torch.utils.data import DataLoader, Dataset


class SlowSprites(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        time.sleep(0.02)  # yours: read, decode, transform
        return torch.zeros(4, 16, 16)


def step(batch):
    pass  # yours: forward, backward, update


if __name__ == "__main__":
    for num_workers in (0, 2):
        loader = DataLoader(
            SlowSprites(),
            batch_size=8,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
        )
        for epoch in (1, 2):
            began = time.perf_counter()
            for batch in loader:
                step(batch)
            took = time.perf_counter() - began
            print(f"{num_workers} helpers, epoch {epoch}: {took:.2f} s")
