"""A training with Accelerate that says how long its model waits for data."""

import torch
from accelerate import Accelerator
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from spritedocs import watch

SPRITES = TensorDataset(torch.rand(1024, 768), torch.randint(10, (1024,)))


def to_tune():
    return DataLoader(
        SPRITES,
        batch_size=64,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
    )


if __name__ == "__main__":
    accelerator = Accelerator()
    model = torch.nn.Linear(768, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model, optimizer, loader = accelerator.prepare(model, optimizer, to_tune())
    for _ in range(2):
        for pictures, kinds in watch(loader, name="training"):
            optimizer.zero_grad()
            accelerator.backward(cross_entropy(model(pictures), kinds))
            optimizer.step()
