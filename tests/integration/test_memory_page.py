"""The page on which memory is estimated: everything is in its address."""

from datetime import timedelta

import pytest
from django.test import Client

from apps.checkpoints.models import Verification
from apps.slurm.adapters.memory import MemoryScheduler
from apps.slurm.gpus import sync_gpu_types
from apps.slurm.ports import GpuType
from tests.factories.moments import NOW
from tests.factories.rows import RunFactory

pytestmark = pytest.mark.django_db


def test_an_address_is_an_estimate_with_its_checklist(viewer: Client) -> None:
    text = viewer.get("/memory?parameters=7B&precision=bf16&done=estimated&done=headroom").content.decode()
    for said in ("93.9 GiB", "7\u202f000\u202f000\u202f000 parameters", "2 of 4", "✖ too little", "✓ fits"):
        assert said in text, said
    every = "&".join(f"done={name}" for name in ("estimated", "headroom", "one-batch", "logged"))
    assert "ready to launch" in viewer.get(f"/memory?{every}").content.decode()


@pytest.mark.parametrize("query", ["parameters=many", "parameters=nan", "parameters=-1", "parameters=1&trained=2",
                                   "parameters=1&optimizer=magic", "parameters=1&precision=%00"])  # fmt: skip
def test_what_makes_no_sense_is_said_and_nothing_is_estimated(viewer: Client, query: str) -> None:
    answer = viewer.get(f"/memory?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_a_stranger_estimates_nothing(client: Client) -> None:
    assert client.get("/memory").status_code == 302
    assert client.get("/memory?parameters=7B").status_code == 302


def test_the_parameters_are_those_that_a_proof_of_the_runs_checkpoint_counted(viewer: Client) -> None:
    run = RunFactory.create()
    assert "No proven checkpoint" in viewer.get(f"/memory?run={run.pk}").content.decode()
    values = {"run": run, "kind": "pt", "bytes": 10, "asked_by": "mia", "asked_at": NOW, "checked_at": NOW}
    for step, sound, parameters in ((1, "pass", 100), (2, "pass", 7_000_000_000), (3, "fail", None)):
        Verification.objects.create(
            **values, path=f"/w/step-{step}.pt", step=step, modified_at=NOW + timedelta(hours=step), sound=sound,
            state="done", parameters=parameters,
        )  # fmt: skip
    text = viewer.get(f"/memory?run={run.pk}").content.decode()
    assert "7\u202f000\u202f000\u202f000 parameters" in text
    assert "/w/step-2.pt" in text
    assert 'value="7000000000"' in text
    assert "No proven checkpoint" in viewer.get("/memory?run=x").content.decode()


def test_the_gpus_that_a_cluster_tells_come_first_and_one_that_does_not_answer_keeps_them(viewer: Client) -> None:
    scheduler = MemoryScheduler(name="hpc")
    scheduler.gpus = [GpuType("nvidia_a100-sxm4-80gb", 16, 2), GpuType("a100", 8, 1), GpuType("abacus", 4, 1)]
    assert sync_gpu_types(scheduler=scheduler, now=NOW)
    scheduler.down = True
    assert not sync_gpu_types(scheduler=scheduler, now=NOW)
    text = " ".join(viewer.get("/memory?parameters=5B").content.decode().split())
    for said in (
        "nvidia_a100-sxm4-80gb", "80 GiB:", "40 GiB:", "on 2 nodes", "abacus", "? unknown: its name tells no memory",
    ):  # fmt: skip
        assert said in text, said
    scheduler.down, scheduler.gpus = False, scheduler.gpus[:1]
    sync_gpu_types(scheduler=scheduler, now=NOW)
    assert "abacus" not in viewer.get("/memory?parameters=5B").content.decode()
