"""Which reviews there are, and in which time zone the weeks of each begin."""

from datetime import datetime

from apps.review.domain.weeks import Week, parse_week, week_at
from apps.workspaces.config import ConfigError
from apps.workspaces.review import ReviewConfig
from apps.workspaces.selectors import active_workspaces, current_config

ALL = ""


def review_config() -> ReviewConfig:
    """Return the settings of the review; their defaults while sweepboard.toml cannot be read."""
    try:
        return current_config().review
    except ConfigError:
        return ReviewConfig()


def scopes() -> list[str]:
    """Return what has a review: all workspaces together first, then each of them."""
    return [ALL, *(one.name for one in active_workspaces())]


def zone_of(workspace: str) -> str:
    """Return the time zone of a workspace's weeks: its own, else that of the review."""
    try:
        config = current_config()
    except ConfigError:
        return ReviewConfig().timezone
    own = next((one.review_timezone for one in config.workspace if one.name == workspace), "")
    return own or config.review.timezone


def week_named(text: str, workspace: str) -> Week:
    """Return the week that an address names; ``NoSuchWeek`` with a sentence."""
    return parse_week(text, zone_of(workspace))


def running_week(workspace: str, now: datetime) -> Week:
    return week_at(now, zone_of(workspace))
