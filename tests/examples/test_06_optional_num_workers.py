"""The guide's script: what its page says must be visible in what it prints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from running import Run

from spritedocs.report import Measurement

NAME = "06_optional_num_workers"


def test_an_item_says_who_fetched_it(script) -> None:
    image, family, fetched_by = script["SlowSprites"](3)[1]
    assert (image.shape, type(family), fetched_by) == ((4, 16, 16), int, -1)


def test_the_two_loaders_differ_in_their_helpers_only(script) -> None:
    alone, helped = script["make_loader"](0), script["make_loader"](4)
    assert (alone.num_workers, helped.num_workers, helped.persistent_workers) == (0, 4, True)
    assert alone.batch_size == helped.batch_size
    assert len(alone) == len(helped) == 16


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.usefixtures("forks")
def test_helpers_take_turns_and_the_main_process_fetches_nothing(script) -> None:
    assert script["who_fetched"](script["make_loader"](0)) == [-1] * 16
    assert script["who_fetched"](script["make_loader"](4)) == [0, 1, 2, 3] * 4


def test_it_measures_what_the_guide_quotes(
    run_once: Callable[[str], Run], values_of: Callable[[str], dict[str, Measurement]]
) -> None:
    done = run_once(NAME)
    names = {"first_epoch_s_0", "first_epoch_s_4", "epoch_s_0", "epoch_s_4", "speedup_4", "startup_s_4"}
    assert set(done.values) >= names
    assert "Batches loaded by each process" in done.printed
    # Of the published run: on a busy machine four sleepers may gain nothing.
    assert values_of(NAME)["speedup_4"].median > 1.5
