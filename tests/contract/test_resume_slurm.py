"""One press, one job, on a real Slurm: an sbatch that times out, workers that die around it, requeues, a deaf Slurm."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import AlreadyDone
from apps.resume.automatic import look_after_runs, switch_auto
from apps.resume.models import ResumeRequest
from apps.resume.services import LEASE
from apps.resume.submitting import SETTLE
from apps.slurm.adapters.slurm_cli import SlurmCli
from apps.slurm.domain import key_named_in
from tests.factories.resume import Lab
from tests.integration.test_resume_deaths import Deadly, Death, Killer
from tests.services.slurm import SlurmCluster
from tests.services.slurm_harness import SlurmHarness

pytestmark = [pytest.mark.django_db, pytest.mark.needs_slurm]
SLEEPS = '#!/bin/bash\n{real} "$@" || exit\nif [ ! -e {mark} ]; then touch {mark}; exec sleep 60; fi\n'


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, tmp_path: Path) -> Iterator[SlurmHarness]:
    harness = SlurmHarness(tmp_path, slurm_cluster, "slurm_cli")
    yield harness
    harness.close()
    # Every test here resumes run aaa: a job that is still being cleaned up would shut the next one's gate.
    harness.wait(lambda: not {one.job_id for one in harness.scheduler.queue()} & set(harness.submitted), "the end", [])


@pytest.fixture
def lab(db: None, workspace_root: Path, slurm: SlurmHarness, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    made = Lab(workspace_root, options={"output": "logs/%x_%j.out", "time": "5", "mem": "100"})
    (made.root / "experiments" / "resume.sbatch").write_text("#!/bin/bash\nenv\nexec sleep 30\n")
    made.scheduler = slurm.scheduler
    return made


def jobs_with(slurm: SlurmHarness, key: str) -> list[str]:
    """The ids of every job that carries the key, by queue and accounting."""
    told = [*slurm.scheduler.queue(), *slurm.scheduler.history(slurm.started_at)]
    found = sorted({one.job_id for one in told if key_named_in(one.comment) == key or one.name.endswith(key)})
    slurm.submitted += found
    return found


def test_an_sbatch_that_times_out_after_slurm_accepted_makes_one_job(
    lab: Lab, slurm: SlurmHarness, slurm_cluster: SlurmCluster, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    real = shutil.which("sbatch", path=slurm_cluster.env["PATH"])
    (programs / "sbatch").write_text(SLEEPS.format(real=real, mark=tmp_path / "slept"))
    (programs / "sbatch").chmod(0o755)
    environment = {**slurm_cluster.env, "PATH": f"{programs}:{slurm_cluster.env['PATH']}"}
    slow = SlurmCli(environment, seconds=5)
    request = lab.ask()
    assert lab.drive(request, slow) == "submitting"
    request.refresh_from_db()
    assert request.said == "sbatch did not answer within 5 seconds."
    assert (tmp_path / "slept").exists()
    lab.now += SETTLE
    assert lab.drive(request, slow) == "submitted"
    request.refresh_from_db()
    assert jobs_with(slurm, request.key) == [request.job_id]


def test_a_worker_that_dies_around_any_call_of_slurm_leaves_one_job(lab: Lab, slurm: SlurmHarness) -> None:
    number, died = 0, True
    while died:
        number += 1
        request, killer = lab.ask(), Killer(number)
        try:
            state = lab.drive(request, Deadly(slurm.scheduler, killer))
        except Death:
            lab.now += LEASE + SETTLE
            state = lab.drive(request)
        died = killer.passed >= number
        request.refresh_from_db()
        assert (state, jobs_with(slurm, request.key)) == ("submitted", [request.job_id]), number
        slurm.scheduler.cancel(request.job_id)
        slurm.wait_past(request.job_id, "CANCELLED")
        ResumeRequest.objects.update(state="failed")
    assert number > 6


def test_a_job_that_has_ended_already_is_found_again_and_not_repeated(lab: Lab, slurm: SlurmHarness) -> None:
    (lab.root / "experiments" / "resume.sbatch").write_text("#!/bin/bash\ntrue\n")
    request = lab.ask()
    lab.drive(request)
    request.refresh_from_db()
    job_id = request.job_id
    slurm.wait_past(job_id, "COMPLETED")
    # As a worker would leave it that died before it wrote the job's id down.
    ResumeRequest.objects.update(state="submitting", job_id="", submitted_at=None)
    lab.now += LEASE
    assert lab.drive(request) == "submitted"
    assert jobs_with(slurm, request.key) == [job_id]


def test_the_job_gets_the_run_and_not_the_sweep_nor_our_own_variables(
    lab: Lab, slurm: SlurmHarness, slurm_cluster: SlurmCluster
) -> None:
    ours = {"WANDB_SWEEP_ID": "swp1", "SECRET_KEY": "s3cret", "DATABASE_URL": "postgres://x", "KEPT": "kept"}
    request = lab.ask()
    lab.drive(request, SlurmCli({**slurm_cluster.env, **ours}))
    request.refresh_from_db()
    slurm.run(request.job_id)
    log = lab.root / "logs" / f"resume-aaa-{request.key}_{request.job_id}.out"
    slurm.wait(lambda: log.is_file() and "WANDB_RESUME=must" in log.read_text(), "the job's log", [log])
    told = dict(line.split("=", 1) for line in log.read_text().splitlines() if "=" in line)
    assert {name: told.get(name) for name in (*ours, "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_PROJECT")} == {
        "WANDB_SWEEP_ID": None, "SECRET_KEY": None, "DATABASE_URL": None, "KEPT": "kept",
        "WANDB_RUN_ID": "aaa", "WANDB_RESUME": "must", "WANDB_PROJECT": "glue",
    }  # fmt: skip
    assert jobs_with(slurm, request.key) == [request.job_id]


def test_a_requeue_is_done_once_whoever_dies_after_it(lab: Lab, slurm: SlurmHarness) -> None:
    job_id = slurm.submit("sleep 30", options={"requeue": ""})
    slurm.run(job_id)
    slurm.scheduler.cancel(job_id)
    (ended,) = slurm.wait_past(job_id, "CANCELLED")
    lab.workspace.config["recipe"]["requeue"] = True
    lab.workspace.save()
    lab.job.cluster, lab.job.job_id, lab.job.raw_id = slurm.scheduler.cluster(), job_id, int(job_id)
    lab.job.submit_at = ended.submit_at
    lab.job.save()
    request = lab.ask()
    assert request.planned.how == "requeue"
    calls = Counting(slurm.scheduler)
    assert lab.drive(request, calls) == "submitted"
    ResumeRequest.objects.update(state="submitting", job_id="")  # it died before it wrote that down
    lab.now += LEASE
    assert lab.drive(request, calls) == "submitted"
    assert calls.requeues == 1
    request.refresh_from_db()
    assert request.job_id == job_id
    assert jobs_with(slurm, request.key) == []


class Counting:
    """A scheduler of which we count the requeues."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.requeues = inner, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def requeue(self, job_id: str) -> None:
        self.requeues += 1
        self._inner.requeue(job_id)


def test_a_slurm_that_does_not_answer_is_waited_for(lab: Lab, slurm: SlurmHarness) -> None:
    request = lab.ask()
    with slurm.dead_controller():
        assert lab.drive(request) == "asked"
    with slurm.dead_accounting():
        assert lab.drive(request) in ("asked", "submitting")  # whether a job exists is not known by the queue alone
    lab.now += SETTLE
    assert lab.drive(request) == "submitted"
    request.refresh_from_db()
    assert jobs_with(slurm, request.key) == [request.job_id]


def test_without_a_person_one_job_is_made_however_often_beat_and_people_come(lab: Lab, slurm: SlurmHarness) -> None:
    switch_auto(subject=lab.run, on=True, actor="mia", now=lab.now)
    for _ in range(4):
        look_after_runs(now=lab.now, send_check=lambda asked: lab.check(), send_resume=lambda request: None)
    request = ResumeRequest.objects.get()
    assert (request.asked_by, request.state) == ("auto-resume", "asked")
    with pytest.raises(AlreadyDone):
        lab.ask()
    lab.drive(request)
    lab.drive(request)
    request.refresh_from_db()
    assert jobs_with(slurm, request.key) == [request.job_id]
    assert request.state in ("submitted", "running")
