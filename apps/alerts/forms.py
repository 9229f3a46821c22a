"""The form of a channel."""

from typing import Any

from django import forms

from apps.alerts.models import AlertChannel
from apps.alerts.services.channels import Wish
from apps.flags.causes import SEVERITIES
from apps.workspaces.selectors import active_workspaces

LEAST = {"critical": "critical only", "warning": "warnings and critical", "note": "everything, notes too"}
NEEDED = "Fill this in."


def _time(label: str) -> forms.TimeField:
    widget = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    return forms.TimeField(label=label, required=False, widget=widget, error_messages={"invalid": "Write it as 22:30."})


class ChannelForm(forms.Form):
    """What a channel is. The address is asked for and never shown: not even after another field was wrong."""

    name = forms.CharField(
        label="Name",
        max_length=80,
        error_messages={"required": NEEDED},
        help_text="What people call it, such as #ml-alerts.",
    )
    address = forms.CharField(
        label="Address",
        required=False,
        max_length=4000,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )
    workspace = forms.ChoiceField(label="Workspace", required=False)
    least = forms.ChoiceField(label="Tell", choices=[(one, LEAST[one]) for one in SEVERITIES], initial="warning")
    tell_resolved = forms.BooleanField(label="Also tell when a cause is over", required=False, initial=True)
    quiet_from = _time("Quiet from")
    quiet_to = _time("Quiet until")
    critical_breaks_quiet = forms.BooleanField(label="Critical ones break the quiet", required=False, initial=True)
    digest_minutes = forms.IntegerField(
        label="Digest, in minutes",
        min_value=0,
        max_value=1440,
        initial=0,
        error_messages={"required": NEEDED},
        help_text="Collects changes for this long and tells them in one message; 0 tells at once.",
    )

    def __init__(self, *args: Any, channel: AlertChannel | None = None, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.channel = channel
        held = {channel.workspace} if channel and channel.workspace else set()
        names = sorted({one.name for one in active_workspaces()} | held)
        workspace = self.fields["workspace"]
        assert isinstance(workspace, forms.ChoiceField)  # noqa: S101 - declared above; this narrows the type
        workspace.choices = [("", "all workspaces"), *((name, name) for name in names)]
        self.fields[
            "quiet_to"
        ].help_text = f"In the time zone {zone}. Leave both empty for no quiet hours; they may run over midnight."
        self.fields["address"].help_text = (
            f"Now: {channel.hint}. Leave it empty to keep it; it is not shown again."
            if channel
            else "An Apprise URL with one target, such as slack://…, mailto://…, workflows://… (Teams), ntfy://… or "
            "json://…. It is kept encrypted and never shown again."
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.channel and "address" in cleaned and not cleaned["address"]:
            self.add_error("address", NEEDED)
        quiet = [name for name in ("quiet_from", "quiet_to") if not self.errors.get(name)]
        if len(quiet) == 2 and (cleaned.get("quiet_from") is None) != (cleaned.get("quiet_to") is None):
            empty = "quiet_from" if cleaned.get("quiet_from") is None else "quiet_to"
            self.add_error(empty, "Quiet hours need both times, or neither.")
        elif len(quiet) == 2 and cleaned.get("quiet_from") is not None and cleaned["quiet_from"] == cleaned["quiet_to"]:
            self.add_error("quiet_to", "These would never end. Switch the channel off instead.")
        return cleaned

    def wish(self) -> Wish:
        return Wish(**self.cleaned_data)


def initial_of(channel: AlertChannel) -> dict[str, Any]:
    """Return what the form of a channel begins with: everything but the address."""
    names = (name for name in ChannelForm.base_fields if name != "address")
    return {name: getattr(channel, name) for name in names}
