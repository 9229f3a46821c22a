"""The tools of the MCP server: each one act, with the schema of what it takes and tells, and an example.

A further tool is a line here, once its act stands in ``apps.api.acts``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from apps.api.acts import (
    checkpoints,
    handing_over,
    handovers,
    nudging,
    plans,
    questions,
    resumes,
    runs,
    sweeps,
    worktrees,
)
from apps.api.acts.registry import Act
from apps.api.domain.problems import Kind, Problem
from apps.api.schemas import approvals as work
from apps.api.schemas import handovers as documents
from apps.api.schemas import training
from apps.api.schemas import worktrees as trees

KEY = "idempotency_key"
_KEY_SCHEMA = {
    "type": "string",
    "maxLength": 200,
    "description": "the same key with the same arguments does it once, for 24 hours: send it again after a time-out",
}


@dataclass(frozen=True)
class Tool:
    """One tool: ``takes`` and ``tells`` are the shapes of its arguments and of its result."""

    name: str
    act: Act
    takes: type[BaseModel]
    tells: type[BaseModel]
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def description(self) -> str:
        said = " ".join((self.act.run.__doc__ or "").split())
        return f"{said} Scope: {self.act.scope}. Example: {json.dumps(self.example)}"

    @property
    def input_schema(self) -> dict[str, Any]:
        schema = self.takes.model_json_schema()
        if self.act.writes:
            schema["properties"][KEY] = _KEY_SCHEMA
        return schema

    @property
    def output_schema(self) -> dict[str, Any]:
        return self.tells.model_json_schema(mode="serialization")


_PLAN = {
    "handover": "HO-20261103-1405-a1b2c3",
    "title": "Count warm-up in steps",
    "kind": "bug fix",
    "failing_test": "tests/test_warmup.py::test_it_ends",
    "steps": [{"text": "Count steps, not epochs", "command": "pytest -q tests"}],
}
_OPTIONS = [
    {"id": "linear", "label": "Keep linear", "consequence": "nothing changes"},
    {"id": "cosine", "label": "Back to cosine", "consequence": "three runs start over"},
]
_RESULTS = [{"command": "pytest -q tests", "exit_status": 0, "output": "212 passed"}]
_HANDOVER = {"workspace": "glue", "focus": "why the cosine schedule stalls", "next_actions": ["resume run 8x2kq0ab"]}

TOOLS = (
    Tool("active_sweeps", sweeps.list_sweeps, training.SweepsWish, training.SweepPage, {"workspace": "glue"}),
    Tool("run_verdict", runs.run_verdict, training.RunWish, training.VerdictTold, {"run": "8x2kq0ab"}),
    Tool("verify_checkpoint", checkpoints.verify_checkpoint, training.ProofWish, training.ProofTold,
         {"run": "8x2kq0ab"}),
    Tool("request_resume", resumes.request_resume, training.ResumeWish, training.AskedTold, {"run": "8x2kq0ab"}),
    Tool("watch_resume", resumes.watch_resume, training.ResumeNumber, training.ResumeTold, {"resume": 7, "wait": 30}),
    Tool("cancel_resume", resumes.cancel_resume, training.ResumeNumber, training.ResumeTold, {"resume": 7}),
    Tool("create_handover", handing_over.create_handover, documents.NewHandover, documents.WrittenTold, _HANDOVER),
    Tool("verify_handover", handovers.verify_handover, documents.HandoverWish, documents.VerifiedTold,
         {"handover": "HO-20261103-1405-a1b2c3"}),
    Tool("pick_up_handover", handing_over.pick_up_handover, documents.PickUpWish, documents.PickedUpTold,
         {"handover": "HO-20261103-1405-a1b2c3"}),
    Tool("release_handover", handing_over.release_handover, documents.HandoverWish, documents.ReleasedTold,
         {"handover": "HO-20261103-1405-a1b2c3"}),
    Tool("search_handovers", handovers.search_handovers, documents.HandoversWish, documents.HandoverPage,
         {"q": "why did we drop the cosine schedule?"}),
    Tool("handovers_due", nudging.handovers_due, trees.DueWish, trees.DueTold, {"workspace": "glue"}),
    Tool("report_exchanges", nudging.report_exchanges, trees.ExchangesWish, trees.DueTold,
         {"workspace": "glue", "branch": "fix/warm-restarts", "count": 12}),
    Tool("worktree_status", worktrees.worktree_status, trees.WorktreesWish, trees.WorktreePage,
         {"branch": "fix/warm-restarts"}),
    Tool("create_worktree", worktrees.create_worktree, trees.NewWorktree, trees.NewWorktreeTold,
         {"workspace": "glue", "branch": "fix/warm-restarts", "focus": "why warm restarts lose two epochs"}),
    Tool("create_plan", plans.create_plan, work.NewPlan, work.PlanTold, _PLAN),
    Tool("revise_plan", plans.revise_plan, work.RevisedPlan, work.PlanTold,
         {"plan": 3, **{name: value for name, value in _PLAN.items() if name != "handover"}}),
    Tool("plan_status", plans.plan_status, work.PlanNumber, work.PlanTold, {"plan": 3, "wait": 60}),
    Tool("report_progress", plans.report_progress, work.ProgressWish, work.PlanTold,
         {"plan": 3, "step": 1, "exit_status": 0, "output": "1 passed"}),
    Tool("finish_deploy", plans.finish_deploy, work.FinalWish, work.PlanTold, {"plan": 3, "results": _RESULTS}),
    Tool("ask_question", questions.ask_question, work.NewQuestion, work.AskedQuestion,
         {"title": "Which schedule do we keep?", "options": _OPTIONS}),
    Tool("answer_status", questions.answer_status, work.QuestionNumber, work.QuestionTold, {"question": 5, "wait": 60}),
    Tool("withdraw_question", questions.withdraw_question, work.WithdrawWish, work.QuestionTold, {"question": 5}),
)  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}

_NEXT = {
    Kind.NO_TOKEN: "Have your owner put a token into your configuration (docs/howto/agents.md).",
    Kind.BAD_TOKEN: "Ask your owner for a new token, made at /tokens; this one will not work again.",
    Kind.MISSING_SCOPE: "Ask your owner for a token with that scope; this one will not do.",
    Kind.PERSONS_ONLY: "Ask a person to do it on the page.",
    Kind.NOT_FOUND: "Look the name up first, with active_sweeps or search_handovers.",
    Kind.STATE: "Read how it stands first, with plan_status, answer_status, watch_resume or run_verdict.",
    Kind.GATE: "Read the lines that do not pass and mend them; only an admin can override one, on the run's page.",
    Kind.INVALID: "Correct what the sentence names and call again.",
    Kind.KEY_REUSED: "Call again with a new idempotency_key.",
    Kind.OURS: "Call once more; if it fails again, tell a person the reference.",
}


def next_step(problem: Problem) -> str:
    """Return what an agent should do after a refusal."""
    if problem.retry_after is not None:
        return f"Wait {problem.retry_after} seconds and call again."
    return _NEXT.get(problem.kind, "Tell a person what was refused.")
