"""The package's shape: which module may import which, who may rename, how long things may be."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import spoolq

ROOT = Path(spoolq.__file__).parent

#: Module -> layer. A module imports from its own layer and from those above it here. A new module must be listed.
LAYERS: dict[str, tuple[str, ...]] = {
    "words": (
        "documents",
        "durations",
        "errors",
        "leases",
        "masking",
        "models",
        "names",
        "plain",
        "sections",
        "settings",
        "transitions",
    ),
    "disk": ("create", "files", "layout", "lock", "mounts"),
    "store": (
        "admit",
        "chosen",
        "claims",
        "control",
        "find",
        "finish",
        "history",
        "jobs",
        "keyed",
        "newcomers",
        "people",
        "pools",
        "remote",
        "replay",
        "retries",
        "stock",
        "store",
        "submit",
        "together",
        "trust",
        "waiting",
    ),
    "work": (
        "affinity",
        "attempt",
        "beat",
        "conditions",
        "doctor",
        "ends",
        "entry",
        "environment",
        "errands",
        "figures",
        "follow",
        "forkserver",
        "forecast",
        "gate",
        "gates",
        "generate",
        "gpus",
        "jobqueue",
        "launch",
        "logs",
        "memory",
        "notify",
        "orders",
        "orphans",
        "outcome",
        "outlook",
        "pace",
        "parents",
        "pool_load",
        "preload",
        "process",
        "prune",
        "recipes",
        "recover",
        "requests",
        "results",
        "room",
        "runner",
        "schedule",
        "scores",
        "shim",
        "spawn",
        "status",
        "sweep",
        "took",
        "troubles",
        "upcoming",
        "variants",
        "warm",
        "watch",
        "watcher",
        "workers",
    ),
    "faces": ("__init__", "__main__", "api", "cli", "client", "demo", "render", "server", "top", "worker"),
}
ORDER = list(LAYERS)
LAYER_OF = {module: layer for layer, modules in LAYERS.items() for module in modules}

MAX_MODULE = 300
MAX_FUNCTION = 40
#: Names that say nothing.
EMPTY_NAMES = {"base", "common", "helper", "helpers", "misc", "util", "utils"}
#: What renames, as `os.NAME` or `shutil.NAME`, and as a method of Path.
RENAMES = {"rename", "renames", "replace", "link", "move"}
PATH_RENAMES = {"rename", "replace", "hardlink_to", "link_to"}


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    """Every module of the package: dotted name, path, syntax tree."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("spoolq", *path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)
        yield name, path, ast.parse(path.read_text(encoding="utf-8"))


ALL = {name: (path, tree) for name, path, tree in modules()}


def top(module: str) -> str:
    """The name under which a module is listed: `spoolq.cli.run` is of `cli`, `spoolq` is `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


def is_typing_only(node: ast.AST) -> bool:
    """Whether a statement is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST, *, deep: bool) -> Iterator[tuple[str, int]]:
    """Modules of the package that are imported in *tree*, with the line; *deep*: in functions and for types too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name.split(".")[0] == "spoolq")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            if (node.module or "").split(".")[0] == "spoolq":
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield (inner if inner in ALL else str(node.module)), node.lineno
        elif deep or not (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_typing_only(node)):
            yield from imports(node, deep=deep)


def dynamic_imports(tree: ast.Module) -> Iterator[str]:
    """Modules of the package that are named in a text, as `import_module` takes them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in ALL:
            yield node.value


def test_every_module_has_a_layer():
    # Given the modules that there are, When they are looked up, Then each is in the table
    assert {top(module) for module in ALL} <= set(LAYER_OF), "list the new module under its layer"


def test_every_module_of_the_table_is_there():
    # Given the table, When it is held against the package, Then it lists nothing that is gone, and nothing twice
    assert set(LAYER_OF) <= {top(module) for module in ALL}, "a module of the table is gone"
    assert sum(map(len, LAYERS.values())) == len(LAYER_OF), "a module has one layer"


@pytest.mark.parametrize("module", ALL)
def test_a_module_imports_from_its_own_layer_and_those_above(module):
    # Given all that a module imports, also in its functions, for types, and by name
    _, tree = ALL[module]
    found = [*imports(tree, deep=True), *((name, 0) for name in dynamic_imports(tree))]
    own = ORDER.index(LAYER_OF[top(module)])
    # When the layers are compared, Then none is below its own
    below = [
        f"line {line}: {other} is of {LAYER_OF[top(other)]}"
        for other, line in found
        if ORDER.index(LAYER_OF[top(other)]) > own and not (module == "spoolq.__init__" or top(module) == "__main__")
    ]
    assert not below, f"{module} is of {ORDER[own]}; " + "; ".join(below)


def test_no_module_imports_itself_in_a_circle():
    # Given what each module imports when it is imported
    graph = {
        module: {other for other, _ in imports(tree, deep=False) if other != module and other != "spoolq"}
        for module, (_, tree) in ALL.items()
    }
    # When modules without imports are taken away again and again, Then nothing is left
    while free := [module for module, others in graph.items() if not others & set(graph)]:
        for module in free:
            del graph[module]
    assert not graph, "these import one another: " + ", ".join(sorted(graph))


def renames(tree: ast.Module) -> Iterator[int]:
    """Lines that rename or link a file by `os`, `shutil` or a Path's own method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil"):
            yield from (node.lineno for alias in node.names if alias.name in RENAMES)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, method = node.func.value, node.func.attr
        if isinstance(owner, ast.Name) and owner.id in ("os", "shutil"):
            if method in RENAMES:
                yield node.lineno
        # Path.rename and Path.replace take one argument; Disk.rename and str.replace two, datetime.replace keywords.
        elif method in PATH_RENAMES and len(node.args) == 1 and not node.keywords:
            yield node.lineno


@pytest.mark.parametrize("module", ALL)
def test_only_files_renames(module):
    # Given a module, When it is searched for what renames, Then only `files` does
    lines = list(renames(ALL[module][1]))
    assert bool(lines) == (module == "spoolq.files"), f"{module} renames in lines {lines}; call Disk instead"


def test_the_search_for_renames_finds_them():
    # Given every way to rename, and what only looks like it, When they are searched, Then the first are found
    found = ast.parse(
        "os.rename(a, b)\nos.replace(a, b)\nos.link(a, b)\na.rename(b)\na.b.replace(c)\nshutil.move(a, b)\n"
        "from os import rename\na.hardlink_to(b)\n"
    )
    spared = ast.parse("disk.rename(a, b)\n'x'.replace('a', 'b')\nnow.replace(tzinfo=UTC)\nreplace(a, b=1)\n")
    assert sorted(renames(found)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert list(renames(spared)) == []


@pytest.mark.parametrize("module", ALL)
def test_nothing_is_too_long(module):
    # Given a module, When its lines are counted, Then it and each of its functions can be read at once
    path, tree = ALL[module]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE, f"{module} is over {MAX_MODULE} lines"
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION
    ]
    assert not long, f"functions of {module} over {MAX_FUNCTION} lines: " + ", ".join(long)


@pytest.mark.parametrize("module", ALL)
def test_a_module_is_named_for_what_it_holds(module):
    # Given a module's name, When it is read, Then it says what is in it
    assert not EMPTY_NAMES & set(module.split(".")), f"{module}: name it for what is in it"


@pytest.mark.parametrize("module", [module for module in ALL if not module.startswith(("spoolq.cli", "spoolq.demo"))])
def test_paths_of_the_spool_are_joined_in_layout_alone(module):
    # Given a module, When its texts are searched for the names of the tree, Then only `layout` joins them to a path
    if module in ("spoolq.layout",):
        return
    joined = [
        node.lineno
        for node in ast.walk(ALL[module][1])
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and isinstance(node.right, ast.Constant)
        and re.fullmatch(
            r"queued|running|completed|failed|cancelled|runs|control|pools|\.tmp|\.lock", str(node.right.value)
        )
    ]
    assert not joined, f"{module} joins a path of the spool in lines {joined}; ask Layout"
