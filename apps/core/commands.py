"""What commands share that scripts call: arguments as they really come, and a database that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import CommandError
from django.db import InterfaceError, OperationalError, ProgrammingError


def as_text(argument: str) -> str:
    """Return an argument as text that a database takes; bytes that are no text become question marks."""
    return argument.encode(errors="replace").decode()


@contextmanager
def database_told(status: int) -> Iterator[None]:
    """End with a sentence and ``status`` where the database cannot be reached or was never prepared."""
    try:
        yield
    except (InterfaceError, OperationalError, ProgrammingError) as error:
        why = str(error).strip().partition("\n")[0]
        raise CommandError(
            f"The database cannot be read: {why}. Is DATABASE_URL right, and was `manage.py migrate` run?",
            returncode=status,
        ) from error
