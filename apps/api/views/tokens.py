"""The page on which people make, see and revoke tokens."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.api.domain.tokens import scopes_from
from apps.api.forms import TokenForm
from apps.api.selectors import tokens_for
from apps.api.services.tokens import make_token, revoke_token
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires

TEMPLATE = "api/tokens.html"


@never_cache
@require_http_methods(["GET", "POST"])
@requires(Permission.VIEW_BOARD)
def tokens_page(request: HttpRequest) -> HttpResponse:
    """List one's tokens, and make a new one; its secret is in the answer to the POST and nowhere else."""
    user = cast("User", request.user)
    if request.method != "POST":
        return _answer(request, TokenForm(user=user))
    form = TokenForm(request.POST, user=user)
    if not form.is_valid():
        return _answer(request, form, status=422)
    told = form.cleaned_data
    try:
        made, secret = make_token(
            name=told["name"], owner=user, scopes=scopes_from(told["scopes"]), days=told["days"], now=utcnow(),
            by=user.get_username(), kind=told["kind"],
        )  # fmt: skip
    except SweepboardError as error:
        form.add_error(None, str(error))
        return _answer(request, form, status=422)
    return _answer(request, TokenForm(user=user), made=made.name, secret=secret)


@require_POST
@requires(Permission.VIEW_BOARD)
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End a token of one's own; an admin ends anybody's."""
    user = cast("User", request.user)
    token = get_object_or_404(tokens_for(user), pk=pk)
    ended = revoke_token(token=token, now=utcnow(), by=user.get_username())
    messages.info(request, f"The token '{token.name}' {'is' if ended else 'was'} revoked.")
    return redirect("tokens:tokens")


def _answer(
    request: HttpRequest, form: TokenForm, *, made: str = "", secret: str = "", status: int = 200
) -> HttpResponse:
    rows = tokens_for(cast("User", request.user))
    context = {"form": form, "tokens": rows, "made": made, "secret": secret, "now": utcnow()}
    return render_page(request, TEMPLATE, context, status=status)
