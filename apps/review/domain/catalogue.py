"""Every figure of the review: in which part it stands, how it reads, and the rule by which it is counted. Pure.

docs/howto/weekly-review.md says the same rules for people; a test holds the two together by the figures' names.
"""

from dataclasses import dataclass

from apps.flags.verdict import URGENCY


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the agenda: its id in the address, its title, and the name of its minutes in the settings."""

    id: str
    title: str


PARTS = (
    Part("numbers", "Numbers"),
    Part("wrong", "What went wrong"),
    Part("resumed", "Resumed and lost"),
    Part("results", "Results"),
    Part("decisions", "Handovers and decisions"),
    Part("open", "Plans and questions open"),
    Part("actions", "Action items"),
)
PART_IDS = tuple(part.id for part in PARTS)


@dataclass(frozen=True, slots=True)
class Measure:
    """How one figure reads. ``unit`` is count, hours or seconds; ``good`` is up, down or empty for neither."""

    id: str
    part: str
    title: str
    rule: str
    unit: str = "count"
    good: str = ""
    main: bool = True


VERDICTS = (*(action.value for action in reversed(URGENCY)), "unknown")

_LISTED = (
    Measure("sweeps-started", "numbers", "sweeps started", "W&B says that the sweep was made within the week"),
    Measure(
        "sweeps-finished",
        "numbers",
        "sweeps finished",
        "neither the sweep nor a run of it lives, and the last sign of its runs (without any: W&B's last change) lies "
        "within the week",
    ),
    Measure(
        "sweeps-active",
        "numbers",
        "sweeps still active",
        "made before the week's end and not finished before it",
    ),
    Measure("runs", "numbers", "runs that lived", "a run of which some part of its life lies within the week"),
    Measure(
        "hours-total",
        "numbers",
        "GPU hours",
        "GPUs times time of every attempt, cut to the week; replaced attempts and those still running too",
        "hours",
    ),
    Measure(
        "hours-useful",
        "numbers",
        "useful GPU hours",
        "hours of a run that are neither lost nor without evidence",
        "hours",
        "up",
    ),
    Measure(
        "hours-lost", "numbers", "lost GPU hours", "the four kinds of loss together, each hour once", "hours", "down"
    ),
    Measure(
        "hours-untold",
        "numbers",
        "GPU hours not told apart",
        "hours of jobs whose run is not known or between two runs, of runs that died where nobody looks for "
        "checkpoints, and of attempts of which nobody remembers what they had saved",
        "hours",
        "",
        False,
    ),
    Measure(
        "hours-crashed",
        "wrong",
        "lost: crashed before a checkpoint",
        "hours of a run that ended without finishing, or of an attempt that a later one followed, which the newest "
        "checkpoint of that moment does not hold; all, where there was none",
        "hours",
        "down",
    ),
    Measure(
        "hours-zombie",
        "wrong",
        "lost: zombies",
        "hours of a run that is flagged zombie, or was and died, that no checkpoint holds, and GPUs held by a job "
        "whose run was dead",
        "hours",
        "down",
    ),
    Measure(
        "hours-repeated",
        "wrong",
        "lost: repeated failure",
        "hours of runs that died on the node that a flag repeated-failure names, from a day before it on",
        "hours",
        "down",
    ),
    Measure(
        "hours-idle", "wrong", "lost: idle GPUs", "hours of a run while its flag idle-gpu was open", "hours", "down"
    ),
    Measure("flags-raised", "wrong", "red flags raised", "opened within the week", "count", "down"),
    Measure("flags-cleared", "wrong", "red flags cleared", "over within the week, by themselves or by hand"),
    Measure(
        "flags-open", "wrong", "red flags open", "raised before the week's end and not over by then", "count", "down"
    ),
    Measure(
        "flags-median",
        "wrong",
        "median time to clear",
        "from raised to over, of those that were over within the week",
        "seconds",
        "down",
    ),
    Measure(
        "fast",
        "wrong",
        "fast completions",
        "flags fast-completion raised within the week; the cause is the run's crash class, else what the flag says",
        "count",
        "down",
    ),
    Measure(
        "preemptions",
        "resumed",
        "preemptions",
        "attempts that ended PREEMPTED within the week, once for each run that was in them then",
    ),
    Measure(
        "resumes",
        "resumed",
        "resumes",
        "a run's further attempt that began within the week after it had left every earlier one, whoever brought it "
        "back",
    ),
    Measure(
        "resume-median",
        "resumed",
        "median time to resume",
        "from when the run left the attempt before to the new one's start",
        "seconds",
        "down",
    ),
    Measure(
        "hours-saved",
        "resumed",
        "training hours saved",
        "what the attempt before a resume had trained up to its newest checkpoint; nothing without one",
        "hours",
        "up",
    ),
    Measure(
        "hours-abandoned",
        "resumed",
        "training hours lost without a resume",
        "all training until the week's end of runs that ended within it without finishing, have a checkpoint, and were "
        "not resumed by then",
        "hours",
        "down",
    ),
    Measure(
        "results",
        "results",
        "sweeps with a better result",
        "sweeps whose best metric is better than that of the runs that ended before the week",
        "count",
        "up",
    ),
    Measure("handovers-written", "decisions", "handovers written", "dated within the week"),
    Measure("handovers-picked", "decisions", "handovers picked up", "taken up by somebody within the week, each once"),
    Measure(
        "handovers-never",
        "decisions",
        "handovers never picked up",
        "written within the week and not taken up by its end",
        "count",
        "down",
    ),
    Measure(
        "handovers-archived",
        "decisions",
        "handovers archived",
        "moved into the archive within the week",
        "count",
        "",
        False,
    ),
    Measure("plans-approved", "decisions", "plans approved", "approvals within the week, also those that became void"),
    Measure("plans-rejected", "decisions", "plans rejected", "rejections within the week"),
    Measure("questions-answered", "decisions", "questions answered", "answers within the week"),
    Measure(
        "questions-wait",
        "decisions",
        "median wait for an answer",
        "from asked to answered, of those answered within the week",
        "seconds",
        "down",
    ),
    Measure("alerts-sent", "decisions", "alerts sent", "messages about red flags that arrived within the week"),
    Measure(
        "alerts-unsent",
        "decisions",
        "alerts not sent or unsure",
        "messages about red flags that were given up, or may have arrived, within the week",
        "count",
        "down",
        False,
    ),
    Measure(
        "plans-open",
        "open",
        "plans waiting",
        "posted, not decided on and not expired at the week's end",
        "count",
        "down",
    ),
    Measure(
        "questions-open",
        "open",
        "questions open",
        "asked, and neither answered nor withdrawn at the week's end",
        "count",
        "down",
    ),
)
_OF_VERDICTS = tuple(
    Measure(
        f"verdict-{verdict.replace(' ', '-')}",
        "numbers",
        verdict,
        "runs that lived in the week by their verdict",
        "count",
        "",
        False,
    )
    for verdict in VERDICTS
)
MEASURES = {one.id: one for one in (*_LISTED, *_OF_VERDICTS)}


def of_part(part: str) -> list[Measure]:
    return [one for one in _LISTED if one.part == part]


def rules() -> list[str]:
    """Return the table of docs/howto/weekly-review.md: each figure, its part, and the rule by which it is counted."""
    titles = {part.id: part.title for part in PARTS}
    rows = [f"| {one.title} | {titles[one.part]} | {one.rule} |" for one in _LISTED]
    return ["| number | part | what counts |", "|---|---|---|", *rows]
