"""Turns what squeue, sacct and scontrol print into attempts. No I/O, so recorded text can be replayed."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from apps.core.errors import Permanent
from apps.slurm.adapters import slurm_text as text
from apps.slurm.ports import GpuType, JobAttempt

SQUEUE_FIELDS = (
    *("JobArrayID", "JobID", "SubmitTime", "State", "Name", "UserName", "Partition", "Reason"),
    *("StartTime", "EndTime", "TimeUsed", "TimeLimit", "NodeList", "tres-alloc", "Comment", "WorkDir"),
    *("STDOUT", "STDERR", "Command", "RestartCnt"),
)
SACCT_FIELDS = (
    *("JobID", "JobIDRaw", "Submit", "State", "JobName", "User", "Partition", "Reason", "Start", "End"),
    *("ElapsedRaw", "TimelimitRaw", "ExitCode", "NodeList", "AllocTRES", "ReqTRES", "Comment", "WorkDir"),
    *("SubmitLine", "Cluster"),
)
SACCT_NEWER_FIELDS = ("StdOut", "StdErr", "Restarts")  # where `sacct --helpformat` names them
STEP_FIELDS = ("JobIDRaw", "Submit", "MaxRSS")

_SCONTROL = re.compile(
    r"JobId=(?P<raw>\d+) (?:ArrayJobId=(?P<array>\d+) ArrayTaskId=(?P<task>\d+) .*?)?JobName=(?P<JobName>.*) "
    r"UserId=(?P<User>[^(]*)\(.* Restarts=(?P<Restarts>\d+) .* TimeLimit=(?P<limit>\S+) .*"
    r"SubmitTime=(?P<Submit>\d+) .*Partition=(?P<Partition>\S*) AllocNode.*?(?:AllocTRES| TRES)=(?P<AllocTRES>\S*) "
    r".*Command=(?P<SubmitLine>.*) "
    r"WorkDir=(?P<WorkDir>.*?) (?:Comment=.*|\w+Comment=.*)?StdErr=(?P<StdErr>.*) StdIn=.* "
    r"StdOut=(?P<StdOut>.*?)(?: Power=.*| Tres\w+=.*)?$",
    re.DOTALL,
)
_RECORD_START = re.compile(r"\n(?=JobId=\d+ )")

Row = Mapping[str, str]
LiveJobs = Mapping[int, Row]


def squeue_format(mark: str) -> str:
    """Return the value of ``squeue -O``: every field at its full width, each followed by ``mark``."""
    return ",".join(f"{name}:{mark}" for name in SQUEUE_FIELDS)


def rows(output: str, fields: Sequence[str], mark: str) -> Iterator[Row]:
    """Yield one mapping per record of ``output``, in which ``mark`` ends every field.

    Fields are counted, since names and comments may hold newlines. Raises ``Permanent`` when the count
    does not come out even: better no answer than values under the wrong name.
    """
    values = output.split(mark)
    if len(values) % len(fields) != 1 or values[-1].strip():
        raise Permanent("Slurm's answer has another number of fields than was asked for.")
    for start in range(0, len(values) - 1, len(fields)):
        record = values[start : start + len(fields)]
        record[0] = record[0].removeprefix("\n")
        yield dict(zip(fields, record, strict=True))


def queue_attempts(output: str, cluster: str, mark: str) -> list[JobAttempt]:
    """Return every job of ``squeue -r -h -O <squeue_format(mark)>``."""
    return [_from_squeue(row, cluster) for row in rows(output, SQUEUE_FIELDS, mark)]


def _from_squeue(row: Row, cluster: str) -> JobAttempt:
    job_id, state = row["JobArrayID"].strip(), text.state_name(row["State"])
    array, task = text.array_parts(job_id)
    raw = _number(row["JobID"])
    if state == "PENDING" and array is not None and raw == array:
        raw = None  # the whole array still shares one record; the task gets its number when it starts
    name, user, nodes = row["Name"], row["UserName"], text.words(row["NodeList"])
    work_dir = text.words(row["WorkDir"])
    values = text.log_values(job_id, raw, name, user, nodes)
    return JobAttempt(
        cluster=cluster,
        job_id=job_id,
        submit_at=_submitted(row["SubmitTime"], job_id),
        state=state,
        raw_id=raw,
        array_job_id=array,
        array_task_id=task,
        name=name,
        user=user,
        partition=row["Partition"],
        reason=text.words(row["Reason"]),
        start_at=text.moment(row["StartTime"]) if state != "PENDING" else None,  # else it is a forecast
        elapsed_seconds=text.seconds(row["TimeUsed"]) or 0,
        time_limit_seconds=text.seconds(row["TimeLimit"]),
        nodes=nodes,
        gpus=text.gpu_count(row["tres-alloc"]),
        comment=text.words(row["Comment"]),
        work_dir=work_dir,
        stdout_path=text.log_path(_pattern(row, "STDOUT"), work_dir, values),
        stderr_path=text.log_path(_pattern(row, "STDERR"), work_dir, values),
        command=text.words(row["Command"]),
        requeue_count=_number(row["RestartCnt"]) or 0,
    )


def _pattern(row: Row, column: str) -> str:
    # Without --output squeue names slurm-<raw id>.out for array tasks too, which write elsewhere.
    made_up = f"{row['WorkDir']}/slurm-{row['JobID']}.out"
    if "_" in row["JobArrayID"] and row[column] == made_up:
        return f"{row['WorkDir'].replace('%', '%%')}/slurm-%A_%a.out"
    return row[column]


def gpus_by_raw_id(records: Iterable[Row]) -> dict[int, int]:
    """Return the GPUs of the records of ``squeue -O JobID,tres-alloc`` that have any."""
    counted = ((_number(row["JobID"]) or 0, text.gpu_count(row["tres-alloc"])) for row in records)
    return {raw_id: gpus for raw_id, gpus in counted if gpus}


def gpu_types(records: Iterable[Row]) -> list[GpuType]:
    """Return the GPUs of ``sinfo -N -O NodeList,Gres`` by type; a node stands there once for each of its partitions."""
    nodes = {row["NodeList"].strip(): text.gpus_of_gres(row["Gres"]) for row in records}
    names = sorted({name for gpus in nodes.values() for name in gpus})
    return [
        GpuType(
            name,
            gpus=sum(gpus.get(name, 0) for gpus in nodes.values()),
            nodes=sum(1 for gpus in nodes.values() if gpus.get(name)),
        )
        for name in names
    ]


def lacking(records: Iterable[Row]) -> set[int]:
    """Return the raw ids of records that only the controller can complete; those of live jobs the queue tells."""
    return {
        _number(row["JobIDRaw"]) or 0
        for row in records
        if _is_half(row) or (not row.get("StdOut") and text.state_name(row["State"]) not in LIVE_STATES)
    }


def history_attempts(records: Iterable[Row], live: LiveJobs) -> list[JobAttempt]:
    """Return every attempt of the records of ``sacct -X -D -n -p --delimiter=<mark> --format=<fields>``.

    ``live`` is what the controller says of the jobs that it remembers, by raw id: it knows the log paths,
    which older accounting does not keep, and completes rows that accounting has only half of.
    """
    whole = [row for row in (_completed(row, live) for row in records) if row is not None]
    # The shared record of an array that was cancelled may go on to list tasks that started meanwhile and
    # have records of their own: theirs are the true ones.
    own = {(row["JobID"], row["Submit"]) for row in whole}
    return [
        _from_sacct(row, job_id)
        for row in whole
        for job_id in text.each_task(row["JobID"])
        if job_id == row["JobID"] or (job_id, row["Submit"]) not in own
    ]


def _completed(row: Row, live: LiveJobs) -> Row | None:
    """Return the row with what the controller adds; None when it stays half a row."""
    known = live.get(_number(row["JobIDRaw"]) or 0, {})
    if _is_half(row):
        return {**row, **known, "Submit": row["Submit"]} if known else None
    if not known:
        return row
    # What was written where stays the same; how often it was requeued is told of its last attempt only.
    names = ("StdOut", "StdErr", "Restarts") if known["Submit"] == row["Submit"] else ("StdOut", "StdErr")
    return {**row, **{name: known[name] for name in names if not row.get(name)}}


def _is_half(row: Row) -> bool:
    # Accounting may hear of a short job's end before its start. For some seconds it then shows a row
    # named "allocation" without partition or array id: another job, for whoever believes it.
    return row["JobName"] == "allocation" and not row["Partition"] and not row["SubmitLine"]


def most_memory(records: Iterable[Row]) -> dict[tuple[str, str], int]:
    """Return the largest MaxRSS in bytes of each attempt's steps, by (raw id, submit time in epoch seconds).

    The records are ``sacct -D`` with ``STEP_FIELDS``: steps follow the record of their allocation, and say
    their own start where that one says the submit time. Attempts without a figure are left out.
    """
    found: dict[tuple[str, str], int] = {}
    attempt = ("", "")
    for row in records:
        if "." not in row["JobIDRaw"]:
            attempt = row["JobIDRaw"], row["Submit"]
        elif (used := text.size(row["MaxRSS"])) > found.get(attempt, 0):
            found[attempt] = used
    return found


def _from_sacct(row: Row, job_id: str) -> JobAttempt:
    state = text.state_name(row["State"])
    array, task = text.array_parts(job_id)
    raw = _number(row["JobIDRaw"]) if job_id == row["JobID"] else None
    code, signal = _exit_of(state, row["ExitCode"])
    name, user, nodes = row["JobName"], row["User"], text.words(row["NodeList"])
    work_dir = text.words(row["WorkDir"])
    values = text.log_values(job_id, raw, name, user, nodes)
    return JobAttempt(
        cluster=row["Cluster"],
        job_id=job_id,
        submit_at=_submitted(row["Submit"], job_id),
        state=state,
        raw_id=raw,
        array_job_id=array,
        array_task_id=task,
        name=name,
        user=user,
        partition=row["Partition"],
        reason=text.words(row["Reason"]),
        start_at=text.moment(row["Start"]),
        end_at=text.moment(row["End"]),
        elapsed_seconds=_number(row["ElapsedRaw"]) or 0,
        time_limit_seconds=text.limit_seconds(row["TimelimitRaw"]),
        exit_code=code,
        exit_signal=signal,
        nodes=nodes,
        gpus=text.gpu_count(row["AllocTRES"] or row["ReqTRES"]),
        comment=text.words(row["Comment"]),
        work_dir=work_dir,
        stdout_path=text.log_path(row.get("StdOut", ""), work_dir, values),
        stderr_path=text.log_path(row.get("StdErr", ""), work_dir, values),
        command=row["SubmitLine"],
        requeue_count=_number(row.get("Restarts", "")) or 0,
    )


def _exit_of(state: str, told: str) -> tuple[int | None, int | None]:
    # Slurm calls a job failed for its exit code or its signal only. A failure with neither has been seen: then
    # accounting knows the state a moment before the code, which is not to be told as exit code 0.
    if state in LIVE_STATES or (state == "FAILED" and told == "0:0"):
        return None, None
    return text.exit_pair(told)


LIVE_STATES = frozenset(
    {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING", "STOPPED", "SIGNALING"}
)


def live_jobs(output: str, wanted: Collection[int] | None = None) -> dict[int, dict[str, str]]:
    """Return accounting's columns by raw id from ``scontrol show job -o``, as far as it has them.

    ``wanted`` names the raw ids that are read; None for all. The controller tells of every job that it
    remembers, and taking thousands of records apart costs more than asking for them.
    """
    # A comment may hold newlines, so a record reaches to where the next one begins.
    records = (record.strip() for record in _RECORD_START.split(output))
    found = (_SCONTROL.match(record) for record in records if wanted is None or _record_id(record) in wanted)
    return {int(match["raw"]): _live_row(match.groupdict()) for match in found if match}


def _record_id(record: str) -> int:
    return _number(record.partition(" ")[0].removeprefix("JobId=")) or 0


def _live_row(found: Mapping[str, str | None]) -> dict[str, str]:
    row = {name: value.strip() for name, value in found.items() if value is not None}
    raw, array, task = row.pop("raw"), row.pop("array", ""), row.pop("task", "")
    limit = text.seconds(row.pop("limit"))
    minutes = "" if limit is None else str(limit // 60)
    return {**row, "JobID": f"{array}_{task}" if array else raw, "TimelimitRaw": minutes}


def config_value(output: str, name: str) -> str:
    """Return one value of ``scontrol show config``; "" when it is not there."""
    match = re.search(rf"^{re.escape(name)}\s*=\s*(.*?)\s*$", output, re.MULTILINE)
    return match[1] if match else ""


def _number(value: str) -> int | None:
    return int(value) if value.strip().isdigit() else None


def _submitted(value: str, job_id: str) -> datetime:
    moment = text.moment(value)
    if moment is None:
        raise Permanent(f"Slurm gives no submit time for job {job_id}: {value!r}.")
    return moment
