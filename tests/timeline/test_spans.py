"""Timelines made by hand: shares, windows, and the trace that a viewer opens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spritedocs.timeline import Span, Timeline, merged_trace

CLOCK = "clock_gettime(CLOCK_MONOTONIC)"


def timeline(spans, wall_s=10.0, device="cpu", workers=0):
    batches = len({span.batch for span in spans if span.kind == "compute"})
    return Timeline(tuple(spans), wall_s, CLOCK, device, batches, workers)


ALONE = timeline(
    [
        Span("main", "wait", 0, 4, 0),
        Span("main", "load", 1, 3, 0),
        Span("main", "collate", 3, 3.5, 0),
        Span("main", "copy", 4, 4.5, 0),
        Span("main", "compute", 4.5, 7, 0),
        Span("main", "wait", 7, 8, 1),
    ]
)
HELPED = timeline(
    [
        Span("main", "wait", 0, 2, 0),
        Span("helper 1", "load", 0.5, 1, 0),
        Span("helper 1", "collate", 1, 1.5, 0),
        Span("helper 0", "load", 0.5, 2.5, 1),
        Span("main", "compute", 2, 2.5, 0),
        Span("device", "copy", 2, 3, 0),
        Span("main", "wait", 2.5, 2.75, 1),
        Span("helper 0", "collate", 2.5, 2.75, 1),
        Span("main", "compute", 2.75, 3, 1),
        Span("device", "compute", 3, 6, 0),
        Span("device", "compute", 6, 9, 1),
    ],
    device="cuda:0",
    workers=3,
)


def test_lanes_are_in_order_and_idle_ones_are_among_them():
    assert ALONE.lanes == ("main",)
    assert HELPED.lanes == ("helper 0", "helper 1", "helper 2", "main", "device")
    assert timeline([Span("helper 1", "load", 0, 1, 0)]).lanes == ("helper 0", "helper 1", "main")


def test_what_overlaps_is_busy_once():
    assert ALONE.busy_s("main") == 8
    assert ALONE.busy_s("main", "wait") == 5
    assert ALONE.busy_s("main", "wait", "load") == 5
    assert ALONE.busy_s("main", "load", "collate") == 2.5
    assert ALONE.busy_s("main", "flying") == 0
    assert HELPED.busy_s("helper 2") == 0
    with pytest.raises(ValueError, match="no lane 'helper 7': choose one of main"):
        ALONE.busy_s("helper 7")


def test_utilisation_is_what_the_accelerator_computes_or_without_one_the_main_process():
    assert HELPED.utilisation == pytest.approx(0.6)
    assert ALONE.utilisation == pytest.approx(0.25)


def test_the_shares():
    assert HELPED.data_wait_share == pytest.approx(0.225)
    assert ALONE.data_wait_share == ALONE.share("main", "wait") == 0.5
    assert timeline([], wall_s=0.0).data_wait_share == 0
    assert ALONE.rows() == [
        ("main", {"wait": 0.5, "load": 0.2, "collate": 0.05, "copy": 0.05, "compute": 0.25})
    ]
    assert HELPED.rows()[2:] == [
        ("helper 2", {}),
        ("main", {"wait": 0.225, "compute": 0.075}),
        ("device", {"copy": 0.1, "compute": pytest.approx(0.6)}),
    ]


def test_a_window_cuts_what_reaches_over_its_edges_and_keeps_the_time():
    window = HELPED.between(2.25, 4.25)
    assert (window.begin_s, window.wall_s, window.batches) == (2.25, 2, 2)
    assert Span("device", "copy", 2.25, 3, 0) in window.spans
    assert Span("device", "compute", 3, 4.25, 0) in window.spans
    assert not [span for span in window.spans if span.lane == "helper 1"]
    assert window.lanes == HELPED.lanes
    assert window.utilisation == pytest.approx(1.25 / 2)
    assert window.busy_s("main") == 0.75


def test_a_window_is_no_wider_than_the_epoch():
    assert HELPED.between(-5, 50) == HELPED
    assert HELPED.between(1, 3).between(0, 2) == HELPED.between(1, 2)
    for begin_s, end_s in ((10, 11), (-2, -1), (3, 3), (4, 3)):
        with pytest.raises(ValueError, match=f"from {begin_s} s to {end_s} s is no part of this epoch"):
            HELPED.between(begin_s, end_s)


spans = st.builds(
    lambda lane, begin, length, batch: Span(lane, "load", begin, min(begin + length, 10), batch),
    st.sampled_from(["helper 0", "main"]),
    st.floats(0, 10),
    st.floats(0, 10),
    st.integers(0, 9),
)


@given(st.lists(spans, max_size=12), st.floats(0.01, 9.99))
def test_two_windows_are_as_busy_as_the_whole(found, cut):
    whole = timeline(found, workers=1)
    for lane in whole.lanes:
        parts = [window.busy_s(lane) for window in (whole.between(0, cut), whole.between(cut, 10))]
        assert sum(parts) == pytest.approx(whole.busy_s(lane))
        assert 0 <= whole.share(lane) <= 1 + 1e-9


def of_phase(trace, phase):
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


def test_a_trace_holds_every_span_in_microseconds():
    trace = HELPED.trace("with helpers")
    slices = of_phase(trace, "X")
    assert len(slices) == len(HELPED.spans)
    [computing] = [s for s in slices if s["name"] == "compute" and s["ts"] == 3_000_000]
    assert (computing["dur"], computing["args"]) == (3_000_000, {"batch": 0})
    assert trace["displayTimeUnit"] == "ms"
    assert trace["otherData"] == {"with helpers": {"clock": CLOCK, "device": "cuda:0"}}


def test_a_trace_names_and_orders_its_lanes():
    metadata = of_phase(HELPED.trace("with helpers"), "M")
    said = {}
    for event in metadata:
        said.setdefault(event["name"], []).append(next(iter(event["args"].values())))
    assert said == {
        "process_name": ["with helpers"],
        "process_sort_index": [1],
        "thread_name": list(HELPED.lanes),
        "thread_sort_index": [0, 1, 2, 3, 4],
    }
    lanes = {event["tid"]: event["args"]["name"] for event in metadata if event["name"] == "thread_name"}
    for event in of_phase(HELPED.trace(), "X"):
        span = Span(lanes[event["tid"]], event["name"], event["ts"] / 1e6, 0, event["args"]["batch"])
        assert any(span[:3] == known[:3] and span.batch == known.batch for known in HELPED.spans)


def enclosing(trace, flow):
    """The slices that are open at the time of an arrow's end, in its thread."""
    return [
        s
        for s in of_phase(trace, "X")
        if (s["pid"], s["tid"]) == (flow["pid"], flow["tid"]) and s["ts"] <= flow["ts"] < s["ts"] + s["dur"]
    ]


def test_an_arrow_leads_from_the_helper_that_made_a_batch_to_its_use():
    trace = HELPED.trace()
    starts, ends = of_phase(trace, "s"), of_phase(trace, "f")
    assert len({flow["id"] for flow in starts}) == len(starts) == 2
    assert [flow["id"] for flow in starts] == [flow["id"] for flow in ends]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        assert start["ts"] < end["ts"]
        assert end["bp"] == "e"
        assert (start["cat"], start["name"]) == (end["cat"], end["name"])
        [made], [used] = enclosing(trace, start), enclosing(trace, end)
        assert (made["name"], used["name"]) == ("collate", "compute")
        assert made["args"] == used["args"] == {"batch": number}
    assert not of_phase(ALONE.trace(), "s")


def test_slices_of_a_lane_are_nested_or_apart():
    for line in (ALONE, HELPED):
        open_until = {}
        for event in of_phase(line.trace(), "X"):
            stack = open_until.setdefault(event["tid"], [])
            while stack and stack[-1] <= event["ts"]:
                stack.pop()
            assert not stack or event["ts"] + event["dur"] <= stack[-1] + 1e-3
            stack.append(event["ts"] + event["dur"])


def test_several_epochs_in_one_trace_share_neither_process_nor_thread_nor_arrow():
    trace = merged_trace({"without": ALONE, "with <&> helpers": HELPED})
    assert json.loads(json.dumps(trace, allow_nan=False)) == trace
    names = {e["pid"]: e["args"]["name"] for e in of_phase(trace, "M") if e["name"] == "process_name"}
    assert names == {1: "without", 2: "with <&> helpers"}
    threads = {(event["pid"], event["tid"]) for event in of_phase(trace, "X")}
    assert len({thread for _, thread in threads}) == len(threads)
    twice = merged_trace({"a": HELPED, "b": HELPED})
    assert len({flow["id"] for flow in of_phase(twice, "s")}) == 4


def test_a_trace_asks_for_the_lanes_of_a_timeline_once(monkeypatch):
    asked, lanes = [], Timeline.lanes.fget
    monkeypatch.setattr(Timeline, "lanes", property(lambda line: (asked.append(line), lanes(line))[1]))
    HELPED.trace()  # each time walks through all spans, so that once for each of them would take for ever
    assert len(asked) == 1


def test_a_trace_of_nothing():
    with pytest.raises(ValueError, match="a trace needs at least one timeline"):
        merged_trace({})


def test_a_window_without_the_use_of_a_batch_has_no_arrow_for_it():
    assert not of_phase(HELPED.between(0, 1.75).trace(), "s")


def test_a_summary_tells_loading_from_waiting_and_what_stood_still():
    assert ALONE.summary() == {
        "loading_pct": pytest.approx(25),
        "waiting_pct": pytest.approx(25),  # 50, and half of it was loading
        "computing_pct": pytest.approx(25),
        "utilisation_pct": pytest.approx(25),
        "data_wait_pct": pytest.approx(50),
        "first_batch_ms": pytest.approx(4000),
    }
    on_device = timeline(
        [
            Span("helper 0", "load", 0, 4, 0),
            Span("helper 0", "collate", 4, 5, 0),
            Span("helper 1", "load", 0, 3, 1),
            Span("main", "wait", 0, 6, 0),
            Span("main", "compute", 7, 8, 0),
            Span("main", "wait", 8, 10, 1),
            Span("device", "copy", 6, 7, 0),
            Span("device", "compute", 7, 9, 0),
        ],
        device="cuda:0",
        workers=2,
    )
    found = on_device.summary()
    assert (found["loading_pct"], found["waiting_pct"]) == (pytest.approx(40), pytest.approx(80))
    assert (found["utilisation_pct"], found["data_wait_pct"]) == (pytest.approx(20), pytest.approx(70))
    assert on_device.computed_s(1) == 9
    assert ALONE.computed_s(batches=5) == 7
