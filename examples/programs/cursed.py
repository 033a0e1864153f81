"""Sprite 45 raises an exception: first without helpers, then with two."""

import time
import traceback

import torch
from torch.utils.data import DataLoader, Dataset


class CursedSprites(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        if index == 45:
            print("sprite 45 strikes")
            raise ValueError(f"sprite {index} is cursed")
        return torch.zeros(4, 16, 16)


def train(num_workers):
    loader = DataLoader(CursedSprites(), batch_size=8, num_workers=num_workers)
    for number, _batch in enumerate(loader):
        time.sleep(0.05)  # the model's step
        print(f"trained on batch {number}")


if __name__ == "__main__":
    for num_workers in (0, 2):
        print(f"== {num_workers} helpers")
        try:
            train(num_workers)
        except ValueError:
            traceback.print_exc()
