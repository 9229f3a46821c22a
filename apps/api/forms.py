"""The form in which a person makes a token."""

from django import forms
from django.contrib.auth.models import User

from apps.api.domain.tokens import LONGEST_DAYS, Scope
from apps.api.owners import owner_of
from apps.workspaces.selectors import current_config

SAID = {
    Scope.READ: "read: board, runs, flags, checkpoints, handovers, plans, questions",
    Scope.HANDOVER: "handover: write handovers, pick them up",
    Scope.PLAN: "plan: post plans, ask questions, report progress",
    Scope.RESUME: "resume: verify checkpoints, ask for a resume through the gate",
}


class TokenForm(forms.Form):
    """Offers only scopes that its user's own role comes with."""

    name = forms.CharField(max_length=60, help_text="What the audit trail calls it, such as coder-1.")
    kind = forms.ChoiceField(
        label="Used by",
        choices=[("agent", "a coding agent"), ("person", "myself")],
        help_text="An agent acts under the token's name, you under your own.",
    )
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, initial=[Scope.READ.value])
    days = forms.IntegerField(label="Days until it expires", min_value=1, max_value=LONGEST_DAYS)

    def __init__(self, *args: object, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # whatever a form takes
        allowed = [(one.value, SAID[one]) for one in Scope if one in owner_of(user).may]
        self.fields["scopes"].choices = allowed  # type: ignore[attr-defined]  # a field of choices has them
        self.fields["days"].initial = current_config().api.token_days
