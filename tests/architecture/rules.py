"""The rules that tools do not know. Each takes one file and yields its violations; test_rules.py breaks each once."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator

from tests.architecture.source import SERVICES, Source

FILE_LINES = 400
FUNCTION_LINES = 40
LONG = re.compile(r"#\s*long:\s*\S.{9,}")
"""`# long: <reason>` on a `def` line, or among a file's first lines, says why it is longer."""

CLOCKS = {
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.localtime",
    "time.gmtime",
}
SLEEPS = {"time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"}
WAITING_TOOL = {"time.sleep", "asyncio.sleep", "time.monotonic"}
TOOLS = ("libs/loopctl/", "deploy/local/")
"""They wait for processes to start and stop, and may count those seconds themselves."""
SQL_CLOCK = re.compile(r"\b(now\s*\(\s*\)|current_timestamp|localtimestamp|clock_timestamp)", re.IGNORECASE)

IMPURE = {
    "asyncio", "concurrent", "ftplib", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib",
    "random", "secrets", "select", "shutil", "signal", "smtplib", "socket", "sqlite3", "ssl", "subprocess",
    "sys", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
PURE = {"urllib.parse"}
"""Parts of these that only compute."""
REASONLESS = re.compile(
    r"#\s*(?:(?P<what>noqa|type:\s*ignore|mypy:\s*\S+|ruff:\s*noqa|pragma:\s*no cover|nosec))"
    r"(?P<codes>(?:\[[\w\-, ]+\])|(?::\s*[A-Z]+[0-9]*(?:[ ,]+[A-Z]+[0-9]+)*))?(?P<rest>.*)$"
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")  # the rule's own words
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/")


def commits_only_in_common(source: Source) -> Iterator[str]:
    """Only the edges commit, and the edges are in common."""
    if source.within("libs/common/", "tests/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr == "commit":
            yield source.at(node, "commits; one request, batch or timer batch is one transaction of common's")


def time_only_from_the_clock(source: Source) -> Iterator[str]:
    """Time is read, and waited for, through common.clock."""
    if source.within("libs/common/src/common/clock.py", "tests/"):
        return
    forbidden = (CLOCKS | SLEEPS) - (WAITING_TOOL if source.within(*TOOLS) else set())
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name) and source.full_name(node) in forbidden:
            yield source.at(node, f"uses {source.full_name(node)}; ask common.clock")


def no_business_time_in_sql(source: Source) -> Iterator[str]:
    """The database's clock is not ours: business time may be scaled."""
    if not source.within("services/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_sql(node.value):
            yield source.at(node, "SQL reads the database's clock; pass the moment as a parameter")
        if isinstance(node, ast.Attribute) and (source.full_name(node) or "").endswith("sqlalchemy.func.now"):
            yield source.at(node, "SQL reads the database's clock; pass the moment as a parameter")


def _is_sql(text: str) -> bool:
    return bool(SQL_CLOCK.search(text)) and bool(re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|DEFAULT)\b", text))


def no_naive_datetimes(source: Source) -> Iterator[str]:
    """A moment without an offset is a moment nobody knows. Tests make one to see it refused (`noqa: DTZ…`)."""
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            says = _naive(source.full_name(node.func) or "", node)
            meant = source.within("tests/") and "noqa: DTZ" in lines[node.lineno - 1]
            if says and not meant:
                yield source.at(node, says)


def _naive(name: str, call: ast.Call) -> str | None:
    keywords = {keyword.arg for keyword in call.keywords}
    if name == "datetime.datetime" and "tzinfo" not in keywords and len(call.args) < len("YMDhmsuz"):
        return "makes a naive datetime; give tzinfo"
    if name in {"datetime.datetime.utcnow", "datetime.datetime.utcfromtimestamp"}:
        return f"{name} is naive"
    if name == "datetime.datetime.fromtimestamp" and "tz" not in keywords and len(call.args) == 1:
        return "fromtimestamp without tz is naive"
    if name.startswith("sqlalchemy.") and name.rsplit(".", 1)[1] in {"DateTime", "TIMESTAMP"}:
        aware = any(k.arg == "timezone" and getattr(k.value, "value", False) is True for k in call.keywords)
        return None if aware else "a column without time zone; DateTime(timezone=True)"
    return None


def files_are_short(source: Source) -> Iterator[str]:
    """A file that says one thing is short."""
    lines = source.text.count("\n")
    excused = any(LONG.search(line) for line in source.text.splitlines()[:5])
    if lines > FILE_LINES and not excused:
        yield f"{source.path}:1: {lines} lines (at most {FILE_LINES}, or `# long: <reason>` at the top)"


def functions_are_short(source: Source) -> Iterator[str]:
    """A function that can be read aloud is short. Migrations are lists, and history."""
    if source.is_migration:
        return
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES and not LONG.search(lines[node.lineno - 1]):
                yield source.at(node, f"{node.name} has {length} lines (at most {FUNCTION_LINES})")


def ignores_have_reasons(source: Source) -> Iterator[str]:
    """Whoever silences a tool says which rule, and why."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        found = REASONLESS.search(token.string)
        if not found:
            continue
        where = f"{source.path}:{token.start[0]}"
        if found["what"] in {"noqa", "type: ignore"} and not found["codes"]:
            yield f"{where}: {found['what']} without a code"
        elif len(re.sub(r"[\W\d_]", "", found["rest"])) < len("a reason"):
            yield f"{where}: {found['what']} without a reason"


def nothing_is_left_undone(source: Source) -> Iterator[str]:
    """What is missing is an issue, not a comment."""
    if source.path == "tests/architecture/rules.py":
        return
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and UNFINISHED.search(token.string):
            yield f"{source.path}:{token.start[0]}: {token.string.strip()}"


def no_machine_paths(source: Source) -> Iterator[str]:
    """Nobody else has our folders."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if MACHINE.search(line):
            yield f"{source.path}:{number}: names a folder of one machine: {line.strip()[:80]}"


def domains_are_pure(source: Source) -> Iterator[str]:
    """`domain` ← the standard library (what of it does no IO and reads no clock) and common.contracts."""
    if not source.is_domain:
        return
    own = source.path.split("/")[1] + ".domain"
    for node in ast.walk(source.tree):
        for module in _imported(node, source):
            top = module.split(".")[0]
            allowed = module == own or module.startswith((own + ".", "common.contracts"))
            if not allowed and module not in PURE and (top not in sys.stdlib_module_names or top in IMPURE):
                yield source.at(node, f"the domain imports {module}")
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"open", "print", "input"}
        ):
            yield source.at(node, f"the domain does IO: {node.func.id}()")
        if isinstance(node, ast.AsyncFunctionDef):
            yield source.at(node, f"the domain waits: async def {node.name}")


def _imported(node: ast.AST, source: Source) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level:
        package = source.path.removesuffix(".py").split("/src/")[1].split("/")
        base = ".".join(package[: len(package) - node.level])
        return [f"{base}.{node.module}" if node.module else base]
    if isinstance(node, ast.ImportFrom) and node.module == "common":
        return [f"common.{alias.name}" for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def no_mocks_of_our_own(source: Source) -> Iterator[str]:
    """Fakes stand for what is outside only; a mock of our own code proves what we hoped."""
    if not source.within("tests/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and "unittest.mock" in _imported(node, source):
            yield source.at(node, "imports unittest.mock")


RULES: tuple[Callable[[Source], Iterator[str]], ...] = (
    commits_only_in_common,
    time_only_from_the_clock,
    no_business_time_in_sql,
    no_naive_datetimes,
    files_are_short,
    functions_are_short,
    ignores_have_reasons,
    nothing_is_left_undone,
    no_machine_paths,
    domains_are_pure,
    no_mocks_of_our_own,
)

__all__ = ["RULES", "SERVICES", *[rule.__name__ for rule in RULES]]
