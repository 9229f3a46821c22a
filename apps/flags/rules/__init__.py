"""The red flags. Importing this package registers every rule."""

from apps.flags.rules import completion, cross_reference, links, offline  # noqa: F401 - imported for its registrations
