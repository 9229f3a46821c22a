"""The pages of plans, and the one button that approves one."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from apps.approvals.actors import person_at
from apps.approvals.domain.comments import APPROVES_NOTHING
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.states import check_can_decide
from apps.approvals.models import Plan
from apps.approvals.selectors import MOST, SHOWN, PlanView, plan_view, plans
from apps.approvals.services.deciding import approve_plan, reject_plan, request_change
from apps.approvals.services.plans import comment_on_plan
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires

TEMPLATE = "approvals/plan.html"


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def plans_page(request: HttpRequest) -> HttpResponse:
    """Show every plan, the newest first, or those that the address asks for."""
    now, q = utcnow(), _plain(request.GET.get("q", ""))[:200]
    show = request.GET.get("show", "")
    rows = list(plans(show if show in SHOWN else "", q, now=now)[: MOST + 1])
    context = {"plans": rows[:MOST], "more": len(rows) > MOST, "show": show, "shown": SHOWN, "q": q, "now": now}
    return render_page(request, "approvals/plans.html", context, partials=("plans",))


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def plan_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one plan: exactly the text that may be approved, its steps, progress, versions and comments."""
    return _answer(request, _plan(pk))


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def changes(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer 204 while the plan is as the page shows it, else a sentence: no text is swapped under a reader's eyes."""
    plan = _plan(pk)
    if request.GET.get("seen", "") == str(plan.revision):
        return HttpResponse(status=204)
    return render(request, "approvals/plan_changed.html", {"plan": plan})


@csrf_protect
@require_POST
@requires(Permission.APPROVE_PLANS)
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve exactly the text whose hash the pressed form carries."""
    plan, sha256 = _plan(pk), request.POST.get("sha256", "")
    try:
        made = approve_plan(plan=plan, shown_sha256=sha256, by=person_at(request), now=utcnow())
    except SweepboardError as error:
        return _answer(request, _plan(pk), refused=str(error))
    return _answer(request, _plan(pk), said=f"Version {made.version.number} is approved.")


@csrf_protect
@require_POST
@requires(Permission.APPROVE_PLANS)
def turn_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Reject a plan, or ask for a change of it; both with a reason."""
    plan, data = _plan(pk), request.POST
    act = {"rejected": reject_plan, "change-requested": request_change}.get(data.get("act", ""))
    reason = data.get("reason", "")
    try:
        if act is None:
            raise Refused("Say what to do with the plan: press one of the buttons.")
        act(plan=plan, reason=reason, shown_sha256=data.get("sha256", ""), by=person_at(request), now=utcnow())
    except SweepboardError as error:
        return _answer(request, _plan(pk), refused=str(error), typed={"reason": reason})
    said = "The plan is rejected." if act is reject_plan else "The plan went back to its author."
    return _answer(request, _plan(pk), said=said)


@csrf_protect
@require_POST
@requires(Permission.ANSWER_QUESTIONS)
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a comment. Whatever it says, it approves nothing."""
    plan, text = _plan(pk), request.POST.get("text", "")
    key = _plain(request.POST.get("key", ""))[:100]
    try:
        made = comment_on_plan(plan=plan, text=text, by=person_at(request), now=utcnow(), key=key)
    except SweepboardError as error:
        return _answer(request, _plan(pk), refused=str(error), typed={"text": text})
    told = f"The comment is kept. {APPROVES_NOTHING}" if made.affirmative else "The comment is kept."
    return _answer(request, _plan(pk), said=told)


def _plan(pk: int) -> Plan:
    return get_object_or_404(Plan.objects.select_related("handover__workspace"), pk=pk)


def _plain(text: str) -> str:
    return text.replace("\x00", "").strip()


def _answer(
    request: HttpRequest, plan: Plan, *, said: str = "", refused: str = "", typed: Mapping[str, str] | None = None
) -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("approvals:plan", pk=plan.pk)
    context = {**_context(request, plan), "said": said, "refused": refused, "typed": typed or {}}
    return render_page(request, TEMPLATE, context, partials=("plan",), status=422 if refused else 200)


def _context(request: HttpRequest, plan: Plan) -> dict[str, Any]:
    now, view = utcnow(), plan_view(plan)
    number = request.GET.get("version", "")
    looked_at = next((one for one in view.versions if str(one.number) == number), view.version)
    return {
        "plan": plan,
        "view": view,
        "looked_at": looked_at,
        "is_newest": looked_at == view.version,
        "changed": view.changes(looked_at.number),
        "expired": plan.expired(now),
        "refusal": _refusal(view),
        "may": is_allowed(request.user, Permission.APPROVE_PLANS),
        "may_comment": is_allowed(request.user, Permission.ANSWER_QUESTIONS),
        "questions": plan.questions.select_related("answer").order_by("pk"),
        "comments": plan.comments.select_related("version").order_by("pk"),
        "approves_nothing": APPROVES_NOTHING,
        "form_key": uuid.uuid4().hex,
    }


def _refusal(view: PlanView) -> str:
    """Why nothing can be decided now; empty if it can."""
    try:
        check_can_decide(view.standing, utcnow())
    except SweepboardError as error:
        return str(error)
    return ""
