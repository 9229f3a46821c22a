"""The acts of the agents' door, each with its scope: what a door may call, and all that it may call.

An act takes who asks and one wish, and returns plain data. It checks the scope itself, so that no door can forget to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from pydantic import BaseModel

from apps.api.callers import Caller
from apps.api.domain.problems import problem_of
from apps.api.domain.tokens import Scope
from apps.core.errors import SweepboardError

W = TypeVar("W", bound=BaseModel)
Told = dict[str, Any]


@dataclass(frozen=True)
class Act:
    """One act. ``writes`` says that it changes something: then it is counted and audited as such; ``outside`` that it
    writes files too, which takes long and which no transaction takes back.
    """

    name: str
    scope: Scope
    writes: bool
    run: Callable[[Caller, Any], Told]
    outside: bool = False

    def __call__(self, caller: Caller, wish: BaseModel) -> Told:
        return self.run(caller, wish)


ACTS: dict[str, Act] = {}


def act(scope: Scope, *, writes: bool = False, outside: bool = False) -> Callable[[Callable[[Caller, W], Told]], Act]:
    """Register a function as an act of its own name; whatever it refuses leaves it as a ``Problem``."""

    def decorate(function: Callable[[Caller, W], Told]) -> Act:
        @wraps(function)
        def checked(caller: Caller, wish: W) -> Told:
            caller.check(scope)
            try:
                return function(caller, wish)
            except SweepboardError as error:
                raise problem_of(error) from error

        made = Act(function.__name__, scope, writes, checked, outside)
        ACTS[made.name] = made
        return made

    return decorate
