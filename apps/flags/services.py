"""Judging runs and sweeps anew, and keeping their flags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from apps.audit.services import record
from apps.core.memory import many_rows
from apps.core.upsert import upsert
from apps.flags.domain import Finding, Severity, SweepFacts
from apps.flags.facts import Gathered, gather
from apps.flags.history import SWITCHED_OFF
from apps.flags.models import Flag, RunStatus, is_worse
from apps.flags.rules.crash import failure_of
from apps.flags.rules.registry import RUN_RULES, SWEEP_RULES, Verdicts, judge, severity_of
from apps.flags.sweep_facts import gather_sweeps
from apps.flags.verdict import NOT_HEALTHY, verdict_of
from apps.sweeps.models import Sweep
from apps.sweeps.ports import LIVE_RUN_STATES

BATCH = 1000
# What people decided of a flag was decided of its severity then: when it grows worse, it calls again.
WOKEN: dict[str, Any] = {
    "acknowledged_at": None,
    "acknowledged_by": "",
    "snoozed_until": None,
    "snoozed_by": "",
    "dismissed_at": None,
    "dismissed_by": "",
    "dismissed_reason": "",
}


@dataclass(frozen=True)
class Subject:
    """What a flag is raised on: a run (with its sweep), or a sweep as a whole. ``rules_off`` are off here, and why."""

    sweep_id: int | None
    run_id: int | None
    wandb_state: str = ""
    slurm_state: str = ""
    clear_minutes: float = 0.0
    rules_off: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int | None, int | None]:
        return (self.run_id, None if self.run_id else self.sweep_id)


def evaluate_runs(*, run_pks: Iterable[int], now: datetime) -> set[int]:
    """Join the sources of these runs anew and judge them; return the runs whose status or flags changed."""
    changed: set[int] = set()
    wanted = sorted(set(run_pks))
    with many_rows():
        for start in range(0, len(wanted), BATCH):
            changed |= _evaluate_batch(wanted[start : start + BATCH], now)
    return changed


def _evaluate_batch(run_pks: list[int], now: datetime) -> set[int]:
    gathered = gather(run_pks, now)
    judged = [(_subject(one), judge(one.facts, RUN_RULES)) for one in gathered]
    with transaction.atomic():
        rows = [_status_row(one, verdicts) for one, (_, verdicts) in zip(gathered, judged, strict=True)]
        result = upsert(RunStatus, key=("run_id",), rows=rows)
        held = _held(Q(run__in=[one.run.pk for one in gathered]))
        flagged = {run for run, _ in _keep_flags(held, judged, now) if run}
    return flagged | {status.run_id for status in result.changed}


def evaluate_sweeps(*, sweep_pks: Iterable[int], now: datetime) -> set[int]:
    """Judge sweeps as a whole; return those whose flags changed."""
    sweeps = list(Sweep.objects.filter(pk__in=set(sweep_pks)).select_related("workspace"))
    facts = gather_sweeps(sweeps, now)
    judged = [(_sweep_subject(sweep, facts[sweep.pk]), judge(facts[sweep.pk], SWEEP_RULES)) for sweep in sweeps]
    with transaction.atomic():
        held = _held(Q(sweep__in=sweeps, run=None))
        return {sweep for _, sweep in _keep_flags(held, judged, now) if sweep}


def _held(subjects: Q) -> list[Flag]:
    """Return the open flags of these, their rows held, in the order in which a press holds them too.

    What a person does meanwhile waits: it would be decided of a severity that is about to change.
    """
    return list(Flag.objects.open().filter(subjects).select_for_update().order_by("pk"))


def _subject(one: Gathered) -> Subject:
    facts, policy = one.facts, one.facts.policy
    told = (facts.wandb_state, facts.slurm_state, policy.clear_minutes, policy.rules_off)
    return Subject(one.run.sweep_id, one.run.pk, *told)


def _sweep_subject(sweep: Sweep, facts: SweepFacts) -> Subject:
    policy = facts.policy
    return Subject(sweep.pk, None, sweep.state, clear_minutes=policy.clear_minutes, rules_off=policy.rules_off)


def _status_row(one: Gathered, verdicts: Verdicts) -> dict[str, Any]:
    facts, failure = one.facts, failure_of(one.facts)
    critical = [rule for rule, found in verdicts.found.items() if severity_of(rule, found) is Severity.CRITICAL]
    proof, verdict = failure.proof, verdict_of(facts, failure, critical or sorted(NOT_HEALTHY & verdicts.found.keys()))
    return {
        "run_id": one.run.pk,
        "job_id": one.job.pk if one.job else None,
        "wandb_state": facts.wandb_state,
        "job_how": one.job_how,
        "job_evidence": one.job_evidence,
        "slurm_state": facts.slurm_state,
        "pair": facts.meaning.pair.value,
        "action": facts.meaning.action,
        "agree": facts.meaning.agree,
        "epoch": facts.progress.epoch,
        "step": facts.progress.step,
        "target_epochs": facts.progress.target_epochs,
        "percent": facts.progress.percent,
        "progress_source": facts.progress.source.value,
        "progress_at": facts.progress.at,
        "epochs_per_hour": facts.progress.epochs_per_hour,
        "steps_per_second": facts.progress.steps_per_second,
        "done_at": facts.progress.done_at if _trains_on(one) else None,
        "disagreement": facts.progress.disagreement[:300],
        "runtime_seconds": one.time.seconds if facts.runtime_seconds is not None else None,
        "gpu_seconds": one.time.gpu_seconds,
        "ticking_since": one.time.since,
        "ticking_gpus": one.time.gpus,
        "crash_class": failure.crash_class,
        "resumable": failure.resumable.value if failure.resumable else "",
        "proof": f"{proof.file}:{proof.line}: {proof.text}"[:700] if proof else "",
        "log_path": facts.log_path,
        "verdict": verdict.action.value,
        "verdict_reason": verdict.reason[:300],
        "verdict_change": verdict.change,
        "agreement": verdict.agreement.value,
        "chain": list(verdict.chain),
    }


def _trains_on(one: Gathered) -> bool:
    """Tell whether a time left means anything: not of a zombie, and not of a run that is at its target."""
    facts = one.facts
    reached = facts.progress.percent is not None and facts.progress.percent >= 100
    return facts.wandb_state in LIVE_RUN_STATES and facts.meaning.agree is not False and not reached


def _keep_flags(
    held: list[Flag], judged: list[tuple[Subject, Verdicts]], now: datetime
) -> set[tuple[int | None, int | None]]:
    """Open, update, quieten and clear flags; return the keys of the subjects whose flags changed.

    A flag whose rule was silent stays as it is, marked uncertain: a source that does not answer
    neither raises nor clears anything.
    """
    open_now = {(_key(flag), flag.rule): flag for flag in held}
    new: list[Flag] = []
    changed: set[tuple[int | None, int | None]] = set()
    for subject, verdicts in judged:
        for rule, finding in verdicts.found.items():
            flag = open_now.pop((subject.key, rule), None)
            if flag is None:
                new.append(_new_flag(subject, rule, finding, now))
                changed.add(subject.key)
            elif _update(flag, subject, finding):
                changed.add(subject.key)
        for rule in verdicts.silent:
            flag = open_now.pop((subject.key, rule), None)
            if flag is not None and _set(flag, uncertain=True, quiet_since=None, clears_at=None):
                changed.add(subject.key)
    subjects = {subject.key: subject for subject, _ in judged}
    changed |= {_key(flag) for flag in open_now.values() if _quieten(flag, subjects[_key(flag)], now)}
    Flag.objects.bulk_create(_inheriting(new, now), ignore_conflicts=True)
    return changed


def _quieten(flag: Flag, subject: Subject, now: datetime) -> bool:
    """Note that the condition is gone, and clear the flag when that has held for the policy's time.

    Of one whose rule was switched off its history tells why.
    """
    wait, since = timedelta(minutes=subject.clear_minutes), flag.quiet_since or now
    if flag.quiet_since is None and (reason := subject.rules_off.get(flag.rule)):
        record(type=SWITCHED_OFF, actor="sweepboard.toml", subject=flag.subject, flag=flag.pk, text=reason)
    if since + wait <= now:
        return _set(flag, uncertain=False, quiet_since=since, cleared_at=now)
    return _set(flag, uncertain=False, quiet_since=since, clears_at=since + wait)


def clear_settled_flags(*, now: datetime) -> int:
    """Clear the flags whose condition has been gone for long enough without any of their sources changing since."""
    settled = list(Flag.objects.open().filter(clears_at__lte=now).values_list("pk", flat=True))
    if not settled:
        return 0  # a pass that finds nothing changed writes nothing
    with transaction.atomic():
        held = [flag.pk for flag in _held(Q(pk__in=settled, clears_at__lte=now))]
        return Flag.objects.filter(pk__in=held).update(cleared_at=now)


def _inheriting(new: list[Flag], now: datetime) -> list[Flag]:
    """Hand on to a flag that came back who it is assigned to, and until when it was put off, unless it is worse now.

    The last occurrence counts: what somebody took back of it does not come back with an earlier one.
    """
    runs = [flag.run_id for flag in new if flag.run_id]
    sweeps = [flag.sweep_id for flag in new if not flag.run_id]
    subjects = Q(run__in=runs) | Q(run=None, sweep__in=sweeps)
    before = Flag.objects.filter(subjects, rule__in={flag.rule for flag in new})
    latest = before.order_by().values("run", "sweep", "rule").annotate(last=Max("pk")).values("last")
    rows = Flag.objects.filter(pk__in=latest).order_by("opened_at", "pk")
    last = {(_key(flag), flag.rule): flag for flag in rows} if new else {}
    for flag in new:
        if (earlier := last.get((_key(flag), flag.rule))) is not None:
            flag.assignee = earlier.assignee
            if not is_worse(flag.severity, earlier.severity):
                flag.snoozed_until, flag.snoozed_by = earlier.snoozed_until, earlier.snoozed_by
    return new


def _key(flag: Flag) -> tuple[int | None, int | None]:
    return (flag.run_id, None if flag.run_id else flag.sweep_id)


def _new_flag(subject: Subject, rule: str, finding: Finding, now: datetime) -> Flag:
    return Flag(
        rule=rule,
        severity=severity_of(rule, finding).value,
        sweep_id=subject.sweep_id,
        run_id=subject.run_id,
        evidence=finding.evidence,
        action=finding.action,
        wandb_state=subject.wandb_state,
        slurm_state=subject.slurm_state,
        opened_at=now,
    )


def _update(flag: Flag, subject: Subject, finding: Finding) -> bool:
    severity = severity_of(flag.rule, finding).value
    worse = is_worse(severity, flag.severity)
    woken = WOKEN if worse else {}
    if worse and any(getattr(flag, name) != value for name, value in WOKEN.items()):
        record(type="flag.grew-worse", actor="sweepboard", subject=flag.subject, flag=flag.pk, severity=severity)
    return _set(
        flag,
        severity=severity,
        evidence=finding.evidence,
        action=finding.action,
        uncertain=False,
        sweep_id=subject.sweep_id,
        quiet_since=None,
        clears_at=None,
        **woken,
    )


def _set(flag: Flag, **values: Any) -> bool:
    """Store what differs; tell whether anything did."""
    moved = [name for name, value in values.items() if getattr(flag, name) != value]
    for name in moved:
        setattr(flag, name, values[name])
    if moved:
        flag.save(update_fields=[name.removesuffix("_id") for name in moved])
    return bool(moved)
