"""The recorded situations below tests/recorded/crashes, each with what must be told of it."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from apps.flags.domain import Progress, ProgressSource
from apps.flags.rules.crash import failure_from
from apps.flags.verdict import Verdict, verdict_of
from apps.joblogs.adapters.filesystem import FilesystemLogStore
from apps.joblogs.classifying import JobReport, Known, classify
from apps.joblogs.endings import RESUMABLE
from apps.joblogs.pairs import LogPair
from apps.workspaces.config import LogsConfig
from tests.factories.facts import job_facts, run_facts

FOLDER = Path(__file__).parents[1] / "recorded" / "crashes"
SITUATIONS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


@dataclass(frozen=True)
class Situation:
    """``expected``: made, crash_class, resumable, verdict, first (how the deciding line begins, or None), hint.

    ``states`` are W&B's and Slurm's where they were asked, else those that such an end has.
    """

    name: str
    expected: dict[str, Any]
    report: JobReport
    states: tuple[str, str]

    @property
    def verdict(self) -> Verdict:
        """The next action for a run that ended so, with a checkpoint of epoch 3 of 10; one that ended well is at 10."""
        decision, (wandb, slurm) = self.report.decision, self.states
        progress = Progress(3 if decision.failed else 10, 400, 10, ProgressSource.LOG)
        facts = run_facts(wandb_state=wandb, slurm_state=slurm, job=job_facts(state=slurm), progress=progress)
        return verdict_of(facts, failure_from(decision))


@cache
def situation(name: str) -> Situation:
    """Read a situation's two logs, with what accounting and W&B say where they were asked."""
    folder = FOLDER / name
    job, wandb = _json(folder / "job.json"), _json(folder / "wandb.json")
    known = Known(job.get("state", ""), job.get("exit_code"), job.get("exit_signal"), wandb.get("state", ""))
    pair = LogPair(str(folder / "out.log"), str(folder / "err.log"))
    report = classify(pair, FilesystemLogStore(), LogsConfig(), known)
    failed = report.decision.failed
    wandb_state = known.wandb_state or ("crashed" if failed else "finished")
    states = wandb_state, known.job_state or ("FAILED" if failed else "COMPLETED")
    return Situation(name, _json(folder / "expected.json"), report, states)


def confusion_table() -> list[str]:
    """Return the table of expected classes against told ones as lines, and how 'resumable' was told."""
    found = [situation(name) for name in SITUATIONS]
    told = Counter((one.expected["crash_class"], one.report.decision.crash_class) for one in found)
    heads = [f"{number:>3}" for number in range(1, len(RESUMABLE) + 1)]
    lines = [f"{'':22}{''.join(heads)}"]
    for number, row in enumerate(RESUMABLE, 1):
        cells = "".join(f"{told[row, column] or '.':>3}" for column in RESUMABLE)
        lines.append(f"{number:>2} {row:19}{cells}")
    wrong = sum(count for (row, column), count in told.items() if row != column)
    yes = [one for one in found if one.report.decision.resumable.value == "yes"]
    wrongly = sum(one.expected["resumable"] != "yes" for one in yes)
    lines.append(f"{len(found)} situations, {wrong} of a wrong class; {len(yes)} told 'yes', {wrongly} wrongly")
    return lines


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found
