"""A worker's process that is really killed -9 while Slurm has its job already: one press, one job."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from apps.resume.services import LEASE
from apps.resume.submitting import SETTLE
from apps.slurm.adapters.slurm_cli import SlurmCli
from apps.slurm.domain import key_named_in
from tests.factories.resume import Lab
from tests.services.slurm import SlurmCluster
from tests.services.slurm_harness import SlurmHarness

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.needs_slurm]
# Slurm has the job, and whoever submitted it does not hear of it; or nobody has told Slurm yet.
WRAPPERS = {
    "after": '#!/bin/bash\n{real} "$@" || exit\ntouch {mark}\nexec sleep 60\n',
    "before": "#!/bin/bash\ntouch {mark}\nexec sleep 60\n",
}


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, tmp_path: Path) -> Iterator[SlurmHarness]:
    harness = SlurmHarness(tmp_path, slurm_cluster, "slurm_cli")
    yield harness
    harness.close()


@pytest.mark.parametrize("moment", WRAPPERS)
def test_a_worker_that_is_killed_around_sbatch_leaves_one_job(
    workspace_root: Path, slurm: SlurmHarness, slurm_cluster: SlurmCluster, tmp_path: Path, settings: Any, moment: str
) -> None:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root, options={"output": "logs/%x_%j.out", "time": "5", "mem": "100"})
    (lab.root / "experiments" / "resume.sbatch").write_text("#!/bin/bash\nexec sleep 30\n")
    programs, mark = tmp_path / "bin", tmp_path / "reached"
    programs.mkdir()
    real = shutil.which("sbatch", path=slurm_cluster.env["PATH"])
    (programs / "sbatch").write_text(WRAPPERS[moment].format(real=real, mark=mark))
    (programs / "sbatch").chmod(0o755)
    held = SlurmCli({**slurm_cluster.env, "PATH": f"{programs}:{slurm_cluster.env['PATH']}"}, seconds=90)
    lab.scheduler = slurm.scheduler
    request = lab.ask()
    connections.close_all()
    worker = os.fork()
    if worker == 0:
        os.setpgid(0, 0)
        lab.drive(request, held)
        os._exit(1)  # it should never come so far
    _wait_for(mark, worker)
    os.killpg(worker, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == -signal.SIGKILL
    assert lab.drive(request) == "submitting"  # its claim holds for a while
    lab.now += LEASE + SETTLE
    assert lab.drive(request) == "submitted"
    request.refresh_from_db()
    told = [*slurm.scheduler.queue(), *slurm.scheduler.history(slurm.started_at)]
    ours = {one.job_id for one in told if key_named_in(one.comment) == request.key or one.name.endswith(request.key)}
    slurm.submitted += ours
    assert ours == {request.job_id}


def _wait_for(mark: Path, worker: int) -> None:
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert os.waitpid(worker, os.WNOHANG) == (0, 0), "the worker ended by itself"
        assert time.monotonic() < deadline, "the worker should have come to sbatch"
        time.sleep(0.05)
