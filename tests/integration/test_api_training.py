"""Sweeps, runs, flags, checkpoints and resumes through the JSON API."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.api.domain.tokens import Scope
from apps.audit.models import AuditEvent
from apps.checkpoints.models import Verification
from apps.core.clock import utcnow
from apps.core.permissions import Role
from apps.resume.models import GateCheck, ResumeRequest
from apps.sweeps.models import Run
from tests.factories import approvals
from tests.factories.handovers import AT
from tests.factories.moments import NOW, before
from tests.factories.resume import Lab
from tests.factories.rows import (
    CheckpointFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunStatusFactory,
    SweepFactory,
    both_sources_answered,
)
from tests.factories.tokens import Api, api, token
from tests.integration.conftest import client_of
from tests.integration.test_api_door import problem

pytestmark = pytest.mark.django_db


def judged(**values: Any) -> Run:
    """A run with its status, a checkpoint and a flag."""
    run: Run = RunFactory(**values)
    told = {"verdict": "resume", "verdict_reason": "it has a checkpoint", "agreement": "agree"}
    RunStatusFactory(run=run, job=JobFactory(), chain=["W&B says crashed.", "A checkpoint is there."], **told)
    CheckpointFactory(run=run)
    FlagFactory(run=run)
    return run


def pages(client: Api, path: str, name: str, **query: Any) -> list[list[Any]]:
    """Every page of a list, by its cursors."""
    found, cursor = [], ""
    while True:
        told = client.get(path, cursor=cursor, **query).json()
        found.append(told[name])
        if told["next"] is None:
            return found
        cursor = told["next"]


def test_the_sweeps_are_those_of_the_board_by_its_filters() -> None:
    both_sources_answered()
    judged(sweep=SweepFactory(sweep_id="swp1", name="warm-up search"))
    SweepFactory(sweep_id="swp2", state="FINISHED")
    client = api()
    (one,) = client.get("/sweeps").json()["sweeps"]
    assert (one["sweep"], one["flags"][0]["rule"], one["source_ok"]) == ("swp1", "zombie", True)
    assert client.get("/sweeps", q="warm").json()["sweeps"] == [one]
    assert client.get("/sweeps", flag="fast-completion").json()["sweeps"] == []
    assert client.get("/sweeps/swp2").json()["state"] == "FINISHED"
    assert "No sweep" in problem(client.get("/sweeps/nothing"), 404)["detail"]


def test_a_verdict_comes_with_its_evidence_in_order_and_its_flags() -> None:
    judged(run_id="aaa")
    RunFactory(run_id="new")
    client = api()
    told = client.get("/runs/aaa/verdict").json()
    assert (told["verdict"], told["sources_agree"]) == ("resume", True)
    assert told["evidence"] == ["W&B says crashed.", "A checkpoint is there."]
    assert told["flags"][0]["rule"] == "zombie"
    unjudged = client.get("/runs/new/verdict").json()
    assert (unjudged["verdict"], unjudged["sources_agree"]) == ("unknown", None)
    assert client.get("/runs/aaa").json()["checkpoint_step"] == 500


def test_an_id_that_several_projects_have_is_asked_back() -> None:
    RunFactory(run_id="aaa")
    RunFactory(run_id="aaa", project="other")
    client = api()
    assert "Several projects" in problem(client.get("/runs/aaa"), 404)["detail"]
    assert client.get("/runs/aaa", project="team/other").json()["project"] == "team/other"


def test_runs_are_filtered_by_state_verdict_flag_sweep_and_words() -> None:
    judged(run_id="aaa", state="crashed", sweep=SweepFactory(sweep_id="swp1"))
    RunFactory(run_id="bbb")
    RunFactory(run_id="ccc", state="finished")
    client = api()

    def found(**query: Any) -> set[str]:
        return {one["run"] for one in client.get("/runs", **query).json()["runs"]}

    assert found() == {"aaa", "bbb"}
    assert found(all=True) == {"aaa", "bbb", "ccc"}
    assert found(state="running") == {"bbb"}
    assert found(verdict="resume") == found(flag="zombie") == found(sweep="swp1") == found(q="AAA") == {"aaa"}


def test_flags_come_worst_first_and_are_filtered_as_the_inbox_does() -> None:
    FlagFactory(rule="stale-heartbeat", severity="warning")
    FlagFactory(rule="zombie", acknowledged_at=NOW, acknowledged_by="mia")
    over = FlagFactory(rule="fast-completion", cleared_at=NOW)
    client = api()
    assert [one["rule"] for one in client.get("/flags").json()["flags"]] == ["zombie", "stale-heartbeat"]
    assert [one["rule"] for one in client.get("/flags", show="waiting").json()["flags"]] == ["stale-heartbeat"]
    assert client.get(f"/flags/{over.pk}").json()["standing"] == "over"


def test_pages_are_stable_while_rows_come_in() -> None:
    first = [RunFactory(run_id=f"r{number}") for number in range(5)]
    client = api()
    told = client.get("/runs", limit=2).json()
    RunFactory(run_id="later")
    rest = pages(client, "/runs", "runs", limit=2)
    after = client.get("/runs", limit=10, cursor=told["next"]).json()["runs"]
    assert [one["run"] for one in [*told["runs"], *after]] == [run.run_id for run in reversed(first)]
    assert next(one["run"] for page in rest for one in page) == "later"


@pytest.mark.parametrize(
    ("path", "name"), [("/runs", "runs"), ("/flags", "flags"), ("/sweeps", "sweeps"), ("/handovers", "handovers"),
                       ("/plans", "plans"), ("/questions", "questions")],
)  # fmt: skip
def test_every_page_together_holds_each_row_once_whatever_the_size_of_a_page(path: str, name: str) -> None:
    both_sources_answered()
    fill(0, 5)
    client = api()
    whole = client.get(path).json()[name]
    assert len(whole) == 5
    for limit in (1, 2, 5):
        assert [one for page in pages(client, path, name, limit=limit) for one in page] == whole
    assert problem(client.get(path, cursor="nonsense"), 422)


def fill(first: int, last: int) -> None:
    """So many of everything that is listed."""
    for number in range(first, last):
        judged(sweep=SweepFactory())
        handover = approvals.handover(f"HO-2026110{number}-1405-a1b2c{number}", date=AT + timedelta(hours=number))
        plan = approvals.plan(handover, title=f"Plan {number}", now=utcnow())
        approvals.question(plan=plan, title=f"Question {number}?", now=utcnow())


LISTS = ["/runs?all=true", "/flags", "/sweeps", "/handovers", "/plans", "/questions", "/resumes"]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_costs_the_same_queries_for_two_rows_as_for_nine(path: str) -> None:
    both_sources_answered()
    client, counts = api(), []
    for first, last in ((0, 2), (2, 9)):
        fill(first, last)
        client.get(path)  # that the token is used is noted here
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    with time_machine.travel(NOW, tick=False):
        yield Lab(tmp_path / "ws")


def test_a_resume_goes_through_the_gate_and_is_watched_and_cancelled(lab: Lab) -> None:
    client = api(now=before(days=1))
    assert client.get("/runs/aaa/gate").json()["state"] == "not-looked-at"
    told = client.post("/resumes", {"run": "aaa"}, key="r1")
    assert (told.status_code, told.json()["state"]) == (202, "looking")
    assert told["Retry-After"]
    assert ResumeRequest.objects.count() == 0
    assert client.get("/runs/aaa/gate").json()["state"] == "looking"
    GateCheck.objects.all().delete()
    lab.check()
    assert client.get("/runs/aaa/gate").json()["state"] == "open"
    # The same key: nothing had been asked for, so it is asked for now.
    asked = client.post("/resumes", {"run": "aaa"}, key="r1")
    assert asked.status_code == 201, asked.content
    number = asked.json()["resume"]["resume"]
    assert {line["state"] for line in asked.json()["resume"]["lines"]} == {"pass"}
    assert ResumeRequest.objects.get().asked_by == "agent:coder-1"
    assert client.post("/resumes", {"run": "aaa"}, key="r1").content == asked.content
    assert "under way" in problem(client.post("/resumes", {"run": "aaa"}), 409)["detail"]
    assert client.get(f"/resumes/{number}").json()["state"] == "asked"
    assert [one["resume"] for one in client.get("/resumes", run="aaa", state="open").json()["resumes"]] == [number]
    assert client.post(f"/resumes/{number}/cancel").status_code == 200
    assert ResumeRequest.objects.get().cancel_by == "agent:coder-1"
    assert problem(client.post(f"/resumes/{number}/cancel"), 409)
    event = AuditEvent.objects.get(type="resume.request.requested")
    assert (event.actor, event.detail["token"]) == ("agent:coder-1", "coder-1")


def test_a_shut_gate_is_told_line_by_line_and_nobody_can_override_it_by_token(lab: Lab) -> None:
    lab.checkpoint.unlink()
    lab.check()
    client = api(now=before(days=1))
    told = problem(client.post("/resumes", {"run": "aaa"}), 409)
    assert {"fail", "pass"} <= {line["state"] for line in told["lines"]} | {"fail", "pass"}
    shut = [line for line in told["lines"] if line["state"] != "pass"]
    assert shut
    assert all(line["evidence"] for line in shut)
    for field in ("override", "reason", "may_override"):
        assert problem(client.post("/resumes", {"run": "aaa", field: "checkpoint"}), 422)["errors"][0]["field"] == field
    assert ResumeRequest.objects.count() == 0


def test_a_change_that_is_not_offered_is_refused(lab: Lab) -> None:
    lab.check()
    told = problem(api(now=before(days=1)).post("/resumes", {"run": "aaa", "changes": {"colour": "red"}}), 422)
    assert "colour" in told["detail"]
    assert ResumeRequest.objects.count() == 0


def test_a_checkpoint_is_listed_verified_and_then_told_as_proven(glue: Any) -> None:
    run = RunFactory(run_id="aaa")
    folder = glue.path / "outputs" / "aaa" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "step_400.pt").write_bytes(b"weights")
    client = api()
    (listed,) = client.get("/runs/aaa/checkpoints").json()["checkpoints"]
    assert (listed["step"], listed["sound"]) == (400, "unknown")
    told = client.post("/runs/aaa/checkpoints/verify", {})
    assert (told.status_code, told.json()["state"]) == (202, "being-verified")
    assert Verification.objects.get(run=run).asked_by == "agent:coder-1"
    from apps.checkpoints.verifying import drive_proof

    drive_proof(verification_pk=Verification.objects.get().pk, roots=[glue.path], clock=utcnow)
    told = client.post("/runs/aaa/checkpoints/verify", {})
    assert (told.status_code, told.json()["state"]) == (200, "proven")
    assert told.json()["checkpoint"]["sound"] == "fail"
    assert client.get("/runs/aaa/checkpoints").json()["newest_good"] is None
    assert problem(client.post("/runs/aaa/checkpoints/verify", {"path": "/etc/passwd"}), 404)


def test_where_checkpoints_cannot_be_listed_nobody_knows_and_that_is_said() -> None:
    RunFactory(run_id="aaa", project="unknown")
    client = api()
    told = client.get("/runs/aaa/checkpoints").json()
    assert told["checkpoints"] == []
    assert "nobody knows where to look" in told["problem"]
    assert problem(client.post("/runs/aaa/checkpoints/verify", {}), 503)


def test_the_reports_are_markdown(glue: Any) -> None:
    client = api()
    told = client.get("/reports/active-sweeps", workspace="glue")
    assert told["Content-Type"].startswith("text/markdown")
    assert "## Running Sweeps" in told.content.decode()
    assert "## Sweep Status" in client.get("/reports/sweep-status").content.decode()
    assert problem(client.get("/reports/active-sweeps", workspace="none"), 404)


def test_the_weekly_review_is_the_text_of_the_command(noon: None, glue: Any) -> None:
    client = api()
    for query in ({}, {"week": "2026-W40"}, {"workspace": "glue"}):
        out = StringIO()
        call_command("weekly_review", *(f"--{name}={value}" for name, value in query.items()), stdout=out)
        told = client.get("/reports/weekly-review", **query)
        assert told["Content-Type"].startswith("text/markdown")
        assert told.content.decode().rstrip("\n") == out.getvalue().rstrip("\n")
    problem(client.get("/reports/weekly-review", week="last"), 422)
    problem(client.get("/reports/weekly-review", workspace="none"), 404)


def test_runs_are_sorted_and_narrowed_as_the_table_of_a_sweep() -> None:
    sweep = SweepFactory()
    for number, (lr, user) in enumerate([(0.1, "mira"), (0.3, "jonas"), (None, "mira"), (0.2, "tom")]):
        config = {"optimizer": "adamw" if number < 2 else "sgd", **({} if lr is None else {"lr": lr})}
        RunFactory(run_id=f"r{number}", name=f"run {number}", user=user, config=config, sweep=sweep)
    client = api()

    def told(**query: Any) -> list[str]:
        return [one["run"] for page in pages(client, "/runs", "runs", limit=2, **query) for one in page]

    assert told(q="mira") == ["r2", "r0"]
    assert told(sort="config.lr") == ["r0", "r3", "r1", "r2"]
    assert told(sort="-config.lr", q="run") == ["r1", "r3", "r0", "r2"]
    assert told(sort="user", word="config.optimizer~adamw") == ["r1", "r0"]
    assert told(range="config.lr~0.15~") == ["r3", "r1"]
    assert told(range=["config.lr~0.15~", "config.lr~~0.25"]) == ["r3"]
    table = client_of(Role.VIEWER).get(f"/sweeps/{sweep.pk}?sort=-config.lr&range=config.lr~0.15~").content.decode()
    assert table.index("run 1") < table.index("run 3")
    for wrong in ({"sort": "flags"}, {"sort": "lr"}, {"range": "lr~1~2"}, {"range": "metric~~"}, {"word": "user~tom"}):
        problem(client.get("/runs", **wrong), 422)
    first = client.get("/runs", sort="user", limit=2).json()["next"]
    problem(client.get("/runs", cursor=first), 422)


def test_a_token_that_only_reads_can_ask_for_no_resume_and_no_proof(lab: Lab) -> None:
    client = Api(token("reader", scopes=frozenset({Scope.READ}), now=before(days=1))[1])
    assert problem(client.post("/resumes", {"run": "aaa"}), 403)["scope"] == "resume"
    assert problem(client.post("/runs/aaa/checkpoints/verify", {}), 403)["scope"] == "resume"
    assert GateCheck.objects.count() == 0
