"""Which section a heading opens, in the words that teams really use, in several languages."""

import re
import unicodedata

from apps.handovers.domain.document import Kind

_WORDS: dict[Kind, tuple[str, ...]] = {
    Kind.SPEC: (
        "spec digest", "spec", "specification", "specs", "requirements", "sources", "invariants", "acceptance",
        "acceptance criteria", "digest", "spezifikation", "anforderungen", "spécification",
        "especificación", "规格摘要",
    ),
    Kind.CHANGES: (
        "what changed", "changes", "changed", "what was done", "what i did", "what we did", "work done", "done today",
        "completed", "accomplished", "summary of changes", "progress", "änderungen", "was sich geändert hat",
        "was geändert wurde", "changements", "cambios", "ce qui a changé", "qué cambió", "变更", "変更点",
    ),
    Kind.COMMITS: ("commits", "commit log", "git log", "commit history", "提交", "コミット"),
    Kind.VALIDATION: (
        "validation", "validations", "validated", "validation gates", "verification", "tests", "test results",
        "checks", "validation results", "how it was tested", "validierung", "prüfung", "prüfungen", "vérification",
        "validación", "验证", "検証",
    ),
    Kind.PENDING: (
        "pending", "pending items", "pending tasks", "todo", "to do", "todos", "open items", "open", "remaining",
        "remaining work", "left to do", "still open", "not done", "offene punkte", "offen", "noch offen", "en attente",
        "à faire", "reste à faire", "pendiente", "pendientes", "待办", "未完了", "残タスク",
    ),
    Kind.DECISIONS: (
        "key decisions", "decisions", "decision log", "decisions made", "design decisions", "entscheidungen",
        "wichtige entscheidungen", "décisions", "decisions taken", "decisiones", "关键决策", "決定事項",
    ),
    Kind.NEXT: (
        "next session", "next steps", "next", "next step", "next up", "what's next", "whats next", "next actions",
        "next action", "for the next session", "nächste sitzung", "nächste schritte", "prochaine session",
        "prochaines étapes", "próxima sesión", "próximos pasos", "下一步", "次のステップ",
    ),
    Kind.STARTUP: (
        "startup prompt", "start up prompt", "start prompt", "prompt", "resume prompt", "prompt for next agent",
        "prompt for the next agent", "copy paste prompt", "startprompt", "start-prompt", "prompt de démarrage",
        "prompt de inicio", "启动提示", "起動プロンプト",
    ),
    Kind.HEADER: ("header", "metadata", "meta", "handover", "session", "session info", "übergabe"),
}  # fmt: skip
_KIND_OF = {unicodedata.normalize("NFC", word): kind for kind, words in _WORDS.items() for word in words}
_EDGES = re.compile(r"^[\W\d_]+|[\W_]+$")
_ASIDE = re.compile(r"\s*[(\[（【].*$|\s+[-–—:]\s.*$|[:：].*$")


def kind_of(title: str) -> Kind:
    """Return the kind of a heading: numbers, emoji, marks and what stands in brackets or after a dash do not count."""
    plain = _plain(title)
    return _KIND_OF.get(plain) or _KIND_OF.get(_plain(_ASIDE.sub("", title))) or Kind.OTHER


def _plain(title: str) -> str:
    text = unicodedata.normalize("NFC", title).replace("’", "'").replace("*", "").replace("`", "").replace("/", " ")
    return " ".join(_EDGES.sub("", text.lower()).split())
