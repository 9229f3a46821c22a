"""A few handovers for the sample workspace: a whole one, its predecessor, an old one, and one that is odd."""

from datetime import datetime, timedelta
from pathlib import Path

from apps.handovers.domain.document import Box, Check, Decision
from apps.handovers.domain.index import Pointer, with_pointer
from apps.handovers.domain.keys import new_key
from apps.handovers.domain.writing import Draft, write

_ODD = """End of day. The search sweep learns, the trouble sweep is on fire. I did not write down why.
All tests pass.

## TODO
- [ ] look at the zombie before it takes the node
- [ ] ask who changed `batch_size`
"""


def write_handovers(root: Path, now: datetime) -> None:
    """Write the documents and the index once; what a later start finds there is left as it is."""
    folder = root / "CLAUDE"
    if folder.exists():
        return
    folder.mkdir()
    drafts = [_old(now - timedelta(days=12)), _earlier(now - timedelta(days=1)), _current(now - timedelta(hours=1))]
    for draft in drafts:
        (folder / f"{draft.key}.md").write_text(write(draft))
    (folder / f"HO-{now - timedelta(days=1):%Y%m%d}-EOD-5a3b.md").write_text(_ODD)
    newest = drafts[-1]
    pointer = Pointer(newest.key, newest.branch, newest.focus)
    index = root / "CLAUDE.md"
    index.write_bytes(with_pointer(b"# Digits\n\nOne sweep at a time.\n", pointer, f"CLAUDE/{newest.key}.md"))


def _key(focus: str, at: datetime) -> str:
    return new_key(focus, at, lambda key: False)


def _old(at: datetime) -> Draft:
    focus = "choosing the learning-rate schedule"
    return Draft(
        key=_key(focus, at),
        date=at,
        focus=focus,
        next_actions=("Start the search sweep with a linear schedule",),
        agent="planner-1",
        branch="main",
        changes=("Compared cosine, linear and constant schedules on three seeds each",),
        checks=(Check("python train.py --schedule cosine --seeds 3", "accuracy 0.941, linear has 0.943"),),
        decisions=(Decision("Drop the cosine schedule", "no gain over linear on three seeds"),),
    )


def _earlier(at: datetime) -> Draft:
    focus = "the search sweep with a linear schedule"
    return Draft(
        key=_key(focus, at),
        date=at,
        focus=focus,
        next_actions=("Watch the first ten runs",),
        agent="coder-1",
        branch="main",
        changes=("The schedule is linear; warm-up counts in steps",),
        checks=(Check("pytest -q", "18 passed"),),
        pending=(Box("Log every seed", done=True), Box("Write the ablation's YAML", done=False)),
    )


def _current(at: datetime) -> Draft:
    focus = "three sweeps, one of them in trouble"
    return Draft(
        key=_key(focus, at),
        date=at,
        focus=focus,
        next_actions=("Find out which runs of the trouble sweep can be resumed",),
        agent="coder-2",
        branch="main",
        changes=("The ablation sweep is submitted", "Agents of the trouble sweep run one run each"),
        checks=(Check("pytest -q", "21 passed"), Check("python train.py --epochs 1", "loss 0.61")),
        pending=(Box("Mark the zombie", done=False), Box("Write the ablation's YAML", done=True)),
        decisions=(Decision("Resume, never restart", "every epoch is compute time"),),
    )
