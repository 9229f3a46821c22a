"""What earlier resumes of a run changed. It goes along with the next one, or the cause that it mended comes back."""

from dataclasses import replace

from apps.resume.changes import DROP, Applied, BadChoice, change_of, in_words
from apps.resume.models import ResumeRequest
from apps.slurm.models import Job
from apps.sweeps.models import Run

NOT_CARRIED = (DROP, "by-hand")  # what was mended by hand is mended


def carried(run: Run) -> Applied:
    """Return the changes of all resumes of a run that made a job, since the last that left the earlier ones out."""
    total = Applied()
    for request in _with_a_job(run):
        if DROP in request.choices:
            total = Applied()
        for name, value in sorted(request.choices.items()):
            if name not in NOT_CARRIED:
                total = total.and_then(_change(name, value))
    return replace(total, said=tuple(f"as before: {word}" for word in in_words(total)), counts=())


def holds_them(run: Run, job: Job) -> bool:
    """Whether a job was made by the last resume of the run: then a requeue of it keeps what was carried into it."""
    last = _with_a_job(run)[-1:]
    return bool(last) and (last[0].cluster, last[0].job_id) == (job.cluster, job.job_id)


def _with_a_job(run: Run) -> list[ResumeRequest]:
    rows = ResumeRequest.objects.filter(run=run).exclude(job_id="").order_by("pk")
    return list(rows.only("choices", "cluster", "job_id"))


def _change(name: str, value: str) -> Applied:
    try:
        return change_of(name, value)
    except BadChoice:
        return Applied()  # of a version of Sweepboard that offered other changes
