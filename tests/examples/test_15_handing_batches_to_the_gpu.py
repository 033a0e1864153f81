"""What the words for GPUs do. Without one, a stand-in for CUDA does nothing and says how it was asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from spritedocs.machine import NotHere

NAME = "15_handing_batches_to_the_gpu"


@pytest.fixture
def on_the_cpu(script, monkeypatch) -> Iterator[None]:
    """Has the script take the CPU for its GPU, and all memory for pinned."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
    ones, to = torch.ones, torch.Tensor.to
    monkeypatch.setattr(torch, "ones", lambda *sizes, device="cpu", **more: ones(*sizes, **more))
    there = script["timed_copy"].__globals__
    monkeypatch.setitem(there, "free", lambda batch: to(batch, "cpu", copy=True))
    monkeypatch.setitem(there, "Prefetcher", lambda batches, device: list(batches))
    monkeypatch.setitem(there, "PICTURES", 0.01)
    yield
    for name in ("two_kinds", "places", "like_a_copy"):
        script[name].cache_clear()


class Asked:
    """A batch that says how it was copied."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def pin_memory(self) -> Asked:
        return Asked(f"{self.kind}, just pinned")

    def to(self, device: str, non_blocking: bool = False) -> tuple[str, str, bool]:
        return self.kind, device, non_blocking


def test_every_way_pins_and_waits_only_as_it_says(script, monkeypatch) -> None:
    told = script["free"].keywords
    monkeypatch.setitem(script["timed_copy"].__globals__, "free", lambda batch: batch.to(**told))
    asked = {name: way(Asked("plain"), Asked("pinned")) for name, way in script["WAYS"].items()}
    assert asked == {
        "pageable": ("plain", "cuda", False),
        "pageable_nb": ("plain", "cuda", True),
        "pinned": ("pinned", "cuda", False),
        "pinned_nb": ("pinned", "cuda", True),
        "pin_first": ("plain, just pinned", "cuda", True),
    }


@pytest.mark.usefixtures("on_the_cpu")
def test_a_copy_is_done_no_sooner_than_the_host_goes_on_and_its_rate_is_by_that(script) -> None:
    found = script["timed_copy"](lambda plain, pinned: plain.clone(), 2)
    assert 0 < found["host_ms"] <= found["done_ms"]
    assert found["gb_per_s"] == 2 / found["done_ms"]  # MB a millisecond are GB a second


@pytest.mark.usefixtures("on_the_cpu")
def test_the_step_is_about_as_long_as_a_copy_and_runs_on_every_batch(script, monkeypatch) -> None:
    took = {("gpu", 1): 0.5, ("pinned", 0): 2.1}
    there = script["like_a_copy"].__wrapped__.__globals__
    ms_per_batch = script["ms_per_batch"]
    monkeypatch.setitem(there, "ms_per_batch", lambda place, products: took[place, products])
    assert script["like_a_copy"]() == 4
    products = []
    monkeypatch.setattr(torch, "mm", lambda left, right: products.append(1))
    for place in ("gpu", "pinned", "side stream"):
        assert ms_per_batch(place, 3) > 0
    assert len(products) == 3 * 20 * 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_without_cuda_nothing_is_measured(script) -> None:
    for ask in (lambda: script["timed_copy"](script["WAYS"]["pinned"], 1), script["places"]):
        with pytest.raises(NotHere, match="This needs CUDA, but"):
            ask()
