"""A key for a form, so that sending it twice adds one thing."""

import uuid

from django import template

register = template.Library()


@register.simple_tag
def form_key() -> str:
    """Return a key that no other form has."""
    return uuid.uuid4().hex
