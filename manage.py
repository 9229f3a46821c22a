#!/usr/bin/env python
"""Django's command line for Sweepboard."""

import os
import sys

# These read files only: they run whatever DATABASE_URL says, and where no database can be reached.
NEED_NO_DATABASE = {"classify_logs"}
BROKEN_PIPE = 141  # what a shell says of a program that ended so


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in NEED_NO_DATABASE:
        os.environ["DATABASE_URL"] = "sqlite:///:memory:"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apps.config.settings")
    from django.core.management import execute_from_command_line

    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads this, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)


if __name__ == "__main__":
    main()
