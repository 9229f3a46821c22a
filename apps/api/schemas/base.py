"""What every shape at the agents' door has in common."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_PER_PAGE, LONGEST_WAIT = 200, 60
InPath = Annotated[int, Field(ge=1, le=2**53)]  # a number that stands in an address, where everything is a text
# In a body a number is a number: false would be taken for 0 otherwise, which as an exit status is a pass.
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[Whole, Field(ge=1, le=2**53)]
Word = Annotated[str, Field(max_length=200)]
Line = Annotated[str, Field(max_length=1000)]
Words = Annotated[str, Field(max_length=20_000)]
Seconds = Annotated[
    int, Field(ge=0, le=LONGEST_WAIT, description="wait so many seconds at the most for something new before answering")
]


class Wish(BaseModel):
    """What is asked for. An unknown field is refused: a misspelt filter would otherwise show everything."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_nul(cls, told: Any) -> Any:
        if _has_nul(told):
            raise ValueError("a text holds a NUL character: take it out")
        return told


def _has_nul(told: Any, depth: int = 0) -> bool:
    """PostgreSQL takes none, neither in a question nor in what is kept."""
    if isinstance(told, str):
        return "\x00" in told
    parts = [*told, *told.values()] if isinstance(told, dict) else told if isinstance(told, list) else ()
    return depth < 8 and any(_has_nul(part, depth + 1) for part in parts)


class Paged(Wish):
    limit: int = Field(default=50, ge=1, le=MOST_PER_PAGE, description="how many at the most")
    cursor: str = Field(default="", max_length=400, description="'next' of the page before; empty for the first one")


class Told(BaseModel):
    """What is told. ``None`` is what nobody knows, or what there is none of."""


class GateLineTold(Told):
    id: str
    title: str
    state: Literal["pass", "fail", "unknown"]
    evidence: str
    action: str


class ProblemTold(Told):
    """A refusal, as RFC 9457 writes it; some carry more members, such as the gate's lines."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
