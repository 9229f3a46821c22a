"""Claims without proof: 'all tests pass', and no command whose result could prove it (practice: validation gates)."""

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
# A claim about tests needs a run of tests; any other is taken as proved by whatever has a result.
_OF_TESTS = re.compile(r"\b(?:tests?|tested|pytest|suite)\b", re.IGNORECASE)
_TESTS = re.compile(
    r"(?<![a-z])tests?(?![a-z])|\b(?:pytest|py\.test|unittest|tox|nox|ctest|jest|vitest|mocha|rspec|phpunit|nextest)\b",
    re.IGNORECASE,
)
_LOOKS = re.compile(
    r"(?:sudo )?(?:ls|ll|cat|less|head|tail|wc|grep|rg|find|tree|stat|file|du|echo|printf|git|cd|cp|mv|rm|mkdir|touch|"
    r"vim?|nano|diff|ruff|mypy|black|flake8|pylint|isort|pip|uv pip)\b",
    re.IGNORECASE,
)
_PASSED = re.compile(r"\b\d+ (?:tests? )?pass(?:ed|ing)\b|\bran \d+ tests?\b|\btests? pass", re.IGNORECASE)


def claims_without_proof(lines: Iterable[Line], checks: Sequence[Check]) -> list[Finding]:
    """Return a finding for each claim that no validation's result could prove, and for each validation without one."""
    without = [check for check in checks if not check.result]
    found = [
        Finding("check-without-result", f"'{_short(check.command)}' is listed without its result.", check.line)
        for check in without
    ]
    done = [check for check in checks if check.result]
    if any(_runs_tests(check) for check in done):
        return found[:20]
    return ([finding for line in lines if (finding := _unproved(line, some=bool(done)))] + found)[:20]


def _unproved(line: Line, *, some: bool) -> Finding | None:
    """Return a finding for a claim, none of tests having been run; ``some`` says that something else has a result."""
    text = line.text[:2000]
    claims = [found[0] for found in _CLAIM.finditer(text)] if line.is_text else []
    of_tests = any(_OF_TESTS.search(claim) for claim in claims)
    if not claims or _NO_CLAIM.search(text) or (some and not of_tests):
        return None
    what = "no run of tests with a result" if some else "no command with a result"
    return Finding("claim-without-proof", f"'{_short(line.text)}' has {what}.", line.number)


def _runs_tests(check: Check) -> bool:
    """Whether a check ran tests, by its command or by what it said; looking at a folder of tests runs none."""
    parts = (part.strip() for part in re.split(r"&&|\|\|?|;", check.command[:2000]))
    ran = any(_TESTS.search(part) and not _LOOKS.match(part) for part in parts)
    return ran or _PASSED.search(check.result[:2000]) is not None


def _short(text: str) -> str:
    plain = text.strip(" -*#>|`")
    return plain if len(plain) <= 80 else f"{plain[:79]}…"
