"""The process that steers one sweep: ``python -m apps.sweeps.adapters.wandb_control_child '{"act": …}'``.

Its parent is ``wandb_control.WandbControl``, which sets its environment. States are set by the very calls behind
`wandb sweep --pause`, `--resume`, `--stop` and `--cancel`; a sweep is made by `wandb.sweep`.
"""

from typing import Any

from apps.core.errors import AlreadyDone, Permanent
from apps.sweeps.adapters.wandb_reply import reply_with
from apps.sweeps.control import STATE_AFTER, carries_key, check_can_set, config_with_key

ASKING_SECONDS = 20


def main() -> None:
    """Do what the first argument asks for."""
    reply_with(lambda request: ACTS[request["act"]](request))


def _api(request: dict[str, Any]) -> Any:
    """Return a fresh client: one answers from its cache."""
    import wandb

    overrides = {"base_url": request["base_url"]} if request["base_url"] else {}
    return wandb.Api(overrides=overrides, timeout=ASKING_SECONDS)


def _state(request: dict[str, Any]) -> dict[str, Any]:
    return {"state": _state_now(_api(request), request)}


def _state_now(api: Any, request: dict[str, Any]) -> str:
    from wandb.apis.public.sweeps import _get_sweep_state

    entity, project = request["project"].split("/", 1)
    try:
        return str(_get_sweep_state(api, request["sweep_id"], entity=entity, project=project)).upper()
    except TypeError as error:  # the client looks into an answer that holds no sweep, or no project
        raise Permanent(f"W&B does not know sweep {request['sweep_id']} of {request['project']}.") from error


def _set(request: dict[str, Any]) -> dict[str, Any]:
    from wandb.apis.public.sweeps import _set_sweep_state

    api = _api(request)
    wish, before = request["wish"], _state_now(api, request)
    try:
        check_can_set(before, wish)
    except AlreadyDone:
        return {"state": before, "acted": False}
    entity, project = request["project"].split("/", 1)
    wanted: Any = STATE_AFTER[wish]
    _set_sweep_state(api, request["sweep_id"], wanted, entity=entity, project=project)
    return {"state": _state_now(_api(request), request), "acted": True}


def _create(request: dict[str, Any]) -> dict[str, Any]:
    """Look for the sweep of an earlier try first: its process may have been ended before it could tell."""
    import wandb

    entity, project = request["project"].split("/", 1)
    if held := _made_already(request, entity, project):
        return held
    config: Any = config_with_key(request["config"], request["key"])
    sweep_id = wandb.sweep(config, entity=entity, project=project)
    url = _api(request).sweep(f"{request['project']}/{sweep_id}").url
    return {"sweep_id": sweep_id, "url": url, "found": False}


def _made_already(request: dict[str, Any], entity: str, project: str) -> dict[str, Any]:
    for one in _api(request).project(project, entity=entity).sweeps():
        if carries_key(one.config, str(one._attrs.get("description") or ""), request["key"]):
            return {"sweep_id": one.id, "url": one.url, "found": True}
    return {}


ACTS = {"state": _state, "set": _set, "create": _create}


if __name__ == "__main__":
    main()
