"""What is submitted for a run, what may be changed before, and what the recipe may hold."""

import pytest

from apps.resume.changes import BadChoice, JobShape, applied, offers
from apps.resume.domain import CheckpointFact, Refused
from apps.resume.plan import Plan, Target, submission_for
from apps.slurm.domain import comment_for_run, key_named_in, run_named_in
from apps.workspaces.config import ConfigError, parse_config
from apps.workspaces.recipes import RecipeConfig
from tests.factories.moments import NOW

CHECKPOINT = CheckpointFact("/w/outputs/aaa/checkpoints/a b;$(x).pt", 500, None, 7, NOW, "pass", "fine")
TARGET = Target("team", "glue", "aaa", "swp1", "/w/outputs/aaa/config.yaml", CHECKPOINT, "0123456789abcdef")
NOTHING = applied({}, "")


def test_placeholders_fill_arguments_that_stay_one_argument_each() -> None:
    recipe = RecipeConfig(
        script="run.sbatch",
        args=["{checkpoint}", "--dir={checkpoint_dir}", "{config}:{step}", "model={a:1}", "$(rm)"],
        options={"output": "logs/{run_id}.out"},
    )
    made = submission_for(recipe, "/w", TARGET, NOTHING)
    assert made.args == [
        "/w/outputs/aaa/checkpoints/a b;$(x).pt", "--dir=/w/outputs/aaa/checkpoints",
        "/w/outputs/aaa/config.yaml:500", "model={a:1}", "$(rm)",
    ]  # fmt: skip
    assert made.options == {"output": "logs/aaa.out"}
    assert made.name == "resume-aaa-0123456789abcdef"


def test_a_value_that_nobody_knows_is_a_refusal_and_not_an_empty_argument() -> None:
    target = Target("team", "glue", "aaa", "", "", CHECKPOINT, "0123456789abcdef")
    with pytest.raises(Refused, match=r"uses \{sweep_id\}, and nothing tells it"):
        submission_for(RecipeConfig(script="x", args=["{sweep_id}"]), "/w", target, NOTHING)


def test_a_plan_comes_back_from_json_as_it_was() -> None:
    made = submission_for(RecipeConfig(script="run.sbatch", args=["{step}"]), "/w", TARGET, NOTHING)
    plan = Plan("requeue", "north", made, "4711", "2026-11-23T12:00:00+00:00", ("x",))
    assert Plan.from_json(plan.as_json()) == plan
    assert Plan.from_json(Plan("requeue", "north", None, "1", "x").as_json()).submission is None


def test_the_comment_names_the_run_and_the_key_and_neither_passes_for_the_other() -> None:
    comment = comment_for_run("aaa", "0123456789abcdef")
    assert (run_named_in(comment), key_named_in(comment)) == ("aaa", "0123456789abcdef")
    assert key_named_in(comment_for_run("aaa")) == ""
    assert key_named_in("sweepboard:key=0123456789abcdef0") != "0123456789abcdef"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('script = "/bin/sh"', "leads out of the workspace"),
        ('script = "../x.sh"', "leads out of the workspace"),
        ('args = ["{home}"]', "unknown placeholder {home}"),
        ('environment = {WANDB_SWEEP_ID = "x"}', "W&B ignores which run"),
        ('environment = {WANDB_RUN_ID = "x"}', "set by Sweepboard"),
        ('environment = {"A B" = "x"}', "not the name of a variable"),
        ('options = {comment = "x"}', "set by Sweepboard"),
        ('options = {wrap = "x"}', "no single job"),
        ('options = {"a b" = "x"}', "not the long name"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_line_and_key(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match="line 5") as told:
        parse_config(f'[[workspace]]\nname = "a"\nroot = "/a"\n[workspace.recipe]\n{line}\n')
    assert complaint in str(told.value)


def test_the_recipe_was_called_resume_once() -> None:
    told = parse_config('[[workspace]]\nname = "a"\nroot = "/a"\n[workspace.resume]\nscript = "x.sbatch"\n')
    assert told.workspace[0].recipe.script == "x.sbatch"


def test_each_class_offers_its_own_changes_with_values_from_the_job() -> None:
    job = JobShape("g[03-05]", 57_600, 40 << 30)
    assert [(one.id, one.value) for one in offers("node-failure", job)] == [("exclude-node", "g[03-05]")]
    assert [(one.id, one.value) for one in offers("time-limit", job)] == [("longer-limit", "1-08:00:00")]
    assert [(one.id, one.value) for one in offers("host-oom", job)] == [("more-memory", "61440M"), ("by-hand", "")]
    assert [one.id for one in offers("nccl-timeout", job)] == ["exclude-node", "nccl-patience"]
    assert [one.id for one in offers("data-error", JobShape())] == ["by-hand"]
    assert offers("preemption", job) == ()


def test_chosen_changes_alter_the_job_and_only_some_mend_the_cause() -> None:
    nodes = applied({"exclude-node": "g07"}, "node-failure")
    assert (dict(nodes.options), nodes.counts) == ({"exclude": "g07"}, ())
    patience = applied({"nccl-patience": ""}, "nccl-timeout")
    assert dict(patience.environment) == {"NCCL_TIMEOUT": "1800", "NCCL_DEBUG": "INFO"}
    memory = applied({"more-memory": "64G"}, "host-oom")
    assert (dict(memory.options), memory.counts) == ({"mem": "64G"}, ("memory 64G",))
    mended = applied({"by-hand": " the  data path "}, "data-error")
    assert (mended.alters_the_job, mended.counts) == (False, ("by hand: the data path",))


@pytest.mark.parametrize(
    ("choices", "crash_class"),
    [
        ({"more-memory": "64G"}, "preemption"),
        ({"exclude-node": "g07 --wrap=x"}, "node-failure"),
        ({"longer-limit": "soon"}, "time-limit"),
        ({"by-hand": "  "}, "data-error"),
        ({"nonsense": "1"}, "time-limit"),
    ],
)
def test_a_change_that_is_not_offered_or_cannot_be_read_is_refused(choices: dict[str, str], crash_class: str) -> None:
    with pytest.raises(BadChoice):
        applied(choices, crash_class)
