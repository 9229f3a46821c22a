"""When a run is resumed without a person, and when that stops itself. Pure."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from apps.core.errors import Permanent
from apps.resume.auto import Act, AutoFacts, Look, Past, decide, due_at
from apps.workspaces.config import parse_config
from apps.workspaces.domain import AutoResumePolicy, Policy
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW, before

NO_PROGRESS = "No progress since the last attempt: the newest checkpoint is still that of"
POLICY = AutoResumePolicy(on=True, max_attempts=3, backoff_minutes=10)
OPEN_GATE = Look(before(seconds=30), "", 500, 5)
FACTS = AutoFacts(NOW, POLICY, True, "resume", "preemption", before(hours=1), look=OPEN_GATE)
GOOD, BAD = Past("confirmed", before(hours=3), 400, 4), Past("failed", before(hours=3), 400, 4)


def test_it_presses_when_the_wait_is_over_and_every_line_passes() -> None:
    assert decide(FACTS) == (Act.PRESS, "Resumed: attempt 1 of 3.")


@pytest.mark.parametrize(
    "changes",
    [
        {"on": False}, {"stopped": True}, {"verdict": "change-then-resume"}, {"verdict": "investigate"},
        {"crash_class": "node-failure"}, {"crash_class": "cuda-oom"}, {"crash_class": ""},
    ],
)  # fmt: skip
def test_it_does_nothing_where_it_is_off_or_where_the_end_is_another_one(changes: dict[str, object]) -> None:
    assert decide(replace(FACTS, **changes))[0] is Act.NOTHING  # type: ignore[arg-type]  # names and types are ours


def test_a_class_that_the_policy_leaves_out_is_left_to_people() -> None:
    policy = AutoResumePolicy(on=True, classes=["time-limit"])
    assert decide(replace(FACTS, policy=policy))[0] is Act.NOTHING


def test_the_wait_doubles_with_every_attempt() -> None:
    ended = before(minutes=5)
    waits = [due_at(replace(FACTS, ended_at=ended, past=(GOOD,) * number)) for number in range(3)]
    assert waits == [ended + timedelta(minutes=minutes) for minutes in (10, 20, 40)]
    assert decide(replace(FACTS, ended_at=ended)) == (Act.WAIT, "Waits until 12:05 UTC for attempt 1 of 3.")
    assert decide(replace(FACTS, ended_at=None)) == (Act.WAIT, "Nobody knows when training ended.")


def test_a_wish_of_anybody_is_waited_for() -> None:
    assert decide(replace(FACTS, under_way=True))[0] is Act.WAIT


@pytest.mark.parametrize(
    ("look", "act"),
    [
        (None, Act.LOOK),
        (Look(None), Act.WAIT),
        (Look(before(minutes=9), "", 500), Act.LOOK),
        (Look(before(minutes=9), "The gate is shut.", 500), Act.WAIT),
        (Look(before(minutes=10), "The gate is shut.", 500), Act.LOOK),
    ],
)
def test_the_gate_is_looked_at_afresh_and_a_shut_one_again_later(look: Look | None, act: Act) -> None:
    assert decide(replace(FACTS, look=look))[0] is act


@pytest.mark.parametrize(
    ("past", "why"),
    [
        ((BAD, BAD), "The last 2 attempts failed."),
        ((GOOD, GOOD, GOOD), "3 attempts were made: no more are allowed."),
        ((GOOD, replace(BAD, state="cancelled")), "The last attempt was cancelled by a person."),
        ((replace(GOOD, step=500),), f"{NO_PROGRESS} step 500."),
        ((replace(GOOD, step=None),), f"{NO_PROGRESS} epoch 5."),
        ((replace(GOOD, step=None, epoch=None),), "Nobody can tell whether the last attempt brought training on."),
    ],
)  # fmt: skip
def test_it_stops_itself_and_says_why(past: tuple[Past, ...], why: str) -> None:
    last = tuple(replace(one, epoch=5) if one.step is None and one.epoch is not None else one for one in past)
    assert decide(replace(FACTS, past=last)) == (Act.STOP, why)


def test_one_failure_or_progress_between_attempts_goes_on() -> None:
    assert decide(replace(FACTS, past=(BAD,)))[0] is Act.PRESS
    assert decide(replace(FACTS, past=(GOOD, GOOD), ended_at=before(hours=2)))[0] is Act.PRESS


def test_the_policy_is_off_by_default_and_names_no_other_class() -> None:
    assert Policy().auto_resume.on is False
    with pytest.raises(ValidationError):
        AutoResumePolicy.model_validate({"classes": ["cuda-oom"]})
    text = '[[workspace]]\nname = "a"\nroot = "/a"\n[workspace.policy.auto_resume]\nclasses = ["cuda-oom"]\n'
    with pytest.raises(Permanent, match=r"line 5, workspace\.0\.policy\.auto_resume\.classes"):
        parse_config(text)


def test_a_sweep_that_only_switches_it_on_keeps_its_workspaces_limits() -> None:
    config = {
        "policy": {"auto_resume": {"max_attempts": 7, "backoff_minutes": 1}},
        "sweep_policy": [{"sweep": "swp1", "policy": {"auto_resume": {"on": True}}}],
    }
    workspace = Workspace(name="glue", config=config)
    assert workspace.policy_for("swp1", "").auto_resume == AutoResumePolicy(on=True, max_attempts=7, backoff_minutes=1)
    assert workspace.policy_for("swp2", "").auto_resume.on is False
