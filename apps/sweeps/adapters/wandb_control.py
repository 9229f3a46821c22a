"""Steering sweeps by the official client, in a process of its own that is gone when the call returns."""

from collections.abc import Mapping
from typing import Any

from apps.sweeps.adapters.wandb_process import ClientProcess, Sentences
from apps.sweeps.control import NewSweep, SweepSet


class WandbControl:
    """Steers sweeps on one server; one call has ``seconds`` to end."""

    def __init__(self, *, base_url: str, api_key: str, seconds: float = 45) -> None:
        self.seconds = seconds
        self._client = ClientProcess(
            "apps.sweeps.adapters.wandb_control_child",
            prefix="sweepboard-control-",
            base_url=base_url,
            api_key=api_key,
            seconds=seconds,
        )

    def state(self, project_path: str, sweep_id: str) -> str:
        sentences = Sentences(f"W&B did not tell of sweep {sweep_id}", f"W&B's client told nothing of sweep {sweep_id}")
        return str(self._ask("state", project_path, sentences, sweep_id=sweep_id)["state"])

    def set_state(self, project_path: str, sweep_id: str, wish: str) -> SweepSet:
        sentences = Sentences(f"W&B did not {wish} sweep {sweep_id}", f"W&B's client did not {wish} sweep {sweep_id}")
        return SweepSet(**self._ask("set", project_path, sentences, sweep_id=sweep_id, wish=wish))

    def create(self, project_path: str, config: Mapping[str, Any], key: str) -> NewSweep:
        sentences = Sentences(
            f"W&B did not make a sweep in {project_path}", f"W&B's client made no sweep in {project_path}"
        )
        return NewSweep(**self._ask("create", project_path, sentences, config=dict(config), key=key))

    def _ask(self, act: str, project_path: str, sentences: Sentences, **more: Any) -> dict[str, Any]:
        return self._client.answer({"act": act, "project": project_path, **more}, sentences)
