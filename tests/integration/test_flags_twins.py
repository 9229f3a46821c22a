"""A run that repeats one that had got somewhere: in its sweep, in another sweep, and outside of sweeps."""

from typing import Any

import pytest

from apps.flags.models import Flag, RunStatus
from apps.flags.services import evaluate_runs
from apps.flags.twins import MOST, twins_of
from apps.sweeps.models import Run, Sweep
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    REPEATABLE,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
    WorkspaceFactory,
    both_sources_answered,
)

pytestmark = pytest.mark.django_db
SPACE = {"parameters": {"lr": {"values": [0.1, 0.2]}}}
CONFIG = {**REPEATABLE, "lr": 0.1, "epochs": 40, "_wandb": {"t": 1}}


@pytest.fixture(autouse=True)
def _answered() -> None:
    both_sources_answered()


def sweep(**values: Any) -> Sweep:
    return SweepFactory(config=SPACE, **values)


def old(epoch: float = 31.0, **values: Any) -> Run:
    """A run that crashed yesterday at an epoch."""
    told = {"state": "crashed", "created_at": before(days=2), "heartbeat_at": before(days=1), "config": CONFIG}
    run = RunFactory(**{**told, "parameters_hash": "same", **values})
    RunStatusFactory(run=run, epoch=epoch)
    return run


def new(**values: Any) -> Run:
    run = RunFactory(**{"config": {**CONFIG, "_wandb": {"t": 2}}, "parameters_hash": "same", **values})
    RunLinkFactory(run=run)
    return run


def told_of(run: Run) -> str:
    evaluate_runs(run_pks=[run.pk], now=NOW)
    flag = Flag.objects.filter(run=run, rule="restarted-with-progress").first()
    return flag.evidence if flag else ""


def test_a_run_of_the_same_sweep_is_told_as_before() -> None:
    one = sweep()
    before_it = old(sweep=one)
    assert (
        told_of(new(sweep=one)) == f"Run {before_it.run_id} (crashed) has the same parameters and had reached epoch 31."
    )


def test_a_run_of_another_sweep_with_the_same_space_is_told_with_that_sweep() -> None:
    before_it = old(sweep=sweep(sweep_id="first"))
    said = f"Run {before_it.run_id} (crashed) of sweep first has the same parameters and had reached epoch 31."
    assert told_of(new(sweep=sweep())) == said


def test_a_sweep_of_the_same_workspace_counts_whatever_its_project() -> None:
    workspace = WorkspaceFactory()
    old(sweep=sweep(project="other", workspace=workspace), project="other")
    assert "had reached epoch 31" in told_of(new(sweep=sweep(workspace=workspace)))


@pytest.mark.parametrize(
    "values",
    [
        {"sweep__config": {"parameters": {"lr": {"values": [0.1, 0.3]}}}},
        {"sweep__config": {**SPACE, "program": "other.py"}},
        {"sweep__config": SPACE, "parameters_hash": "other"},
        {"sweep__config": SPACE, "state": "finished"},
        {"sweep__config": SPACE, "epoch": 0.5},
        {"sweep__config": SPACE, "sweep__project": "other"},
        {"sweep__config": SPACE, "heartbeat_at": before(hours=1)},
    ],
    ids=str,
)
def test_another_space_another_choice_and_what_got_nowhere_is_no_twin(values: dict[str, Any]) -> None:
    old(**values)
    assert told_of(new(sweep=sweep())) == ""


def test_a_run_outside_of_sweeps_is_told_by_its_whole_config() -> None:
    before_it = old(sweep=None, parameters_hash="")
    said = f"Run {before_it.run_id} (crashed) has the same config and had reached epoch 31."
    assert told_of(new(sweep=None, parameters_hash="")) == said


@pytest.mark.parametrize(
    ("values", "may_differ", "told"),
    [
        ({"config": {**CONFIG, "lr": 0.2}}, [], False),
        ({"config": {**CONFIG, "note": "again"}}, ["note"], True),
        ({"config": {**CONFIG, "data": {"cache": "/tmp/b"}}}, [], False),
        ({"config": {**CONFIG, "data": {"cache": "/tmp/b"}}}, ["cache"], True),
        ({"config": {}}, [], False),
        ({"project": "other"}, [], False),
        ({"heartbeat_at": before(hours=1)}, [], False),
        ({"epoch": 0.0}, [], False),
    ],
    ids=str,
)
def test_which_configs_are_the_same(values: dict[str, Any], may_differ: list[str], told: bool) -> None:
    WorkspaceFactory(config={"projects": ["team/glue"], "policy": {"may_differ": may_differ}})
    old(**{"sweep": None, "parameters_hash": "", **values})
    assert bool(told_of(new(sweep=None, parameters_hash=""))) is told


def test_twins_of_many_runs_take_three_queries(django_assert_num_queries: Any) -> None:
    shared = [sweep() for _ in range(5)]
    for number in range(20):
        old(sweep=sweep(), parameters_hash=f"{number}")
        old(sweep=None, parameters_hash="", config={"lr": number})
        new(sweep=shared[number % 5], parameters_hash=f"{number}")
        new(sweep=None, parameters_hash="", config={"lr": number})
    runs = list(Run.objects.filter(state="running").prefetch_related("sweep"))
    with django_assert_num_queries(3):
        assert len(twins_of(runs, {})) == 40
    assert RunStatus.objects.count() < MOST
