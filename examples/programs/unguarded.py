"""A script that starts a worker without a main guard, and says who reads it."""

import torch
from torch.utils.data import DataLoader, TensorDataset

print("I am being read as", __name__)
sprites = TensorDataset(torch.arange(64))
loader = DataLoader(
    sprites, batch_size=8, num_workers=1, multiprocessing_context="spawn"
)
print("batches by spawn:", sum(1 for batch in loader))
