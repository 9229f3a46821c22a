"""What agents report of their sessions."""

from datetime import datetime

from apps.core.errors import Permanent
from apps.handovers.models import Exchange
from apps.workspaces.models import Workspace

MOST = 100_000


def report_exchanges(*, workspace: Workspace, branch: str, agent: str, count: int, now: datetime) -> Exchange:
    """Keep how many messages a session has had by now; the last report of an agent on a branch counts.

    ``Permanent`` without a branch or an agent, and for a number that no session has.
    """
    branch, agent = branch.strip()[:300], " ".join(agent.split())[:200]
    if not branch or not agent:
        raise Permanent("A report of exchanges names its branch and its agent.")
    if not 0 <= count <= MOST:
        raise Permanent(f"{count} is no number of exchanges: it is from 0 to {MOST}.")
    row, _ = Exchange.objects.update_or_create(
        workspace=workspace, branch=branch, agent=agent, defaults={"count": count, "at": now}
    )
    return row
