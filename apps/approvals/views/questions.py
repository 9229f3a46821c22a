"""The pages of questions, each answered by one press."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from apps.approvals.actors import person_at
from apps.approvals.domain.questions import check_choice
from apps.approvals.models import Question
from apps.approvals.selectors import MOST, questions
from apps.approvals.services.questions import answer_question, withdraw_question
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires

TEMPLATE = "approvals/question.html"
SHOWN = ("open", "answered", "withdrawn")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def questions_page(request: HttpRequest) -> HttpResponse:
    """Show every question with its answer, the newest first, or those that the address asks for."""
    show, q = request.GET.get("show", ""), request.GET.get("q", "").replace("\x00", "").strip()[:200]
    rows = list(questions(show if show in SHOWN else "", q)[: MOST + 1])
    context = {
        "questions": rows[:MOST],
        "more": len(rows) > MOST,
        "show": show,
        "shown": SHOWN,
        "q": q,
        "now": utcnow(),
    }
    return render_page(request, "approvals/questions.html", context, partials=("questions",))


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def question_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one question with its options, or with the answer that counts."""
    return _answer(request, _question(pk))


@csrf_protect
@require_POST
@requires(Permission.ANSWER_QUESTIONS)
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep an answer, and go back to where it was given; whoever comes second is told whose counts."""
    question, chosen, note = _question(pk), request.POST.getlist("choice"), request.POST.get("note", "")
    try:
        check_choice(question.choices, chosen, allow_multiple=question.allow_multiple)
        made = answer_question(question=question, chosen=chosen, by=person_at(request), now=utcnow(), note=note)
        said, refused = f"Answered: {', '.join(made.labels)}.", ""
    except SweepboardError as error:
        said, refused = "", str(error)
    if back := _way_back(request):
        messages.info(request, said or f"{question.title} — {refused}")
        return redirect(back)
    return _answer(request, _question(pk), said=said, refused=refused, typed={"note": note, "chosen": chosen})


@csrf_protect
@require_POST
@requires(Permission.ANSWER_QUESTIONS)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back a question that the person who is logged in has asked."""
    try:
        withdraw_question(question=_question(pk), by=person_at(request), now=utcnow())
    except SweepboardError as error:
        return _answer(request, _question(pk), refused=str(error))
    return _answer(request, _question(pk), said="The question is withdrawn.")


def _way_back(request: HttpRequest) -> str:
    """Return the address to go back to; empty for the question's own page.

    ``back`` of the form is ``inbox``, or the board's own address; with scripts the board takes only its strip anew.
    """
    back = request.POST.get("back", "")
    if back == "inbox":
        return reverse("board:inbox")
    if back.partition("?")[0] == reverse("board:board"):
        return reverse("board:questions") if htmx_of(request) else back
    return ""


def _question(pk: int) -> Question:
    return get_object_or_404(Question.objects.select_related("answer", "handover", "plan"), pk=pk)


def _answer(
    request: HttpRequest,
    question: Question,
    *,
    said: str = "",
    refused: str = "",
    typed: Mapping[str, Any] | None = None,
) -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("approvals:question", pk=question.pk)
    context = {
        "question": question,
        "may": is_allowed(request.user, Permission.ANSWER_QUESTIONS),
        "own": (question.by_kind, question.by) == ("person", request.user.get_username()),
        "now": utcnow(),
        "said": said,
        "refused": refused,
        "typed": typed or {},
    }
    return render_page(request, TEMPLATE, context, partials=("question",), status=422 if refused else 200)
