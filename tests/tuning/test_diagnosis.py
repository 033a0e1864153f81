"""The diagnosis: what is planted is named, whatever the noise, and every remedy leads to a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from running import PROJECT

from spritedocs.model import Costs, Settings, predict
from spritedocs.tuning.diagnosis import DIAGNOSES, Remedy, Situation, diagnose
from spritedocs.tuning.remedies import _CURES
from spritedocs.tuning.situations import computing_half, faster

MS = 0.001
NONE, TWO_KEPT = Settings(), Settings(2, 2, persistent_workers=True)
CANDIDATES = [NONE, *(Settings(number, 2, persistent_workers=True) for number in (1, 2, 3, 4, 6, 8))]
EMPTY_HANDOVER_S = 1.2 * MS

# What a machine of two cores was measured to take, about: 0.6 ms each to send and to receive a small batch.
HERE = {
    "collate_s": 0.05 * MS,
    "send_s": 0.6 * MS,
    "receive_s": 0.5 * MS,
    "latency_s": 0.1 * MS,
    "main_s": 0.02 * MS,
    "start_s": 8 * MS,
    "boot_s": 20 * MS,
    "resume_s": 0.5 * MS,
    "stop_s": 4 * MS,
    "cores": 2.0,
}
MANY_TENSORS = {"collate_s": 1.0 * MS, "send_s": 12 * MS, "receive_s": 8 * MS, "latency_s": 2 * MS}


def costs(waiting_ms: float = 0.0, computing_ms: float = 0.0, **others: Any) -> Costs:
    """Items that wait and compute so many milliseconds; ``slow_ms`` for one of them."""
    slow_ms, batch_size = others.pop("slow_ms", 0.0), others.pop("batch_size", 4)
    # Real items are never quite alike.
    near = [1 + 0.02 * (number % 5 - 2) for number in range(64)]
    item_s = [(waiting_ms + computing_ms) * MS * each for each in near]
    cpu_s = [computing_ms * MS * each for each in near]
    if slow_ms:
        item_s[32] = slow_ms * MS
        cpu_s[32] = item_s[32] * computing_ms / (waiting_ms + computing_ms)
    return Costs(tuple(item_s), tuple(cpu_s), batch_size, **{**HERE, **others})


def found(
    loading: Costs,
    present: Settings = NONE,
    batches: int = 32,
    step_ms: float = 0.0,
    most_workers: int = 8,
    logical_cores: int = 2,
    **others: Any,
) -> Situation:
    """What a tuner would find out: the smallest number of helpers within 3% of the best, and its gain."""

    def rate(tried: Settings) -> float:
        return predict(loading, tried, batches, step_ms * MS).items_per_s

    rates = {tried: rate(tried) for tried in CANDIDATES if tried.num_workers <= most_workers}
    recommended = next(tried for tried in rates if rates[tried] >= 0.97 * max(rates.values()))
    gain = 1.0 if recommended == present else rates[recommended] / rate(present)
    now = predict(loading, present, batches, step_ms * MS)
    return Situation(
        costs=loading,
        present=present,
        recommended=recommended,
        batches=batches,
        step_s=step_ms * MS,
        step_cpu_share=0.0,
        wait_share_present=now.wait_s / now.epoch_s,
        gain=(gain * 0.98, gain, gain * 1.02),
        limited_by_memory=most_workers < 8,
        logical_cores=logical_cores,
        empty_handover_s=EMPTY_HANDOVER_S,
        **others,
    )


Plant = Callable[[Callable[[Costs], Costs]], Situation]


def plant(loading: Costs, *where: Any, **more: Any) -> Plant:
    """A situation whose costs are first changed by what the plant is called with."""
    return lambda disturbed: found(disturbed(loading), *where, **more)


PLANTED: dict[str, tuple[str, Plant]] = {
    "items wait": ("waiting", plant(costs(3.0, 0.05))),
    "items wait, the step takes as long": ("waiting", plant(costs(3.0, 0.05), step_ms=12)),
    "items wait on one core": ("waiting", plant(costs(3.0, 0.05, cores=1.0))),
    "items wait more than they compute": ("waiting", plant(costs(2.4, 0.4))),
    "items wait, two helpers": ("waiting", plant(costs(3.0, 0.05), TWO_KEPT)),
    "a stream lists its files first": ("epoch-start", plant(costs(3.0, 0.05), epoch_start_s=0.1)),
    "eight helpers take turns at a lock": ("contention", plant(costs(3.0, 0.05), contended=True)),
    "items compute": ("cpu", plant(costs(0, 1.5))),
    "items compute beside a step": ("cpu", plant(costs(0, 1.5), step_ms=2)),
    "items compute in one helper": ("cpu", plant(costs(0, 1.5), TWO_KEPT._replace(num_workers=1))),
    "items compute on three cores of six": ("cpu", plant(costs(0, 1.5, cores=3.0), logical_cores=6)),
    "items hold the lock": ("gil", plant(costs(0, 1.5, gil_share=0.9))),
    "many tensors, two helpers": ("handover", plant(costs(0, 0.2, batch_size=8, **MANY_TENSORS), TWO_KEPT)),
    "many tensors beside a step": (
        "handover",
        plant(costs(0, 0.2, batch_size=8, **MANY_TENSORS), TWO_KEPT, step_ms=2),
    ),
    "many tensors, hardly any gain": ("handover", plant(costs(0, 7.5, **MANY_TENSORS))),
    "large batches, two helpers": ("handover", plant(costs(0, 0.05, send_s=7 * MS, receive_s=MS), TWO_KEPT)),
    "short epochs that wait": ("startup", plant(costs(3.0, 0.05), Settings(4), 16)),
    "short epochs that compute": ("startup", plant(costs(0, 1.0), Settings(2), 16)),
    "short epochs of next to nothing": ("startup", plant(costs(0, 0.005), Settings(4), 16)),
    "one sample waits long": ("slow-sample", plant(costs(1.0, 0.05, slow_ms=200))),
    "one sample computes long": ("slow-sample", plant(costs(0, 1.0, slow_ms=200))),
    "one sample is slow, with two helpers": ("slow-sample", plant(costs(1.0, 0.05, slow_ms=200), TWO_KEPT)),
    "the step takes all the time": ("consumer", plant(costs(0, 0.25), TWO_KEPT, step_ms=50)),
    "the step takes nearly all the time": ("consumer", plant(costs(0, 0.25), TWO_KEPT, step_ms=10)),
    "two helpers fit": ("memory", plant(costs(3.0, 0.05), most_workers=2)),
    "no helper fits": ("memory", plant(costs(3.0, 0.05), most_workers=0)),
    "one core of two": ("cores", plant(costs(0, 1.5, cores=1.0))),
    "one core of two beside a step": ("cores", plant(costs(0, 1.5, cores=1.0), step_ms=3)),
    "one core of one": ("cores", plant(costs(0, 1.5, cores=1.0), logical_cores=1)),
    "two cores of sixteen": ("cores", plant(costs(0, 1.5), logical_cores=16)),
    "tiny items": ("nothing-to-gain", plant(costs(0, 0.005, batch_size=32))),
    "next to nothing, handed over in turns": (
        "nothing-to-gain",
        plant(costs(0, 0.005, batch_size=32), contended=True),
    ),
    "a sampler shuffles for a moment": (
        "nothing-to-gain",
        plant(costs(0, 0.005, batch_size=32), epoch_start_s=0.01),
    ),
    "tiny items and four helpers": ("nothing-to-gain", plant(costs(0, 0.005), CANDIDATES[4])),
    "two small tensors, two helpers": (
        "nothing-to-gain",
        plant(costs(0, 0.05, send_s=1.2 * MS, receive_s=1.0 * MS), TWO_KEPT),
    ),
    "large batches, no helpers": ("nothing-to-gain", plant(costs(0, 0.05, send_s=7 * MS, receive_s=MS))),
    "as many helpers as cores": ("nothing-to-gain", plant(costs(0, 1.5), TWO_KEPT)),
}

BORDERLINE = {"many tensors, hardly any gain"}
"""With 20% less or more to hand over, it is a clear gain, or none."""


@cache
def remedies_for(case: str) -> tuple[Remedy, ...]:
    return diagnose(PLANTED[case][1](lambda loading: loading))[1]


def test_every_diagnosis_is_planted() -> None:
    assert {name for name, _ in PLANTED.values()} == set(DIAGNOSES)


@pytest.mark.parametrize("case", PLANTED)
def test_what_is_planted_is_named(case: str) -> None:
    name, planted = PLANTED[case]
    assert diagnose(planted(lambda loading: loading))[0] == name


# Not to be shrunk, which would take minutes: the case and its noise are told as they were drawn.
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.data())
def test_noise_in_all_costs_does_not_change_the_name(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(sorted(set(PLANTED) - BORDERLINE)))
    name, planted = PLANTED[case]
    noise = st.floats(0.8, 1.2)

    def disturbed(loading: Costs) -> Costs:
        items = data.draw(noise)
        scalars = {field.name for field in fields(Costs)} - {"item_s", "item_cpu_s", "batch_size", "cores"}
        return replace(
            loading,
            item_s=tuple(whole * items for whole in loading.item_s),
            item_cpu_s=tuple(cpu * items for cpu in loading.item_cpu_s),
            **{each: getattr(loading, each) * data.draw(noise) for each in scalars - {"gil_share"}},
        )

    assert diagnose(planted(disturbed))[0] == name


@pytest.mark.parametrize("case", PLANTED)
def test_remedies_are_sentences_that_win_something(case: str) -> None:
    remedies = remedies_for(case)
    assert len({remedy.says for remedy in remedies}) == len(remedies)
    for remedy in remedies:
        assert re.fullmatch(r"[A-Z].*[^.]\.", remedy.says)
        assert remedy.gain is None or remedy.gain >= (1.03 if remedy is remedies[0] else 1.05)


def test_a_remedy_that_wins_next_to_nothing_is_not_told() -> None:
    """Sixteen helpers keep up with the step: half the computing would win a few percent, read as 1×."""
    sixteen = Settings(16, 2, persistent_workers=True)
    loading = costs(0, 10.0, batch_size=32, cores=16.0)
    situation = replace(
        found(loading, batches=200, step_ms=20.5, logical_cores=16),
        recommended=sixteen,
        gain=(14.0, 15.0, 16.0),
    )
    assert 1.03 <= faster(situation, computing_half) < 1.05
    name, remedies = diagnose(situation)
    assert name == "cpu"
    assert [remedy.says for remedy in remedies if "half" in remedy.says] == []


@pytest.mark.parametrize(
    ("gain", "wait_share", "name"),
    [(1.0, 0.19, "consumer"), (1.0, 0.21, "nothing-to-gain"), (1.2, 0.04, "consumer"), (1.2, 0.06, "cpu")],
)
def test_a_step_is_the_bottleneck_where_it_takes_most_of_the_time(
    gain: float, wait_share: float, name: str
) -> None:
    situation = PLANTED["items compute beside a step"][1](lambda loading: loading)
    gains = (gain * 0.99, gain, gain * 1.01)
    assert diagnose(replace(situation, gain=gains, wait_share_present=wait_share))[0] == name


def test_every_remedy_leads_to_an_anchor_of_a_page() -> None:
    told = {remedy.page for case in PLANTED for remedy in remedies_for(case)}
    for page in told | {cure.page for cures in _CURES.values() for cure in cures}:
        path, anchor = page.split("/#")
        assert f"{{ #{anchor} }}" in (PROJECT.root / f"docs/{path}.md").read_text(encoding="utf-8")


def test_an_epoch_of_unknown_length_is_long() -> None:
    """Neither starting workers nor a list of files takes much of it."""
    starting = PLANTED["short epochs that wait"][1](lambda loading: loading)
    assert diagnose(replace(starting, batches=None))[0] == "waiting"
    listing = PLANTED["a stream lists its files first"][1](lambda loading: loading)
    assert diagnose(replace(listing, batches=None))[0] == "waiting"


@pytest.mark.parametrize(("streams", "says"), [(True, "list files in __init__"), (False, "Let the sampler")])
def test_a_start_of_each_epoch_is_cured_where_it_comes_from(streams: bool, says: str) -> None:
    situation = PLANTED["a stream lists its files first"][1](lambda loading: loading)
    found = diagnose(replace(situation, is_streaming=streams))[1]
    assert [says in remedy.says for remedy in found[:2]] == [False, True]
    assert (found[1].gain or 0) > 1.1


def test_who_fetches_whole_batches_is_not_told_to() -> None:
    situation = PLANTED["tiny items"][1](lambda loading: loading)
    for has, word in ((False, "__getitems__"), (True, "make batches larger")):
        said = [remedy.says for remedy in diagnose(replace(situation, loads_whole_batches=has))[1]]
        assert word in said[-1]


def told(case: str) -> dict[str, float | None]:
    return {remedy.says: remedy.gain for remedy in remedies_for(case)}


def gain_of(case: str, word: str) -> float | None:
    return next((gain for says, gain in told(case).items() if word in says), None)


def test_the_settings_come_first() -> None:
    situation = PLANTED["items wait"][1](lambda loading: loading)
    first = diagnose(situation)[1][0]
    assert first.says == "Use num_workers=8, prefetch_factor=2, persistent_workers=True."
    assert first.gain == situation.gain[1]


def test_where_nothing_is_to_be_gained_nothing_is_to_be_done() -> None:
    assert next(iter(told("tiny items"))) == "Leave num_workers at 0: no others were faster."
    assert next(iter(told("as many helpers as cores"))) == "Leave num_workers at 2: no others were faster."
    assert next(iter(told("tiny items and four helpers"))) == "Use num_workers=0."
    assert len(told("tiny items")) == 2
    assert next(iter(told("the step takes all the time"))).startswith("Use num_workers=0: fewer workers")


def test_a_remedy_for_a_cured_bottleneck_is_not_told() -> None:
    """With helpers the step is the longer part: items that wait less would win next to nothing."""
    assert (gain_of("items wait, the step takes as long", "Bring the data nearer") or 1) < 1.1
    assert (gain_of("items wait", "Bring the data nearer") or 1) > 1.1


def test_gains_are_those_of_the_changed_world() -> None:
    assert gain_of("as many helpers as cores", "half") == pytest.approx(2, rel=0.2)
    assert gain_of("one core of two", "more cores") == pytest.approx(2, rel=0.2)
    assert gain_of("the step takes all the time", "half its time") == pytest.approx(2, rel=0.1)
    assert (gain_of("no helper fits", "more workers") or 0) > 2
    assert (gain_of("one sample waits long", "as fast as the others") or 0) > 2


def test_large_machines_are_compared_with_what_is_recommended() -> None:
    """Not with an epoch without helpers, however many are recommended."""
    many = Settings(24, 2, persistent_workers=True)
    situation = replace(PLANTED["items wait"][1](lambda loading: loading), recommended=many, batches=1000)
    assert situation.best_s() <= situation.epoch_s(many)


def test_an_uncertain_gain_is_none() -> None:
    situation = PLANTED["items wait"][1](lambda loading: loading)
    unsure = replace(situation, gain=(0.9, 1.2, 1.5))
    assert diagnose(unsure)[0] == "nothing-to-gain"


def test_long_epochs_are_not_played_to_their_end() -> None:
    """A thousand equal batches take as long as the model says, though only some were played."""
    situation = replace(PLANTED["items wait"][1](lambda loading: loading), batches=1000)
    played = predict(situation.costs, situation.recommended, 1000).epoch_s
    assert situation.epoch_s(situation.recommended) == pytest.approx(played, rel=0.01)


def test_long_epochs_of_many_helpers_are_played_by_whole_rounds() -> None:
    """Batches of up to 100 helpers come at once: fewer of them do not show the pace."""
    loading = costs(30.0, 0.05, cores=64.0)
    situation = replace(found(loading, logical_cores=64), batches=1200)
    for number in (48, 150):
        helpers = Settings(number, 2, persistent_workers=True)
        played = predict(loading, helpers, 1200).epoch_s
        assert situation.epoch_s(helpers) == pytest.approx(played, rel=0.05)


def test_a_loader_that_lets_batches_overtake_is_not_told_to() -> None:
    in_order = PLANTED["one sample is slow, with two helpers"][1](lambda loading: loading)
    assert any("in_order=False" in remedy.says for remedy in diagnose(in_order)[1])
    overtaking = replace(in_order, in_order=False)
    assert overtaking.epoch_s(TWO_KEPT) < in_order.epoch_s(TWO_KEPT)
    assert not any("in_order=False" in remedy.says for remedy in diagnose(overtaking)[1])
