"""Adding one row for one form, however often it is sent."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import IntegrityError, models, transaction

from apps.core.errors import Permanent

M = TypeVar("M", bound=models.Model)
KEY = 40  # characters of the column


def add_once(model: type[M], key: str, told: dict[str, Any], then: Callable[[M], object]) -> M:
    """Make a row with its audit event; the row that the same form made before is returned as it is.

    ``key`` is the form's own, see ``form_key``; the model keeps a hash of it in a unique column ``key``. Other words
    in the same form, after 'back' in a browser, are another row: nothing that was written is lost. ``Permanent`` says
    that a form brought no key.
    """
    if not 8 <= len(key) <= KEY or "\x00" in key:
        raise Permanent("This form is out of date. Reload the page and send it again.")
    said = sorted((name, str(value)) for name, value in told.items() if name != "at")
    key = hashlib.sha256(f"{key}{said}".encode()).hexdigest()[:KEY]
    try:
        with transaction.atomic():
            made = model._default_manager.create(key=key, **told)
            then(made)
    except IntegrityError:
        return model._default_manager.get(key=key)
    return made
