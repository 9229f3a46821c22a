"""Plans and questions as agents post them, on a handover of a registered workspace."""

from typing import Any

from apps.approvals.actors import Agent, Person
from apps.approvals.domain.plans import Draft, Kind, Step
from apps.approvals.domain.questions import Option, QuestionDraft
from apps.approvals.models import Plan, Question
from apps.approvals.services.deciding import approve_plan
from apps.approvals.services.plans import create_plan
from apps.approvals.services.questions import ask_question
from apps.core.permissions import Role
from apps.handovers.models import Handover
from tests.factories.handovers import AT, KEY
from tests.factories.moments import NOW
from tests.factories.people import UserFactory
from tests.factories.rows import WorkspaceFactory

CODER = Agent("coder-1")


def draft(**changes: Any) -> Draft:
    """A bug fix in two steps."""
    told: dict[str, Any] = {
        "title": "Count warm-up in steps",
        "kind": Kind.BUG_FIX,
        "steps": (
            Step("Write the failing test", "pytest -q tests/test_warmup.py"),
            Step("Count steps, not epochs\nin the scheduler too", "pytest -q tests"),
        ),
        "risks": ("Old checkpoints hold an epoch count",),
        "touches": ("train/schedule.py", "sweep swp00001"),
        "failing_test": "tests/test_warmup.py::test_warm_up_ends_after_its_steps",
    }
    return Draft(**{**told, **changes})


def handover(key: str = KEY, **changes: Any) -> Handover:
    """A handover that lies in a registered workspace."""
    workspace = changes.pop("workspace", None) or WorkspaceFactory()
    told = {"name": key, "key": key, "path": f"{workspace.root}/CLAUDE/{key}.md", "date": AT, "date_source": "key"}
    return Handover.objects.create(
        workspace=workspace, **{**told, "first_seen_at": AT, "changed_at": AT, "branch": "feature/cosine", **changes}
    )


def plan(on: Handover | None = None, **changes: Any) -> Plan:
    """A posted plan, of the agent coder-1."""
    now, by = changes.pop("now", NOW), changes.pop("by", CODER)
    return create_plan(handover=on or handover(), draft=draft(**changes), by=by, now=now)


def person(role: Role = Role.OPERATOR, **values: Any) -> Person:
    """Somebody who is logged in, as a page would tell."""
    return Person(UserFactory(role=role, **values))


def approved(on: Handover | None = None, **changes: Any) -> Plan:
    """A plan that a person approved a moment ago."""
    now = changes.get("now", NOW)
    made = plan(on, **changes)
    approve_plan(plan=made, shown_sha256=made.sha256, by=person(), now=now)
    made.refresh_from_db()
    return made


def question_draft(**changes: Any) -> QuestionDraft:
    told: dict[str, Any] = {
        "title": "Which schedule do we keep?",
        "options": (
            Option("linear", "Keep linear", "nothing changes"),
            Option("cosine", "Go back to cosine", "three runs start over"),
            Option("both", "Compare both", "12 GPU hours more"),
        ),
        "context": "Cosine stalls at epoch 12 on two of three seeds.",
    }
    return QuestionDraft(**{**told, **changes})


def question(**changes: Any) -> Question:
    """An open question of the agent coder-1."""
    placed = {name: changes.pop(name) for name in ("handover", "plan", "key") if name in changes}
    now, by = changes.pop("now", NOW), changes.pop("by", CODER)
    return ask_question(draft=question_draft(**changes), by=by, now=now, **placed)
