"""Finding the reader's dataset by its name, and a sentence where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spritedocs.target import Target, TargetError
from spritedocs.target.loading import load, load_step
from spritedocs.target.their_errors import TheirError

MINE = """\
from torch.utils.data import ChainDataset, DataLoader, Dataset, IterableDataset, Subset

class Sprites(Dataset):
    def __init__(self, count=3):
        self.count = count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        return index
    @classmethod
    def few(cls):
        return cls(2)

class Named(Sprites):
    def __init__(self, folder):
        super().__init__()

class Miscounted(Sprites):
    def __len__(self):
        raise OSError("no folder")

class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))

class Uncounted(Stream):
    def __len__(self):
        raise NotImplementedError

class Broken(Stream):
    def __len__(self):
        raise OSError("no folder")

def make_chain():
    return ChainDataset([Stream(), Stream()])

def make_sprites():
    return Sprites()

def make_loader():
    return DataLoader(Sprites(), batch_size=3)

def make_nothing():
    pass

def make_empty_part():
    return Subset(SPRITES, [])

def make_empty():
    return DataLoader(Sprites(0), batch_sampler=[])

def make_one_by_one():
    yield 1

def fail():
    raise RuntimeError("sprite 13 is cursed")

def leave():
    raise SystemExit(3)

def train(batch):
    pass

def train_on(batch, labels):
    pass

SPRITES = Sprites()
LOADER = DataLoader(SPRITES)
SIZE = 16
"""

Put = Callable[[str, str], Path]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Writes a file below the current folder; what is imported from there is forgotten afterwards."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def mine(put: Put) -> Path:
    return put("mine.py", MINE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("make_sprites", "Sprites"),
        ("Sprites", "Sprites"),
        ("Sprites.few", "Sprites"),
        ("Stream", "Stream"),
        ("SPRITES", "Sprites"),
        ("make_loader", "DataLoader"),
        ("LOADER", "DataLoader"),
        ("make_chain", "ChainDataset"),
        ("Uncounted", "Uncounted"),
        ("Broken", "Broken"),  # a stream loads without a length
    ],
)
def test_a_dataset_or_a_loader_is_called_for_or_taken_as_it_is(mine: Path, name: str, kind: str) -> None:
    for target in (f"mine.py:{name}", f"{mine}:{name}", f"mine:{name}"):
        assert type(load(target)).__name__ == kind
    assert sorted(path.name for path in mine.parent.iterdir()) == ["mine.py"]


def test_a_class_of_a_file_belongs_to_a_module_that_a_worker_can_import(put: Put) -> None:
    put("sprites/01-mine.py", "from utilities import Sprites\n")
    put("sprites/utilities.py", MINE)
    made = load("sprites/01-mine.py:Sprites")
    assert type(made).__module__ == "utilities"
    assert sys.modules["01-mine"].Sprites is type(made)
    assert Path(sys.path[0]) == Path("sprites").resolve()


def test_a_file_of_a_package_is_imported_as_its_module(put: Put) -> None:
    put("outer/sprites_pack/__init__.py", "")
    put("outer/sprites_pack/inner/__init__.py", "from .data import Sprites as Own\n")
    put("outer/sprites_pack/inner/data.py", "from ..base import Sprites\nfrom beside import NUMBER\n")
    put("outer/sprites_pack/inner/beside.py", "NUMBER = 7\n")
    put("outer/sprites_pack/base.py", MINE)
    assert type(load("outer/sprites_pack/inner/data.py:Sprites")).__module__ == "sprites_pack.base"
    assert type(load("outer/sprites_pack/inner/__init__.py:Own")).__module__ == "sprites_pack.base"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("mine.py", "'mine.py' does not say what to call there: write it as mine.py:Sprites."),
        ("mine.py:", "write it as mine.py:Sprites."),
        ("mine.py:make()", "write it as mine.py:Sprites."),
        ("mine.py:Sprites:few", "write it as path/to/file.py:callable or module:callable."),
        (r"C:\sprites\mine.py", "does not say what to call there"),
        ("mien.py:Sprites", "There is no file mien.py: did you mean mine.py?"),
        ("zebra.py:Sprites", "There is no file zebra.py: that folder has mine.py."),
        ("nowhere/mine.py:Sprites", "There is no folder nowhere: a path starts at "),
        ("./:Sprites", " is a folder: name a Python file in it"),
        ("notes.ipynb:Sprites", "notes.ipynb is a notebook, which workers cannot import"),
        ("./notes.txt:Sprites", "notes.txt cannot be imported under that name"),
        ("two.words.py:Sprites", "two.words.py cannot be imported under that name"),
        ("mine.py:make_sprite", "mine.py has no make_sprite: did you mean make_sprites?"),
        ("mine.py:zebra", "mine.py has no zebra: it has Broken, Miscounted, Named, SPRITES, Sprites, …."),
        ("mine.py:Sprites.few_", "mine.py has no Sprites.few_: did you mean few?"),
        ("mine.py:SIZE.real_", "mine.py has no SIZE.real_."),
        ("no_such_module:Sprites", "There is no module no_such_module in "),
        ("spritedocs.dataset:Sprites", "did you mean spritedocs.datasets or "),
        ("json.py:load", "json.py cannot be imported, since 'json' is already "),
        ("__main__.py:load", "__main__.py cannot be imported, since '__main__' is already "),
        ("both.py:load", "both.py cannot be imported, since 'both' is already "),
        ("mine.py:SIZE", "mine.py:SIZE is an int, and no dataset"),
        (
            "mine.py:Named",
            "mine.py:Named is called without arguments: missing a required argument 'folder'; name",
        ),
        ("mine.py:make_nothing", "mine.py:make_nothing gives None: let it return the dataset."),
        ("mine.py:make_one_by_one", "gives a generator, which can be gone through only once"),
        ("mine.py:make_empty_part", "What mine.py:make_empty_part gives has no items"),
        ("mine.py:make_empty", "What mine.py:make_empty gives has no items, its length is 0"),
        ("torch.nn:Identity", "torch.nn:Identity gives an Identity, and no dataset"),
    ],
)
def test_what_is_misused_is_told_in_a_sentence(put: Put, mine: Path, target: str, sentence: str) -> None:
    put("both/__init__.py", "")
    name = target.partition(":")[0]
    if name in ("json.py", "__main__.py", "both.py", "two.words.py", "./notes.txt", "notes.ipynb"):
        put(name, "")
    with pytest.raises(TargetError) as caught:
        load(target)
    said = str(caught.value)
    assert sentence in said
    assert "\n" not in said
    assert said.endswith((".", "?"))


@pytest.mark.parametrize(
    ("text", "target", "sentence"),
    [
        (MINE, "mine.py:fail", "Calling mine.py:fail failed with RuntimeError: sprite 13 is cursed. Mend"),
        (MINE, "mine.py:leave", "Calling mine.py:leave ended Python, with sys.exit(3): keep what"),
        (
            MINE,
            "mine.py:Miscounted",
            "The __len__ of what mine.py:Miscounted gives failed with OSError: no folder.",
        ),
        (
            "import no_such_module",
            "mine.py:a",
            "Importing mine.py needs 'no_such_module', which is not installed in",
        ),
        (
            "import no_such_module",
            "mine:a",
            "Importing mine needs 'no_such_module', which is not installed in",
        ),
        ("from . import utilities", "mine.py:a", "name the module, as in package.module:callable"),
        ("def (", "mine.py:a", "Importing mine.py failed with SyntaxError: "),
        (
            "import sys; sys.exit()",
            "mine.py:a",
            "Importing mine.py ended Python, with sys.exit(None): keep what",
        ),
    ],
)
def test_what_their_code_raises_is_its_cause(put: Put, text: str, target: str, sentence: str) -> None:
    put("mine.py", text)
    with pytest.raises(TheirError) as caught:
        load(target)
    assert str(caught.value).startswith(sentence) or sentence in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_step_is_what_can_be_called_with_a_batch(mine: Path) -> None:
    assert load_step("mine.py:train")([1]) is None
    for name, why in [
        ("train_on", "missing a required argument 'labels'"),
        ("make_sprites", "too many positional arguments"),
        ("Sprites", "is a class: name a function"),
        ("SIZE", "is an int: name a function"),
        ("trian", "did you mean train?"),
    ]:
        with pytest.raises(TargetError, match=why):
            load_step(f"mine.py:{name}")


def test_the_file_of_a_target_is_looked_for_without_running_it(put: Put) -> None:
    put("mine.py", "1 / 0\ndef make(): pass\n")
    assert Target.parse("mine.py:make") == Target("mine.py", "make")
    with pytest.raises(TargetError, match=r"write it as mine\.py:make"):
        Target.parse("mine.py")
