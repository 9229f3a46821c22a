"""Reading what the logs say."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import F, Q

from apps.joblogs.models import LogFile, LogSharer, LogTrace

Key = tuple[str, str]
# What a log's reader keeps for itself: with it every row would cost half as much again.
_OF_THE_READER = ("carry", "notes", "inode", "offset", "read_at", "behind", "skipped_bytes", "problem")
_HOW_IT_IS_READ = ("earlier_starts", *(f"log__{name}" for name in _OF_THE_READER))
_NEWEST_LAST = ("log__modified_at", F("progress_at").asc(nulls_first=True), "pk")


def traces_by_job(keys: Iterable[Key]) -> dict[Key, list[LogTrace]]:
    """Return the traces of each (cluster, job id), in two queries; newest log last, in it newest progress last.

    A log to which several jobs write is each one's.
    """
    wanted = set(keys)
    clusters, ids = {cluster for cluster, _ in wanted}, {job_id for _, job_id in wanted}
    shared: dict[int, list[Key]] = defaultdict(list)
    for pk, cluster, job_id in LogSharer.objects.filter(job_id__in=ids).values_list("log", "cluster", "job_id"):
        shared[pk].append((cluster, job_id))
    own, others = Q(log__cluster__in=clusters, log__job_id__in=ids), Q(log__in=shared.keys())
    rows = LogTrace.objects.filter(own | others).select_related("log").defer(*_HOW_IT_IS_READ)
    found: dict[Key, list[LogTrace]] = defaultdict(list)
    for row in rows.order_by(*_NEWEST_LAST):
        for key in [(row.log.cluster, row.log.job_id), *shared.get(row.log_id, [])]:
            if key in wanted:
                found[key].append(row)
    return found


def traces_by_run(run_ids: Iterable[str]) -> dict[str, list[LogTrace]]:
    """Return the traces that name each run id, in one query; newest log last."""
    found: dict[str, list[LogTrace]] = defaultdict(list)
    rows = LogTrace.objects.filter(run_id__in=set(run_ids)).select_related("log")
    for row in rows.order_by(*_NEWEST_LAST):
        found[row.run_id].append(row)
    return found


def jobs_naming(run_ids: Iterable[str]) -> dict[str, set[Key]]:
    """Return for each run id the (cluster, job id) of the jobs whose logs name it, in two queries."""
    logs: dict[int, set[str]] = defaultdict(set)
    found: dict[str, set[Key]] = defaultdict(set)
    for run_id, traces in traces_by_run(run_ids).items():
        for trace in traces:
            logs[trace.log_id].add(run_id)
            found[run_id].add((trace.log.cluster, trace.log.job_id))
    for pk, cluster, job_id in LogSharer.objects.filter(log__in=logs).values_list("log", "cluster", "job_id"):
        for run_id in logs[pk]:
            found[run_id].add((cluster, job_id))
    return found


def jobs_to_catch_up_with() -> set[Key]:
    """Return the (cluster, job id) of jobs whose logs were not read to their end."""
    return set(LogFile.objects.filter(behind=True).values_list("cluster", "job_id"))
