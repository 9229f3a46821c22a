"""Claims without proof: 'all tests pass', and no command with a result anywhere (practice: validation gates)."""

import re
from collections.abc import Iterable, Sequence

from apps.handovers.domain.document import Check, Finding
from apps.handovers.domain.lines import Line

_CLAIM = re.compile(
    r"\b(?:tests?|suite|ci|build|pipeline|lint(?:er|ing)?|mypy|ruff|pytest|checks?|gates?)\b[^.;|]{0,40}?"
    r"\b(?:pass(?:es|ed|ing)?|green|clean|succeed(?:s|ed)?|ok)\b"
    r"|\b(?:fully |everything (?:is )?|all )(?:tested|validated|verified|green|passing)\b"
    r"|\bno regressions?\b|\bverified (?:locally|working|to work)\b"
    r"|\btests? (?:sind |laufen )?(?:grün|durch)\b",
    re.IGNORECASE,
)
# What is wished for, doubted or denied is no claim.
_NO_CLAIM = re.compile(
    r"\b(?:not|n't|never|no longer|until|unless|once|before|if|when|should|must|make sure|ensure|todo|need(?:s|ed)? to|"
    r"to (?:get|make|pass)|failing|fails?|failed|flaky|unknown|nicht)\b|n't\b|n’t\b",
    re.IGNORECASE,
)


def claims_without_proof(lines: Iterable[Line], checks: Sequence[Check]) -> list[Finding]:
    """Return a finding for each claim where no validation has a result, and for each validation that has none."""
    without = [check for check in checks if not check.result]
    found = [
        Finding("check-without-result", f"'{_short(check.command)}' is listed without its result.", check.line)
        for check in without
    ]
    if any(check.result for check in checks):
        return found[:20]
    claims = [line for line in lines if line.is_text and _CLAIM.search(line.text[:2000])]
    made = [line for line in claims if not _NO_CLAIM.search(line.text[:2000])]
    return (
        [
            Finding("claim-without-proof", f"'{_short(line.text)}' has no command with a result.", line.number)
            for line in made
        ]
        + found
    )[:20]


def _short(text: str) -> str:
    plain = text.strip(" -*#>|`")
    return plain if len(plain) <= 80 else f"{plain[:79]}…"
