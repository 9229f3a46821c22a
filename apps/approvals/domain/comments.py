"""Words that people take for an approval, and that are none.

Practice: 'Never interpret conversational affirmatives as plan approval' of docs/practice.md.
"""

import re

LONGEST = 4000
APPROVES_NOTHING = "Comments approve nothing, whatever they say: only the button Approve does."
_WORDS = re.compile(
    r"\b(?:yes|yep|yeah|ok(?:ay)?|sure|sounds good|looks good|lgtm|go ahead|go for it|ship it|do it|proceed|approved?"
    r"|agreed?|fine by me|works for me)(?!\w)|(?<![\w+])\+1(?!\w)|👍",
    re.IGNORECASE,
)


def sounds_like_approval(text: str) -> bool:
    """Whether somebody may have meant a comment as an approval; it is kept as a comment all the same."""
    return _WORDS.search(text) is not None
