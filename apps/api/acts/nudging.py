"""When a handover is due: what agents report of their sessions, and what they are told."""

from apps.api.acts.handovers import workspace_named
from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.tokens import Scope
from apps.api.schemas.worktrees import DueWish, ExchangesWish
from apps.core.clock import utcnow
from apps.handovers.nudging import nudges
from apps.handovers.services.exchanges import report_exchanges as report


@act(Scope.READ)
def handovers_due(caller: Caller, wish: DueWish) -> Told:
    """List the handovers that should be written now: work that none tells of, long sessions, changes of branch."""
    workspace = workspace_named(wish.workspace) if wish.workspace else None
    return {"due": [one.as_json() for one in nudges(utcnow(), workspace)]}


@act(Scope.HANDOVER, writes=True)
def report_exchanges(caller: Caller, wish: ExchangesWish) -> Told:
    """Say how many messages your session has had by now; you are told whether a handover of your branch is due."""
    workspace, now = workspace_named(wish.workspace), utcnow()
    made = report(workspace=workspace, branch=wish.branch, agent=caller.token.name, count=wish.count, now=now)
    return {"due": [one.as_json() for one in nudges(now, workspace) if one.branch == made.branch]}
