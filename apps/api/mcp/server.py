"""The MCP server itself: what the SDK asks, answered by tools and resources, each in a thread beside the event loop."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from apps.api.callers import Caller
from apps.api.domain.problems import Problem
from apps.api.mcp import resources
from apps.api.mcp.calling import call_tool
from apps.api.mcp.tools import TOOLS

T = TypeVar("T")
Asker = Callable[["ServerRequestContext[Any, Any]"], Caller]
INSTRUCTIONS = """Sweepboard joins W&B, Slurm, job logs and checkpoints. Take up a handover first (verify_handover,
pick_up_handover), post a plan (create_plan), and begin when plan_status says may_deploy: only a person's press on the
plan's page brings that about, never a 'yes' in a conversation. Every decision with options is an ask_question; wait for
its answer with answer_status, and never take silence for one. Report each step (report_progress) and end with
finish_deploy. A run is never restarted while it can be resumed: look at run_verdict, then request_resume."""
_RESOURCE_MISSING = -32002


def make_server(asker: Asker) -> "Server[Any]":
    """Return a server whose callers ``asker`` tells from a request; it may look into the database."""

    async def list_tools(ctx: "ServerRequestContext[Any, Any]", params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(one) for one in TOOLS])

    async def call(ctx: "ServerRequestContext[Any, Any]", params: types.CallToolRequestParams) -> types.CallToolResult:
        return await _in_thread(partial(call_tool, partial(asker, ctx), params.name, params.arguments or {}))

    async def list_resources(ctx: "ServerRequestContext[Any, Any]", params: Any) -> types.ListResourcesResult:
        found = await _in_thread(partial(resources.listed, partial(asker, ctx)))
        return types.ListResourcesResult(resources=found)

    async def list_templates(ctx: "ServerRequestContext[Any, Any]", params: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=list(resources.TEMPLATES))

    async def read(
        ctx: "ServerRequestContext[Any, Any]", params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        text = await _in_thread(partial(resources.read, partial(asker, ctx), params.uri))
        told = types.TextResourceContents(uri=params.uri, mime_type=resources.MARKDOWN, text=text)
        return types.ReadResourceResult(contents=[told])

    return Server(
        "sweepboard", version="1", instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call,
        on_list_resources=list_resources, on_list_resource_templates=list_templates, on_read_resource=read,
    )  # fmt: skip


def _described(one: Any) -> types.Tool:
    hints = types.ToolAnnotations(read_only_hint=not one.act.writes, destructive_hint=False, open_world_hint=False)
    return types.Tool(
        name=one.name, description=one.description, input_schema=one.input_schema, output_schema=one.output_schema,
        annotations=hints,
    )  # fmt: skip


async def _in_thread(work: Callable[[], T]) -> T:
    """Run what waits for the database beside the event loop; a refusal becomes the protocol's own error."""
    try:
        return await anyio.to_thread.run_sync(work)
    except Problem as problem:
        raise MCPError(_RESOURCE_MISSING, problem.detail, problem.as_json()) from problem
