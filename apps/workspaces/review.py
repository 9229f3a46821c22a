"""Settings of the weekly review, and time zones. Pure."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{value}' is no time zone; write one such as Europe/Berlin, or UTC") from error
    return value


Zone = Annotated[str, AfterValidator(_zone)]
OptionalZone = Annotated[str, AfterValidator(lambda value: _zone(value) if value else value)]


class ReviewMinutes(BaseModel):
    """How long each part of the weekly review may take; the timer on its page counts against it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    numbers: int = Field(default=4, ge=1, le=240, description="minutes for the numbers")
    wrong: int = Field(default=7, ge=1, le=240, description="minutes for what went wrong")
    resumed: int = Field(default=4, ge=1, le=240, description="minutes for what was resumed and lost")
    results: int = Field(default=5, ge=1, le=240, description="minutes for the results")
    decisions: int = Field(default=4, ge=1, le=240, description="minutes for handovers and decisions")
    open: int = Field(default=3, ge=1, le=240, description="minutes for plans and questions that are open")
    actions: int = Field(default=3, ge=1, le=240, description="minutes for action items")


class ReviewConfig(BaseModel):
    """The weekly review: when its weeks begin, and the digest on Monday morning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: Zone = Field(
        default="UTC", description="in which weeks begin on Monday at midnight, such as Europe/Berlin"
    )
    digest: bool = Field(default=False, description="send the week that ended to alert channels on Monday morning")
    digest_hour: int = Field(default=8, ge=0, le=23, description="from which hour of Monday on, in that time zone")
    digest_channels: list[str] = Field(
        default=[], description="names of the alert channels that get it; empty = every one that is on"
    )
    wall_seconds: int = Field(default=30, ge=5, le=3600, description="how long the wall display shows each screen")
    minutes: ReviewMinutes = Field(default=ReviewMinutes(), description="minutes of each part")
