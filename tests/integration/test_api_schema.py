"""Everything that the OpenAPI document allows, asked of the real application over WSGI: nothing crashes, and every
answer is one that the document names. The examples are drawn from a fixed seed, so that a run can be repeated.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.api import limits
from apps.api.acts import waiting
from apps.config.wsgi import application
from apps.core.clock import utcnow
from apps.handovers.models import Handover
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.wiring import document_store
from apps.resume.models import ResumeRequest
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace
from tests.factories import approvals
from tests.factories.handovers import KEY, document, git, put
from tests.factories.rows import (
    CheckpointFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunStatusFactory,
    SweepFactory,
    both_sources_answered,
)
from tests.factories.tokens import token

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
EXAMPLES = 12
THERE: dict[str, Any] = {}  # names and numbers of what there is, by what the document calls them
WRITES_FILES = "create_handover"  # its examples are fewer: each that fits writes documents and asks git


@pytest.fixture
def schema(transactional_db: None) -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)


def filled(workspace: Workspace) -> None:
    """Some of everything, with the numbers and names that the examples hit."""
    both_sources_answered()
    git(workspace.path, "init", "-q")
    run: Run = RunFactory(run_id="aaa", sweep=SweepFactory(sweep_id="swp1"))
    RunStatusFactory(run=run, job=JobFactory(), verdict="resume", chain=["W&B says crashed."])
    CheckpointFactory(run=run)
    flag = FlagFactory(run=run)
    put(workspace.path, f"{KEY}.md", document())
    scan_workspace(workspace=workspace, store=document_store(), now=utcnow())
    plan = approvals.approved(Handover.objects.get(), now=utcnow())
    question = approvals.question(plan=plan, now=utcnow())
    resume = ResumeRequest.objects.create(run=run, key="k", asked_by="mia", asked_at=utcnow())
    THERE.update(sweep="swp1", run="aaa", handover=KEY)
    THERE.update(flag=flag.pk, plan=plan.pk, question=question.pk, resume=resume.pk)


@pytest.fixture
def secret(transactional_db: None, glue: Workspace, monkeypatch: Any) -> str:
    filled(glue)
    monkeypatch.setattr(limits, "check_rate", lambda **_: None)
    monkeypatch.setattr("apps.api.http.door.check_rate", lambda **_: None)
    monkeypatch.setattr(waiting, "_enter", lambda: False)  # nobody answers while the examples run
    return token()[1]


def operations(schema: Any) -> list[Any]:
    return [found.ok() for found in schema.get_all_operations()]


def aim(case: Any) -> None:
    """Point an example at what there is, so that not every one ends at 'there is no such thing'."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = THERE.get(name, 1)  # one test needs nothing to be there
    if case.query:
        case.query = {name: value for name, value in case.query.items() if name in ("limit", "wait", "q")}
    if isinstance(case.body, dict):
        empty = dict.fromkeys(("project", "webhook", "checkout", "deadline", "path"), "")
        told = {**THERE, **empty, "workspace": "glue", "changes": {}}
        case.body.update({name: told[name] for name in case.body if name in told})


def answers(operation: Any, headers: dict[str, str], examples: int) -> set[int]:
    """Ask one operation what the document allows, check each answer, and return the statuses."""
    found: set[int] = set()

    @seed(20261124)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(), aims=st.booleans())
    def ask(case: Any, aims: bool) -> None:
        if aims:
            aim(case)
        answer = case.call(headers=headers)
        found.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    ask()
    return found


def test_no_request_that_the_document_allows_crashes_or_is_answered_otherwise(
    schema: Any, secret: str, glue: Workspace
) -> None:
    found: dict[str, set[int]] = {}
    for operation in operations(schema):
        name = operation.definition.raw["operationId"]
        examples = EXAMPLES // 4 if name == WRITES_FILES else EXAMPLES
        found[name] = answers(operation, {"Authorization": f"Bearer {secret}"}, examples)
    # The examples reach what they ask for, and not only refusals.
    reached = [name for name, statuses in found.items() if any(status < 300 for status in statuses)]
    assert len(reached) >= 20, found


def test_an_operation_without_a_token_answers_the_401_that_the_document_names(schema: Any) -> None:
    assert [answers(operation, {}, 1) for operation in operations(schema)] == [{401}] * len(operations(schema))
