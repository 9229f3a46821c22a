"""The screen of alert channels and their messages."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.alerts.forms import ChannelForm, initial_of
from apps.alerts.models import AlertChannel, AlertDelivery
from apps.alerts.selectors import MOST_DELIVERIES, channel_rows, latest_deliveries
from apps.alerts.services import channels, delivering
from apps.alerts.tasks import send_soon
from apps.alerts.timing import TRIES
from apps.alerts.wiring import make_sender
from apps.core.clock import utcnow
from apps.core.errors import AlreadyDone, Permanent, SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, requires
from apps.workspaces.selectors import current_config

TEMPLATE = "alerts/channels.html"
get_or_post = require_http_methods(["GET", "HEAD", "POST"])


@never_cache
@require_safe
@requires(Permission.MANAGE_ALERTS)
def channels_page(request: HttpRequest) -> HttpResponse:
    """Show every channel, how its last message fared, and the latest messages."""
    return _answer(request)


@sensitive_post_parameters("address")
@never_cache
@get_or_post
@requires(Permission.MANAGE_ALERTS)
def new_channel(request: HttpRequest) -> HttpResponse:
    """Make a channel; what is open now is known to it already."""
    form = ChannelForm(request.POST or None, zone=current_config().alerts.timezone)
    if request.method == "POST" and form.is_valid() and (said := _made(request, form)):
        messages.info(request, said)
        return redirect("alerts:channels")
    return _form_page(request, form)


@sensitive_post_parameters("address")
@never_cache
@get_or_post
@requires(Permission.MANAGE_ALERTS)
def edit_channel(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a channel; an empty address leaves the one that it has."""
    channel = get_object_or_404(AlertChannel, pk=pk)
    zone = current_config().alerts.timezone
    form = ChannelForm(request.POST or None, channel=channel, zone=zone, initial=initial_of(channel))
    if request.method == "POST" and form.is_valid() and (said := _changed(request, channel, form)):
        messages.info(request, said)
        return redirect("alerts:channels")
    return _form_page(request, form)


@require_POST
@requires(Permission.MANAGE_ALERTS)
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a channel on or off."""
    channel, on = get_object_or_404(AlertChannel, pk=pk), request.POST.get("on") == "1"
    try:
        channels.switch_channel(channel=channel, on=on, actor=request.user.get_username(), now=utcnow())
    except AlreadyDone as error:
        return _answer(request, said=str(error))
    return _answer(request, said=f"The channel {channel.name} is {'on' if on else 'off'}.")


@never_cache
@get_or_post
@requires(Permission.MANAGE_ALERTS)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether a channel shall be deleted, and delete it."""
    channel = get_object_or_404(AlertChannel, pk=pk)
    if request.method != "POST":
        return render(request, "alerts/delete.html", {"channel": channel, "messages_sent": channel.deliveries.count()})
    channels.delete_channel(channel=channel, actor=request.user.get_username())
    messages.info(request, f"The channel {channel.name} is deleted.")
    return redirect("alerts:channels")


@require_POST
@requires(Permission.MANAGE_ALERTS)
def send_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue a test message; how it fares comes onto the screen by itself."""
    channel = get_object_or_404(AlertChannel, pk=pk)
    try:
        test = channels.ask_for_test(channel=channel, actor=request.user.get_username(), now=utcnow())
    except AlreadyDone as error:
        return _answer(request, said=str(error))
    send_soon(test)
    return _answer(request, said=f"A test of {channel.name} is on its way; how it fares stands below.")


@require_POST
@requires(Permission.MANAGE_ALERTS)
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a message once more that failed, or may have arrived."""
    delivery = get_object_or_404(AlertDelivery.objects.select_related("channel"), pk=pk)
    try:
        delivering.send_again(delivery=delivery, actor=request.user.get_username(), now=utcnow())
    except Permanent as error:
        return _answer(request, said=str(error))
    send_soon(delivery)
    return _answer(request, said=f"The message to {delivery.channel.name} is sent again.")


def _made(request: HttpRequest, form: ChannelForm) -> str:
    """Make the channel and return what to say; empty where the form tells what is wrong."""
    try:
        channel = channels.make_channel(
            wish=form.wish(), actor=request.user.get_username(), now=utcnow(), sender=make_sender()
        )
    except SweepboardError as error:
        _put_error(form, error)
        return ""
    return f"The channel {channel.name} is made. It tells what happens from now on; send a test to see that it works."


def _changed(request: HttpRequest, channel: AlertChannel, form: ChannelForm) -> str:
    try:
        channels.change_channel(
            channel=channel, wish=form.wish(), actor=request.user.get_username(), now=utcnow(), sender=make_sender()
        )
    except SweepboardError as error:
        _put_error(form, error)
        return ""
    return f"The channel {form.cleaned_data['name']} is changed."


def _put_error(form: ChannelForm, error: SweepboardError) -> None:
    form.add_error("name" if isinstance(error, AlreadyDone) else "address", str(error))


def _form_page(request: HttpRequest, form: ChannelForm) -> HttpResponse:
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "alerts/form.html", {"form": form, "channel": form.channel}, status=status)


def _answer(request: HttpRequest, *, said: str = "") -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("alerts:channels")
    context: dict[str, Any] = {
        "rows": channel_rows(),
        "deliveries": latest_deliveries(),
        "most": MOST_DELIVERIES,
        "tries": TRIES,
        "said": said,
    }
    return render_page(request, TEMPLATE, context, partials=("alerts",))
