"""Restarting: the guard on stored and on fresh evidence, one job for each wished agent, whoever dies on the way."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone, Transient
from apps.restart.domain import NotKnown, Opening, Way
from apps.restart.models import RestartRequest
from apps.slurm.ports import Submission
from apps.stopping.domain import PATIENCE, Refused
from apps.stopping.writing import LEASE
from apps.sweeps.models import Sweep
from tests.factories.restart import PROOF, Lab
from tests.factories.rows import SyncPassFactory
from tests.integration.test_resume_deaths import Deadly, Death, Killer, deadly_database

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_configuration(settings: Any) -> None:
    settings.CONFIG_FILE = ""


@pytest.fixture
def lab(db: None, workspace_root: Path) -> Lab:
    return Lab(workspace_root)


def audit() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))


def said_of(request: RestartRequest) -> str:
    request.refresh_from_db()
    return request.said


def test_agents_are_relaunched_where_nothing_has_a_checkpoint(lab: Lab) -> None:
    request = lab.ask(agents=2)
    assert lab.drive(request) == "sent"
    assert lab.agents == ["team/glue/swp1"] * 2
    lab.scheduler.start("1")
    assert lab.drive(request) == "done"
    assert said_of(request) == "Agents: job 1 RUNNING, job 2 PENDING."
    assert audit() == ["restart.requested", "restart.done"]
    event = AuditEvent.objects.earliest("pk")
    assert (event.actor, event.subject, event.detail["wish"]) == ("mia", "sweep swp1", "relaunch")
    assert event.detail["loss"].startswith("5 epochs and 500 steps of 1 run")


def test_a_sweep_with_a_valid_checkpoint_is_refused_with_the_loss_and_that_is_noted(lab: Lab) -> None:
    lab.checkpoint()
    for wish in (Way.RELAUNCH, Way.NEW_SWEEP):
        with pytest.raises(Refused, match=r"lose 5 epochs and 500 steps of 1 run, .* in 2 attempts; .*resume"):
            lab.ask(wish, agents=1)
    assert RestartRequest.objects.count() == 0
    assert audit() == ["restart.refused", "restart.refused"]


@pytest.mark.parametrize("sound", ["", "unknown"])
def test_an_unread_checkpoint_refuses_even_an_admin(lab: Lab, sound: str) -> None:
    lab.checkpoint(sound=sound)
    with pytest.raises(NotKnown, match="unread and may be valid"):
        lab.ask(opening=Opening(reason="I know", by_admin=True))


def test_a_broken_checkpoint_is_none(lab: Lab) -> None:
    lab.checkpoint(sound="fail")
    assert lab.drive(lab.ask()) == "sent"


def test_a_named_config_error_opens_it_and_a_new_sweep_is_made_of_its_config(lab: Lab) -> None:
    lab.checkpoint()
    request = lab.ask(Way.NEW_SWEEP, agents=0, opening=Opening(fatal="bbb"))
    assert lab.drive(request) == "done"
    assert (request.opened_by, request.reason) == ("config-error", PROOF)
    made = lab.project.sweeps[-1]
    assert said_of(request).startswith(f"The new sweep is {made.sweep_id}")
    assert {**made.config, "description": ""} == {**lab.project.sweeps[0].config, "description": ""}
    assert f"sweepboard:key={request.key}" in made.description


def test_a_new_sweep_gets_its_agents_too(lab: Lab) -> None:
    lab.checkpoint()
    admin = Opening(reason="the data was wrong", by_admin=True)
    request = lab.ask(Way.NEW_SWEEP, agents=2, opening=admin)
    assert [lab.drive(request), lab.drive(request)] == ["sent", "done"]
    new = lab.project.sweeps[-1].sweep_id
    assert lab.agents == [f"team/glue/{new}"] * 2
    assert AuditEvent.objects.earliest("pk").detail["reason"] == "the data was wrong"


def test_everything_is_asked_again_before_anything_is_done(lab: Lab) -> None:
    request = lab.ask()
    lab.project.sweeps[0] = replace(lab.project.sweeps[0], state="CANCELED")
    assert lab.drive(request) == "refused"
    assert said_of(request) == "W&B says CANCELED of the sweep: it sends agents home."
    request = lab.ask()
    lab.project.sweeps[0] = replace(lab.project.sweeps[0], state="RUNNING")
    path = lab.root / "outputs" / "aaa" / "step_900.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"written since")
    assert lab.drive(request) == "asked"  # unread: unknown is waited for, and refuses
    lab.later(seconds=PATIENCE.total_seconds())
    assert lab.drive(request) == "failed"
    assert "Checkpoint step_900.pt of run aaa is unread" in said_of(request)
    assert lab.agents == []


def test_a_job_that_lives_by_now_refuses_the_restart_of_its_run(lab: Lab) -> None:
    request = lab.ask(of=lab.runs["aaa"])
    lab.scheduler.submit(Submission(str(lab.root / "experiments/agent.sbatch"), comment="sweepboard:run=aaa"))
    assert lab.drive(request) == "refused"
    assert said_of(request).startswith("Job 1 is alive")
    assert lab.scheduler.submissions.keys() == {"1"}


@pytest.mark.parametrize("who", ["wandb", "slurm"])
def test_a_silent_source_restarts_nothing(lab: Lab, who: str) -> None:
    request = lab.ask()
    if who == "wandb":
        lab.failure = Transient("W&B does not answer.")
    else:
        lab.scheduler.down = True
    assert lab.drive(request) == "asked"
    lab.failure, lab.scheduler.down = None, False
    assert lab.drive(request) == "sent"


def test_without_a_recipe_the_commands_are_to_be_copied(workspace_root: Path) -> None:
    lab = Lab(workspace_root, agent={})
    with pytest.raises(Refused, match="copy the commands"):
        lab.ask()


def test_a_second_press_does_nothing(lab: Lab) -> None:
    lab.ask()
    with pytest.raises(AlreadyDone, match="under way already"):
        lab.ask()
    assert RestartRequest.objects.count() == 1


def test_an_sbatch_that_times_out_makes_one_job_for_each_agent(lab: Lab) -> None:
    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(lab.scheduler, name)

        def submit(self, submission: Submission) -> str:
            lab.scheduler.submit(submission)
            raise Transient("sbatch did not answer within 20 seconds.")

    request = lab.ask(agents=3)
    assert lab.drive(request, Slow()) == "sent"
    lab.later(seconds=5)
    assert lab.drive(request) == "sent"  # the second may be on its way still
    assert "waiting whether Slurm took it" in said_of(request)
    lab.later(seconds=60)
    assert lab.drive(request) == "sent"
    assert lab.drive(request) == "done"
    assert len(lab.agents) == 3
    assert sorted(request.job_ids.values() if said_of(request) else []) == ["1", "2", "3"]


@pytest.mark.parametrize("wish", [Way.RELAUNCH, Way.NEW_SWEEP])
def test_a_death_at_any_place_makes_one_job_for_each_agent_and_one_sweep(workspace_root: Path, wish: Way) -> None:
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            lab = Lab(workspace_root)
            admin = Opening(reason="because", by_admin=True) if wish is Way.NEW_SWEEP else Opening()
            request, killer = lab.ask(wish, agents=2, opening=admin), Killer(number)
            for _ in range(8):
                try:
                    with deadly_database(killer):
                        lab.drive(request, Deadly(lab.scheduler, killer))
                    lab.later(seconds=30)
                except Death:
                    lab.later(seconds=LEASE.total_seconds() + 1)
            died = killer.passed >= number
            state, jobs = RestartRequest.objects.values_list("state", "job_ids").get()
            made = [one for one in lab.control.done if one.startswith("create")]
            told = (state, len(lab.agents), sorted(jobs.values()), len(made), audit())
            ends = ["restart.requested", "restart.done"]
            assert told == ("done", 2, ["1", "2"], int(wish is Way.NEW_SWEEP), ends), number
            transaction.set_rollback(True)
    assert number > 25


def test_the_command_tells_the_loss_the_way_and_its_status(lab: Lab) -> None:
    def asked(*arguments: str) -> tuple[Any, str]:
        said = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("restart_check", *arguments, stdout=said)
        return ended.value.code, said.getvalue()

    import time_machine

    with time_machine.travel(lab.now, tick=False):
        status, text = asked("swp1")
        assert (status, "The way is to relaunch agents into the same sweep" in text) == (0, True)
        assert "By hand: sbatch experiments/agent.sbatch team/glue/swp1" in text
        assert f"Fatal config error of run bbb: {PROOF}" in text
        lab.checkpoint()
        status, text = asked("aaa")
        assert (status, "The way is to resume" in text, "would lose 5 epochs" in text) == (1, True, True)
        Sweep.objects.update(sweep_id="swp1")
        SyncPassFactory(source="wandb", scope="team/glue", error="HTTP 500", started_at=lab.now, finished_at=lab.now)
        assert asked("swp1")[0] == 3


def test_a_source_that_failed_of_late_refuses_the_press(lab: Lab) -> None:
    SyncPassFactory(source="slurm", scope="memory", error="slurmctld is down.", started_at=lab.now, finished_at=lab.now)
    with pytest.raises(NotKnown, match="slurmctld is down"):
        lab.ask()


def test_a_second_job_of_one_agent_is_cancelled(lab: Lab) -> None:
    request = lab.ask()
    lab.drive(request)
    lab.later(minutes=2)
    lab.scheduler.submit(lab.scheduler.submissions["1"])  # Slurm took a broken off submission late
    lab.drive(request)
    assert [(one.job_id, one.state) for one in lab.scheduler.attempts] == [("1", "PENDING"), ("2", "CANCELLED")]


def test_a_worker_that_died_before_it_made_anything_is_followed_by_another_look(lab: Lab) -> None:
    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(lab.scheduler, name)

        def submit(self, submission: Submission) -> str:
            raise Death

    request = lab.ask()
    with pytest.raises(Death):
        lab.drive(request, Dying())
    lab.later(seconds=LEASE.total_seconds() + 1)
    lab.project.sweeps[0] = replace(lab.project.sweeps[0], state="CANCELED")
    assert lab.drive(request) == "refused"
    assert (said_of(request), lab.agents) == ("W&B says CANCELED of the sweep: it sends agents home.", [])


def test_words_that_nobody_needed_open_nothing_later(lab: Lab) -> None:
    request = lab.ask(opening=Opening(fatal="bbb", reason="just so", by_admin=False))
    assert (request.opened_by, request.fatal) == ("", "")
    lab.checkpoint()
    assert lab.drive(request) == "refused"
    assert "would lose 5 epochs" in said_of(request)
