"""A document as HTML that can do no harm: Markdown without raw HTML, then cleaned by a list of what may be there.

Pictures become links: nothing is loaded from elsewhere. Headings carry the number of their line, so that a passage
can be jumped to.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import nh3
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from apps.handovers.domain.parsing import MARK

MOST = 300_000  # signs that are rendered; a longer document is read in its raw view
LONGEST_CODE = 50_000
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "span": {"class"}, **{f"h{n}": {"id"} for n in range(1, 7)}}
_CLASS = re.compile(r"[a-z]{1,3}\d?")  # pygments' own
_HEADING = re.compile(r"l\d+")
_BOX = re.compile(r"<li>(<p>)?\[([ xX])\] ")
_DOCUMENT = re.compile(r"(?:\./|\.\./){0,3}(?:CLAUDE/)?(?:archive/)?(?P<key>HO-[0-9A-Za-z-]{4,80})\.md(?:#\S{0,100})?")
_SCHEMES = {"http", "https", "mailto"}


def rendered(text: str) -> SafeString:
    """Return a document's text as clean HTML; what goes beyond ``MOST`` signs is left to the raw view."""
    # The mark of files that tools write says nothing to a reader; its line stays, because headings count lines.
    made = _markdown().render(text[:MOST].replace(MARK, "", 1))
    clean = nh3.clean(
        made,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_allowed,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        clean_content_tags={"script", "style"},
    )
    boxed = _BOX.sub(lambda box: f"<li>{box[1] or ''}{'☐' if box[2] == ' ' else '☑'} ", clean)
    return mark_safe(boxed)  # noqa: S308 - cleaned above


def _allowed(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        return value if _CLASS.fullmatch(value) else None
    if name == "id":
        return value if _HEADING.fullmatch(value) else None
    if name == "href" and (document := _DOCUMENT.fullmatch(value)):
        # By its key it is found wherever it lies by now, in the archive too.
        return f"{reverse('handovers:list')}?q={document['key']}&open=1"
    if name == "href" and not re.match(r"(?:https?:|mailto:|#l\d+$)", value, re.IGNORECASE):
        return None  # a path of the workspace leads nowhere on this server
    return value


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "highlight": _highlighted}).enable(["table", "strikethrough"])
    made.disable("image")
    made.add_render_rule("heading_open", _heading)
    made.add_render_rule("heading_close", _heading)
    return made


def _heading(self: RendererHTML, tokens: Sequence[Token], number: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[number]
    token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"  # the page has its own h1
    if token.map:
        token.attrSet("id", f"l{token.map[0] + 1}")
    return self.renderToken(tokens, number, options, env)


def _highlighted(code: str, language: str, _: str) -> str:
    """Return code with pygments' classes; '' leaves it to be shown as it is."""
    if not language or len(code) > LONGEST_CODE:
        return ""
    try:
        lexer = get_lexer_by_name(language.split()[0].lower())
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
