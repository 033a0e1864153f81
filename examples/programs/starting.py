"""What a start of two workers costs by a start method, in a fresh program.

    python starting.py METHOD [MODULE]

MODULE is what a fork server shall import beforehand.
"""

# ruff: noqa: E402 - how long an import takes is measured
import json
import multiprocessing
import sys
import time

begun = time.perf_counter()
import torch

IMPORT_S = time.perf_counter() - begun

from torch.utils.data import DataLoader, TensorDataset

from spritedocs.timing import dismiss, time_epoch


def make_loader(method, keep):
    return DataLoader(
        TensorDataset(torch.arange(64)),
        batch_size=8,
        num_workers=2,
        persistent_workers=keep,
        multiprocessing_context=method,
    )


if __name__ == "__main__":
    method, *modules = sys.argv[1:]
    if modules:
        multiprocessing.set_forkserver_preload(modules)
    kept = make_loader(method, keep=True)
    first, same = time_epoch(kept), time_epoch(kept)
    dismiss(kept)
    new = time_epoch(make_loader(method, keep=False))
    seconds = {
        "import_s": IMPORT_S,
        "first_batch_s": first.startup_s,
        "first_epoch_s": first.total_s,
        "same_s": same.total_s,
        "new_s": new.total_s,
        "added_s": new.total_s - same.total_s,
        "gain": new.total_s / same.total_s,
    }
    print(json.dumps(seconds))
