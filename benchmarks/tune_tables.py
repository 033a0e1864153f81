"""The two tables of `tune_suite`: how the contestants did, and each workload's story."""

from __future__ import annotations

from collections.abc import Sequence

from tune_rivals import TITLES
from tune_scores import GAIN, GOOD, NO_GAIN, TUNE, Outcome, Standing, share

from spritedocs.measurement import Gap, Measurement
from spritedocs.model import Settings
from spritedocs.report import Report

NAMES = {TUNE: "spritedocs tune", **TITLES}


def of_contestants(outcomes: Sequence[Outcome]) -> Report:
    """A row for each contestant; and beside it what the tuner said."""
    contestants = list(outcomes[0].picks)
    grids = Measurement.of("brute_force_s", [each.grid.seconds for each in outcomes], "s")
    gaining = [each for each in outcomes if each.can_gain]
    content = [each for each in outcomes if each.cannot_gain]
    right = Measurement.of("named_right", [share(each.named_right for each in outcomes)], "%")
    missed = _part("missed", [each.missed for each in gaining])
    needless = _part("needless", [each.needless for each in content])
    rounds = sum(len(each.ratios[each.present].samples) for each in outcomes)
    known = [each.disturbed for each in outcomes if each.disturbed is not None]
    told = (
        f"Other programs disturbed {sum(known)} of them."
        if len(known) == len(outcomes)
        else "Whether other programs disturbed them is not known here."
    )
    return Report(
        title="Picks against the best of a brute-force grid",
        columns=[
            "contestant",
            "≥ 97% of the best",
            "surely below",
            "worst",
            "median",
            "no pick",
            "time, of the grid's",
        ],
        rows=[_contestant(name, outcomes) for name in contestants],
        notes=[
            f"{len(outcomes)} workloads. The grid took {sum(grids.samples):.0f} s in all. "
            "A pick that would not fit into a planted memory limit is no pick; worst and median are of the "
            "picks. Where there is no GPU, the rule of 4 × GPUs is given one.",
            f"Surely below: the whole 95% interval lies below {GOOD:.0%}.",
            f"{NAMES[TUNE]} named {right} of the planted bottlenecks. On {len(gaining)} workloads the best "
            f"is at least {GAIN - 1:.0%} faster than the present settings: on {missed} of these it said that "
            f"there was nothing to gain, or to change. On {len(content)} it is less than {NO_GAIN - 1:.0%} "
            f"faster: on {needless} of these it recommended a change, other than fewer workers.",
            f"Picks were rated in {rounds} rounds. {told}",
        ],
        more_values=[right, missed, needless, grids, Measurement.of("workloads", [len(outcomes)], "")],
    )


def _part(name: str, answers: Sequence[bool]) -> Measurement | Gap:
    if answers:
        return Measurement.of(name, [share(answers)], "%")
    return Gap(name, "No workload is of the kind on which this could happen.")


def of_workloads(outcomes: Sequence[Outcome]) -> Report:
    """A row for each workload: what was planted, what the tuner said, and what its pick is worth."""
    return Report(
        title=f"What {NAMES[TUNE]} says of each workload",
        columns=[
            "workload",
            "planted",
            "said",
            "present",
            "best",
            "pick",
            "best, over present",
            "pick, over best",
            "seconds",
        ],
        rows=[_workload(each) for each in outcomes],
        notes=[
            "Settings are workers × prefetch_factor; + for persistent workers. The best is that of the grid.",
            "Over: throughput over throughput, of new loaders in turns. Exactly 1× are the same settings.",
        ],
    )


def _contestant(slug: str, outcomes: Sequence[Outcome]) -> list[Measurement | Gap | str]:
    title = NAMES[slug]
    try:
        standing = Standing.of(slug, outcomes)
    except ValueError:
        reason = f"{title} has no pick on any workload."
        names = ("good", "surely_below", "worst", "median", "without", "time")
        return [title, *(Gap(f"{each}_{slug}", reason) for each in names)]
    return [
        title,
        Measurement.of(f"good_{slug}", [standing.good], "%"),
        Measurement.of(f"surely_below_{slug}", [standing.surely_below], "%"),
        Measurement.of(f"worst_{slug}", [standing.worst], "%"),
        Measurement.of(f"median_{slug}", [standing.typical], "%"),
        Measurement.of(f"without_{slug}", [standing.without], "%"),
        Measurement.of(f"time_{slug}", [standing.time], "%"),
    ]


def _workload(each: Outcome) -> list[Measurement | Gap | str]:
    pick, slug = each.picks[TUNE], _slug(each)
    score = each.score(TUNE)
    gain = each.ratios[each.present]
    samples = [1 / sample for sample in gain.samples]
    return [
        each.name,
        " or ".join(each.planted),
        pick.says,
        settings_text(each.present),
        settings_text(each.grid.best),
        "none" if pick.settings is None else settings_text(pick.settings),
        Measurement.of(f"gain_{slug}", samples, "×"),
        Measurement.of(f"score_{slug}", score.samples, "×")
        if score
        else Gap(f"score_{slug}", f"{each.name}: {pick.says}, and no pick that fits."),
        Measurement.of(f"seconds_{slug}", [pick.seconds], "s"),
    ]


def _slug(outcome: Outcome) -> str:
    return outcome.name.replace("-", "_")


def settings_text(settings: Settings) -> str:
    """Settings as a table shows them.

    Examples:
        >>> settings_text(Settings()), settings_text(Settings(4, 2)), settings_text(Settings(4, 8, True))
        ('0', '4×2', '4×8 +')
    """
    if not settings.num_workers:
        return "0"
    return f"{settings.num_workers}×{settings.prefetch_factor}{' +' * settings.persistent_workers}"
