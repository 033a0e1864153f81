"""scikit-image's example pictures: decoded from their files, cut out at random, turned and smoothed."""

import random
from pathlib import Path

import numpy as np
import skimage.data
import torch
from skimage import color, filters, io, util
from torch.utils.data import Dataset

SIDE = 128
CUTS = 8  # of each picture in an epoch


class Photographs(Dataset):
    def __init__(self):
        folder = Path(skimage.data.__file__).parent
        found = sorted([*folder.glob("*.png"), *folder.glob("*.jpg")])
        self.paths = [path for path in found if min(io.imread(path).shape[:2]) >= SIDE]

    def __len__(self):
        return CUTS * len(self.paths)

    def __getitem__(self, index):
        picture = io.imread(self.paths[index // CUTS])
        picture = color.gray2rgb(picture) if picture.ndim == 2 else picture[..., :3]
        top, left = (random.randint(0, edge - SIDE) for edge in picture.shape[:2])
        cut = util.img_as_float32(picture[top : top + SIDE, left : left + SIDE])
        cut = np.rot90(cut, random.randrange(4))
        cut = filters.gaussian(cut, random.uniform(0, 1.5), channel_axis=-1)
        return torch.from_numpy(cut.transpose(2, 0, 1).copy())


def dataset():
    return Photographs()
