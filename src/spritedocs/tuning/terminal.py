"""What ``spritedocs tune`` prints: a line to copy, what it gains, what holds loading up, and the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spritedocs.guide import how_to_open, whole
from spritedocs.machine import Machine
from spritedocs.report import Measurement, replace_unknown_characters

__all__ = ["print_tuning"]

Json = Mapping[str, Any]

LINES = 24
"""Of a terminal as it opens."""
_SIZES: list[tuple[int, int, int | None]] = [
    *((3, 6, None), (3, 4, None), (2, 3, None), (1, 2, None)),
    *((1, 2, 1), (1, 2, 0)),
]
"""How many remedies, rows and notes are printed: the first that fits."""

_SAYS = {
    "waiting": "An item is mostly waited for: on a disk, a network or a lock.",
    "cpu": "An item is mostly computed: workers help as far as there are cores for them.",
    "gil": "An item is mostly computed in Python, one at a time in each process.",
    "handover": "Handing a batch from a worker to the training loop takes much of the time.",
    "epoch-start": "Each epoch begins with a wait, for a stream or a sampler that gives nothing yet.",
    "startup": "Starting workers takes much of an epoch as short as this.",
    "slow-sample": "A few items take far longer than the others, and those behind them wait.",
    "contention": "Workers wait for each other: on a lock, a disk or a server that serves one at a time.",
    "consumer": "The training step takes most of the time: faster loading would win little.",
    "memory": "More workers would be faster, and would not fit into memory.",
    "cores": "More workers could compute at the same time if there were more cores.",
    "nothing-to-gain": "No other number of workers is clearly faster.",
}


def print_tuning(result: Json, explain: bool = False) -> None:
    """Print what ``result.Tuning.as_json`` gave; ``explain`` adds the costs, and all that was tried.

    Else it fits one screen of 24 lines by 80 columns: the last remedies and rows give way to notes, and of
    many notes the last.
    """
    replace_unknown_characters()
    console = Console(highlight=False, markup=False)

    def printed(remedies: int, rows: list[Json], notes: int | None = None) -> str:
        with console.capture() as answer:
            console.print(Text(result["line"], style="bold"), soft_wrap=True)  # in one piece, to be copied
            if result["doubt"]:
                console.print(result["doubt"])
            console.print(f"{_gain(result)} {_rate(result)}".strip())
            name = result["diagnosis"]
            console.print(f"Diagnosis: {name}. {_SAYS[name]} {_waits(result)}\n")
            _print_remedies(console, result, remedies)
            told = result["warnings"][:notes]
            for note in told:
                console.print(f"Note: {note}")
            if told != result["warnings"]:
                console.print("--explain tells of all notes.")
            console.print()
            console.print(_candidates(rows, result, explain))
            if explain:
                console.print("\nWhat loading costs, as measured in one worker:")
                console.print(_costs(result))
            here = Machine.from_dict(result["machine"]).summary()
            took = (
                f"Took {result['seconds_spent']:.0f} s on {here}; workers start by {result['start_method']}."
            )
            console.print(took, style="dim")
        return answer.get()

    every, how = _in_order(result), how_to_open() * bool(result["remedies"])
    wrapped, text = len(result["line"]) // console.width, ""
    for remedies, rows, notes in [] if explain else _SIZES:
        text = printed(remedies, every[:rows], notes)
        if text.count("\n") + wrapped < LINES:  # the next prompt takes one
            break
    print(text or printed(len(result["remedies"]), result["candidates"]), end="")
    if how and text.count("\n") + wrapped + 1 < LINES:
        console.print(how, style="dim")


def _gain(result: Json) -> str:
    present, recommended = result["present"], result["recommended"]
    before, after = present["num_workers"], recommended["num_workers"]
    if result["gain"] is None:
        return ""
    if result["diagnosis"] == "nothing-to-gain" and before == after:
        return f"Nothing to gain: leave num_workers at {after}."
    yours = f"your present settings ({_arguments(present)})"
    if result["gain_interval"] is None and result["gain"] == 1:
        return f"Nothing is faster than {yours}."
    ratio = _measurement(result["gain"], result["gain_interval"], "×")
    fewer = ", with fewer workers" if after < before else ""
    if ratio.shows_no_difference:
        return f"No difference from {yours} was measured: {ratio.in_full}{fewer}."
    return f"{ratio.in_full} as fast as {yours}{fewer}."


def _rate(result: Json) -> str:
    rate = _measurement(result["throughput"], result["interval"], result["unit"])
    workers, cores = result["recommended"]["num_workers"], result["costs"]["cores"]
    many = (
        f", with more workers than the {cores:g} usable cores, of which torch warns"
        if workers > cores
        else ""
    )
    if result["ranks"] > 1:
        return f"Each of {result['ranks']} ranks loads {rate.in_full}."
    return f"It loads {rate.in_full}{many}."


def _waits(result: Json) -> str:
    share, step = result["data_wait_share"], result["step_s"]
    if not step:
        return "No step was given: --step-ms tells what training would wait for."
    beside = f"beside a step of {_seconds(step)} a batch"
    return f"With your present settings, {share:.0%} of an epoch is waiting for data, {beside}."


def _in_order(result: Json) -> list[Json]:
    """What was measured: the recommended and the present settings, the finalists, then the best others."""

    def last_to_go(each: Json) -> tuple[bool, bool, float]:
        is_first = {"recommended", "yours"} & set(_remark(each, result).split(", "))
        return not is_first, each["against_best"] is None, -each["measured"]["median"]

    return sorted((each for each in result["candidates"] if each["measured"]), key=last_to_go)


def _candidates(rows: Iterable[Json], result: Json, explain: bool) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("workers", justify="right")
    table.add_column("prefetch", justify="right")
    for heading in (result["unit"], "of the fastest", "MB"):
        table.add_column(heading, justify="right", overflow="fold")
    if explain:
        table.add_column("predicted", justify="right")
    table.add_column("")
    for each in sorted(rows, key=result["candidates"].index):
        predicted = _bare(_measurement(each["predicted_items_per_s"], None, result["unit"]))
        measured, against = (_stored(each[name]) for name in ("measured", "against_best"))
        memory = each["memory_mb"]
        row = [
            str(each["num_workers"]),
            str(each["prefetch_factor"]) if each["num_workers"] else "–",
            _bare(measured) if measured else "",
            _against(against),
            "" if memory is None else f"{memory:.0f}",
            *([predicted] if explain else []),
            _remark(each, result),
        ]
        table.add_row(*row, style=None if against else "dim")
    return table


def _against(ratio: Measurement | None) -> str:
    if ratio is None:
        return ""
    # The fastest one's ratio to itself is the only one that is exactly 1.
    return "the fastest" if ratio.samples == (1.0,) else ratio.in_full


def _remark(candidate: Json, result: Json) -> str:
    """Whose settings they are, and how far they were measured."""
    settings = {name: candidate[name] for name in ("num_workers", "prefetch_factor", "persistent_workers")}
    chosen, remarks = result["recommended"], []
    if all(chosen.get(name, value) == value for name, value in settings.items()):
        remarks.append("recommended")
    if settings == result["present"]:
        remarks.append("yours")
    if candidate["num_workers"] and not candidate["persistent_workers"]:
        remarks.append("restarted")
    if not candidate["measured"]:
        remarks.append("not tried")
    elif not candidate["against_best"]:
        remarks.append("left early")
    return ", ".join(remarks)


def _print_remedies(console: Console, result: Json, most: int) -> None:
    for number, remedy in enumerate(result["remedies"][:most], 1):
        gain = "" if remedy["gain"] is None else f" Predicted: {_times(remedy['gain'])} on top."
        if remedy["gain"] == result["gain"]:  # of the recommended settings themselves
            gain = "" if remedy["gain"] is None else f" Measured: {_times(remedy['gain'])}."
        page, address = remedy["page"], whole(remedy["page"])
        table = Table.grid(padding=(0, 1))
        table.add_row(f"{number}.", f"{remedy['says']}{gain}" + f" {page}" * (page == address))
        console.print(table)
        if page != address:
            console.print(f"   {address}", soft_wrap=True)  # in one piece, to be opened


def _costs(result: Json) -> Table:
    costs, table = result["costs"], Table.grid(padding=(0, 2))
    item, computed = costs["item_s"], costs["item_cpu_s"]["mean"]
    waiting = max(0.0, item["mean"] - computed)
    rows = {
        "an item": f"{_seconds(item['mean'])} (median {_seconds(item['median'])}, "
        f"largest {_seconds(item['largest'])}, of {item['count']})",
        "of which computing, waiting": f"{_seconds(computed)}, {_seconds(waiting)}",
        "collating a batch": _seconds(costs["collate_s"]),
        "handing a batch over": f"{_seconds(costs['send_s'])} in the worker, "
        f"{_seconds(costs['receive_s'])} in the training loop, {_seconds(costs['latency_s'])} between",
        "choosing a batch's items": _seconds(costs["main_s"]),
        "beginning an epoch": _seconds(result["epoch_start_s"]),
        "starting a worker": f"{_seconds(costs['start_s'])}, and {_seconds(costs['boot_s'])} until it loads",
        "resuming, stopping one": f"{_seconds(costs['resume_s'])}, {_seconds(costs['stop_s'])}",
        "holding Python's lock": f"{costs['gil_share']:.0%} of the loading",
        "usable cores, for each rank" if result["ranks"] > 1 else "usable cores": f"{costs['cores']:g}",
    }
    for row in rows.items():
        table.add_row(*row)
    return table


def _arguments(settings: Json) -> str:
    if not settings["num_workers"]:
        return "num_workers=0"
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _measurement(value: float, interval: list[float] | None, unit: str) -> Measurement:
    bounds = (interval[0], interval[1]) if interval else None
    return Measurement("value", unit, value, bounds, (value,))


def _stored(value: dict[str, Any] | None) -> Measurement | None:
    return None if value is None else Measurement.from_json(value)


def _bare(rate: Measurement) -> str:
    return rate.in_full.replace(f" {rate.unit}", "")


def _times(gain: float) -> str:
    """Two digits, and a third where two would say 1: by these a gain is decided upon."""
    decimals = 2 if gain < 1.095 else 1 if gain < 9.95 else 0
    return f"{gain:,.{decimals}f}×"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"
