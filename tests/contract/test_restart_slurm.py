"""Relaunching on a real Slurm with the real client: one job an agent, whoever dies, and the same sweep goes on."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.restart.domain import Opening, Way
from apps.slurm.domain import key_named_in
from apps.stopping.writing import LEASE
from apps.sweeps.adapters.wandb_api import WandbApiSource
from apps.sweeps.adapters.wandb_control import WandbControl
from apps.sweeps.models import Run, Sweep
from tests.factories.restart import Lab
from tests.integration.test_resume_deaths import Deadly, Death, Killer
from tests.services.sandbox import SandboxServer, running_sandbox
from tests.services.slurm import SlurmCluster
from tests.services.slurm_harness import SlurmHarness

pytestmark = [pytest.mark.django_db, pytest.mark.needs_slurm]
CONFIG = {
    "method": "grid", "program": "train.py", "parameters": {"seed": {"values": [1, 2]}},
    "command": ["${env}", "python", "${program}", "${args}"],
}  # fmt: skip
OPTIONS = {"output": "agent.log", "mem": "1200M"}
TRAIN = "import wandb\nwith wandb.init() as run:\n    run.log({'epoch': 1, 'loss': 0.5})\n"


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, tmp_path: Path) -> Iterator[SlurmHarness]:
    harness = SlurmHarness(tmp_path, slurm_cluster, "slurm_cli")
    yield harness
    harness.close()


@pytest.fixture
def lab(db: None, workspace_root: Path, slurm: SlurmHarness, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    made = Lab(workspace_root, now=datetime.now(UTC))
    made.scheduler = slurm.scheduler  # type: ignore[assignment]  # the real one in place of that in memory
    (made.root / "experiments" / "agent.sbatch").write_text("#!/bin/bash\nexec sleep 30\n")
    return made


def jobs_with(slurm: SlurmHarness, key: str) -> list[str]:
    """The ids of every job that carries a key of this request, by queue and accounting."""
    told = [*slurm.scheduler.queue(), *slurm.scheduler.history(slurm.started_at)]
    found = sorted({one.job_id for one in told if (key_named_in(one.comment) or one.name).startswith(f"{key}-")})
    slurm.submitted += found
    return found


def test_a_worker_that_dies_around_any_call_of_slurm_leaves_one_job_for_each_agent(
    lab: Lab, slurm: SlurmHarness
) -> None:
    for number in range(4, 30, 2):
        request, killer = lab.ask(agents=2), Killer(number)
        try:
            lab.drive(request, Deadly(slurm.scheduler, killer))
        except Death:
            lab.now += LEASE * 1.1
        slurm.wait(lambda asked=request: lab.drive(asked) == "done", "both agents", [])  # type: ignore[misc]  # bound
        request.refresh_from_db()
        assert jobs_with(slurm, request.key) == sorted(request.job_ids.values()), number
        assert len(request.job_ids) == 2, number
        for job_id in request.job_ids.values():
            slurm.scheduler.cancel(job_id)
        if killer.passed < number:
            return
    pytest.fail("a worker should have lived to the end")


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("wandb")) as server:
        server.seed(project="digits", entity="sandbox", runs=1)
        yield server


def test_a_new_sweep_is_made_and_its_agent_trains_in_it(lab: Lab, slurm: SlurmHarness, sandbox: SandboxServer) -> None:
    control = WandbControl(base_url=sandbox.url, api_key=sandbox.api_key)
    old = control.create("sandbox/digits", CONFIG, "00000000")
    control.set_state("sandbox/digits", old.sweep_id, "stop")
    _is_the_sandboxs(lab, sandbox, old.sweep_id)
    lab.control = control  # type: ignore[assignment]  # the real one in place of that in memory
    lab.source = lambda: WandbApiSource(base_url=sandbox.url, api_key=sandbox.api_key, timeout=20)
    request = lab.ask(Way.NEW_SWEEP, agents=1, opening=Opening(reason="its data was wrong", by_admin=True))
    slurm.wait(lambda: lab.drive(request) == "done", "the new sweep and its agent", [])
    request.refresh_from_db()
    assert control.create("sandbox/digits", CONFIG, request.key).sweep_id == request.new_sweep_id != old.sweep_id
    (job_id,) = request.job_ids.values()
    slurm.submitted.append(job_id)
    source = lab.source()
    seen: list[object] = []

    def trained() -> bool:
        runs = [one for one in source.runs("sandbox/digits") if one.sweep_id == request.new_sweep_id]
        seen.append([(one.state, log.read_text() if (log := lab.root / "agent.log").is_file() else "") for one in runs])
        return [one.state for one in runs] == ["finished"] * 2

    slurm.patience = 90  # two starts of the client, on a machine that others use as well
    slurm.wait(trained, "both runs of the grid", seen)
    source.close()


def _is_the_sandboxs(lab: Lab, sandbox: SandboxServer, sweep_id: str) -> None:
    """Let the lab's sweep be that of the sandbox, and its agents the client's own."""
    from tests.factories.rows import both_sources_answered

    Sweep.objects.update(entity="sandbox", project="digits", sweep_id=sweep_id, state="FINISHED", config=CONFIG)
    Run.objects.update(entity="sandbox", project="digits")
    both_sources_answered(scope="sandbox/digits", at=lab.now)
    (lab.root / "train.py").write_text(TRAIN)
    (lab.root / "experiments" / "agent.sbatch").write_text('#!/bin/bash\nexec python -m wandb agent "$1"\n')
    kept = {name: value for name, value in sandbox.env.items() if name.startswith("WANDB") and name != "WANDB_ENTITY"}
    path = f"{Path(sys.executable).parent}:{sandbox.env['PATH']}"
    agent = {**lab.workspace.config["agent"], "environment": {**kept, "PATH": path}, "options": OPTIONS}
    lab.workspace.config = {**lab.workspace.config, "projects": ["sandbox/digits"], "agent": agent}
    lab.workspace.save()
