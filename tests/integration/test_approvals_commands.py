"""`manage.py plan` and `manage.py question`, as agents call them; and that nothing but a page approves or answers."""

import ast
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from apps.approvals.models import FinalReport, Plan, Question, StepReport
from apps.approvals.services.deciding import approve_plan
from apps.approvals.services.questions import answer_question
from apps.core.clock import utcnow
from tests.factories.approvals import approved, handover, person, plan, question
from tests.factories.handovers import KEY

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
BUG_FIX = [
    "--title", "Count warm-up in steps", "--kind", "bug-fix", "--failing-test", "tests/test_warmup.py::test_it",
    "--step", "Write it => pytest -q tests/test_warmup.py", "--step", "Fix it => pytest -q tests",
    "--risk", "None known", "--touches", "train/schedule.py",
]  # fmt: skip


def call(*arguments: str) -> tuple[int, str, str]:
    """Call a command in this process; return its status, and what it said and complained about."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


def told(*arguments: str) -> dict[str, Any]:
    status, out, err = call(*arguments, "--json")
    assert status == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_plan_goes_from_posted_to_deployed_on_the_command_line_but_for_the_approval(tmp_path: Path) -> None:
    handover()
    posted = told("plan", "new", KEY, *BUG_FIX, "--agent", "coder-1", "--key", "k1")
    assert told("plan", "new", KEY, *BUG_FIX, "--agent", "coder-1", "--key", "k1")["plan"] == posted["plan"]
    number = str(posted["plan"])
    assert (posted["state"], posted["kind"], posted["may_deploy"]) == ("posted", "bug fix", False)
    assert call("plan", "status", number)[0] == 1
    refused = call("plan", "report", number, "--step", "1", "--exit", "0", "--agent", "coder-1")
    assert refused[0] == 1
    assert "A person must press Approve" in refused[2]
    made = Plan.objects.get()
    approve_plan(plan=made, shown_sha256=posted["sha256"], by=person(), now=utcnow())
    assert told("plan", "status", number)["may_deploy"] is True
    log = tmp_path / "out.txt"
    log.write_bytes(b"1 failed \xff")
    call("plan", "report", number, "--step", "1", "--exit", "1", "--output", str(log), "--agent", "coder-1")
    assert StepReport.objects.get().output == "1 failed \ufffd"
    lacking = call("plan", "report", number, "--final", "--result", "pytest -q tests => 0")
    assert "lacks the result of 'pytest -q tests/test_warmup.py'" in lacking[2]
    results = ["--result", "pytest -q tests => 0", "--result", "pytest -q tests/test_warmup.py => 0"]
    assert told("plan", "report", number, "--final", *results, "--agent", "coder-1")["state"] == "deployed"
    assert FinalReport.objects.get().by == "coder-1"


def test_a_plan_is_read_from_a_file_and_shown_and_revised(tmp_path: Path) -> None:
    handover()
    file = tmp_path / "plan.json"
    content = {"title": "Add a switch", "kind": "feature", "steps": [{"text": "Do it", "command": "make test"}]}
    file.write_text(json.dumps(content))
    status, _, err = call("plan", "new", KEY, "--file", str(file))
    assert (status, "acceptance tests" in err) == (1, True)
    file.write_text(json.dumps({**content, "acceptance_tests": ["tests/test_switch.py"]}))
    number = str(told("plan", "new", KEY, "--file", str(file))["plan"])
    assert call("plan", "show", number)[1] == Plan.objects.get().versions.get().text
    file.write_text(json.dumps({**content, "acceptance_tests": ["tests/test_switch.py"], "risks": ["slow"]}))
    assert told("plan", "new", "--revises", number, "--file", str(file))["version"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new", "HO-none", *BUG_FIX], "No handover has the key"),
        (["new", KEY, "--file", "{tmp}/absent.json"], "cannot be read"),
        (["new", KEY, "--file", "{tmp}/odd.json"], "is no JSON"),
        (["new", KEY, *BUG_FIX, "--step", "no arrow"], "lacks its ' => '"),
        (["new", KEY, *BUG_FIX, "--kind", "epic"], "'epic' is no kind of a plan"),
        (["show", "999"], "There is no plan '999'"),
        (["status", "one"], "There is no plan 'one'"),
        (["report", "{plan}"], "needs --step NUMBER"),
        (["report", "{plan}", "--final", "--result", "pytest => ok"], "needs its 'exit_status'"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    made = plan()
    (tmp_path / "odd.json").write_text("{")
    status, _, err = call("plan", *(word.format(tmp=tmp_path, plan=made.pk) for word in words))
    assert status in (1, 2)
    assert said in err


def test_a_question_is_asked_waited_for_and_withdrawn() -> None:
    made = approved()
    options = ["--option", "linear=Keep linear => nothing changes", "--option", "Back to cosine"]
    asked = told("question", "ask", "Which schedule?", *options, "--plan", str(made.pk), "--agent", "coder-1")
    assert asked["options"][1] == {"id": "b", "label": "Back to cosine", "consequence": ""}
    number = str(asked["question"])
    assert call("question", "status", number)[0] == 3
    answer_question(question=Question.objects.get(), chosen=["linear"], by=person(username="mia"), now=utcnow())
    assert told("question", "status", number)["answer"]["by"] == "mia"
    other = str(question(title="Another?").pk)
    assert "Only coder-1" in call("question", "withdraw", other, "--agent", "coder-2")[2]
    assert call("question", "withdraw", other, "--agent", "coder-1")[0] == 0
    assert call("question", "status", other)[0] == 1


def test_a_question_with_its_options_in_the_text_is_refused_with_the_form() -> None:
    status, _, err = call("question", "ask", "Should I resume or restart?", "--agent", "coder-1")
    assert status == 1
    assert "ask_question(title='Should I resume or restart?', options=[{'id': 'a', 'label': 'resume'" in err
    assert not Question.objects.exists()


def test_a_database_that_cannot_be_reached_is_told_apart() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "question", "status", "1"], cwd=ROOT, capture_output=True, text=True, timeout=90,
        check=False, env={"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "The database cannot be read" in done.stderr


# The one door


def test_no_command_offers_to_approve_or_to_answer() -> None:
    ours = {name for name, app in get_commands().items() if str(app).startswith("apps.")}
    assert {"plan", "question"} <= ours
    for name in ours:
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        words = {choice for action in parser._actions for choice in (action.choices or ())}
        options = {option for action in parser._actions for option in action.option_strings}
        assert not words & {"approve", "answer", "decide", "reject"}, name
        assert not any("approve" in option or "answer" in option for option in options), name


def test_only_the_pages_call_what_only_a_person_may_do() -> None:
    deeds = {"approve_plan", "reject_plan", "request_change", "answer_question", "person_at"}
    callers: dict[str, set[str]] = {}
    for path in (ROOT / "apps").rglob("*.py"):
        tree = ast.parse(path.read_text())
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & deeds
        if named:
            callers[path.relative_to(ROOT).as_posix()] = named
    assert set(callers) == {"apps/approvals/views/plans.py", "apps/approvals/views/questions.py"}, callers


def test_nothing_but_the_page_makes_a_person() -> None:
    makers = []
    for path in (ROOT / "apps").rglob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        if any(ast.unparse(one).rpartition(".")[2] == "Person" for one in calls):
            makers.append(path.relative_to(ROOT).as_posix())
    assert makers == ["apps/approvals/actors.py"]
