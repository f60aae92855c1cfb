"""The structure of the package: modules import without a cycle, and rooms only those that come before them."""

import ast
from graphlib import TopologicalSorter

from paths import ROOT

SOURCE = ROOT / "benchmark"
# Data flows one way. A room may import those before it; `engines` and the modules without a room serve all.
ROOMS = ("data", "encoding", "ranking", "analysis", "reporting", "result", "comparison", "pipelines", "api", "cli")
SERVING = {"errors", "files", "console", "environment", "observer", "checkpoints", "engines", "babelrank"}


def find_modules():
    modules = {}
    for path in SOURCE.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        modules[name] = path
    return modules


MODULES = find_modules()


def imports_of(name):
    """Modules that a module imports, also within functions; those for type checking alone aside."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else node.module)
    return (found & MODULES.keys()) - {name}


GRAPH = {name: imports_of(name) for name in MODULES}


def room(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def test_no_module_imports_itself_by_way_of_others():
    assert len(GRAPH) > 150
    TopologicalSorter(GRAPH).prepare()  # names a cycle if there is one


def test_rooms_import_only_those_before_them():
    backwards = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if room(name) in ROOMS
        and room(other) not in SERVING
        and room(other) != "training"
        and ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert backwards == []


def test_evaluation_does_not_import_training():
    users = {room(name) for name, others in GRAPH.items() if any(room(other) == "training" for other in others)}
    assert users <= {"training", "api", "cli"}


def test_the_harness_imports_no_adapter():
    for name, path in MODULES.items():
        assert "import babelrank_adapters" not in path.read_text(encoding="utf-8"), name
        assert "from babelrank_adapters" not in path.read_text(encoding="utf-8"), name
