"""How the modules of `reporting` depend on one another."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import babelrank.reporting

FOLDER = Path(babelrank.reporting.__file__).parent
ROOM = "babelrank.reporting"


def name_of(path: Path) -> str:
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join([ROOM, *(part for part in parts if part != "__init__")])


def test_no_module_depends_on_itself_by_way_of_others():
    """Imports within functions and for types alone count, too."""
    paths = {name_of(path): path for path in FOLDER.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(ROOM):
                submodules = {f"{node.module}.{alias.name}" for alias in node.names} & paths.keys()
                found |= submodules or {node.module}
        graph[name] = found - {name}
    assert len(graph) > 40
    TopologicalSorter(graph).prepare()  # names a cycle if there is one
