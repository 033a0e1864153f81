"""matplotlib's toolbar icons: a folder of small PNG files, decoded and scaled."""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset


class Icons(Dataset):
    def __init__(self, folder):
        self.paths = sorted(Path(folder).glob("*.png"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as icon:
            pixels = np.array(icon.convert("RGBA").resize((32, 32)))
        return torch.from_numpy(pixels).permute(2, 0, 1)


def dataset():
    return Icons(Path(matplotlib.get_data_path()) / "images")
