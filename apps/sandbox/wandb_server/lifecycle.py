"""When a run or an agent is over, and in which state: by what it said last, or by its silence."""

from apps.sandbox.wandb_server.store import Store

# A lost run keeps the heartbeat that it had: only its own process may move that.
LOST_RUNS = """
UPDATE runs SET state = CASE
        WHEN stop_requested THEN 'killed'
        WHEN state = 'preempting' THEN 'preempted'
        ELSE 'crashed' END
WHERE state IN ('running', 'preempting') AND heartbeat_at < ?
"""
# An agent that falls silent between two runs has left; one whose last run did not end was lost.
LOST_AGENTS = """
UPDATE agents SET state = CASE
        WHEN EXISTS (SELECT 1 FROM runs WHERE agent_id = agents.id
                     AND state IN ('running', 'preempting', 'crashed', 'preempted')) THEN 'CRASHED'
        ELSE 'FINISHED' END
WHERE state = 'RUNNING' AND heartbeat_at < ?
"""


def end_state(exitcode: int, state: str, stop_requested: bool) -> str:
    """Return the state of a run that ended with `exitcode` while it was in `state`."""
    if exitcode == 0:
        return "finished"
    if stop_requested:
        return "killed"
    return "preempted" if state == "preempting" else "failed"


def mark_lost(store: Store, now: float, crash_after: float) -> None:
    """Move every run and agent that was silent for more than `crash_after` seconds to its final state."""
    store.execute(LOST_RUNS, [now - crash_after])
    store.execute(LOST_AGENTS, [now - crash_after])
