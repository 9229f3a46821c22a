"""Closing a run by the official client, in a process of its own that is gone when the call returns."""

from apps.sweeps.adapters.wandb_process import ClientProcess, Sentences
from apps.sweeps.ports import Closed


class WandbCloser:
    """Closes runs on one server; one closing has ``seconds`` to end."""

    def __init__(self, *, base_url: str, api_key: str, seconds: float = 60) -> None:
        self.seconds = seconds
        self._client = ClientProcess(
            "apps.sweeps.adapters.wandb_close_child",
            prefix="sweepboard-close-",
            base_url=base_url,
            api_key=api_key,
            seconds=seconds,
        )

    def close(self, project_path: str, run_id: str) -> Closed:
        sentences = Sentences(f"W&B did not let run {run_id} be closed", f"W&B's client did not close run {run_id}")
        return Closed(**self._client.answer({"project": project_path, "run_id": run_id}, sentences))
