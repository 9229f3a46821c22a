"""Numbers of parameters as people write them. Pure."""

import math

_TIMES = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


def parameters_in(text: str) -> int:
    """Return the number in ``125M``, ``7B``, ``1.3e9`` or ``1_300_000``; ``ValueError`` with a sentence for another."""
    value, times = (text[:-1], _TIMES[text[-1].lower()]) if text[-1:].lower() in _TIMES else (text, 1)
    try:
        number = float(value.replace("_", "").replace(",", "")) * times
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"'{text[:40]}' is no number of parameters, such as 125M, 7B or 1300000.")
    return int(number)
