"""What the page and the command show of a restart: the loss, the way, and why each of the two wishes is shut."""

from dataclasses import dataclass, field
from datetime import datetime

from apps.core.errors import SweepboardError, Transient
from apps.restart.domain import (
    SAID,
    Loss,
    Opening,
    RestartFacts,
    RunFact,
    Way,
    check_can_restart,
    config_errors,
    loss_of,
    way_of,
)
from apps.restart.models import RestartRequest
from apps.restart.plan import SweepPath, commands_by_hand
from apps.restart.selectors import Subject, agent_recipe, facts_of, restarts_of, sweep_of, workspace_of
from apps.stopping.models import OPEN

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """``way`` is empty while it is not known, with the reason in ``unknown``. ``shut`` says why each wish is refused.

    ``openable`` are the wishes that a named config error or an admin's reason would open.
    """

    facts: RestartFacts
    loss: Loss
    way: str = ""
    why: str = ""
    unknown: str = ""
    shut: dict[str, str] = field(default_factory=dict)
    openable: list[str] = field(default_factory=list)
    errors: list[RunFact] = field(default_factory=list)
    runs: list[RunFact] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    has_recipe: bool = False

    @property
    def new_sweep_shut(self) -> str:
        return self.shut.get(Way.NEW_SWEEP, "")


def shown_restart(subject: Subject, now: datetime) -> Shown:
    """Return what is to be shown of a restart, by what the last passes told."""
    facts = facts_of(subject, now)
    moved = sorted((run for run in facts.runs if run.has_progress), key=lambda one: -(one.epoch or 0.0))
    way, why, unknown = "", "", ""
    try:
        told, why = way_of(facts)
        way = SAID[told]
    except Transient as error:
        unknown = str(error)
    shut = {str(wish): _shut(facts, wish, Opening()) for wish in (Way.RELAUNCH, Way.NEW_SWEEP)}
    forced = Opening(reason="any", by_admin=True)
    openable = [name for name, said in shut.items() if said and not _shut(facts, Way(name), forced)]
    recipe = agent_recipe(workspace_of(subject))
    return Shown(
        facts, loss_of(facts), way, why, unknown, shut, openable, config_errors(facts)[:MOST_SHOWN], moved[:MOST_SHOWN],
        _commands(subject), bool(recipe.script),
    )  # fmt: skip


def _shut(facts: RestartFacts, wish: Way, opening: Opening) -> str:
    try:
        check_can_restart(facts, wish, opening)
    except SweepboardError as error:
        return str(error)
    return ""


def _commands(subject: Subject) -> list[str]:
    sweep = sweep_of(subject)
    if sweep is None:
        return []
    path = SweepPath(sweep.entity, sweep.project, sweep.sweep_id)
    try:
        return commands_by_hand(agent_recipe(workspace_of(subject)), path, sweep.config, sweep.purpose_file)
    except SweepboardError:
        return []


def open_restart(subject: Subject) -> RestartRequest | None:
    """Return the wish about its sweep that is under way, if any."""
    return next((one for one in restarts_of(sweep_of(subject)) if one.state in OPEN), None)
