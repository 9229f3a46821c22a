"""Finding the links of runs and agents anew after something changed."""

import re
from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.joblogs.selectors import jobs_naming, traces_by_job
from apps.links.domain import AttemptFact, Link, RunFact, links_of
from apps.links.models import AgentLink, RunLink
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep

BATCH = 300
_TOKEN = re.compile(r"[A-Za-z0-9_-]{4,64}")


def relink(*, run_pks: Iterable[int]) -> set[int]:
    """Find the links of these runs anew; return the primary keys of runs whose links changed."""
    changed: set[int] = set()
    wanted = sorted(set(run_pks))
    for start in range(0, len(wanted), BATCH):
        runs = list(Run.objects.filter(pk__in=wanted[start : start + BATCH]))
        attempts = _candidates(runs)
        found = {link for run in runs for link in links_of(_run_fact(run), attempts.get(run.pk, []))}
        with transaction.atomic():
            changed |= _replace(RunLink.objects.filter(run__in=runs), found)
    return changed


def _run_fact(run: Run) -> RunFact:
    return RunFact(
        pk=run.pk,
        run_id=run.run_id,
        began_at=run.created_at,
        until=run.ended_at,
        finished=run.state == "finished",
        raw_ids=run.raw_job_ids,
    )


def _candidates(runs: list[Run]) -> dict[int, list[AttemptFact]]:
    """Return every life of every job that may carry each run, in five queries."""
    named = jobs_naming(run.run_id for run in runs)
    raw_ids = set().union(*(run.raw_job_ids for run in runs))
    first = Job.objects.filter(
        Q(raw_id__in=raw_ids)
        | Q(run_hint__in=[run.run_id for run in runs])
        | Q(job_id__in={job_id for keys in named.values() for _, job_id in keys})
    )
    lives = list(Job.objects.filter(job_id__in={job.job_id for job in first}))
    logged: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run_id, keys in named.items():
        for key in keys:
            logged[key].add(run_id)
    by_key: dict[tuple[str, str], list[AttemptFact]] = defaultdict(list)
    for job in lives:
        key = (job.cluster, job.job_id)
        by_key[key].append(_attempt_fact(job, frozenset(logged[key])))
    return {run.pk: [fact for facts in by_key.values() if _may_carry(run, facts) for fact in facts] for run in runs}


def _may_carry(run: Run, facts: list[AttemptFact]) -> bool:
    return any(
        fact.raw_id in run.raw_job_ids or fact.run_hint == run.run_id or run.run_id in fact.logged_runs
        for fact in facts
    )


def _attempt_fact(job: Job, logged: frozenset[str]) -> AttemptFact:
    return AttemptFact(
        pk=job.pk,
        cluster=job.cluster,
        job_id=job.job_id,
        raw_id=job.raw_id,
        submit_at=job.submit_at,
        start_at=job.start_at,
        end_at=job.end_at,
        state=job.state,
        run_hint=job.run_hint,
        logged_runs=logged,
    )


def _replace(held: QuerySet[RunLink], found: set[Link]) -> set[int]:
    rows = {(row.run_id, row.job_id): row for row in held}
    wanted = {(link.run_pk, link.job_pk): link for link in found}
    gone = [row for key, row in rows.items() if key not in wanted]
    new = [link for key, link in wanted.items() if key not in rows]
    better = [row for key, row in rows.items() if key in wanted and _prove(row, wanted[key])]
    RunLink.objects.filter(pk__in=[row.pk for row in gone]).delete()
    RunLink.objects.bulk_update(better, ["how", "evidence"])
    RunLink.objects.bulk_create(
        [RunLink(run_id=one.run_pk, job_id=one.job_pk, how=one.how, evidence=one.evidence) for one in new],
        ignore_conflicts=True,
    )
    return {row.run_id for row in [*gone, *better]} | {link.run_pk for link in new}


def _prove(row: RunLink, link: Link) -> bool:
    """Put the present proof onto a link that is held; return whether that changes it."""
    if (row.how, row.evidence) == (link.how, link.evidence):
        return False
    row.how, row.evidence = link.how, link.evidence
    return True


def relink_agents(*, job_pks: Iterable[int]) -> set[int]:
    """Find which sweeps these jobs work for; return the primary keys of sweeps whose agents changed.

    A job works for a sweep whose id its name, its command or its log names, or a run of which it carries.
    """
    jobs = {job.pk: job for job in Job.objects.filter(pk__in=set(job_pks))}
    evidence = _agent_evidence(jobs)
    held = {(row.sweep_id, row.job_id): row for row in AgentLink.objects.filter(job__in=jobs)}
    new = {key: said for key, said in evidence.items() if key not in held}
    AgentLink.objects.bulk_create(
        [AgentLink(sweep_id=sweep, job_id=job, evidence=said) for (sweep, job), said in new.items()],
        ignore_conflicts=True,
    )
    return {sweep for sweep, _ in new}


def _agent_evidence(jobs: dict[int, Job]) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    words = {pk: set(_TOKEN.findall(f"{job.name} {job.command}")) for pk, job in jobs.items()}
    traces = traces_by_job((job.cluster, job.job_id) for job in jobs.values())
    logged = {
        pk: {trace.sweep_id for trace in traces.get((job.cluster, job.job_id), []) if trace.sweep_id}
        for pk, job in jobs.items()
    }
    named = set().union(*words.values(), *logged.values()) if jobs else set()
    sweeps: dict[str, list[Sweep]] = defaultdict(list)
    for sweep in Sweep.objects.filter(sweep_id__in=named):
        sweeps[sweep.sweep_id].append(sweep)
    for pk, job in jobs.items():
        for sweep_id in logged[pk] & sweeps.keys():
            found.update(
                {(one.pk, pk): f"a log of job {job.job_id} names sweep {sweep_id}" for one in sweeps[sweep_id]}
            )
        for sweep_id in words[pk] & sweeps.keys():
            found.update({(one.pk, pk): f"job {job.job_id} names sweep {sweep_id}" for one in sweeps[sweep_id]})
    for link in RunLink.objects.filter(job__in=jobs, run__sweep__isnull=False).select_related("run"):
        assert link.run.sweep_id is not None  # noqa: S101 - the filter says so
        found[link.run.sweep_id, link.job_id] = f"it carries run {link.run.run_id} of the sweep"
    return found


def runs_touched_by(*, job_pks: Iterable[int], log_keys: Iterable[tuple[str, str]] = ()) -> set[int]:
    """Return the runs that a change of these jobs or of these jobs' logs may concern."""
    jobs = list(Job.objects.filter(pk__in=set(job_pks)))
    keys = {(job.cluster, job.job_id) for job in jobs} | set(log_keys)
    named = {trace.run_id for traces in traces_by_job(keys).values() for trace in traces if trace.run_id}
    hinted = {job.run_hint for job in jobs if job.run_hint}
    raw_ids = {job.raw_id for job in jobs if job.raw_id is not None}
    runs = Run.objects.filter(
        Q(slurm_raw_id__in=raw_ids)
        | Q(run_id__in=named | hinted)
        | Q(job_links__job__job_id__in={job_id for _, job_id in keys})
    )
    return set(runs.values_list("pk", flat=True))
