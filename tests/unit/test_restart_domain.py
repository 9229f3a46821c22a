"""The restart guard: the way that the practice allows, what would be lost, and what opens it. Pure."""

from dataclasses import replace

import pytest

from apps.core.errors import SweepboardError
from apps.restart.domain import NotKnown, Opening, RestartFacts, RunFact, Way, check_can_restart, loss_of, way_of
from apps.restart.plan import SweepPath, agent_key, agent_submission, commands_by_hand
from apps.slurm.domain import key_named_in, run_named_in, sweep_named_in
from apps.stopping.domain import Refused
from apps.workspaces.recipes import AgentRecipeConfig

TRAINED = RunFact(1, "aaa", epoch=40, step=4000, gpu_hours=12.5, attempts=2, checkpoint="step_4000.pt", sound="pass")
LOST = RunFact(2, "bbb", epoch=3, step=300, gpu_hours=1.5, attempts=1)
WRONG = RunFact(3, "ccc", crash_class="config-error", proof="x.err:7: Key 'lr' is not in struct", attempts=1)
FACTS = RestartFacts("sweep swp1", (TRAINED, LOST), "swp1", "RUNNING", live_jobs=())


def of(*runs: RunFact, **values: object) -> RestartFacts:
    return replace(FACTS, runs=runs, **values)  # type: ignore[arg-type]  # names and types are ours


def said(facts: RestartFacts, wish: Way, opening: Opening = Opening()) -> str:  # noqa: B008 - it is frozen
    """The sentence of a refusal; empty where the guard is open."""
    try:
        check_can_restart(facts, wish, opening)
    except SweepboardError as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize(
    ("facts", "way"),
    [
        (FACTS, Way.RESUME),
        (of(replace(TRAINED, sound="fail", good="step_3000.pt")), Way.RESUME),
        (of(replace(TRAINED, sound="fail")), Way.RELAUNCH),
        (of(replace(TRAINED, live=True), LOST), Way.RELAUNCH),
        (of(replace(TRAINED, finished=True), LOST), Way.RELAUNCH),
        (of(LOST), Way.RELAUNCH),
        (of(), Way.RELAUNCH),
        (of(LOST, sweep_state="PENDING"), Way.RELAUNCH),
        (of(LOST, sweep_state="FINISHED"), Way.NEW_SWEEP),
        (of(LOST, sweep_state="CANCELED"), Way.NEW_SWEEP),
        (of(LOST, sweep_state=""), Way.NEW_SWEEP),
        (of(WRONG), Way.NEW_SWEEP),
        (of(WRONG, LOST), Way.RELAUNCH),
    ],
)
def test_the_way_is_resume_then_relaunch_and_a_new_sweep_only_where_neither_is_possible(
    facts: RestartFacts, way: Way
) -> None:
    assert way_of(facts)[0] is way


@pytest.mark.parametrize(
    "unknown",
    [
        {"sweep_state": None, "wandb_problem": "W&B does not answer"},
        {"live_jobs": None, "slurm_problem": "slurmctld does not answer"},
        {"files_problem": "the folder does not answer."},
        {"runs": (replace(TRAINED, sound=""),)},
        {"runs": (replace(TRAINED, sound="unknown"),)},
    ],
)
@pytest.mark.parametrize("wish", [Way.RELAUNCH, Way.NEW_SWEEP])
def test_what_is_unknown_lets_nobody_through_not_even_an_admin(unknown: dict[str, object], wish: Way) -> None:
    facts = replace(FACTS, **{"runs": (LOST,), **unknown})  # type: ignore[arg-type]  # names and types are ours
    assert said(facts, wish, Opening(reason="I know better", by_admin=True)).startswith("NotKnown")
    with pytest.raises(NotKnown):
        way_of(facts)


def test_a_restart_of_what_has_progress_is_refused_with_what_would_be_lost() -> None:
    assert said(FACTS, Way.NEW_SWEEP) == (
        "Refused: A restart of sweep swp1 would lose 43 epochs and 4\u202f300 steps of 2 runs, 14.0 GPU hours in 3 "
        "attempts; the newest good checkpoint is step_4000.pt of run aaa. The way is to resume: 1 run can be resumed "
        "from a valid checkpoint."
    )
    assert said(FACTS, Way.RELAUNCH).startswith("Refused: A restart of sweep swp1 would lose 43 epochs")
    assert str(loss_of(of(WRONG))) == "no progress (0.0 GPU hours in 1 attempt)"


def test_only_a_config_error_of_the_evidence_or_an_admins_reason_opens_it() -> None:
    facts = of(TRAINED, WRONG)
    assert said(facts, Way.NEW_SWEEP, Opening(fatal="ccc")) == ""
    assert (
        said(facts, Way.NEW_SWEEP, Opening(fatal="aaa"))
        == "Refused: No fatal config error of run aaa is in the evidence."
    )
    assert said(of(TRAINED, replace(WRONG, proof="")), Way.NEW_SWEEP, Opening(fatal="ccc")).startswith("Refused")
    assert "Only an admin" in said(facts, Way.NEW_SWEEP, Opening(reason="because"))
    assert said(facts, Way.NEW_SWEEP, Opening(reason="because", by_admin=True)) == ""
    assert said(facts, Way.NEW_SWEEP, Opening(reason="  ", by_admin=True)).startswith("Refused: A restart")


def test_what_cannot_work_is_opened_by_nobody() -> None:
    admin = Opening(reason="because", by_admin=True)
    assert "sends agents home" in said(of(LOST, sweep_state="FINISHED"), Way.RELAUNCH, admin)
    assert "is paused" in said(of(LOST, sweep_state="PAUSED"), Way.RELAUNCH, admin)
    assert "Job 12 is alive" in said(of(LOST, live_jobs=("12",)), Way.NEW_SWEEP, admin)
    assert said(of(LOST, live_jobs=("12",)), Way.RELAUNCH) == ""
    assert "Job 12 is alive" in said(of(LOST, live_jobs=("12",), of_run=True), Way.RELAUNCH, admin)
    assert "belongs to no sweep" in said(of(LOST, sweep_id="", sweep_state=None), Way.RELAUNCH, admin)


def test_nothing_lost_needs_no_opening() -> None:
    assert said(of(LOST), Way.RELAUNCH) == ""
    assert said(of(WRONG), Way.NEW_SWEEP) == ""
    assert said(of(LOST, sweep_state="FINISHED"), Way.NEW_SWEEP).startswith(
        "Refused: A restart of sweep swp1 would lose 3"
    )


def test_an_agent_is_submitted_under_its_key_and_without_any_run() -> None:
    recipe = AgentRecipeConfig(script="agent.sbatch", args=["{sweep}"], options={"time": "8:00:00", "requeue": ""})
    path = SweepPath("team", "glue", "swp1")
    made = agent_submission(recipe, "/shared/glue", path, agent_key("0123456789abcdef", 3))
    assert (made.args, made.comment) == (["team/glue/swp1"], "sweepboard:sweep=swp1:key=0123456789abcdef-3")
    assert key_named_in(made.comment) == "0123456789abcdef-3"
    assert (sweep_named_in(made.comment), run_named_in(made.comment)) == ("swp1", "")
    assert made.name == "agent.swp1.0123456789abcdef-3"
    assert {"WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_RESUME"} <= set(made.without)
    assert commands_by_hand(recipe, path, {}, "experiments/search.yaml") == [
        "sbatch --time=8:00:00 --requeue agent.sbatch team/glue/swp1",
        "wandb sweep --entity team --project glue experiments/search.yaml",
    ]
    assert commands_by_hand(AgentRecipeConfig(), path, {"method": "grid"}, "")[:2] == [
        "wandb agent team/glue/swp1",
        'echo \'{"method": "grid"}\' > sweep.yaml',
    ]


def test_a_value_that_the_recipe_lacks_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="unknown placeholder"):
        AgentRecipeConfig(args=["{run_id}"])
    with pytest.raises(Refused, match="nothing tells it"):
        agent_submission(AgentRecipeConfig(args=["{sweep_id}"]), "/", SweepPath("team", "glue", ""), "12345678-0")
