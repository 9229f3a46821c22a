"""A rule that is switched off: where its flag was the reason stands, and on the pages of the sweep and the run."""

from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from apps.flags.history import history_of
from apps.flags.models import Flag
from apps.flags.services import evaluate_runs, evaluate_sweeps
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    CheckpointFactory,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    WorkspaceFactory,
    both_sources_answered,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
REASON = "the network of this cluster is slow"


@pytest.fixture
def run() -> Run:
    both_sources_answered()
    run = RunLinkFactory(
        run__sweep=SweepFactory(workspace=WorkspaceFactory()), run__heartbeat_at=before(minutes=45)
    ).run
    CheckpointFactory(run=run)
    evaluate_runs(run_pks=[run.pk], now=NOW)
    return run


def switch_off(**rules: str) -> None:
    off = {name.replace("_", "-"): reason for name, reason in rules.items()}
    Workspace.objects.update(config={"projects": ["team/glue"], "policy": {"rules_off": off}})


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_the_history_of_an_open_flag_tells_once_why_its_rule_was_switched_off(run: Run, viewer: Client) -> None:
    flag = Flag.objects.get(rule="stale-heartbeat")
    switch_off(stale_heartbeat=REASON)
    for minute in (1, 2, 5, 6):
        evaluate_runs(run_pks=[run.pk], now=NOW + timedelta(minutes=minute))
    flag.refresh_from_db()
    assert flag.cleared_at == NOW + timedelta(minutes=5)
    told = [(one.what, one.who) for one in history_of(flag)]
    assert told.count((f"switched off: {REASON}", "sweepboard.toml")) == 1
    assert "its condition was gone" not in [what for what, _ in told]
    text = text_of(viewer, f"/flags/{flag.pk}")
    assert f'<dd id="switched-off">switched off: {REASON}</dd>' in text
    assert f"switched off: {REASON} by sweepboard.toml" in text


def test_a_flag_whose_condition_ended_by_itself_says_nothing_of_switching(run: Run, viewer: Client) -> None:
    Run.objects.update(heartbeat_at=NOW)
    evaluate_runs(run_pks=[run.pk], now=NOW + timedelta(minutes=1))
    flag = Flag.objects.get(rule="stale-heartbeat")
    assert "its condition was gone" in [one.what for one in history_of(flag)]
    assert "witched off" not in text_of(viewer, f"/flags/{flag.pk}")


def test_a_flag_on_a_whole_sweep_tells_it_too(run: Run) -> None:
    assert run.sweep is not None
    evaluate_sweeps(sweep_pks=[run.sweep.pk], now=NOW)
    flag = Flag.objects.get(rule="under-capacity")
    switch_off(under_capacity="agents come and go")
    evaluate_sweeps(sweep_pks=[run.sweep.pk], now=NOW + timedelta(minutes=1))
    assert "switched off: agents come and go" in [one.what for one in history_of(flag)]


def test_the_pages_of_run_and_sweep_list_what_is_off_with_the_reason(run: Run, viewer: Client) -> None:
    assert run.sweep is not None
    pages = (f"/runs/{run.pk}", f"/sweeps/{run.sweep.pk}")
    for page in pages:
        assert "Switched off here" not in text_of(viewer, page)
    switch_off(stale_heartbeat=REASON, under_capacity="agents come and go")
    of_run, of_sweep = (text_of(viewer, page) for page in pages)
    assert f"Switched off here: <code>stale-heartbeat</code> ({REASON})</p>" in of_run
    assert f"<code>stale-heartbeat</code> ({REASON}), <code>under-capacity</code> (agents come and go)</p>" in of_sweep


def test_a_run_outside_of_sweeps_has_the_policy_of_its_projects_workspace(viewer: Client) -> None:
    WorkspaceFactory()
    switch_off(plateau="a long warm-up")
    run = RunFactory(sweep=None)
    assert "<code>plateau</code> (a long warm-up)" in text_of(viewer, f"/runs/{run.pk}")
