"""Values as cells of a CSV file that a spreadsheet opens: none of them may be taken for a formula. Pure."""

import json
from datetime import datetime
from typing import Any

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: Any) -> Any:
    """Return a value as it is written into a CSV file.

    Numbers stay numbers, also negative ones. A text that a spreadsheet would calculate gets an apostrophe before it,
    which is how spreadsheets mark text. Unknown is empty; times are ISO 8601.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = text.replace("\x00", "\ufffd")
    return f"'{text}" if text.lstrip(" ").startswith(DANGEROUS) else text
