"""A watched loader passes for the one that it wraps, also with those who make loaders anew."""

from __future__ import annotations

import copy
import inspect
import pickle
from types import GeneratorType

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from spritedocs.timeline import traced
from spritedocs.tuning.variants import Variants
from spritedocs.watching import watch, watches

SPRITES = TensorDataset(torch.arange(12.0))


class Flavoured(DataLoader):
    """A loader with an argument of its own."""

    def __init__(self, dataset, flavour, **kwargs):
        super().__init__(dataset, **kwargs)
        self.flavour, self.epoch = flavour, 0

    def set_epoch(self, epoch):
        self.epoch = epoch


def flavoured(**kwargs):
    return Flavoured(SPRITES, "sour", batch_size=4, **kwargs)


def test_attributes_are_read_and_written_in_the_loader():
    loader = flavoured(sampler=DistributedSampler(SPRITES, 2, 0))
    watched = watch(loader)
    assert isinstance(watched, Flavoured)
    assert isinstance(watched, DataLoader)
    assert not isinstance(watched, GeneratorType)
    assert len(watched) == len(loader) == 2
    assert watched.dataset is SPRITES
    assert watched.batch_sampler is loader.batch_sampler
    assert vars(watched) is vars(loader)
    watched.set_epoch(3)
    watched.sampler.set_epoch(4)
    watched.flavour = "sweet"
    assert (loader.epoch, loader.sampler.epoch, loader.flavour) == (3, 4, "sweet")
    del watched.flavour
    assert not hasattr(loader, "flavour")
    with pytest.raises(ValueError, match="dataset attribute should not be set after Flavoured"):
        watched.dataset = []


def test_what_has_no_length_has_none():
    watched = watch(iter([1]))
    assert watched
    with pytest.raises(TypeError, match="has no len"):
        len(watched)


def test_what_is_watched_already_is_left_as_it_is():
    watched = watch(flavoured())
    assert watch(watched) is watched


def test_batches_are_those_of_the_loader():
    loader = DataLoader(SPRITES, 4, shuffle=True)
    torch.manual_seed(13)
    plain = [batch[0].tolist() for batch in loader]
    torch.manual_seed(13)
    assert [batch[0].tolist() for batch in watch(loader)] == plain


def test_an_iterator_is_the_loader_s_but_for_its_epoch():
    batches = iter(watch(flavoured()))
    assert iter(batches) is batches
    assert len(batches) == 3
    assert batches._num_yielded == 0
    next(batches)
    assert batches._num_yielded == 1
    assert not hasattr(batches, "flavour")
    assert isinstance(batches, type(iter(flavoured())))
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        copy.copy(batches)
    assert list(copy.copy(iter(watch([1, 2])))) == [1, 2]


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda watched: pickle.loads(pickle.dumps(watched))]
)
def test_a_copy_is_watched_under_the_same_name(again):
    watched = watch(flavoured(), name="training", replay=2)
    twin = again(watched)
    assert isinstance(twin, Flavoured)
    assert twin.flavour == "sour"
    assert len(list(twin)) == 3
    assert len(list(again(twin))) == 3
    assert [(found.name, len(found.epochs)) for found in watches.WATCHES] == [
        ("training", 0),
        ("training #2", 1),
        ("training #3", 1),
    ]


def test_who_makes_a_loader_anew_by_its_class_has_it_watched():
    """As Lightning does, to put a distributed sampler in: ``lightning_fabric.utilities.data``."""
    watched = watch(flavoured(), name="training")
    names = set(inspect.signature(watched.__init__).parameters)
    assert names == {"dataset", "flavour", "kwargs"}
    arguments = {name: value for name, value in vars(watched).items() if name in names}
    anew = type(watched)(**arguments, batch_size=4, sampler=DistributedSampler(SPRITES, 2, 0))
    assert type(anew).__name__ == "Flavoured"
    assert isinstance(anew, Flavoured)
    assert anew.flavour == "sour"
    assert len(list(anew)) == 2
    assert [(found.name, len(found.epochs)) for found in watches.WATCHES] == [("training", 1)]
    del watched
    watch(flavoured(), name="training")
    assert [found.name for found in watches.WATCHES] == ["training", "training #2"]


def test_who_takes_a_loader_apart_is_told_to_take_the_loader_itself():
    with pytest.raises(TypeError, match=r"is watched.*: give the loader itself, not what watch"):
        traced(watch(flavoured()))


@pytest.mark.parametrize("epochs", [0, 1])
def test_the_tuner_takes_the_loader_itself_and_is_not_told_to_iterate_over_it(said, epochs):
    watched = watch(loader := flavoured(), name="training")
    for _ in range(epochs):
        list(watched)
    assert Variants.of(watched).loader is loader
    watches._close()
    assert bool(said()) == bool(epochs)


def test_who_wraps_a_loader_s_parts_loses_the_watch_and_is_told(said):
    """As Accelerate does: ``prepare()`` makes a loader of its own from the attributes of another."""
    watched = watch(flavoured(), name="training")
    prepared = DataLoader(watched.dataset, batch_sampler=watched.batch_sampler)
    assert len(list(prepared)) == 3
    watches._close()
    assert said() == [
        "training was never iterated over. If a framework made another loader of it, watch that one."
    ]
