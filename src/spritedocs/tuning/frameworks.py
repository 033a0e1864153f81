"""The line to copy in the words of a training framework."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["DIVIDED", "FRAMEWORKS", "line_for"]

DIVIDED = "sampler=DistributedSampler(dataset)"

FRAMEWORKS = ("accelerate", "lightning", "trainer")


def line_for(framework: str, result: Mapping[str, Any]) -> str:
    """The line for Accelerate, Lightning, or the ``Trainer`` of Transformers, of ``Tuning.as_json()``.

    Lightning and Accelerate take a loader as it is. The ``Trainer`` makes its own, of ``TrainingArguments``.

    Examples:
        >>> result = {
        ...     "line": "DataLoader(dataset, batch_size=64, shuffle=True, num_workers=2)",
        ...     "recommended": {"num_workers": 2},
        ...     "present": {"num_workers": 0},
        ... }
        >>> line_for("accelerate", result)
        'accelerator.prepare(DataLoader(dataset, batch_size=64, shuffle=True, num_workers=2))'
        >>> line_for("trainer", result)
        'TrainingArguments(..., per_device_train_batch_size=64, dataloader_num_workers=2)'

        Without workers the ``Trainer`` refuses what is only for them:

        >>> found = {"line": "DataLoader(..., num_workers=0)", "recommended": {"num_workers": 0}}
        >>> line_for("trainer", {**found, "present": {"num_workers": 2}})
        'TrainingArguments(..., dataloader_num_workers=0, dataloader_prefetch_factor=None, \
dataloader_persistent_workers=False)'
    """
    line = result["line"].replace(DIVIDED, "shuffle=True")  # all of them divide it by themselves
    if framework == "lightning":
        return f"return {line}  # in train_dataloader()"
    if framework == "accelerate":
        return f"accelerator.prepare({line})"
    given = dict(result["recommended"])
    if result["present"]["num_workers"] and not given["num_workers"]:
        given |= {"prefetch_factor": None, "persistent_workers": False}
    arguments = [f"dataloader_{name}={value!r}" for name, value in given.items()]
    if size := re.match(r"DataLoader\(dataset, batch_size=(\d+)", line):  # no loader of theirs has one
        arguments.insert(0, f"per_device_train_batch_size={size[1]}")
    return f"TrainingArguments(..., {', '.join(arguments)})"
