"""Operations on handovers, plans and questions. None approves a plan or answers a question: those are people's."""

from django.http import HttpRequest
from ninja import Body, Path, Query, Router, Status

from apps.api.acts import handing_over, handovers, nudging, plans, questions, worktrees
from apps.api.acts.registry import Told
from apps.api.http.operations import about, ask, asked_for
from apps.api.schemas import approvals as shapes
from apps.api.schemas import handovers as documents
from apps.api.schemas import worktrees as trees
from apps.api.schemas.base import InPath, Seconds, Word

router = Router(tags=["work"])


@router.get("/handovers", response=documents.HandoverPage, **about(handovers.search_handovers))
def search_handovers(request: HttpRequest, wish: Query[documents.HandoversWish]) -> Told:
    return ask(request, handovers.search_handovers, asked_for(request, wish))


@router.post("/handovers", response={201: documents.WrittenTold}, **about(handing_over.create_handover))
def create_handover(request: HttpRequest, body: Body[documents.NewHandover]) -> Status[Told]:
    return Status(201, ask(request, handing_over.create_handover, body))


@router.get("/handovers/{handover}", response=documents.HandoverWhole, **about(handovers.show_handover))
def show_handover(request: HttpRequest, handover: Path[Word], workspace: Word = "") -> Told:
    return ask(request, handovers.show_handover, documents.HandoverWish(handover=handover, workspace=workspace))


@router.get("/handovers/{handover}/verify", response=documents.VerifiedTold, **about(handovers.verify_handover))
def verify_handover(request: HttpRequest, handover: Path[Word], workspace: Word = "") -> Told:
    return ask(request, handovers.verify_handover, documents.HandoverWish(handover=handover, workspace=workspace))


@router.post("/handovers/{handover}/pickup", response=documents.PickedUpTold, **about(handing_over.pick_up_handover))
def pick_up_handover(request: HttpRequest, handover: Path[Word], body: Body[documents.PickUpBody]) -> Told:
    wish = documents.PickUpWish(handover=handover, **body.model_dump())
    return ask(request, handing_over.pick_up_handover, wish)


@router.post("/handovers/{handover}/release", response=documents.ReleasedTold, **about(handing_over.release_handover))
def release_handover(request: HttpRequest, handover: Path[Word], workspace: Word = "") -> Told:
    wish = documents.HandoverWish(handover=handover, workspace=workspace)
    return ask(request, handing_over.release_handover, wish)


@router.get("/handovers-due", response=trees.DueTold, **about(nudging.handovers_due))
def handovers_due(request: HttpRequest, wish: Query[trees.DueWish]) -> Told:
    return ask(request, nudging.handovers_due, asked_for(request, wish))


@router.post("/exchanges", response=trees.DueTold, **about(nudging.report_exchanges))
def report_exchanges(request: HttpRequest, body: Body[trees.ExchangesWish]) -> Told:
    return ask(request, nudging.report_exchanges, body)


@router.get("/worktrees", response=trees.WorktreePage, **about(worktrees.worktree_status))
def worktree_status(request: HttpRequest, wish: Query[trees.WorktreesWish]) -> Told:
    return ask(request, worktrees.worktree_status, asked_for(request, wish))


@router.post("/worktrees", response=trees.NewWorktreeTold, **about(worktrees.create_worktree))
def create_worktree(request: HttpRequest, body: Body[trees.NewWorktree]) -> Told:
    return ask(request, worktrees.create_worktree, body)


@router.get("/plans", response=shapes.PlanPage, **about(plans.list_plans))
def list_plans(request: HttpRequest, wish: Query[shapes.PlansWish]) -> Told:
    return ask(request, plans.list_plans, asked_for(request, wish))


@router.post("/plans", response={201: shapes.PlanTold}, **about(plans.create_plan))
def create_plan(request: HttpRequest, body: Body[shapes.NewPlan]) -> Status[Told]:
    return Status(201, ask(request, plans.create_plan, body))


@router.get("/plans/{plan}", response=shapes.PlanWhole, **about(plans.show_plan))
def show_plan(request: HttpRequest, plan: Path[InPath]) -> Told:
    return ask(request, plans.show_plan, shapes.PlanNumber(plan=plan))


@router.get("/plans/{plan}/status", response=shapes.PlanTold, **about(plans.plan_status))
def plan_status(request: HttpRequest, plan: Path[InPath], wait: Seconds = 0) -> Told:
    return ask(request, plans.plan_status, shapes.PlanNumber(plan=plan, wait=wait))


@router.post("/plans/{plan}/versions", response={201: shapes.PlanTold}, **about(plans.revise_plan))
def revise_plan(request: HttpRequest, plan: Path[InPath], body: Body[shapes.PlanText]) -> Status[Told]:
    return Status(201, ask(request, plans.revise_plan, shapes.RevisedPlan(plan=plan, **body.model_dump())))


@router.post("/plans/{plan}/comments", response={201: shapes.CommentTold}, **about(plans.comment_on_plan))
def comment_on_plan(request: HttpRequest, plan: Path[InPath], body: Body[shapes.CommentBody]) -> Status[Told]:
    return Status(201, ask(request, plans.comment_on_plan, shapes.CommentWish(plan=plan, **body.model_dump())))


@router.post("/plans/{plan}/progress", response={201: shapes.PlanTold}, **about(plans.report_progress))
def report_progress(request: HttpRequest, plan: Path[InPath], body: Body[shapes.ProgressBody]) -> Status[Told]:
    return Status(201, ask(request, plans.report_progress, shapes.ProgressWish(plan=plan, **body.model_dump())))


@router.post("/plans/{plan}/final-report", response={201: shapes.PlanTold}, **about(plans.finish_deploy))
def finish_deploy(request: HttpRequest, plan: Path[InPath], body: Body[shapes.FinalBody]) -> Status[Told]:
    return Status(201, ask(request, plans.finish_deploy, shapes.FinalWish(plan=plan, **body.model_dump())))


@router.get("/questions", response=shapes.QuestionPage, **about(questions.list_questions))
def list_questions(request: HttpRequest, wish: Query[shapes.QuestionsWish]) -> Told:
    return ask(request, questions.list_questions, asked_for(request, wish))


@router.post("/questions", response={201: shapes.AskedQuestion}, **about(questions.ask_question))
def ask_question(request: HttpRequest, body: Body[shapes.NewQuestion]) -> Status[Told]:
    return Status(201, ask(request, questions.ask_question, body))


@router.get("/questions/{question}", response=shapes.QuestionTold, **about(questions.answer_status))
def answer_status(request: HttpRequest, question: Path[InPath], wait: Seconds = 0) -> Told:
    return ask(request, questions.answer_status, shapes.QuestionNumber(question=question, wait=wait))


@router.post("/questions/{question}/withdraw", response=shapes.QuestionTold, **about(questions.withdraw_question))
def withdraw_question(request: HttpRequest, question: Path[InPath], body: Body[shapes.WithdrawBody]) -> Told:
    wish = shapes.WithdrawWish(question=question, **body.model_dump())
    return ask(request, questions.withdraw_question, wish)
