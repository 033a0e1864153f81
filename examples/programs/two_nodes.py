"""Two nodes of a Ray cluster feed a training loop, beside a DataLoader with two workers. Then one node dies.

    python two_nodes.py [ROUNDS]

Both nodes are on this machine, and each has one core to itself by Ray's count.
Prints what each round gave, in turns; what came of an epoch of each loader, and
of the one with the death; and how long the cluster took to start.
"""

import json
import os
import sys
from collections import Counter
from functools import partial
from io import BytesIO
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from spritedocs.sprites import FAMILIES, family_of, write_png_folder
from spritedocs.timing import race

COUNT, SIZE, BATCH = 3072, 64, 128
DEATH = 5  # after so many batches
NOTES = "made.txt"
NO_REPORTS = {"RAY_USAGE_STATS_ENABLED": "0"}  # Ray's makers get none


def decoded(png, number):
    """A sprite's pixels, turned by an angle of its own: they tell which it is."""
    angle = np.random.default_rng(number).uniform(-20, 20)
    turned = Image.open(BytesIO(png)).rotate(angle, Image.Resampling.BICUBIC)
    return np.array(turned)


def number_of(path):
    return int(Path(path).name.partition("_")[0])


class Sprites(Dataset):
    def __init__(self, folder):
        self.files = sorted(folder.glob("*.png"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        number = number_of(self.files[index])
        sprite = decoded(self.files[index].read_bytes(), number)
        return {"sprite": sprite, "family": family_of(number)}


def decoded_files(files, notes):
    """What a node makes of some files, and a note of it."""
    import ray

    numbers = [*map(number_of, files["path"])]
    sprites = np.stack([*map(decoded, files["bytes"], numbers)])
    note = [ray.get_runtime_context().get_node_id(), numbers]
    with Path(notes).open("a") as file:
        file.write(json.dumps(note) + "\n")
    return {"sprite": sprites, "family": np.array([*map(family_of, numbers)])}


def from_nodes(folder, notes):
    """The batches of an epoch, made wherever Ray finds a core for a task."""
    import ray

    files = ray.data.read_binary_files(
        str(folder),
        include_paths=True,
        file_extensions=["png"],
        shuffle="files",
        override_num_blocks=COUNT // BATCH,  # else few: the files are small
    )
    # Whole blocks: thus a file is read in the task that decodes it.
    made = files.map_batches(
        decoded_files, batch_size=None, fn_kwargs={"notes": str(notes)}
    )
    return made.iter_torch_batches(batch_size=BATCH, prefetch_batches=2)


class Training:
    """A small model, and what a step of its training takes."""

    def __init__(self):
        self.model = torch.nn.Linear(SIZE * SIZE * 4, len(FAMILIES))

    def step(self, batch):
        pixels = batch["sprite"].flatten(1) / 255
        cross_entropy(self.model(pixels), batch["family"]).backward()
        with torch.no_grad():
            for weights in self.model.parameters():
                weights -= 0.01 * weights.grad
                weights.grad = None


def sums(pictures):
    """A number for each sprite, by which a sprite is known."""
    flat = pictures.flatten(1).long()
    return (flat * torch.arange(1, flat.shape[1] + 1)).sum(1).tolist()


def tally(batches, due, step, notes, event=lambda: None):
    """Trains an epoch, and counts: how often each sprite came, and was made.

    After some batches there is an ``event``.
    """
    notes.write_text("")
    found, waits_s, ended = Counter(), [], perf_counter()
    for number, batch in enumerate(batches, start=1):
        waits_s.append(perf_counter() - ended)
        step(batch)
        found.update(sums(batch["sprite"]))
        if number == DEATH:
            event()
        ended = perf_counter()
    if strange := found.keys() - due:
        raise ValueError(f"{len(strange)} sprites came that there are not")
    times = [found[each] for each in due]
    made = [json.loads(line) for line in notes.read_text().splitlines()]
    blocks = Counter(numbers[0] for _, numbers in made)
    return {
        "once": times.count(1),
        "twice": sum(n > 1 for n in times),
        "never": times.count(0),
        "made": len(blocks),
        "again": blocks.total() - len(blocks),
        "nodes": len({node for node, _ in made}),
        "wait_s": max(waits_s[1:]),  # the first one is for the start
    }


def pace(begin, step, skip=4):
    """Of the batches after the first ones, which may have been made ahead."""
    begun, items = perf_counter(), 0
    for number, batch in enumerate(begin()):
        now = perf_counter()
        if number == 0:
            first_s = now - begun
        if number == skip:
            since = now
        items += len(batch["family"]) if number > skip else 0
        step(batch)
    return {
        "items_per_s": items / (perf_counter() - since),
        "first_ms": 1000 * first_s,
    }


def node(name):
    """One core, and sockets here: in Ray's own folder their paths get too long."""
    return {
        "num_cpus": 1,
        "include_dashboard": False,
        "plasma_store_socket_name": str(Path(f"{name}-store").absolute()),
        "raylet_socket_name": str(Path(f"{name}-raylet").absolute()),
    }


def main(rounds="6"):
    folder, notes = Path("sprites").absolute(), Path(NOTES).absolute()
    sprites = Sprites(write_png_folder(folder, COUNT, SIZE))
    torch.set_num_threads(1)
    due = {*sums(torch.tensor(np.stack([s["sprite"] for s in sprites])))}
    loader = DataLoader(
        sprites, BATCH, shuffle=True, num_workers=2, persistent_workers=True
    )
    step = Training().step
    # Its workers are forked here, before Ray has threads in this process.
    epochs = {"torch": tally(loader, due, step, notes)}

    os.environ |= NO_REPORTS
    import ray
    from ray.cluster_utils import Cluster

    begun = perf_counter()
    cluster = Cluster(True, head_node_args=node("head"))
    other = cluster.add_node(**node("other"))
    ray.init(cluster.address, log_to_driver=False)
    start_s = perf_counter() - begun
    ray.data.DataContext.get_current().enable_progress_bars = False
    begin = partial(from_nodes, folder, notes)
    arms = {
        "torch": partial(pace, lambda: loader, step),
        "ray": partial(pace, begin, step),
    }
    found = race(arms, int(rounds))
    epochs["ray"] = tally(begin(), due, step, notes) | {"start_s": start_s}

    def die():
        """Once many batches are made ahead, and lie in their nodes' memory."""
        for _ in range(200):
            if len(notes.read_text().splitlines()) > COUNT // BATCH / 2:
                break
            sleep(0.05)
        cluster.remove_node(other, allow_graceful=False)

    epochs["death"] = tally(begin(), due, step, notes, die)
    each = {name: [counted] for name, counted in epochs.items()}
    told = {"turns": found.arms, "warnings": found.warnings, "epochs": each}
    print(json.dumps(told))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    if sys.platform != "linux":
        raise NotImplementedError("Ray joins several nodes on Linux only")
    main(*sys.argv[1:])
