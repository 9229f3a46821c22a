"""The page on which a run is resumed: who sees what, who may press, and what a press asks for."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.permissions import Role
from apps.resume.models import GateCheck, ResumeRequest
from tests.factories.records import sweep_record
from tests.factories.resume import Lab
from tests.factories.rows import FlagFactory
from tests.integration.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
HTMX = {"HX-Request": "true", "HX-Target": "resume"}


@pytest.fixture
def lab(workspace_root: Path, settings: Any, redis_server: str) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(workspace_root)


def page(client: Client, lab: Lab, query: str = "") -> str:
    return client.get(f"/runs/{lab.run.pk}/resume{query}").content.decode()


def button(text: str, name: str = "resume-run") -> str:
    return text.split(f'id="{name}"')[1].split(">")[0]


def test_the_page_asks_to_be_looked_at_by_itself_and_shows_each_line(operator: Client, lab: Lab) -> None:
    first = page(operator, lab)
    assert "Nobody has looked yet" in first
    assert "submit, load" in first
    operator.post(f"/runs/{lab.run.pk}/resume/check")
    assert GateCheck.objects.get().state == "queued"
    assert "Asking W&amp;B and Slurm" in page(operator, lab)
    lab.check()
    text = page(operator, lab)
    for said in (
        "all 10 pass", "step 500, 7 B", "every tensor is there", "2 values of config.yaml are W&amp;B&#x27;s",
        "no job in the queue is this run", "preemption: resumable.", "W&amp;B says crashed.",
    ):  # fmt: skip
        assert said in text, said
    assert "disabled" not in button(text)
    assert "every 2s" not in text


def test_the_preview_shows_exactly_what_the_press_submits(operator: Client, lab: Lab) -> None:
    check = lab.check()
    text = page(operator, lab)
    for said in (
        f"<code>--comment=sweepboard:run=aaa sweepboard:key={check.key}</code>", "<code>--time=08:00:00</code>",
        "<code>--requeue</code>", "<code>experiments/resume.sbatch</code>", f"<code>{lab.checkpoint}</code>",
        "<code>--step=500</code>", "<code>WANDB_RESUME=must</code>", "without <code>WANDB_SWEEP_ID</code>",
    ):  # fmt: skip
        assert said in text, said
    operator.post(f"/runs/{lab.run.pk}/resume/press", {"look": check.key})
    made = ResumeRequest.objects.get().planned.submission
    assert made is not None
    assert all(f"<code>{one}</code>" in text for one in made.args)


def test_a_press_asks_once_and_its_progress_follows(operator: Client, lab: Lab) -> None:
    look = {"look": lab.check().key}
    first = operator.post(f"/runs/{lab.run.pk}/resume/press", look, follow=True).content.decode()
    assert "Run aaa will be resumed." in first
    assert "Waiting for a worker" in first
    assert 'id="resume-run"' not in first
    assert "every 2s" in first
    second = operator.post(f"/runs/{lab.run.pk}/resume/press", look, headers=HTMX).content.decode()
    assert "under way already" in second
    assert "<html" not in second
    request = ResumeRequest.objects.get()
    lab.drive(request)
    assert "Job 1 waits in the queue" in page(operator, lab)
    assert "Cancel job 1" in page(operator, lab)
    lab.resumes_to_the_end(request)
    assert "Resumed: the same run goes on" in page(operator, lab)


def test_a_shut_gate_disables_the_button_with_its_sentence(operator: Client, lab: Lab) -> None:
    lab.project.sweeps[0] = sweep_record(state="CANCELED")
    check = lab.check()
    text = page(operator, lab)
    assert "disabled" in button(text)
    assert "Not now: The gate is shut. Its sweep is not cancelled: fail (W&amp;B says CANCELED of sweep swp1)." in text
    assert 'id="override"' not in text
    told = {"look": check.key, "override": "sweep", "reason": "we go on"}
    said = operator.post(f"/runs/{lab.run.pk}/resume/press", told, headers=HTMX).content.decode()
    assert "Only an admin may override a check." in said
    assert ResumeRequest.objects.count() == 0


def test_an_admin_lets_one_check_through_with_a_reason(lab: Lab) -> None:
    admin = client_of(Role.ADMIN)
    lab.project.sweeps[0] = sweep_record(state="CANCELED")
    check = lab.check()
    assert 'id="override"' in page(admin, lab)
    told = {"look": check.key, "override": "sweep", "reason": "we go on"}
    text = admin.post(f"/runs/{lab.run.pk}/resume/press", told, follow=True).content.decode()
    assert "Let through: sweep. Why: we go on" in text


def test_a_viewer_sees_the_gate_and_no_button(viewer: Client, lab: Lab) -> None:
    lab.check()
    text = page(viewer, lab)
    assert "all 10 pass" in text
    assert "needs the role" in text
    assert 'id="look"' not in text
    for act in ("check", "press"):
        assert viewer.post(f"/runs/{lab.run.pk}/resume/{act}").status_code == 403
    assert GateCheck.objects.count() == 1


def test_a_chosen_change_opens_the_gate_and_stands_in_the_preview(operator: Client, lab: Lab) -> None:
    lab.status.crash_class, lab.status.resumable, lab.status.verdict = (
        "host-oom",
        "after a change",
        "change-then-resume",
    )
    lab.status.save()
    check = lab.check()
    assert "disabled" in button(page(operator, lab))
    chosen = {"change-more-memory": "1", "value-more-memory": "64G"}
    text = page(operator, lab, "?change-more-memory=1&value-more-memory=64G")
    assert "disabled" not in button(text)
    assert "<code>--mem=64G</code>" in text
    operator.post(f"/runs/{lab.run.pk}/resume/press", {"look": check.key, **chosen})
    assert ResumeRequest.objects.get().choices == {"more-memory": "64G"}
    wrong = page(operator, lab, "?change-more-memory=1&value-more-memory=lots")
    assert wrong  # a request is open by now, and what is typed changes nothing


def test_a_waiting_resume_is_cancelled_by_a_press(operator: Client, lab: Lab) -> None:
    request = lab.ask()
    where = f"/runs/{lab.run.pk}/resume/{request.pk}/cancel"
    assert "will be cancelled" in operator.post(where, follow=True).content.decode()
    assert "Cancelling" in page(operator, lab)
    assert lab.drive(request) == "cancelled"
    assert "nothing to cancel" in operator.post(where, headers=HTMX).content.decode()


def test_the_board_the_inbox_and_the_flag_lead_here(operator: Client, lab: Lab) -> None:
    flag = FlagFactory(run=lab.run, rule="crashed", severity="critical")
    link = f'href="/runs/{lab.run.pk}/resume"'
    assert link in operator.get(f"/?open={lab.run.sweep_id}").content.decode()
    assert link in operator.get("/flags").content.decode()
    assert link in operator.get(f"/flags/{flag.pk}").content.decode()
    lab.status.verdict = "wait"
    lab.status.save()
    assert link not in operator.get(f"/flags/{flag.pk}").content.decode()
