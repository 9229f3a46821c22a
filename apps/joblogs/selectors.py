"""Reading what the logs say."""

from collections import defaultdict
from collections.abc import Iterable

from apps.joblogs.models import LogFile, LogTrace


def traces_by_job(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[LogTrace]]:
    """Return the traces of each (cluster, job id), in one query; newest log last."""
    wanted = set(keys)
    rows = LogTrace.objects.filter(log__job_id__in={job_id for _, job_id in wanted}).select_related("log")
    found: dict[tuple[str, str], list[LogTrace]] = defaultdict(list)
    for row in rows.order_by("log__modified_at", "pk"):
        if (row.log.cluster, row.log.job_id) in wanted:
            found[row.log.cluster, row.log.job_id].append(row)
    return found


def traces_by_run(run_ids: Iterable[str]) -> dict[str, list[LogTrace]]:
    """Return the traces that name each run id, in one query; newest log last."""
    found: dict[str, list[LogTrace]] = defaultdict(list)
    rows = LogTrace.objects.filter(run_id__in=set(run_ids)).select_related("log")
    for row in rows.order_by("log__modified_at", "pk"):
        found[row.run_id].append(row)
    return found


def jobs_to_catch_up_with() -> set[tuple[str, str]]:
    """Return the (cluster, job id) of jobs whose logs were not read to their end."""
    return set(LogFile.objects.filter(behind=True).values_list("cluster", "job_id"))
