"""Carrying out one call of a tool, or one read of a resource, in a thread of its own: the same acts as the JSON API."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from django.db import connections
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, ValidationError

from apps.api.acts.registry import Act
from apps.api.callers import Caller, acting
from apps.api.domain.problems import Kind, Problem, problem_of
from apps.api.http.api import invalid
from apps.api.limits import check_rate
from apps.api.mcp.tools import BY_NAME, KEY, Tool, next_step
from apps.api.services.once import Answer, Claim, once
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.workspaces.selectors import current_config

log = structlog.get_logger(__name__)
Who = Callable[[], Caller]


def call_tool(who: Who, name: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool; a refusal is a result that says so, with a sentence and what to do next."""
    try:
        return _told(called(who(), name, arguments))
    except Exception as error:
        return refused(problem_from(error))
    finally:
        connections.close_all()  # this thread has its own, and may never be used again


def carry_out(who: Who, act: Act, wish: BaseModel) -> dict[str, Any]:
    """Carry out one act that only reads, for a resource; ``Problem`` for whatever it refuses."""
    try:
        caller = who()
        _count(caller, act)
        return act(caller, wish)
    except Exception as error:
        raise problem_from(error) from error
    finally:
        connections.close_all()


def called(caller: Caller, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what a tool tells, as its output schema says; ``Problem`` for whatever it refuses."""
    tool = BY_NAME.get(name)
    if tool is None:
        raise Problem(Kind.NOT_FOUND, f"There is no tool '{name[:60]}'; there are: {', '.join(BY_NAME)}.")
    _count(caller, tool.act)
    told = dict(arguments)
    key = told.pop(KEY, None) if tool.act.writes else None
    try:
        wish = tool.takes.model_validate(told)
    except ValidationError as error:
        raise invalid([(one["loc"], one["msg"]) for one in error.errors()]) from error
    with acting(caller):
        if key is None:
            return _result(tool, caller, wish)
        return _once(tool, caller, wish, str(key))


def _count(caller: Caller, act: Act) -> None:
    sort: Any = "writes" if act.writes else "reads"
    check_rate(token=caller.token, sort=sort, config=current_config().api, now=utcnow())


def _result(tool: Tool, caller: Caller, wish: BaseModel) -> dict[str, Any]:
    """Return what the act tells, in the shape that the tool promises."""
    return tool.tells.model_validate(tool.act(caller, wish)).model_dump(mode="json")


def _once(tool: Tool, caller: Caller, wish: BaseModel, key: str) -> dict[str, Any]:
    fingerprint = hashlib.sha256(f"{tool.name}\n{wish.model_dump_json()}".encode()).hexdigest()

    def act(claim: Claim) -> Answer:
        told = _result(tool, replace(caller, first_at=claim.first_at, repeated=claim.repeated), wish)
        again = told.get("state") in ("looking", "being-verified")
        return Answer(200, json.dumps(told), "application/json", ask_again=again)

    answer = once(token=caller.token, key=key, fingerprint=fingerprint, clock=utcnow, act=act,
                  outside=tool.act.outside)  # fmt: skip
    told: dict[str, Any] = json.loads(answer.body)
    return told


def _told(result: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=json.dumps(result))], structured_content=result)


def refused(problem: Problem) -> CallToolResult:
    told = problem.as_json()
    said = f"{problem.detail}\nNext: {next_step(problem)}"
    more = f"\n{json.dumps(dict(problem.more), default=str)}" if problem.more else ""
    return CallToolResult(content=[TextContent(text=said + more)], structured_content=told, is_error=True)


def problem_from(error: Exception) -> Problem:
    """Return any error as a refusal; a defect of ours gets an id that stands in the log."""
    if isinstance(error, SweepboardError):
        return problem_of(error)
    log_id = uuid.uuid4().hex[:12]
    log.error("api.mcp.crashed", log_id=log_id, exc_info=error)
    return Problem(Kind.OURS, f"Sweepboard failed at this call. Reference: {log_id}.", {"log_id": log_id})
