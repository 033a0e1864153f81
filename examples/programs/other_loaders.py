"""A loader beside torch's own, over the same sprites in the same process.

    python other_loaders.py NAME FOLDER [ROUNDS]

FOLDER has the sprites as PNG files in one, pngs.bin, and where each ends. Both
loaders have two workers, which stay if the loader lets them. Prints what each
round gave, and what the loader NAME needed. One that does not deliver every
sprite once fails.
"""

import ast
import json
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from importlib.metadata import version
from io import BytesIO
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from spritedocs.machine import memory_of_tree, total_mb
from spritedocs.timing import race

BATCH = 256


def decoded(png):
    return torch.from_numpy(np.array(Image.open(BytesIO(png))))


@cache
def opened(folder):  # by each process for itself
    file = np.memmap(folder / "pngs.bin", mode="r")
    return file, np.load(folder / "ends.npy")


class Sprites(Dataset):
    def __init__(self, folder):
        self.folder, self.count = folder, len(opened(folder)[1]) - 1

    def __len__(self):
        return self.count

    def png(self, index):
        file, ends = opened(self.folder)
        return file[ends[index] : ends[index + 1]].tobytes()

    def __getitem__(self, index):
        return decoded(self.png(index))


def a_batch(sprites, indices):
    return torch.stack([sprites[index] for index in indices])


def shuffled(sprites):
    return BatchSampler(RandomSampler(sprites), BATCH, drop_last=False)


class Epochs:  # what begin() yields, anew for each epoch
    def __init__(self, begin):
        self.begin = begin

    def __iter__(self):
        return iter(self.begin())


def torch_again(sprites):
    own = {"num_workers": 2, "persistent_workers": True}
    return DataLoader(sprites, BATCH, shuffle=True, **own)


class OpenCV(Sprites):
    def __init__(self, folder):
        import cv2

        super().__init__(folder)
        self.decode = partial(cv2.imdecode, flags=cv2.IMREAD_UNCHANGED)

    def __getitem__(self, index):
        bgra = self.decode(np.frombuffer(self.png(index), np.uint8))
        return torch.from_numpy(bgra[..., [2, 1, 0, 3]])


def opencv(sprites):
    return torch_again(OpenCV(sprites.folder))


def spdl(sprites, processes=False):
    from spdl.pipeline import PipelineBuilder

    executor = ProcessPoolExecutor(2) if processes else None
    load = partial(a_batch, sprites)
    return (
        PipelineBuilder()
        .add_source(shuffled(sprites), continuous=True)  # from epoch to epoch
        .pipe(load, executor=executor, concurrency=2, output_order="input")
        .add_sink(4)
        .build(num_threads=2)
    )


def nodes(sprites, method):
    from torchdata.nodes import Loader, ParallelMapper, SamplerWrapper

    return Loader(
        ParallelMapper(
            SamplerWrapper(shuffled(sprites)),
            partial(a_batch, sprites),
            num_workers=2,
            method=method,
        )
    )


def grain(sprites):
    import grain

    stream = (
        grain.MapDataset.source(sprites)
        .shuffle(seed=0)
        .map(np.asarray)  # arrays are shared with a process, tensors sent
        .batch(BATCH)
        .repeat()  # else processes start anew, and shuffle alike
        .to_iter_dataset(grain.ReadOptions(1, prefetch_buffer_size=2))
        .mp_prefetch(grain.multiprocessing.MultiprocessingOptions(2))
        .map(torch.from_numpy)
    )
    batches = iter(stream)
    return Epochs(lambda: islice(batches, len(sprites) // BATCH))


def decoded_sample(sample):
    return decoded(sample["png"])


def webdataset(sprites):
    import webdataset as wds

    with wds.ShardWriter("%d.tar", len(sprites) // 8, verbose=0) as shards:
        for index in range(len(sprites)):
            shards.write({"__key__": str(index), "png": sprites.png(index)})
    stream = (
        wds.WebDataset([f"{n}.tar" for n in range(8)], shardshuffle=8)
        .shuffle(1000)
        .map(decoded_sample)
        .batched(BATCH, collation_fn=torch.stack)
    )
    return wds.WebLoader(
        stream, batch_size=None, num_workers=2, persistent_workers=True
    )


def stored_sample(sprites, index):
    return {"png": sprites.png(index)}


def litdata(sprites):
    from litdata import StreamingDataLoader, StreamingDataset, optimize

    optimize(
        partial(stored_sample, sprites),
        list(range(len(sprites))),
        output_dir="chunks",
        chunk_size=len(sprites) // 8,
        num_workers=1,
        start_method=multiprocessing.get_start_method(),
    )
    stream = StreamingDataset(
        "chunks",
        transform=decoded_sample,
        shuffle=True,
        item_shuffle_window="full",  # else neighbours stay within 256
    )
    own = {"num_workers": 2, "persistent_workers": True}
    return StreamingDataLoader(stream, batch_size=BATCH, **own)


def decoded_rows(rows):
    return {"sprite": [decoded(png) for png in rows["png"]]}


def datasets(sprites):
    from datasets import Dataset

    pngs = [sprites.png(index) for index in range(len(sprites))]
    return torch_again(
        Dataset.from_dict({"png": pngs}).with_transform(decoded_rows)
    )


class Mapped(Sprites):
    def __init__(self, folder):
        from tensordict import TensorDict

        super().__init__(folder)
        file, self.ends = opened(folder)
        self.stored = TensorDict({"file": torch.tensor(file)}).memmap("td")

    def png(self, index):
        begin, end = self.ends[index : index + 2]
        return self.stored["file"][begin:end].numpy().tobytes()


def tensordict(sprites):
    return torch_again(Mapped(sprites.folder))


def dali(sprites):
    from nvidia.dali import fn, pipeline_def, types
    from nvidia.dali.plugin.pytorch import DALIGenericIterator

    def pngs():
        for indices in shuffled(sprites):
            yield [np.frombuffer(sprites.png(i), np.uint8) for i in indices]

    @pipeline_def(batch_size=BATCH, num_threads=2, device_id=None)
    def decoding():
        files = fn.external_source(Epochs(pngs), cycle="raise")
        return fn.decoders.image(files, output_type=types.ANY_DATA)

    decoded = DALIGenericIterator(decoding(), ["sprite"], auto_reset=True)
    return Epochs(lambda: (batch["sprite"] for [batch] in decoded))


PIP_NAMES = {
    "cv2": "opencv-python-headless",
    "nvidia": "nvidia-dali-cuda120",
    "spdl": "spdl-core",
}
PACKAGES = {
    "torch_again": "torch",
    "opencv": "opencv-python-headless",
    "spdl_threads": "spdl-core",
    "spdl_processes": "spdl-core",
    "nodes_threads": "torchdata",
    "nodes_processes": "torchdata",
    "dali": "nvidia-dali-cuda120",
}
LOADERS = {
    "torch_again": torch_again,
    "opencv": opencv,
    "spdl_threads": spdl,
    "spdl_processes": partial(spdl, processes=True),
    "nodes_threads": partial(nodes, method="thread"),
    "nodes_processes": partial(nodes, method="process"),
    "grain": grain,
    "webdataset": webdataset,
    "litdata": litdata,
    "datasets": datasets,
    "tensordict": tensordict,
    "dali": dali,
}


def images(batch):
    return batch["sprite"] if isinstance(batch, dict) else batch


def sums(pictures):
    """A number for each sprite, by which a sprite is known."""
    flat = pictures.flatten(1).long()
    return (flat * torch.arange(1, flat.shape[1] + 1)).sum(1).tolist()


def order_of(loader, sprites, look=lambda: None):
    """The indices in the order in which they come: each once, or an error.

    In between it takes a ``look``.
    """
    found = []
    for number, batch in enumerate(loader):
        found += sums(images(batch))
        if number == 8:
            look()
    due = sums(a_batch(sprites, range(len(sprites))))
    if wrong := Counter(due) - Counter(found):
        raise ValueError(f"{wrong.total()} of {len(due)} sprites are missing")
    if len(found) > len(due):
        raise ValueError(f"{len(found)} sprites came, of {len(due)}")
    return [*map({each: index for index, each in enumerate(due)}.get, found)]


def mixed_pct(order):
    """How far apart neighbours come from, in % of what a full shuffle has."""
    apart = np.abs(np.diff(order)).mean()
    return 100 * float(apart) / (len(order) / 3)


def lines_of(name):
    """Of the code that makes a loader, beside that of the sprites."""
    source = Path(__file__).read_text(encoding="utf-8")
    tops = {getattr(top, "name", ""): top for top in ast.parse(source).body}
    seen, due, lines = {"Sprites", "decoded", "opened"}, {name}, 0
    while due := (due - seen) & tops.keys():
        seen |= {name := due.pop()}
        top = tops[name]
        text = source.splitlines()[top.lineno - 1 : top.end_lineno]
        lines += sum(1 for line in text if line.strip())
        due |= {each.id for each in ast.walk(top) if isinstance(each, ast.Name)}
    return lines


def used_mb():
    return total_mb(memory_of_tree()) or 0


def pace(loader, count, skip=8):
    """Of the batches after the first ones, which may have been made ahead."""
    begun, items = perf_counter(), 0
    for number, batch in enumerate(loader):
        now = perf_counter()
        if number == 0:
            first_s = now - begun
        items += len(images(batch))
        if number == skip:
            since, before = now, items
    if items != count:
        raise ValueError(f"{items} sprites came in an epoch, of {count}")
    return {
        "items_per_s": (items - before) / (now - since),
        "first_ms": 1000 * first_s,
    }


def main(name, folder, rounds="6"):
    make, package, before = LOADERS[name], PACKAGES.get(name, name), used_mb()
    sprites = Sprites(Path(folder))
    try:
        other = make(sprites)
    except ModuleNotFoundError as error:  # maybe of what the package needs
        module = str(error.name).split(".")[0]
        name = PIP_NAMES.get(module, module)
        raise NotImplementedError(f"pip install {name}") from None
    seen = []
    order = order_of(other, sprites, lambda: seen.append(used_mb()))
    alone = {
        "memory_mb": seen[0] - before,
        "mixed_pct": mixed_pct(order),
        "lines": lines_of(getattr(make, "func", make).__name__),
    }
    both = {"torch": torch_again(sprites), "other": other}
    count = len(sprites)
    arms = {key: partial(pace, each, count) for key, each in both.items()}
    found = race(arms, int(rounds))
    told = {"arms": found.arms, "warnings": found.warnings, "alone": alone}
    print(json.dumps({"package": f"{package} {version(package)}", **told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
