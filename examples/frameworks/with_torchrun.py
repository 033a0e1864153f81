"""A training on several ranks, in which each says how long its model waits for data."""

import torch
from torch import distributed
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from spritedocs import watch

SPRITES = TensorDataset(torch.rand(1024, 768), torch.randint(10, (1024,)))


def to_tune(sampler=None):
    return DataLoader(
        SPRITES,
        batch_size=64,
        sampler=sampler,
        num_workers=1,
        persistent_workers=True,
    )


if __name__ == "__main__":
    distributed.init_process_group("gloo")
    sampler = DistributedSampler(SPRITES)
    loader = watch(to_tune(sampler), name="training")
    model = DistributedDataParallel(torch.nn.Linear(768, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for pictures, kinds in loader:
            optimizer.zero_grad()
            cross_entropy(model(pictures), kinds).backward()
            optimizer.step()
    distributed.destroy_process_group()
