"""The trainings of *In your framework* run with the real packages, and what its page says holds there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from running import LIMIT_S, PROJECT

pytestmark = pytest.mark.peers

SCRIPTS = PROJECT.root / "examples" / "frameworks"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
TWO_EPOCHS = {
    "lightning": [
        *("training, epoch 1", "training, epoch 2"),
        *("validation, epoch 1 (left after 2 batches)", "validation, epoch 2", "validation, epoch 3"),
    ],
    "trainer": ["training, epoch 1", "training, epoch 2", "validation, epoch 1", "validation, epoch 2"],
    "accelerate": ["training, epoch 1", "training, epoch 2"],
    "torchrun": ["training, epoch 1 on 2 ranks", "training, epoch 2 on 2 ranks"],
}
"""What is told of them: Lightning looks at the validation loader before it trains."""


def python(folder: Path, *arguments: str) -> tuple[str, str]:
    """What such a Python prints and says in ``folder``, where it leaves no process."""
    # None of these may look for a newer version, a model or a place to log to.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "MARK": str(folder)}
    done = subprocess.run(
        (sys.executable, *arguments),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if sys.platform == "linux":
        assert [each for each in psutil.process_iter() if _has_mark(each, str(folder))] == []
    return done.stdout, done.stderr


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get("MARK") == mark
    except psutil.Error:
        return False


def told(said: str) -> list[str]:
    """Of which epochs it says something."""
    return sorted(re.findall(r"spritedocs: (.+?, epoch \d+(?: \(.*?\)| on \d ranks)?):", said))


@pytest.mark.parametrize("framework", TWO_EPOCHS)
def test_a_training_says_how_long_each_epoch_waited(framework: str, tmp_path: Path) -> None:
    script = shutil.copy(SCRIPTS / f"with_{framework}.py", tmp_path)
    _, said = python(tmp_path, *(TORCHRUN if framework == "torchrun" else ()), script)
    assert told(said) == TWO_EPOCHS[framework]


@pytest.mark.parametrize("framework", ["lightning", "trainer"])
def test_the_command_watches_a_training_that_knows_nothing_of_it(framework: str, tmp_path: Path) -> None:
    text = (SCRIPTS / f"with_{framework}.py").read_text(encoding="utf-8")
    script = tmp_path / "train.py"
    script.write_text(text.replace("from spritedocs import watch", "watch = lambda loader, name: loader"))
    _, said = python(tmp_path, "-m", "spritedocs", "watch", "--", sys.executable, str(script))
    # Of the same line are the loaders that the Trainer makes, each in a function of its own.
    made = {"training": ", get_train_dataloader", "validation": ", get_eval_dataloader"}
    due = [each.partition(",") for each in TWO_EPOCHS[framework]]
    names = made if framework == "trainer" else dict.fromkeys(made, "")
    epochs = [re.sub(r"^train\.py:\d+", "", each) for each in told(said)]
    assert sorted(epochs) == sorted(f"{names[name]},{epoch}" for name, _, epoch in due)


@pytest.mark.parametrize(
    ("framework", "line"),
    [
        ("lightning", r"return DataLoader\(\.\.\., num_workers=\d.*\)  # in train_dataloader\(\)"),
        ("trainer", r"TrainingArguments\(\.\.\., dataloader_num_workers=\d.*\)"),
        ("accelerate", r"accelerator\.prepare\(DataLoader\(\.\.\., num_workers=\d.*\)\)"),
    ],
)
def test_the_loader_is_tuned_and_the_line_is_in_the_words_of_the_framework(
    framework: str, line: str, tmp_path: Path
) -> None:
    script = shutil.copy(SCRIPTS / f"with_{framework}.py", tmp_path)
    options = ("--for", framework, "--json")
    printed, said = python(tmp_path, "-m", "spritedocs", "tune", f"{script}:to_tune", *options)
    found = json.loads(printed)
    assert re.fullmatch(line, found["line"])
    assert found["present"]["num_workers"] == 2
    assert "never iterated over" not in said
    if framework == "trainer":
        made = found["line"].replace("...", "'trained'")
        python(tmp_path, "-c", f"from transformers import TrainingArguments\n{made}")


FACTS = {
    "lightning": """
import os
from lightning.fabric.utilities.data import suggested_max_num_workers
cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
assert suggested_max_num_workers(1) == max(1, cores - 1)
""",
    "trainer": """
from transformers import TrainingArguments
arguments = TrainingArguments("trained")
assert (arguments.dataloader_num_workers, arguments.dataloader_prefetch_factor) == (0, None)
assert not arguments.dataloader_persistent_workers and arguments.dataloader_multiprocessing_context is None
try:
    TrainingArguments("trained", dataloader_num_workers=0, dataloader_prefetch_factor=2)
except ValueError as error:
    assert "dataloader_prefetch_factor" in str(error)
else:
    raise AssertionError("a prefetch_factor without workers is taken")
""",
    "accelerate": """
from accelerate import Accelerator
from accelerate.data_loader import DataLoaderDispatcher
from accelerate.utils import DataLoaderConfiguration
from torch.utils.data import DataLoader, IterableDataset
class Counted(list):
    asked = 0
    def __getitem__(self, index):
        self.asked += 1
        return super().__getitem__(index)
class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(8))
prepare = Accelerator().prepare
items = Counted(range(8))
iterator = iter(prepare(DataLoader(items, batch_size=2)))
next(iterator)
assert items.asked == 4, items.asked
kept = {"num_workers": 2, "prefetch_factor": 5, "persistent_workers": True, "in_order": False}
prepared = prepare(DataLoader(items, **kept))
assert {name: getattr(prepared, name) for name in kept} == kept
assert isinstance(prepare(DataLoader(Stream(), batch_size=2)), DataLoaderDispatcher)
apart = Accelerator(dataloader_config=DataLoaderConfiguration(dispatch_batches=False))
assert not isinstance(apart.prepare(DataLoader(Stream(), batch_size=2)), DataLoaderDispatcher)
assert DataLoaderConfiguration().even_batches
""",
}


@pytest.mark.parametrize("framework", FACTS)
def test_what_the_page_says_of_a_framework_holds(framework: str, tmp_path: Path) -> None:
    python(tmp_path, "-c", FACTS[framework])


def test_the_page_names_the_versions_that_are_tested() -> None:
    page = (PROJECT.root / "docs" / "in-your-framework.md").read_text(encoding="utf-8")
    pinned = "".join(
        (PROJECT.root / name).read_text(encoding="utf-8")
        for name in ("constraints-peers.txt", "constraints.txt")
    )
    [row] = re.findall(r"^\| tested with \|(.*)\|$", page, re.MULTILINE)
    packages = ("lightning", "transformers", "accelerate", "torch")
    versions = [each.strip().removeprefix("torch ") for each in row.split("|")]
    assert [
        f"\n{package}=={version}\n" in pinned for package, version in zip(packages, versions, strict=True)
    ] == [True] * 4
