"""A run's files: their bytes live in the store and travel by plain PUT and GET."""

import hashlib
import mimetypes
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.registry import Node, connection, resolves
from apps.sandbox.wandb_server.resolvers.projects import find_project
from apps.sandbox.wandb_server.resolvers.runs import find_run
from apps.sandbox.wandb_server.store import Row
from apps.sandbox.wandb_server.values import global_id, iso, number_of, offset_of

LISTED = "SELECT id, run_id, name, mimetype, md5, size, updated_at FROM files"


def file_url(context: Context, run: int, name: str) -> str:
    """Return where a file is read and written; like a signed URL it needs no key."""
    return f"{context.base_url}/storage/{run}/{quote(name)}"


def write_file(context: Context, run: int, name: str, body: bytes) -> None:
    """Keep the bytes of a run's file, replacing what was there."""
    sql = """INSERT OR REPLACE INTO files (run_id, name, body, mimetype, md5, size, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)"""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    context.store.execute(sql, [run, name, body, kind, digest, len(body), context.now])


def read_file(context: Context, run: int, name: str) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of a file; an unknown one is refused with 404."""
    row = context.store.row("SELECT body, mimetype FROM files WHERE run_id = ? AND name = ?", [run, name])
    if row is None:
        raise Refused(f"no such file: {name}", 404)
    return row["body"], row["mimetype"]


def _file_node(context: Context, row: Row) -> Node:
    url = file_url(context, row["run_id"], row["name"])
    return {
        "id": global_id("File", row["id"]),
        "name": row["name"],
        "url": url,
        "directUrl": url,
        "uploadUrl": url,
        "sizeBytes": row["size"],
        "mimetype": row["mimetype"],
        "updatedAt": iso(row["updated_at"]),
        "md5": row["md5"],
    }


@resolves("Run", "fileCount")
def file_count(context: Context, source: Node) -> int:
    """Return how many files a run has."""
    return int(context.store.number("SELECT count(*) FROM files WHERE run_id = ?", [source["_id"]]))


@resolves("Run", "files")
def files(
    context: Context,
    source: Node,
    names: list[str] | None = None,
    after: str | None = None,
    first: int | None = None,
    pattern: str | None = None,
) -> Node:
    """Return a page of a run's files: those named, those LIKE the pattern, or all."""
    where, values = "run_id = ?", [source["_id"]]
    if names:
        where, values = f"{where} AND name IN ({', '.join('?' * len(names))})", [*values, *names]
    elif pattern:
        where, values = f"{where} AND name LIKE ?", [*values, pattern]
    start, size = offset_of(after), 50 if first is None else first
    rows = context.store.rows(f"{LISTED} WHERE {where} ORDER BY name LIMIT ? OFFSET ?", [*values, size + 1, start])
    return connection([_file_node(context, row) for row in rows[:size]], start, more=len(rows) > size)


@resolves("Mutation", "createRunFiles")
def create_run_files(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Return where to PUT each file of a run."""
    project = find_project(context, input["entity_name"], input["project_name"])
    run = find_run(context, project["id"], input["run_name"]) if project else None
    if run is None:
        raise Refused(f"no such run: {input['run_name']}", 404)
    targets = [
        {"id": f"new-{name}", "name": name, "uploadUrl": file_url(context, run["id"], name), "sizeBytes": 0}
        for name in input["files"]
    ]
    return {"runID": global_id("Run", run["id"]), "uploadHeaders": [], "files": targets}


@resolves("Mutation", "deleteFiles")
def delete_files(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Delete files by their ids."""
    for opaque in input["files"]:
        context.store.execute("DELETE FROM files WHERE id = ?", [number_of("File", opaque)])
    return {"success": True}
