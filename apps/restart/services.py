"""Restarting: a wish is a row first, passes the guard again on fresh evidence, and makes each agent's job once."""

import uuid
from contextlib import suppress
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction

from apps.core.errors import AlreadyDone, SweepboardError, Transient
from apps.core.files import confined
from apps.restart.domain import Opening, RestartFacts, Way, check_can_restart, config_errors, loss_of
from apps.restart.fresh import Tools, fresh_facts
from apps.restart.looking import agents_of, states_of
from apps.restart.models import RestartRequest
from apps.restart.plan import SweepPath, agent_key, agent_submission
from apps.restart.selectors import Subject, agent_recipe, facts_of, known_clusters, sweep_of, workspace_of
from apps.resume.places import scheduler_named
from apps.slurm.ports import Scheduler
from apps.stopping.domain import Refused
from apps.stopping.models import OPEN
from apps.stopping.writing import Clock, Writer, drive, note
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
MOST_AGENTS = 64
SETTLE_SECONDS = 60  # a submission that was broken off may still be on its way to Slurm, a sweep to W&B


def ask_for_restart(
    *, subject: Subject, wish: Way, agents: int, opening: Opening, actor: str, now: datetime
) -> RestartRequest:
    """Note the wish that ``subject`` be restarted by ``wish``, with what would be lost and what opened the guard.

    ``Refused`` or ``NotKnown`` with a sentence where the guard stays shut, which is noted in the audit.
    """
    facts = facts_of(subject, now)
    request = _unsaved(subject, wish, agents, opening, actor, now, facts)
    if RestartRequest.objects.filter(sweep=request.sweep, state__in=OPEN).exists():
        raise _under_way()
    try:
        check_can_restart(facts, wish, opening)
        _check_agents(subject, wish, agents)
    except SweepboardError as error:
        note(request, "refused", actor, said=str(error))
        raise
    try:
        with transaction.atomic():
            request.save()
            note(request, "requested", actor)
    except IntegrityError as error:
        raise _under_way() from error
    return request


def _under_way() -> AlreadyDone:
    return AlreadyDone("A restart of this sweep is under way already; nothing was done a second time.")


def _unsaved(
    subject: Subject, wish: Way, agents: int, opening: Opening, actor: str, now: datetime, facts: RestartFacts
) -> RestartRequest:
    sweep = sweep_of(subject)
    if sweep is None:
        raise Refused("The run belongs to no sweep: nobody knows how it was begun. Submit its own script again.")
    by = _opened_by(facts, wish, opening)
    fatal = opening.fatal if by == "config-error" else ""
    proof = next((run.proof for run in config_errors(facts) if run.run_id == fatal), "")
    return RestartRequest(
        sweep=sweep, run=subject if isinstance(subject, Run) else None, wish=str(wish), agents=agents,
        key=uuid.uuid4().hex[:16], opened_by=by, fatal=fatal[:200], reason=proof or opening.reason.strip()[:2000],
        loss=str(loss_of(facts)), asked_by=actor[:150], asked_at=now,
    )  # fmt: skip


def _opened_by(facts: RestartFacts, wish: Way, opening: Opening) -> str:
    """Return what opens the guard; empty where it is open by itself, or where that person cannot open it.

    The worker lets through by no more than this: words that somebody wrote without need, or without the role, open
    nothing later.
    """
    with suppress(SweepboardError):
        check_can_restart(facts, wish, Opening())
        return ""
    if opening.fatal:
        return "config-error"
    return "reason" if opening.reason.strip() and opening.by_admin else ""


def _check_agents(subject: Subject, wish: Way, agents: int) -> None:
    if not (0 if wish is Way.NEW_SWEEP else 1) <= agents <= MOST_AGENTS:
        raise Refused(f"Between 1 and {MOST_AGENTS} agents can be relaunched at a time.")
    if agents:
        _checked_workspace(subject)


def _checked_workspace(subject: Subject) -> Workspace:
    """Return the workspace whose recipe submits an agent; ``Refused`` where there is none."""
    workspace = workspace_of(subject)
    recipe = agent_recipe(workspace)
    if workspace is None or not recipe.script:
        raise Refused("sweepboard.toml names no script that starts an agent ([workspace.agent]): copy the commands.")
    if not confined(workspace.path, recipe.script).is_file():
        raise Refused(f"The recipe's script {recipe.script} is not in {workspace.root}.")
    return workspace


def drive_restart(*, request_pk: int, tools: Tools, clock: Clock) -> str:
    """Bring one wish one step on; return its state, ``gone`` where there is none."""
    return drive(RestartRequest, request_pk, lambda request, writer: _step(request, writer, tools, clock), clock)


def _step(request: RestartRequest, writer: Writer, tools: Tools, clock: Clock) -> str:
    subject: Subject = request.run or request.sweep
    first = request.tried_at is None
    if first:
        _check_again(request, subject, tools, clock)
    settled = first or (clock() - (request.tried_at or clock())).total_seconds() >= SETTLE_SECONDS
    if not writer.hold(state="sent", **({"tried_at": clock()} if first else {})):
        return request.state
    request.state = "sent"
    if request.wish == Way.NEW_SWEEP and not request.new_sweep_id:
        if not first:
            _check_again(request, subject, tools, clock)
        if not _new_sweep(request, writer, tools, settled):
            return request.state
    if request.agents:
        return _agents(request, subject, writer, tools, clock, first=first, settled=settled)
    return writer.end("done", f"The new sweep is {request.new_sweep_id}. Start its agents when its config is mended.")


def _check_again(request: RestartRequest, subject: Subject, tools: Tools, clock: Clock) -> None:
    """Let the request pass the guard on what W&B, Slurm and the files say now."""
    by_reason = request.opened_by == "reason"
    opening = Opening(request.fatal, request.reason if by_reason else "", by_admin=by_reason)
    check_can_restart(fresh_facts(tools, subject, clock()), Way(request.wish), opening)


def _new_sweep(request: RestartRequest, writer: Writer, tools: Tools, settled: bool) -> bool:
    """Make the sweep of this request, which is found again by its key; False where somebody else took over."""
    if not settled:
        raise Transient("The making of a sweep was broken off; waiting whether W&B did it.")
    sweep = request.sweep
    made = tools.control().create(sweep.project_path, sweep.config, request.key)
    request.new_sweep_id, request.new_sweep_url = made.sweep_id, made.url
    return writer.hold(new_sweep_id=made.sweep_id, new_sweep_url=made.url)


def _agents(
    request: RestartRequest, subject: Subject, writer: Writer, tools: Tools, clock: Clock, *, first: bool, settled: bool
) -> str:
    """Make a job for each wished agent that has none; a later look confirms that Slurm knows them all."""
    workspace = _checked_workspace(subject)
    recipe, schedulers = agent_recipe(workspace), tools.schedulers()
    cluster = request.cluster or known_clusters([one.cluster() for one in schedulers.values()], recipe.cluster)
    scheduler = scheduler_named(schedulers, cluster)
    known = {**agents_of(scheduler, request), **request.job_ids}
    missing = [place for place in range(request.agents) if str(place) not in known]
    if missing and not settled:
        raise Transient("A submission was broken off; waiting whether Slurm took it.")
    if not known and not first and request.wish == Way.RELAUNCH:
        _check_again(request, subject, tools, clock)  # a worker died before it made anything
    if not missing and len(request.job_ids) == request.agents:
        return _confirmed(request, writer, scheduler)
    sweep = SweepPath(request.sweep.entity, request.sweep.project, request.new_sweep_id or request.sweep.sweep_id)
    for place in missing:
        if not writer.hold(tried_at=clock(), cluster=cluster, job_ids=known):
            return request.state
        made = agent_submission(recipe, str(workspace.path.resolve()), sweep, agent_key(request.key, place))
        known[str(place)] = scheduler.submit(made)
    said = f"Slurm has {', '.join(f'job {known[one]}' for one in sorted(known, key=int))}."
    return writer.wait(said, job_ids=known, cluster=cluster)


def _confirmed(request: RestartRequest, writer: Writer, scheduler: Scheduler) -> str:
    states = states_of(scheduler, request)
    if unheard := [job for job in request.job_ids.values() if job not in states]:
        raise Transient(f"Slurm does not tell of job {unheard[0]} yet.")
    told = ", ".join(f"job {job} {states[job]}" for job in request.job_ids.values())
    new = f"The new sweep is {request.new_sweep_id}. " if request.new_sweep_id else ""
    return writer.end("done", f"{new}Agents: {told}.")
