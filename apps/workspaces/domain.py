"""A workspace's policy: the thresholds that rules read. Pure."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from apps.workspaces.rules_off import check_rules_off

WRITTEN = {"written": True}  # the context of what somebody writes: what was stored is read as it is


class AutoResumePolicy(BaseModel):
    """Whether runs are resumed without a person, and when that stops; off by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: bool = Field(default=False, description="resume by itself what the gate lets through, unless switched off")
    classes: list[Literal["preemption", "time-limit"]] = Field(
        default=["preemption", "time-limit"], description="of which crash classes; no other can be named"
    )
    max_attempts: int = Field(default=3, ge=1, le=50, description="attempts for one run; then a person must look")
    backoff_minutes: float = Field(
        default=5, gt=0, description="wait after the run's end, twice as long before each further attempt"
    )


class Policy(BaseModel):
    """Thresholds of the red flags, per workspace. The defaults are the practice's own figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fast_completion_hours: float = Field(default=2, gt=0, description="a run that finishes sooner almost always failed")
    stale_heartbeat_minutes: float = Field(default=30, gt=0, description="a heartbeat older than this is stale")
    dead_job_grace_minutes: float = Field(
        default=2, ge=0, description="how long W&B and Slurm may disagree before it is flagged"
    )
    pending_minutes: float = Field(default=60, gt=0, description="a job that waits longer in the queue is flagged")
    unpopulated_minutes: float = Field(default=15, gt=0, description="a run that logs nothing for so long is stuck")
    preempted_minutes: float = Field(default=15, gt=0, description="a preempted run that waits longer is flagged")
    no_checkpoint_hours: float = Field(default=3, gt=0, description="training so long without a checkpoint is flagged")
    checkpoint_stale_hours: float = Field(default=6, gt=0, description="an older checkpoint of a live run is stale")
    at_risk_hours: float = Field(default=2, gt=0, description="so many hours that a crash would lose are noted")
    idle_gpu_percent: float = Field(default=10, ge=0, le=100, description="GPU use of a live run below this is idle")
    exploding_factor: float = Field(default=1000, gt=1, description="a loss so many times its best has exploded")
    plateau_points: int = Field(default=20, ge=4, description="fewer logged points say nothing of a plateau")
    repeated_failures: int = Field(default=3, ge=2, description="so many deaths on one node or agent in a day are told")
    spare_checkpoints: int = Field(
        default=3, ge=1, description="free space for fewer checkpoints a live run is flagged"
    )
    may_differ: list[str] = Field(
        default=[], description="config keys that may differ between the disk and W&B when a run is resumed"
    )
    resume_confirm_minutes: float = Field(
        default=30, gt=0, description="a resumed job that W&B does not hear of for so long has failed to resume"
    )
    resume_pending_hours: float = Field(
        default=168, gt=0, description="how long a resumed job is watched while it waits in the queue"
    )
    auto_resume: AutoResumePolicy = Field(
        default=AutoResumePolicy(), description="whether runs are resumed without a person"
    )
    stop_wrong_resume: bool = Field(
        default=True, description="stop a resumed job that starts over, or that opens another run"
    )
    expected_agents: int = Field(
        default=0, ge=0, description="agents of a running sweep; 0 = as many as were submitted"
    )
    clear_minutes: float = Field(
        default=3, ge=0, description="a flag is over when its condition has been gone for so long"
    )
    rules_off: dict[str, str] = Field(default={}, description="rules that are off here, each with the reason")
    offline_unsynced_hours: float = Field(
        default=24, gt=0, description="an offline run that ended longer ago is flagged"
    )
    handover_archive_days: float = Field(default=7, gt=0, description="handovers older than this are archived")
    handover_pickup_days: float = Field(
        default=14, gt=0, description="a handover that was picked up is held to be in use for so long at most"
    )
    plan_expires_hours: float = Field(
        default=72, gt=0, description="a plan that nobody moved on for so long can be neither approved nor carried out"
    )
    handover_exchanges: int = Field(
        default=15, ge=1, description="after so many messages in one session a handover is due"
    )
    note: str = Field(default="", description="shown on the board beside the workspace's name")

    @field_validator("rules_off")
    @classmethod
    def _rules_exist_and_have_a_reason(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if info.context == WRITTEN:
            check_rules_off(value)
        return value
