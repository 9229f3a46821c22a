"""Slurm in trouble, each time a real cluster or a real process: what is known stays, nothing is made up, it heals."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apps.flags.models import Flag
from apps.slurm import wiring
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.services.slurm import SlurmCluster
from tests.services.slurm_board import SlurmBoard

pytestmark = [pytest.mark.starts_first, pytest.mark.needs_slurm, pytest.mark.django_db(transaction=True)]

Fault = Callable[[SlurmBoard, SlurmCluster], Any]


@pytest.fixture
def board(
    slurm_cluster: SlurmCluster, settings: Any, tmp_path: Path, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SlurmBoard]:
    """Sweepboard on the one cluster of this machine."""
    wiring.detection.cache_clear()
    board = SlurmBoard(tmp_path)
    board.configure()
    settings.CONFIG_FILE = str(board.config)
    monkeypatch.setenv("SLURM_CONF", str(slurm_cluster.conf))
    monkeypatch.setenv("PATH", f"{board.programs}:{slurm_cluster.env['PATH']}")
    yield board
    board.close()
    wiring.detection.cache_clear()


@contextmanager
def dead_controller(board: SlurmBoard, cluster: SlurmCluster) -> Iterator[None]:
    cluster.stop_controller()
    try:
        yield
    finally:
        cluster.start_controller()


@contextmanager
def dead_accounting(board: SlurmBoard, cluster: SlurmCluster) -> Iterator[None]:
    cluster.stop_accounting()
    try:
        yield
    finally:
        cluster.start_accounting()


def client(name: str, body: str) -> Fault:
    """A fault in which one of Slurm's clients is another program."""

    @contextmanager
    def replaced(board: SlurmBoard, cluster: SlurmCluster) -> Iterator[None]:
        undo = board.replace_client(name, body)
        try:
            yield
        finally:
            undo()

    return replaced


FAULTS = [
    pytest.param(dead_controller, "not answer", id="slurmctld-down"),
    pytest.param(dead_accounting, "The live queue was read, accounting was not", id="slurmdbd-down"),
    pytest.param(client("squeue", "exec sleep 60"), "squeue did not answer within 4 seconds", id="slow-squeue"),
    pytest.param(
        client("sacct", '[ "$1" = --helpformat ] && exec {real} "$@"; exec sleep 60'),
        "accounting was not: sacct did not answer within 4 seconds",
        id="slow-sacct",
    ),
    pytest.param(client("squeue", "echo what a nice day"), "another number of fields", id="nonsense-of-squeue"),
    pytest.param(client("squeue", "head -c 5000 /dev/zero"), "another number of fields", id="binary-rubbish"),
    pytest.param(
        client("sacct", "echo what a nice day"),
        "accounting was not: Slurm's answer has another number of fields",
        id="nonsense-of-sacct",
    ),
    pytest.param(client("scontrol", "echo what a nice day"), "names no ClusterName", id="nonsense-of-scontrol"),
    pytest.param(client("squeue", "kill -SEGV $$"), "squeue failed with status -11", id="crashing-client"),
]


@pytest.mark.parametrize(("fault", "sentence"), FAULTS)
def test_in_trouble_the_last_good_state_stays_and_flags_neither_come_nor_go(
    board: SlurmBoard, slurm_cluster: SlurmCluster, fault: Fault, sentence: str
) -> None:
    alive, dead = board.run(slurm_cluster), board.run(slurm_cluster)
    assert board.pass_over()
    board.cancel(slurm_cluster, dead)
    assert board.pass_over()
    zombie = {dead.run_id: ("zombie", False)}
    known = {alive.run_id: "RUNNING", dead.run_id: "CANCELLED"}
    assert (board.states(), board.flags()) == (known, zombie)
    rows = board.rows()
    with fault(board, slurm_cluster):
        assert not board.pass_over()
        assert sentence in board.error()
        assert board.rows() == rows
        assert board.flags() == {dead.run_id: ("zombie", True)}
        assert board.slurm_side(alive)[0] == "RUNNING"
    assert heals(board)
    assert (board.states(), board.flags()) == (known, zombie)
    assert Flag.objects.filter(rule="zombie").count() == 1


def heals(board: SlurmBoard) -> bool:
    """Return whether one of the next passes is good; a controller that has just come back may take a moment."""
    return any(board.pass_over() for _ in range(5))


def test_a_job_that_ends_while_the_controller_is_down_is_learnt_afterwards(
    board: SlurmBoard, slurm_cluster: SlurmCluster
) -> None:
    run = board.run(slurm_cluster, "exec sleep 10")
    began = time.monotonic()
    assert board.pass_over()
    job_id = board.job_of(run).job_id
    with dead_controller(board, slurm_cluster):
        assert not board.pass_over()
        assert board.states() == {run.run_id: "RUNNING"}
        assert board.flags() == {}
        time.sleep(max(0.0, began + 11 - time.monotonic()))  # nobody can be asked whether it ended
    board.wait_for_state(slurm_cluster, job_id, "COMPLETED")
    assert heals(board)
    assert board.states() == {run.run_id: "COMPLETED"}


def test_without_accounting_the_live_queue_goes_on(board: SlurmBoard, slurm_cluster: SlurmCluster) -> None:
    old = board.run(slurm_cluster)
    assert board.pass_over()
    with dead_accounting(board, slurm_cluster):
        slurm_cluster.run(["scancel", board.job_of(old).job_id])
        queue = ["squeue", "-h", "-t", "all", "-j", board.job_of(old).job_id, "-o", "%T"]
        slurm_cluster.wait_for(lambda: slurm_cluster.run(queue, check=False).strip() in {"", "CANCELLED"})
        new = slurm_cluster.run(["sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true"]).strip()
        assert not board.pass_over()
        assert Job.objects.get(job_id=new).state == "PENDING"
        # Absent from the queue, but nobody could say whether it ended, and how.
        assert board.states()[old.run_id] == "RUNNING"
        assert board.flags() == {}
    slurm_cluster.run(["scancel", new])
    board.wait_for_state(slurm_cluster, board.job_of(old).job_id, "CANCELLED")
    assert heals(board)
    assert board.states()[old.run_id] == "CANCELLED"
    assert board.flags() == {old.run_id: ("zombie", False)}


def test_a_job_that_the_controller_has_forgotten_is_known_by_accounting(
    board: SlurmBoard, slurm_cluster: SlurmCluster
) -> None:
    run = board.run(slurm_cluster, "sleep 8; exit 3")
    assert board.pass_over()
    before = board.job_of(run)
    board.wait_for_state(slurm_cluster, before.job_id, "FAILED")
    slurm_cluster.stop_controller()
    slurm_cluster.start_controller(forget=True)
    assert before.job_id not in slurm_cluster.run(["scontrol", "show", "job", "-o"])
    assert heals(board)
    after = board.job_of(run)
    assert (after.state, after.exit_code, after.pk) == ("FAILED", 3, before.pk)
    assert after.stdout_path == before.stdout_path == str(board.folder / f"{run.run_id}.sh_{before.raw_id}.out")
    assert after.comment == before.comment


def test_a_task_of_which_slurm_keeps_no_record_is_gone_and_stays_so(
    board: SlurmBoard, slurm_cluster: SlurmCluster
) -> None:
    command = ["sbatch", "--parsable", "--array=0-2%1", "--output=/dev/null", "--wrap=exec sleep 300"]
    array = slurm_cluster.run(command).strip()
    board.wait_for_state(slurm_cluster, f"{array}_0", "RUNNING")
    assert board.pass_over()
    slurm_cluster.run(["scancel", f"{array}_2"])
    assert board.pass_over()
    tasks = Job.objects.filter(array_job_id=array).values_list("array_task_id", "state")
    assert dict(tasks) == {0: "RUNNING", 1: "PENDING", 2: "GONE"}
    noticed = Job.objects.get(job_id=f"{array}_2").gone_at
    assert board.pass_over()
    assert Job.objects.get(job_id=f"{array}_2").gone_at == noticed is not None
    slurm_cluster.run(["scancel", array])


@pytest.mark.parametrize("state", ["TELEPORTING", "HALF_COMPLETED"])
def test_a_state_of_a_newer_version_passes_through_and_means_unknown(
    board: SlurmBoard, slurm_cluster: SlurmCluster, state: str
) -> None:
    run = board.run(slurm_cluster)
    undo = [
        board.replace_client("squeue", f'{{real}} "$@" | sed s/RUNNING/{state}/'),
        board.replace_client("sacct", f'{{real}} "$@" | sed s/RUNNING/{state}/'),
    ]
    assert board.pass_over()
    assert board.slurm_side(run) == (state, "unknown")
    assert board.flags() == {}
    for real in undo:
        real()
    assert board.pass_over()
    assert board.slurm_side(run) == ("RUNNING", "normal")


def test_a_job_that_ended_in_a_state_of_a_newer_version_is_no_zombie(
    board: SlurmBoard, slurm_cluster: SlurmCluster
) -> None:
    run: Run = board.run(slurm_cluster)
    assert board.pass_over()
    board.cancel(slurm_cluster, run)
    undo = board.replace_client("sacct", '{real} "$@" | sed "s/CANCELLED by [0-9]*/EVAPORATED/"')
    assert board.pass_over()
    assert board.slurm_side(run) == ("EVAPORATED", "unknown")
    assert board.flags() == {}
    undo()
    assert board.pass_over()
    assert board.flags() == {run.run_id: ("zombie", False)}
