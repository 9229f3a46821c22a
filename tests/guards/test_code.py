"""Promises of the code base that no type checker keeps."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
# Adapters hand the environment on to children, and the sandbox is a program of its own.
READS_ENVIRONMENT = (
    "apps/config/",
    "apps/core/git.py",
    "apps/handovers/adapters/",
    "apps/sandbox/",
    "apps/slurm/adapters/",
    "apps/slurm/detect.py",
    "apps/sweeps/adapters/",
)
TOP_LEVEL = {
    ".ci", ".env.example", ".github", ".gitignore", ".dockerignore", ".importlinter", "CHANGELOG.md", "CONTRIBUTING.md",
    "Dockerfile", "LICENSE", "Makefile", "README.md", "apps", "benchmarks", "docker-compose.yml", "docs", "manage.py",
    "pyproject.toml", "requirements.txt", "static", "templates", "tests",
}  # fmt: skip
HOSTS = re.compile(r"https?://([A-Za-z0-9.-]+\.[A-Za-z]{2,})")
KNOWN_HOSTS = re.compile(
    r"(^|\.)(wandb\.ai|invalid|example\.(org|com|net)|github\.com|githubusercontent\.com|python\.org|pypi\.org|readthedocs\.io"
    r"|djangoproject\.com|schedmd\.com|htmx\.org|w3\.org|celeryq\.dev|docker\.com|keepachangelog\.com|semver\.org"
    r"|json-schema\.org|graphql\.org|pydantic\.dev|redis\.io|postgresql\.org|toml\.io|mozilla\.org|apache\.org|shields\.io)$"
)


def tracked(*endings: str) -> list[Path]:
    """Return the repository's files that end so; new ones that are not added yet as well."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return [ROOT / name for name in listed if name.endswith(endings) and (ROOT / name).is_file()]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_top_level_holds_what_belongs_there() -> None:
    assert {name_of(path).split("/")[0] for path in tracked("")} <= TOP_LEVEL


def test_no_file_grows_too_long() -> None:
    long = {
        name_of(path): count for path in tracked(".py") if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_only_the_configuration_reads_the_environment() -> None:
    reading = re.compile(r"os\.(environ|getenv)\b|\benviron\.Env\(")
    found = [
        name
        for path in tracked(".py")
        if (name := name_of(path)).startswith("apps/") and reading.search(path.read_text())
    ]
    assert [name for name in found if not name.startswith(READS_ENVIRONMENT)] == []


def test_every_suppression_names_what_it_suppresses() -> None:
    bare = re.compile(r"#\s*noqa(?!: ?[A-Z]+\d)|#\s*type:\s*ignore(?!\[)")
    assert [
        name_of(path) for path in tracked(".py") if path.name != "test_code.py" and bare.search(path.read_text())
    ] == []


@pytest.mark.parametrize("name", ["pyproject.toml", "tests/requirements.in"])
def test_every_dependency_says_why_it_is_here(name: str) -> None:
    text = (ROOT / name).read_text()
    if name.endswith(".toml"):
        text = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(("#", "-r"))]
    assert lines
    assert [line for line in lines if not re.search(r"\s#\s*\S", line)] == []


def test_no_real_host_is_named() -> None:
    found = {
        f"{name_of(path)}: {host}"
        for path in tracked(".py", ".md", ".html", ".toml", ".yml", ".yaml", ".js", ".css", ".example")
        if not name_of(path).startswith("static/vendor/")  # others' words, kept as they came
        for host in HOSTS.findall(path.read_text(errors="replace"))
        if not KNOWN_HOSTS.search(host)
    }
    assert found == set()


def test_no_path_of_a_private_machine_is_named() -> None:
    private = re.compile(r"(?<![\w.])/(?:home|Users)/[a-z]")
    files = [
        path for path in tracked(".py", ".md", ".toml", ".yml", ".example") if "/tests/" not in f"/{name_of(path)}"
    ]
    assert [name_of(path) for path in files if private.search(path.read_text())] == []


def test_links_between_documents_resolve() -> None:
    broken = [
        f"{name_of(path)}: {target}"
        for path in tracked(".md")
        if not name_of(path).startswith("tests/recorded/handovers/HO-")  # broken on purpose
        for target in re.findall(r"\]\(([^)\s#]+?)(?:#[^)]*)?\)", path.read_text())
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_test_asserts_something() -> None:
    # The sandbox's own suites assert in the server's helpers.
    files = [path for path in tracked(".py") if path.name.startswith("test_") and "sandbox" not in path.name]
    assert [f"{name_of(path)}: {name}" for path in files for name in _silent_tests(ast.parse(path.read_text()))] == []


def _silent_tests(module: ast.Module) -> list[str]:
    """Return the tests that assert nothing, neither themselves nor through a function of their module."""
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    loud = {one.name for one in functions if _asserts(one, set())}
    return [one.name for one in functions if one.name.startswith("test_") and not _asserts(one, loud)]


def _asserts(function: ast.FunctionDef, loud: set[str]) -> bool:
    nodes = list(ast.walk(function))
    called = [ast.unparse(node.func).rpartition(".")[2] for node in nodes if isinstance(node, ast.Call)]
    words = ("raises", "assert", "expect", "wait_", "fail")
    return any(isinstance(node, ast.Assert) for node in nodes) or any(
        name in loud or any(word in name for word in words) for name in called
    )


def test_compose_is_yaml() -> None:
    import yaml

    path = ROOT / "docker-compose.yml"
    if not path.is_file():
        pytest.skip("There is no docker-compose.yml yet.")
    assert "services" in yaml.safe_load(path.read_text())
