"""The process that closes one run: ``python -m apps.sweeps.adapters.wandb_close_child '{"project": …}'``.

It leaves ``reply.json`` in its working folder: the fields of ``Closed``, or ``{"sentence": …, "transient": bool}``.
Its parent is ``wandb_close.WandbCloser``, which sets its environment.
"""

from typing import Any

from apps.core.errors import Permanent
from apps.sweeps.adapters.wandb_errors import status_of
from apps.sweeps.adapters.wandb_reply import reply_with
from apps.sweeps.ports import CLOSED_STATE, LIVE_RUN_STATES

ASKING_SECONDS = 20
ATTACHING_SECONDS = 30.0


def main() -> None:
    """Close the run that the first argument names."""
    reply_with(_close)


def _close(request: dict[str, str]) -> dict[str, Any]:
    before = _run_of(request)
    if before.state not in LIVE_RUN_STATES:
        return {"state": before.state, "acted": False}
    if not before.sweep_name and _set_from_outside(before):
        return {"state": CLOSED_STATE, "acted": True}
    _attach_and_fail(request, before)
    return {"state": _run_of(request).state, "acted": True, "moved_heartbeat": True}


def _run_of(request: dict[str, str]) -> Any:
    """Return the run as W&B has it now: a fresh client each time, because one answers from its cache."""
    import wandb

    overrides = {"base_url": request["base_url"]} if request["base_url"] else {}
    api = wandb.Api(overrides=overrides, timeout=ASKING_SECONDS)
    try:
        return api.run(f"{request['project']}/{request['run_id']}")
    except Exception as error:
        if "could not find run" in str(error).lower():
            raise Permanent(f"W&B no longer knows run {request['run_id']} of {request['project']}.") from error
        raise


def _set_from_outside(run: Any) -> bool:
    """Set the state and touch nothing else; False where the server cannot do that, or does not want to.

    W&B refuses it for runs of a sweep, and an older server of the team's own does not know how.
    """
    try:
        return bool(run.update_state(CLOSED_STATE))
    except Exception as error:
        if status_of(error) == 429 or status_of(error) >= 500:
            raise  # it may want to, later
        return False


def _attach_and_fail(request: dict[str, str], before: Any) -> None:
    """Go on with the run as one more process of it, log nothing, and end with exit code 1.

    The client replaces what it keeps of a run's processes, jobs and hosts among them, so that goes along from the
    first request on: a closer that is killed in between has lost nothing. Config and summary as they were are
    written back at the end.
    """
    import wandb

    notes = before.rawconfig.get("_wandb") or {}
    _ = before.summary  # read now: it is what the run itself said last
    entity, project = request["project"].split("/", 1)
    place = {"entity": entity, "project": project, "run_id": request["run_id"], "resume": "must"}
    chosen: dict[str, Any] = {**QUIET, **_surroundings(notes), **place}
    wandb.init(settings=wandb.Settings(**chosen), config={"_wandb": notes}).finish(exit_code=1)
    before.update()


QUIET: dict[str, Any] = {
    "mode": "online",
    "silent": True,
    "console": "off",
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "init_timeout": ATTACHING_SECONDS,
    "finish_timeout": ATTACHING_SECONDS,
    "finish_timeout_raises": True,
    "x_primary": False,  # no files: neither summary nor config nor metadata
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "x_server_side_derived_summary": True,
}


def _surroundings(notes: dict[str, Any]) -> dict[str, str]:
    """Return host and program of the run's last process: neither must become ours."""
    told = notes.get("e")
    processes = [one for one in told.values() if isinstance(one, dict)] if isinstance(told, dict) else []
    last = max(processes, key=lambda one: str(one.get("startedAt") or ""), default={})
    return {name: str(last[name]) for name in ("host", "program") if last.get(name)}


if __name__ == "__main__":
    main()
