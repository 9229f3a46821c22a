"""Two real clusters side by side: each is asked by itself, and the silence of one is not the silence of both."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import SyncPass
from apps.core.errors import Permanent, Transient
from apps.slurm import wiring
from apps.slurm.adapters.pyslurm import PySlurm
from apps.slurm.adapters.slurm_cli import SlurmCli
from apps.slurm.models import Job
from apps.slurm.ports import Submission
from apps.workspaces.selectors import current_config
from tests.services.slurm import SlurmCluster, available, running_slurm
from tests.services.slurm_board import SlurmBoard

EARLY = datetime(2020, 1, 1, tzinfo=UTC)
pytestmark = [pytest.mark.needs_slurm, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True)
class Pair:
    north: SlurmCluster
    south: SlurmCluster


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    able, sentence = available()
    if not able:
        pytest.skip(sentence)
    folder = tmp_path_factory.mktemp("clusters")
    with (
        running_slurm(folder / "north", name="north", nodes=("n1",)) as north,
        running_slurm(folder / "south", name="south", nodes=("s1",)) as south,
    ):
        yield Pair(north, south)


@pytest.fixture
def board(
    clusters: Pair, settings: Any, tmp_path: Path, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SlurmBoard]:
    """Sweepboard on both: the north by its name, as this machine's own cluster, the south by its slurm.conf."""
    wiring.detection.cache_clear()
    board = SlurmBoard(tmp_path)
    board.configure(table("north") + table("south", clusters.south.conf))
    settings.CONFIG_FILE = str(board.config)
    monkeypatch.setenv("SLURM_CONF", str(clusters.north.conf))
    monkeypatch.setenv("PATH", clusters.north.env["PATH"])
    yield board
    board.close()
    wiring.detection.cache_clear()


def table(name: str, conf: object = "") -> str:
    return f'[[slurm.cluster]]\nname = "{name}"\n' + (f'conf = "{conf}"\n' if conf else "")


def script(folder: Path) -> Submission:
    (folder / "job.sh").write_text("#!/bin/bash\nexec sleep 300\n")
    return Submission(str(folder / "job.sh"), work_dir=str(folder), options={"output": "/dev/null"})


def test_one_silent_cluster_leaves_the_other_in_force(board: SlurmBoard, clusters: Pair) -> None:
    here, there = board.run(clusters.north), board.run(clusters.south)
    dead_here, dead_there = board.run(clusters.north), board.run(clusters.south)
    assert board.pass_over()
    assert {job.cluster for job in Job.objects.filter(run_hint__in=[here.run_id, dead_here.run_id])} == {"north"}
    board.cancel(clusters.north, dead_here)
    board.cancel(clusters.south, dead_there)
    assert board.pass_over()
    assert board.flags() == {dead_here.run_id: ("zombie", False), dead_there.run_id: ("zombie", False)}
    clusters.south.stop_controller()
    try:
        board.cancel(clusters.north, here)
        assert not board.pass_over()
        assert (board.error("north"), "not answer" in board.error("south")) == ("", True)
        states = board.states()
        assert (states[here.run_id], states[there.run_id]) == ("CANCELLED", "RUNNING")
        # What lives in W&B may have gone on where nobody answers: no new flag, and the old ones are unknown.
        assert {run: uncertain for run, (_, uncertain) in board.flags().items()} == {
            dead_here.run_id: True,
            dead_there.run_id: True,
        }
    finally:
        clusters.south.start_controller()
    assert any(board.pass_over() for _ in range(5))
    assert board.flags() == {one.run_id: ("zombie", False) for one in (dead_here, dead_there, here)}
    assert board.slurm_side(there) == ("RUNNING", "normal")


def test_the_same_number_on_two_clusters_is_two_jobs(board: SlurmBoard, clusters: Pair) -> None:
    numbers = {
        one.name: int(one.run(["sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true"]))
        for one in (clusters.north, clusters.south)
    }
    behind = min(numbers, key=lambda name: numbers[name])
    cluster = clusters.north if behind == "north" else clusters.south
    same = max(numbers.values())
    while int(cluster.run(["sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true"])) < same:
        pass
    assert board.pass_over()
    assert {job.cluster for job in Job.objects.filter(job_id=str(same))} == {"north", "south"}
    for one in (clusters.north, clusters.south):
        one.run(["scancel", "--user=root", "--state=PENDING"])


def test_a_job_is_submitted_cancelled_and_requeued_on_the_cluster_that_is_meant(
    board: SlurmBoard, clusters: Pair
) -> None:
    for name, cluster in (("north", clusters.north), ("south", clusters.south)):
        scheduler = wiring.scheduler_of(name)
        job_id = scheduler.submit(script(board.folder))
        board.wait_for_state(cluster, job_id, "RUNNING")
        assert job_id in [attempt.job_id for attempt in scheduler.queue()]
        scheduler.requeue(job_id)
        scheduler.cancel(job_id)
        assert {attempt.cluster for attempt in scheduler.attempts_of([job_id], EARLY)} == {name}
        with pytest.raises(Permanent):
            scheduler.cancel("999999")


@pytest.mark.parametrize("way", ["by name", "by conf"])
def test_a_cluster_must_answer_to_its_name_and_the_error_says_both(board: SlurmBoard, clusters: Pair, way: str) -> None:
    wrong = table("west", clusters.south.conf) if way == "by conf" else table("west")
    board.configure(table("south", clusters.south.conf) + wrong)
    assert not board.pass_over()
    assert board.error("south") == ""
    said = board.error("west")
    assert "west" in said
    assert ("calls itself 'south'" in said) if way == "by conf" else ("No cluster 'west' known" in said)


def test_a_slurm_conf_that_does_not_exist_fails_its_own_cluster_only(board: SlurmBoard, clusters: Pair) -> None:
    board.configure(table("north") + table("east", "/no/such/slurm.conf"))
    assert not board.pass_over()
    assert board.error("north") == ""
    assert "/no/such/slurm.conf, which does not exist" in board.error("east")
    assert set(SyncPass.objects.filter(source="slurm").values_list("scope", flat=True)) == {"north", "east"}


def test_by_its_name_a_cluster_needs_its_slurmdbd_and_says_nothing_without_it(clusters: Pair) -> None:
    by_name = SlurmCli(clusters.north.env, seconds=10, cluster="north")
    by_conf = SlurmCli(clusters.south.env, seconds=10, cluster="north", conf=str(clusters.north.conf))
    assert by_name.cluster() == by_conf.cluster() == "north"
    clusters.north.stop_accounting()
    try:
        with pytest.raises(Transient):
            by_name.queue()
        assert isinstance(by_conf.queue(), list)
    finally:
        clusters.north.start_accounting()


def test_a_variable_of_somebodys_shell_does_not_lead_to_another_cluster(clusters: Pair) -> None:
    environment = {**clusters.north.env, "SLURM_CLUSTERS": "north", "SBATCH_CLUSTERS": "north"}
    scheduler = SlurmCli(environment, seconds=10, cluster="south", conf=str(clusters.south.conf))
    assert scheduler.cluster() == "south"
    assert scheduler.queue() == []


def test_pyslurm_refuses_a_cluster_that_has_only_a_name() -> None:
    with pytest.raises(Permanent, match="pyslurm cannot ask the cluster 'north' by its name"):
        PySlurm({}, cluster="north")


def test_all_clusters_are_named_for_whoever_starts_sweepboard(board: SlurmBoard) -> None:
    assert [cluster.name for cluster in current_config().slurm.cluster] == wiring.cluster_names()
    assert wiring.adapters_in_words() == (
        "north by slurm_cli: [slurm] adapter = 'slurm_cli' is set.; "
        "south by slurm_cli: [slurm] adapter = 'slurm_cli' is set."
    )
