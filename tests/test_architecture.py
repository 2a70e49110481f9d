"""Who may import whom (DESIGN.md, "Layout"), held by reading every module's imports, also those within functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import urlsweep

PACKAGE = Path(urlsweep.__file__).parent
PROTOCOLS = {"urlsweep.transport", "urlsweep.sources", "urlsweep.reports", "urlsweep.journal"}
FAMILIES = ("transport", "sources", "reports", "settings", "journal")
FRAMEWORKS = {"aiohttp", "aiodns", "pycares", "aiohttp_socks", "yarl", "ssl", "socket"}


def module_name(path: Path) -> str:
    parts = ("urlsweep", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(name: str, *, at_import_time: bool = False) -> set[str]:
    """The modules that `name` imports; with `at_import_time` only what is run when it is itself imported."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in _statements(tree) if at_import_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            module = node.module or ""
            for alias in node.names:
                submodule = f"{module}.{alias.name}"
                found.add(submodule if submodule in MODULES else module)
    return found


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement that importing runs: not those in functions, nor those for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _statements(child)


IMPORTS: Mapping[str, set[str]] = {name: imports_of(name) for name in MODULES}


def ours(name: str) -> set[str]:
    return {imported for imported in IMPORTS[name] if imported.partition(".")[0] == "urlsweep"}


def within(name: str, package: str) -> bool:
    return name == f"urlsweep.{package}" or name.startswith(f"urlsweep.{package}.")


def members(package: str) -> list[str]:
    return [name for name in MODULES if within(name, package)]


def test_the_packages_are_those_of_the_design() -> None:
    known = {"core", "transport", "sources", "reports", "settings", "journal", "workers", "cli", "testing"}
    assert {name.split(".")[1] for name, path in MODULES.items() if path.parent != PACKAGE} <= known


def test_the_core_imports_nothing_but_itself() -> None:
    for name in members("core"):
        assert all(within(imported, "core") for imported in ours(name)), name


def test_the_core_is_pure() -> None:
    impure = {"asyncio", "socket", "ssl", "time", "os", "io", "sys", "pathlib", "threading", "subprocess", "secrets"}
    for name in members("core"):
        roots = {imported.partition(".")[0] for imported in IMPORTS[name]}
        assert not roots & (impure | FRAMEWORKS), name
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(MODULES[name].read_text()))
            if isinstance(node, ast.Call)
        }
        assert not calls & {"open", "print", "input", "random_module.random", "random_module.Random"}, name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_imports_the_core_and_itself(family: str) -> None:
    # Options are plain frozen values: settings are made of them, so that each default and each check stands once.
    allowed_beside = {"settings": {"urlsweep._version", "urlsweep.transport.options"}}.get(family, set())
    for name in members(family):
        foreign = {imported for imported in ours(name) if not within(imported, family) and not within(imported, "core")}
        assert foreign <= allowed_beside, name


def test_only_the_transport_touches_the_network() -> None:
    for name in MODULES:
        if not within(name, "transport") and not within(name, "testing"):
            roots = {imported.partition(".")[0] for imported in IMPORTS[name]}
            assert not roots & FRAMEWORKS, name


def test_the_engine_imports_the_core_and_protocols() -> None:
    for name in ("urlsweep.engine", "urlsweep.asking", "urlsweep.fetch", "urlsweep.ledger", "urlsweep.robots"):
        foreign = {imported for imported in ours(name) if not within(imported, "core")}
        assert foreign <= PROTOCOLS | {"urlsweep.asking", "urlsweep.ledger", "urlsweep.robots"}, name


def test_workers_import_what_the_engine_does() -> None:
    for name in members("workers"):
        foreign = {
            imported for imported in ours(name) if not within(imported, "core") and not within(imported, "workers")
        }
        allowed = {"urlsweep", "urlsweep.asking", "urlsweep.transport", "urlsweep.transport.options"}
        if name == "urlsweep.workers.__main__":  # a process of its own
            allowed |= {"urlsweep.collector", "urlsweep.timing", "urlsweep.transport.choice"}
        assert foreign <= allowed, name
    for name in MODULES:
        if any(within(imported, "workers") for imported in ours(name)) and not within(name, "workers"):
            assert name == "urlsweep.api", name


def test_the_engines_own_books_are_its_own() -> None:
    for name in MODULES:
        assert "urlsweep.robots" not in ours(name) or name == "urlsweep.asking", name
        # Verdicts by URL are what earlier runs are trusted for, too.
        assert "urlsweep.ledger" not in ours(name) or name in ("urlsweep.engine", "urlsweep.cli.trust"), name


def test_only_books_on_disk_know_the_database() -> None:
    keepers = {"urlsweep.ledger", "urlsweep.cli.distinct", "urlsweep.journal.run_file"}
    assert {name for name in MODULES if "sqlite3" in IMPORTS[name]} == keepers


def test_what_the_engine_knows_of_the_journal_is_free() -> None:
    assert not {name for name in ours("urlsweep.journal") if not within(name, "core")}


def test_nothing_but_the_program_imports_the_command_line() -> None:
    for name in MODULES:
        if not within(name, "cli") and name != "urlsweep.__main__":
            assert not any(within(imported, "cli") for imported in IMPORTS[name]), name


def test_nothing_but_the_demonstration_imports_what_is_for_testing() -> None:
    for name in MODULES:
        if not within(name, "testing") and name != "urlsweep.cli.demonstration":
            assert not any(within(imported, "testing") for imported in IMPORTS[name]), name


def test_nothing_but_the_command_line_prints_or_takes_signals() -> None:
    for name in MODULES:
        if within(name, "cli"):
            continue
        tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
        used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
        assert not used & {"print", "sys.stdout", "sys.stderr", "signal.signal", "tqdm"}, name


def test_there_are_no_import_cycles() -> None:
    graph = {
        name: {imported for imported in imports_of(name, at_import_time=True) if imported in MODULES} - {name}
        for name in MODULES
    }
    # A package's own module is run before its members: what a member imports from it must already be there.
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_opens_by_saying_what_it_is(name: str) -> None:
    source = MODULES[name].read_text(encoding="utf-8")
    assert name == "urlsweep._version" or ast.get_docstring(ast.parse(source)), name
