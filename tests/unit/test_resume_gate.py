"""The gate by itself: no combination lets a run through that a job carries or whose checkpoint nobody has proven."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.resume.domain import CheckpointFact, GateFacts, LineState, Refused, can_resume, check_can_resume
from apps.resume.gate import crash_class_line, gate_lines
from apps.workspaces.domain import Policy
from tests.factories.moments import NOW, before

GOOD = CheckpointFact(
    "/w/step_500.pt", 500, None, 1 << 30, before(hours=1, minutes=10), "pass", "every tensor is there"
)
OPEN = GateFacts(
    run_id="aaa",
    now=NOW,
    checkpoints=(GOOD,),
    trained_at=before(hours=1),
    disk_config={"wandb_run_id": "aaa", "lr": 0.1},
    disk_run_id="aaa",
    config_path="/w/config.yaml",
    wandb_state="crashed",
    wandb_config={"lr": 0.1},
    live_job="",
    crash_class="preemption",
    resumable="yes",
    free_bytes=1 << 40,
    sweep_id="swp1",
    sweep_state="RUNNING",
    how="experiments/resume.sbatch is submitted.",
)


def line(name: str, **changes: Any) -> tuple[str, str]:
    """The state and the words of one line of the open gate after ``changes``."""
    (found,) = [one for one in gate_lines(replace(OPEN, **changes)) if one.id == name]
    return str(found.state), f"{found.evidence} → {found.action}"


def test_all_ten_lines_of_the_open_gate_pass_with_their_numbers() -> None:
    lines = gate_lines(OPEN)
    assert [one.id for one in lines] == [
        "exists", "sound", "config", "wandb-run", "no-live-job",
        "crash-class", "not-finished", "disk", "sweep", "recipe",
    ]  # fmt: skip
    assert all(one.passes for one in lines)
    assert lines[0].evidence == "step 500, 1.0 GiB, written 1 h 10 min ago; training ended 10 min after it."
    assert lines[7].evidence == "1.0 TiB free; 3 checkpoints like the newest need 3.0 GiB."
    check_can_resume(lines)


SOUND = st.sampled_from(["pass", "fail", "unknown", "unsafe", "", "nonsense"])
WORDS = st.sampled_from(["", "crashed", "finished", "running", "failed", "preempted", "odd"])
anything = st.builds(
    GateFacts,
    run_id=st.sampled_from(["aaa", "b b"]),
    now=st.just(NOW),
    policy=st.just(Policy()),
    checkpoints=st.none() | st.lists(st.builds(lambda sound: replace(GOOD, sound=sound), SOUND), max_size=3).map(tuple),
    trained_at=st.none() | st.sampled_from([before(hours=1), before(hours=20), NOW]),
    disk_config=st.none() | st.just({"lr": 0.1}) | st.just({"lr": 0.2}),
    disk_run_id=st.sampled_from(["", "aaa", "bbb"]),
    wandb_state=st.none() | WORDS,
    wandb_config=st.just({"lr": 0.1}),
    live_job=st.none() | st.sampled_from(["", "Job 1 (RUNNING)"]),
    crash_class=st.sampled_from(["", "preemption", "cuda-oom", "config-error"]),
    resumable=st.sampled_from(["", "yes", "after a change", "no", "look first"]),
    epoch=st.none() | st.just(3.0),
    target_epochs=st.none() | st.just(10.0),
    change=st.sampled_from(["", "memory 64G"]),
    free_bytes=st.none() | st.sampled_from([0, 1 << 40]),
    sweep_id=st.sampled_from(["", "swp1"]),
    sweep_state=st.none() | st.sampled_from(["RUNNING", "CANCELED"]),
    lacks=st.sampled_from(["", "no recipe"]),
)
OVERRIDES = st.sampled_from(["", *(one.id for one in gate_lines(OPEN)), "all"])


@given(facts=anything, override=OVERRIDES)
def test_nothing_opens_the_gate_while_a_job_lives_or_the_checkpoint_is_not_proven(
    facts: GateFacts, override: str
) -> None:
    if can_resume(gate_lines(facts), override):
        assert facts.live_job == ""
        assert facts.newest is not None
        assert facts.newest.sound == "pass"
        assert facts.wandb_state
        assert facts.lacks == ""


@given(facts=anything, override=OVERRIDES)
def test_an_override_lets_one_line_through_and_no_other(facts: GateFacts, override: str) -> None:
    lines = gate_lines(facts)
    if can_resume(lines, override):
        assert {one.id for one in lines if not one.passes} <= {override}


@pytest.mark.parametrize(
    ("name", "changes", "state", "words"),
    [
        ("exists", {"checkpoints": None, "checkpoints_problem": "no mount."}, "unknown", "no mount."),
        ("exists", {"checkpoints": ()}, "fail", "There is no checkpoint. → do not resume: investigate"),
        ("exists", {"trained_at": None}, "unknown", "nobody knows when training ended"),
        ("exists", {"trained_at": GOOD.modified_at + timedelta(hours=7)}, "fail", "7 h 00 min after it. That is more"),
        ("sound", {"checkpoints": (replace(GOOD, sound="unsafe"),)}, "fail", "Unsafe, not loaded"),
        ("sound", {"checkpoints": (replace(GOOD, sound="unknown"), GOOD)}, "unknown", "restore from /w/step_500.pt"),
        ("config", {"disk_config": None}, "unknown", "no config file on disk"),
        ("config", {"disk_config": {"other": 1}}, "unknown", "no key in common"),
        ("config", {"wandb_config": {"lr": 0.3}}, "fail", "1 key differs: lr: 0.1 on disk, 0.3 on W&B. → fix"),
        ("config", {"wandb_config": {"lr": 0.3, "x": 1}, "disk_config": {"lr": 0.1, "x": 1},
                    "policy": Policy(may_differ=["lr"])}, "pass", "2 values"),
        ("wandb-run", {"wandb_state": ""}, "fail", "W&B does not know run aaa."),
        ("wandb-run", {"wandb_state": None, "wandb_problem": "silent"}, "unknown", "silent"),
        ("wandb-run", {"disk_run_id": ""}, "unknown", "no wandb_run_id in the config"),
        ("wandb-run", {"run_id": "a b", "disk_run_id": "a b"}, "fail", "comment cannot carry"),
        ("no-live-job", {"live_job": None}, "unknown", "Slurm was not asked"),
        ("crash-class", {"resumable": "no", "crash_class": "config-error"}, "fail", "nothing can run before"),
        ("crash-class", {"resumable": "after a change"}, "fail", "none is chosen"),
        ("crash-class", {"resumable": "after a change", "change": "memory 64G"}, "pass", "Chosen: memory 64G."),
        ("crash-class", {"resumable": "look first"}, "fail", "too thin"),
        ("crash-class", {"resumable": "", "crash_class": ""}, "unknown", "Nothing says how it ended."),
        ("not-finished", {"wandb_state": "finished"}, "fail", "nothing proves that it is wrong"),
        ("not-finished", {"wandb_state": "finished", "epoch": 3.0, "target_epochs": 10.0}, "pass", "epoch 3 of 10"),
        ("not-finished", {"wandb_state": "running"}, "fail", "mark it as failed first"),
        ("disk", {"free_bytes": 1 << 30}, "fail", "1.0 GiB free; 3 checkpoints like the newest need 3.0 GiB."),
        ("disk", {"free_bytes": None}, "unknown", "how much room"),
        ("sweep", {"sweep_state": "CANCELED"}, "fail", "W&B says CANCELED of sweep swp1."),
        ("sweep", {"sweep_id": "", "sweep_state": None}, "pass", "no sweep"),
        ("sweep", {"sweep_state": None}, "unknown", "does not tell of sweep swp1"),
        ("recipe", {"lacks": "no script"}, "fail", "no script"),
    ],
)  # fmt: skip
def test_each_line_says_what_it_knows(name: str, changes: dict[str, Any], state: str, words: str) -> None:
    told = line(name, **changes)
    assert told[0] == state
    assert words in told[1]


def test_the_refusal_names_what_is_shut_and_how_much_more() -> None:
    lines = gate_lines(replace(OPEN, live_job=None, free_bytes=None, wandb_state=None))
    with pytest.raises(
        Refused, match=r"^The gate is shut\. Config matches: unknown \(.*; W&B run exists: .*, and 3 more\.$"
    ):
        check_can_resume(lines)
    with pytest.raises(Refused, match="was not checked yet"):
        check_can_resume([])


def test_unknown_is_a_state_of_its_own() -> None:
    assert len(set(LineState)) == 3


@pytest.mark.parametrize("crash_class", ["data-error", "diverged"])
def test_what_wants_a_look_first_is_let_through_when_a_person_says_what_was_mended(crash_class: str) -> None:
    shut = crash_class_line(crash_class, "look first", "")
    assert (shut.passes, "say below what was changed" in shut.action) == (False, True)
    line = crash_class_line(crash_class, "look first", "by hand: the shard was written anew")
    assert (line.passes, "the shard was written anew" in line.evidence) == (True, True)


def test_what_only_wandb_has_is_named_and_what_the_sweep_does_not_allow_shuts_the_line() -> None:
    told = {"epochs": 10, "lr": 0.1, "seed": 1, "_wandb": {"t": 1}}
    whole = replace(OPEN, disk_config={"epochs": 10}, wandb_config=told)
    line = next(one for one in gate_lines(whole) if one.id == "config")
    assert (line.passes, line.evidence) == (
        True, "1 values of config.yaml are W&B's. Not in the file, so not compared: lr, seed.",
    )  # fmt: skip
    odd = replace(whole, not_intended=("lr: 99 on W&B, the sweep's space has 0.1, 0.2",))
    line = next(one for one in gate_lines(odd) if one.id == "config")
    assert (line.passes, "lr: 99 on W&B" in line.evidence) == (False, True)
