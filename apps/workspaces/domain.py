"""A workspace's policy: the thresholds that rules read. Pure."""

from pydantic import BaseModel, ConfigDict, Field


class Policy(BaseModel):
    """Thresholds of the red flags, per workspace. The defaults are the practice's own figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fast_completion_hours: float = Field(default=2, gt=0, description="a run that finishes sooner almost always failed")
    stale_heartbeat_minutes: float = Field(default=30, gt=0, description="a heartbeat older than this is stale")
    dead_job_grace_minutes: float = Field(
        default=2, ge=0, description="how long W&B and Slurm may disagree before it is flagged"
    )
    offline_unsynced_hours: float = Field(
        default=24, gt=0, description="an offline run that ended longer ago is flagged"
    )
    handover_archive_days: float = Field(default=7, gt=0, description="handovers older than this are archived")
    note: str = Field(default="", description="shown on the board beside the workspace's name")
