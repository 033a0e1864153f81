"""Two ways to ask: they give the same, in another number of requests."""

from __future__ import annotations

import pytest
import torch

NAME = "$name"


@pytest.mark.parametrize(
    ("kind", "requests"),
    [("ItemRequests", 64), ("BatchRequests", 8)],
)
def test_a_dataset_makes_its_requests(script, kind, requests) -> None:
    loader = script["make_loader"](script[kind])
    images = torch.cat([images for images, _ in loader])
    assert loader.dataset.requests == requests
    assert torch.equal(images, loader.dataset.sprites.images)


def test_it_measures_what_its_page_quotes(run_once) -> None:
    wanted = {"epoch_s_items", "epoch_s_batches", "speedup_batches"}
    assert wanted <= set(run_once(NAME).values)
