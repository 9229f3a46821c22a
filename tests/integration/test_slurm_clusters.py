"""Several clusters: one that does not answer makes only those runs unknown whose jobs are, or could be, on it."""

from pathlib import Path
from typing import Any

import pytest

from apps.audit.selectors import freshness
from apps.board.selectors import followed
from apps.core.errors import Permanent
from apps.flags.models import Flag, RunStatus
from apps.flags.services import evaluate_runs
from apps.slurm import wiring
from apps.slurm.detect import Detection
from apps.slurm.selectors import cluster_sources
from apps.sweeps.models import Run
from tests.factories.moments import NOW, before
from tests.factories.rows import JobFactory, RunFactory, RunLinkFactory, SyncPassFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def two_clusters(settings: Any, tmp_path: Path) -> None:
    configure(settings, tmp_path, '[[slurm.cluster]]\nname = "north"\n[[slurm.cluster]]\nname = "south"\n')


def configure(settings: Any, folder: Path, text: str) -> None:
    path = folder / "sweepboard.toml"
    path.write_text(text)
    settings.CONFIG_FILE = str(path)


def answered(**clusters: str) -> None:
    """Note a good pass over W&B and over every cluster, then a failed one over those that have an error."""
    SyncPassFactory(source="wandb", scope="team/glue", started_at=NOW, finished_at=NOW)
    for name, error in clusters.items():
        SyncPassFactory(source="slurm", scope=name, started_at=NOW, finished_at=NOW)
        if error:
            SyncPassFactory(source="slurm", scope=name, started_at=NOW, finished_at=NOW, error=error)


def timed_out_on(cluster: str) -> Run:
    """A run that W&B calls running and whose job has ended."""
    job = JobFactory(cluster=cluster, state="TIMEOUT", end_at=before(minutes=40))
    return RunLinkFactory(run=RunFactory(heartbeat_at=before(minutes=41)), job=job).run


def zombies(*runs: Run) -> list[Run]:
    evaluate_runs(run_pks=[run.pk for run in runs], now=NOW)
    return [flag.run for flag in Flag.objects.open().filter(rule="zombie").select_related("run").order_by("run")]


@pytest.mark.usefixtures("two_clusters")
def test_a_silent_cluster_leaves_the_flags_of_the_others_in_force() -> None:
    answered(north="", south="slurmctld is down.")
    dead = {"state": "crashed", "heartbeat_at": before(minutes=20)}
    here, there = (
        RunLinkFactory(run=RunFactory(**dead), job=JobFactory(cluster=name)).run for name in ("north", "south")
    )
    evaluate_runs(run_pks=[here.pk, there.pk], now=NOW)
    assert [flag.run for flag in Flag.objects.open().filter(rule="wandb-dead-job-alive")] == [here]
    assert RunStatus.objects.get(run=there).slurm_state == "RUNNING"


@pytest.mark.usefixtures("two_clusters")
def test_a_run_that_lives_in_wandb_may_have_gone_on_where_nobody_answers() -> None:
    run = timed_out_on("north")
    answered(north="", south="slurmctld is down.")
    assert zombies(run) == []
    SyncPassFactory(source="slurm", scope="south", started_at=NOW, finished_at=NOW)
    assert zombies(run) == [run]


@pytest.mark.usefixtures("two_clusters")
def test_an_open_flag_is_kept_unknown_while_its_cluster_is_silent() -> None:
    run = timed_out_on("south")
    answered(north="", south="")
    assert zombies(run) == [run]
    SyncPassFactory(source="slurm", scope="south", started_at=NOW, finished_at=NOW, error="slurmctld is down.")
    zombies(run)
    assert Flag.objects.get(rule="zombie").uncertain
    SyncPassFactory(source="slurm", scope="south", started_at=NOW, finished_at=NOW)
    zombies(run)
    assert not Flag.objects.get(rule="zombie").uncertain


@pytest.mark.usefixtures("two_clusters")
@pytest.mark.parametrize(("south", "state"), [("", "NO JOB"), ("slurmctld is down.", "UNKNOWN")])
def test_no_job_needs_every_cluster_to_have_answered(south: str, state: str) -> None:
    run = RunFactory(heartbeat_at=before(minutes=10))
    answered(north="", south=south)
    evaluate_runs(run_pks=[run.pk], now=NOW)
    assert RunStatus.objects.get().slurm_state == state


@pytest.mark.usefixtures("two_clusters")
def test_a_cluster_that_was_never_passed_over_has_not_answered() -> None:
    answered(north="")
    assert [(one.scope, one.ok) for one in cluster_sources(freshness())] == [("north", True), ("south", False)]
    run = RunFactory(heartbeat_at=before(minutes=10))
    evaluate_runs(run_pks=[run.pk], now=NOW)
    assert RunStatus.objects.get().slurm_state == "UNKNOWN"


@pytest.mark.usefixtures("two_clusters")
def test_a_cluster_that_is_followed_no_longer_holds_nobody_up() -> None:
    answered(north="", south="", old="slurmctld is down.")
    assert [one.scope for one in cluster_sources(freshness())] == ["north", "south"]
    assert [one.scope for one in followed(freshness()) if one.source == "slurm"] == ["north", "south"]


def test_without_names_the_cluster_that_was_asked_last_counts() -> None:
    SyncPassFactory(source="slurm", scope="old", error="It was switched off.", finished_at=before(days=1))
    SyncPassFactory(source="slurm", scope="new", finished_at=NOW)
    assert [(one.scope, one.ok) for one in cluster_sources(freshness())] == [("new", True)]


# which scheduler a job belongs to


@pytest.fixture
def adapters(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Say what the detection would find for each slurm.conf: the machine of the test has none of them."""
    found = {"": "slurm_cli", "/etc/slurm/south.conf": "pyslurm", "/no/slurm.conf": "local"}
    monkeypatch.setattr(wiring, "detection", lambda setting, conf="": Detection(found[conf], f"{conf or 'it'} is so."))
    settings.SCHEDULERS = dict.fromkeys(("slurm_cli", "pyslurm", "local"), "tests.services.memory.Recorded")
    return found


TWO = '[[slurm.cluster]]\nname = "north"\n[[slurm.cluster]]\nname = "south"\nconf = "/etc/slurm/south.conf"\n'


@pytest.mark.usefixtures("adapters")
def test_every_cluster_has_a_scheduler_of_its_own(settings: Any, tmp_path: Path) -> None:
    configure(settings, tmp_path, f"[slurm]\ntimeout_seconds = 7\n{TWO}")
    made: dict[str, Any] = wiring.make_schedulers()
    assert {name: one.options for name, one in made.items()} == {
        "north": {"seconds": 7, "cluster": "north", "conf": ""},
        "south": {"seconds": 7, "cluster": "south", "conf": "/etc/slurm/south.conf"},
    }
    assert wiring.adapters_in_words() == "north by slurm_cli: it is so.; south by pyslurm: /etc/slurm/south.conf is so."


def test_pyslurm_gives_way_to_the_clients_where_a_cluster_has_only_its_name(
    settings: Any, tmp_path: Path, adapters: dict[str, str]
) -> None:
    adapters[""] = "pyslurm"
    configure(settings, tmp_path, TWO)
    assert wiring.adapters_in_words().startswith("north by slurm_cli: Slurm's clients are used: pyslurm cannot ask")


@pytest.mark.usefixtures("adapters")
def test_a_named_cluster_is_never_replaced_by_this_machine(settings: Any, tmp_path: Path) -> None:
    configure(settings, tmp_path, '[[slurm.cluster]]\nname = "north"\nconf = "/no/slurm.conf"\n')
    with pytest.raises(Permanent, match=r"'north' cannot be reached\. /no/slurm\.conf is so"):
        wiring.make_scheduler("north")


@pytest.mark.usefixtures("adapters")
def test_a_job_finds_the_scheduler_of_its_cluster_and_no_other(settings: Any, tmp_path: Path) -> None:
    configure(settings, tmp_path, TWO)
    south: Any = wiring.scheduler_of("south")
    assert south.options["cluster"] == "south"
    with pytest.raises(Permanent, match=r"No cluster 'east' .* configured are: north, south"):
        wiring.scheduler_of("east")


@pytest.mark.usefixtures("adapters")
def test_the_only_cluster_takes_its_own_jobs_and_refuses_others(settings: Any, tmp_path: Path) -> None:
    configure(settings, tmp_path, "")
    assert wiring.cluster_names() == [wiring.THE_ONLY_ONE]
    assert wiring.scheduler_of("memory").cluster() == "memory"
    with pytest.raises(Permanent, match="on the cluster 'east', and Sweepboard is set up for 'memory'"):
        wiring.scheduler_of("east")
