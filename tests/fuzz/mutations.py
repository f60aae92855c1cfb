"""Structured damage: files as people, programs and attackers get them wrong, drawn by hypothesis so that it shrinks."""

import bz2
import copy
import gzip
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

Files = Mapping[str, bytes | None]  # content by relative path; None is a folder of that name

_RAW_IN_JSON = re.compile(r'"\\ue000((?:[^"\\]|\\.)*?)\\ue000"')
_RAW = "\ue000"  # stands around text that JSON and TOML are to hold as it is
# What no encoder of JSON writes: huge numbers, depth, constants beyond the standard, halves of surrogate pairs.
_RAW_VALUES = [
    *("[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "[" * 3000, '{"a":' * 3000, "9" * 400, "9" * 5000),
    *("NaN", "-Infinity", "1e999", r'"\ud800"', "0x1F", ""),
]
_TEXTS = [
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\x1b[2J\x1b]0;x\x07",
        "\x85\u2028",
        "\ufeff",
        "é" * 300,
        "x" * 5000,
        "😀",
        ":id:",
        "[red]x",
    ),
    *("../../x", "/etc/passwd", "~nobody/x", "$HOME", "=1+1", "@x", "a\tb", "a\nb", "en", "EN", "zh-Hant", "NaN", "-1"),
    *("1" * 400, "٣", "{", "}", "%s", "[red]x", "{0}", "{a.b}", "<script>", "C:\\x", "true", "null", "0", "1e400"),
]
_NUMBERS = [0, 1, -1, 2, 255, 65536, 2**31, 2**32, 2**63, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e-320, 1e308, -1e308]
VALUES: list[Any] = [
    *(None, True, False, [], {}, [[]], [None], {"": None}, {"a": {"b": [1]}}, [1, "a"]),
    *_NUMBERS,
    *_TEXTS,
    *(f"{_RAW}{text}{_RAW}" for text in _RAW_VALUES),
]
_BYTES = [
    b"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b'"',
    b"\xed\xa0\x80",
    b"\xc2\x85",
    b" " * 99,
]


def mutated(files: Files) -> st.SearchStrategy[Files]:
    """Return a strategy of files with one to three things wrong."""
    return _mutated(dict(files))


@st.composite
def _mutated(draw: st.DrawFn, files: dict[str, bytes | None]) -> Files:
    files, whole = dict(files), set(files)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        content = files[name]
        if content is None or draw(st.integers(0, 19)) == 0:
            files |= draw(_misplaced(name, content))
            whole.discard(name)
            continue
        change = _CHANGES.get(PurePosixPath(name).suffix)
        if change is None or name not in whole or draw(st.integers(0, 3)) == 0:
            files[name] = draw(_damaged(content))
        else:
            files[name] = draw(change(content))
        whole.discard(name)
    return files


@st.composite
def _misplaced(draw: st.DrawFn, name: str, content: bytes | None) -> Files:
    """Take a file away, put a folder in its place, or a second one next to it."""
    path = PurePosixPath(name)
    beside = [path.with_name(each) for each in (f"{path.stem}-2{path.suffix}", f"{path.name}.gz", f"._{path.name}")]
    return draw(
        st.sampled_from([{name: b""}, {name: None}, *({str(each): content} for each in beside), {f"{name}/x": content}])
    )


@st.composite
def _damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Damage bytes, whatever they are."""
    start = draw(st.integers(0, len(content)))
    end = min(len(content), start + draw(st.integers(0, 40)))
    inserted = draw(st.sampled_from(_BYTES) | st.binary(max_size=4))
    return draw(st.sampled_from(_DAMAGES))(content, start, end, inserted)


_DAMAGES: list[Callable[[bytes, int, int, bytes], bytes]] = [
    lambda content, start, end, inserted: content[:start],
    lambda content, start, end, inserted: content[:start] + content[end:],
    lambda content, start, end, inserted: content[:start] + inserted + content[start:],
    lambda content, start, end, inserted: content[:start] + inserted + content[end:],
    lambda content, start, end, inserted: content[:end] + content[start:],
    lambda content, *_: content + content,
    lambda content, *_: gzip.compress(content, mtime=0),
    lambda content, *_: gzip.compress(content, mtime=0)[:-9],
    lambda content, *_: bz2.compress(content),
    lambda content, *_: b"\x28\xb5\x2f\xfd" + content,
    lambda content, *_: b"\xef\xbb\xbf" + content,
    lambda content, *_: content.decode("utf-8", "replace").encode("utf-16"),
    lambda content, *_: content.replace(b"\n", b"\r\n"),
    lambda content, *_: content.replace(b"\n", b"\r"),
    lambda content, *_: b"\n".join(reversed(content.split(b"\n"))),
]


def _in_json(content: bytes) -> st.SearchStrategy[bytes]:
    if content.count(b"}\n{"):  # JSON lines under another name
        return _in_json_lines(content)
    return _changed(json.loads(content)).map(_as_json)


@st.composite
def _in_json_lines(draw: st.DrawFn, content: bytes) -> bytes:
    """Change one line."""
    lines = content.splitlines()
    place = draw(st.integers(0, len(lines) - 1))
    lines[place] = draw(_in_json(lines[place]))
    return b"\n".join(lines) + b"\n"


@st.composite
def _in_columns(draw: st.DrawFn, content: bytes) -> bytes:
    """Change cells of one line."""
    text = content.decode()
    between = "\t" if "\t" in text else "," if "," in text else " "
    lines = [line.split(between) for line in text.splitlines()]
    cells = draw(st.sampled_from(lines))
    place = draw(st.integers(0, len(cells) - 1))
    cells[place : place + draw(st.integers(0, 2))] = draw(
        st.lists(st.sampled_from([*_TEXTS, *map(str, _NUMBERS)]), max_size=2)
    )
    return "".join(between.join(line) + "\n" for line in lines).encode()


def _in_toml(content: bytes) -> st.SearchStrategy[bytes]:
    return _changed(tomllib.loads(content.decode())).map(_as_toml)


@st.composite
def _in_parquet(draw: st.DrawFn, content: bytes) -> bytes:
    """Change a table's columns, types, cells or metadata."""
    table = pq.read_table(io.BytesIO(content))
    number = draw(st.integers(0, table.num_columns - 1))
    name = table.column_names[number]
    other = draw(st.sampled_from(_CELLS))
    if table.schema.metadata and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(table.schema.metadata)))
        value = draw(_in_json(table.schema.metadata[key]) | _damaged(table.schema.metadata[key]))
        return _as_parquet(table.replace_schema_metadata({**table.schema.metadata, key: value}))
    return _as_parquet(draw(st.sampled_from(_TABLES))(table, name, pa.array([other] * table.num_rows)))


_TABLES: list[Callable[[pa.Table, str, pa.Array], pa.Table]] = [
    lambda table, name, other: table.drop_columns([name]),
    lambda table, name, other: table.rename_columns(
        [f"{each}x" if each == name else each for each in table.column_names]
    ),
    lambda table, name, other: table.set_column(table.column_names.index(name), name, other),
    lambda table, name, other: table.set_column(
        table.column_names.index(name), name, _first_is_other(table[name], other)
    ),
    lambda table, name, other: table.set_column(table.column_names.index(name), name, pa.nulls(table.num_rows)),
    lambda table, name, other: table.append_column(name, table[name]),
    lambda table, name, other: table.select(list(reversed(table.column_names))),
    lambda table, *_: table.slice(0, 0),
    lambda table, *_: pa.concat_tables([table, table]),
    lambda table, *_: table.replace_schema_metadata({}),
]


def _replaced(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _first_is_other(column: pa.ChunkedArray, other: pa.Array) -> pa.Array:
    """Put something else into the first cell, or nothing if it is of another type."""
    cells = column.to_pylist()
    return pa.array([other[0].as_py() if other.type == column.type else None, *cells[1:]], column.type)


_CELLS: list[Any] = [
    -1,
    0,
    2**40,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "x",
    "en",
    b"\xff",
    True,
    [1.0],
    {"a": 1},
]
_CHANGES = {
    ".json": _in_json,
    ".jsonl": _in_json_lines,
    ".tsv": _in_columns,
    ".csv": _in_columns,
    ".txt": _in_columns,
    ".run": _in_columns,
    ".toml": _in_toml,
    ".parquet": _in_parquet,
}


@st.composite
def _changed(draw: st.DrawFn, document: Any) -> Any:
    """Put something else in one place of a document, or take it away, or give it another name."""
    holder = {"": copy.deepcopy(document)}
    places = list(_places(holder))
    container, key = draw(st.sampled_from(places))
    value = container[key]
    kind = draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename", "swap", "nest", "repeat"]))
    if kind == "replace":
        container[key] = draw(st.sampled_from(VALUES))
    elif kind == "remove" and container is not holder:
        del container[key]
    elif kind == "rename" and isinstance(container, dict) and container is not holder:
        container[draw(st.sampled_from(_TEXTS))] = container.pop(key)
    elif kind == "swap":
        elsewhere, there = draw(st.sampled_from(places))
        container[key] = copy.deepcopy(elsewhere[there])
    elif kind == "nest":
        container[key] = draw(st.sampled_from([[value], {"a": value}, str(value)]))
    elif isinstance(container, list):
        container.insert(key, copy.deepcopy(value))
    return holder[""]


def _places(container: Any) -> Iterator[tuple[Any, Any]]:
    """Yield where each value of a document stands: what holds it, and its key or position."""
    keys = list(container) if isinstance(container, dict) else range(len(container))
    for key in keys:
        yield container, key
        if isinstance(container[key], dict | list):
            yield from _places(container[key])


def _as_json(document: Any) -> bytes:
    return _RAW_IN_JSON.sub(lambda found: json.loads(f'"{found[1]}"'), json.dumps(document, default=str)).encode()


def _as_toml(document: Any) -> bytes:
    if not isinstance(document, dict):
        return _inline(document).encode()
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in document.items()).encode(
        "utf-8", "replace"
    )


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, str) and value.startswith(_RAW):
        return value.strip(_RAW)
    return json.dumps(value)


def _as_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
