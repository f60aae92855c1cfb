"""What babelrank reads that others wrote: for each kind of file a sample that loads, and how it is loaded."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import httpx
import numpy as np
from safetensors.numpy import save

import babelrank
from babelrank.checkpoints import METADATA_FILE, read_training_metadata, trained_languages
from babelrank.data.afriqa import load_afriqa
from babelrank.data.collection import Collection
from babelrank.data.lareqa import load_lareqa
from babelrank.data.miracl import load_miracl
from babelrank.data.ntrex import load_ntrex
from babelrank.ranking.run_files import read_run
from babelrank.ranking.runs import rank_run, resolve
from babelrank.ranking.table import read_ranks
from babelrank.ranking.top_table import TopTable, read_top
from babelrank.reporting.leaderboard import write_leaderboard
from babelrank.reporting.report import write_report
from babelrank.result import read_result
from babelrank.training.config_file import load_config
from babelrank.training.experiments import plan_experiment
from babelrank.training.jsonl_rows import JsonlRows
from babelrank_adapters.openai_endpoint import Endpoint
from fuzz.collection_files import (
    Files,
    afriqa,
    beir,
    configured,
    ir_data_set,
    json_bytes,
    lareqa,
    lines_bytes,
    local,
    miracl,
    mteb,
    mteb_task,
    ntrex,
    parquet_bytes,
    table,
)
from fuzz.libraries import load_ir_data_set, load_mteb_task
from toy_reports import toy_ranks, toy_results


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes
    ----------
    sample
        Returns files that load, by relative path.
    read
        Loads the files in a folder, and uses what they hold.
    always_loads
        Whether damage counts as a file that is not there.
    """

    sample: Callable[[], Files]
    read: Callable[[Path], object]
    always_loads: bool = False


def _use(collection: Collection) -> None:
    """Read all that a submission reads."""
    for block in collection.passages.blocks():
        _ = [text.lower() for text in block.texts]
    _ = collection.labels, collection.query_counts, collection.pool_sizes, babelrank.describe_collection


# --- collections ---


def _read_lareqa(folder: Path) -> None:
    _use(load_lareqa("made", {lang: folder / f"{lang}.json" for lang in ("de", "en")}))


def _load(spec: str) -> Callable[[Path], None]:
    return lambda folder: _use(babelrank.load_collection(spec.format(folder), folder))


# --- runs, reports, tables of ranks ---


@cache
def _known() -> Collection:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), local())
        return babelrank.load_collection(f"local:{folder}").with_passages_in_memory()


def _run() -> Files:
    lines = [f"{lang}:q-{lang} Q0 p{i} {i + 1} {1 - i / 4} made" for lang in ("de", "en") for i in range(3)]
    return {"made.run": "".join(f"{line}\n" for line in lines).encode()}


def _read_run(folder: Path) -> None:
    resolved = resolve(read_run(folder / "made.run"), _known(), "made.run")
    babelrank.analyse(rank_run(resolved, _known()))


@cache
def _report() -> Files:
    results, ranks = toy_results(("xquad-r", "sample"))
    with tempfile.TemporaryDirectory() as folder:
        written = write_report(Path(folder), results, ranks)
        kinds = ("*.json", "*.parquet")
        return {f"toy/{path.name}": path.read_bytes() for kind in kinds for path in sorted(written.glob(kind))}


def _only(suffix: str) -> Callable[[], Files]:
    return lambda: {name: content for name, content in _report().items() if name.endswith(suffix)}


def _read_results(folder: Path) -> None:
    """Read a report, with tables that are whole."""
    for name, content in _only(".parquet")().items():
        if not (folder / name).exists():
            write(folder, {name: content})
    result = read_result(folder / "toy")
    for name in result.collections:
        result.summary(name)
        result.pairs("mAP", collection=name)


def _board(folder: Path) -> None:
    write_leaderboard(folder, folder)


def _ranks() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ranks.parquet")
        toy_ranks().write(path)
        return {path.name: path.read_bytes()}


def _top() -> Files:
    ranks = toy_ranks()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "top.parquet")
        TopTable(ranks.table.drop(columns="grade"), ranks.languages, ranks.pool_sizes, 10, 1).write(path)
        return {path.name: path.read_bytes()}


def _read_ranks(folder: Path) -> None:
    babelrank.analyse(read_ranks(folder / "ranks.parquet"))


# --- training ---


def _examples() -> Files:
    records = [
        {"id": i, "query": {"en": f"q {i}", "de": "f"}, "passage": {"en": f"a {i}"}, "negatives": [{"en": "n"}]}
        for i in range(3)
    ]
    return {"examples.jsonl": lines_bytes(*records)}


def _read_examples(folder: Path) -> None:
    rows = JsonlRows(folder / "examples.jsonl")
    list(rows.scan())
    for row in range(len(rows)):
        rows.read(row)
    rows.read_negatives(range(len(rows)))


_CONFIG = b"""
output = "out"
[model]
base_model = "org/name"
pooling = "mean"
[[examples]]
path = "examples.jsonl"
languages = ["de", "en"]
[schedule]
steps = 2
batch_size = 4
batches = "hybrid"
alpha = 0.5
seed = 1
[optimizer]
learning_rate = 1e-2
[validation]
path = "valid.jsonl"
every = 2
[objectives.info_nce]
temperature = 0.05
[contamination]
collections = ["sample"]
[engine]
device = "cpu"
"""


def _config() -> Files:
    return {"run.toml": _CONFIG, "other.toml": b'extends = "run.toml"\n[schedule]\nsteps = 3\n'}


def _experiment() -> Files:
    runs = b'{label = "a {alpha}", report = "a-{alpha}", config = "run.toml", grid = {"schedule.alpha" = [0.0, 0.5]}}'
    base = b'{label = "base", report = "base", model = "org/name"}'
    head = b'title = "Made"\ntext = "x"\ncollections = ["sample:de,en"]\nstart = "base"\nseeds = [0, 7]\n'
    return {"experiment.toml": head + b"runs = [" + runs + b", " + base + b"]\n", "run.toml": _CONFIG}


def _read_experiment(folder: Path) -> None:
    plan_experiment(folder, folder / "reports")


def _metadata() -> Files:
    config = {
        "model": {"base_model": "org/name", "trust_remote_code": True},
        "objectives": {"info_nce": {}},
        "schedule": {"batches": "hybrid", "alpha": 0.5, "batch_size": 2, "steps": 1},
        "contamination": {"collections": ["xquad-r"]},
    }
    own = {"examples": [{"examples": 3, "dropped": 1}], "languages": ["de"], "steps": 1, "config": config}
    return {METADATA_FILE: json_bytes({**own, "averaged_with": [own], "base_model": own})}


def _read_metadata(folder: Path) -> None:
    read_training_metadata(folder)
    trained_languages(folder)


# --- vectors, models, servers ---


def _embeddings(suffix: str) -> Files:
    sides = {"queries": ["en:q0", "en:q1"], "passages": ["en:p0", "en:p1", "en:p2"]}
    files = {}
    for side, ids in sides.items():
        vectors = np.arange(2 * len(ids), dtype=np.float32).reshape(-1, 2) + 1
        files[f"{side}.jsonl"] = lines_bytes(*({"id": name, "lang": "en", "text": name} for name in ids))
        if suffix == "parquet":
            files[f"{side}.parquet"] = parquet_bytes(id=ids, vector=list(vectors))
            continue
        files[f"{side}.ids.txt"] = "".join(f"{name}\n" for name in ids).encode()
        with tempfile.TemporaryFile() as file:
            np.save(file, vectors)
            file.seek(0)
            files[f"{side}.{suffix}"] = file.read() if suffix == "npy" else save({"vectors": vectors})
    return files


def _read_embeddings(folder: Path) -> None:
    encoder = babelrank.load_encoder(str(folder), adapter="embeddings")
    encoder.encode_query(["en:q0"])
    encoder.encode_document(["en:p0", "en:p2"])


def _answer() -> Files:
    data = [{"object": "embedding", "index": i, "embedding": [1.0, 2.0 + i]} for i in range(2)]
    body = {"object": "list", "data": data, "model": "made", "usage": {"total_tokens": 3}}
    return {"body.json": json_bytes(body), "head.json": json_bytes({"status": 200, "headers": {"retry-after": "0"}})}


class _CannedEndpoint(Endpoint):
    """Gets its answers from a folder."""

    def _client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._reply))

    def _reply(self, _: httpx.Request) -> httpx.Response:
        folder = Path(self.key_variable)
        status, headers = 200, {}
        try:
            head = json.loads((folder / "head.json").read_bytes())
            status, headers = int(head["status"]) % 600, {str(k): str(v) for k, v in head["headers"].items()}
            headers = {k: v for k, v in headers.items() if k.isascii() and v.isascii() and k}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            pass
        body = folder / "body.json"
        stream = httpx.ByteStream(body.read_bytes() if body.is_file() else b"")
        return httpx.Response(max(status, 100), headers=headers, stream=stream)


def _ask(folder: Path) -> None:
    endpoint = _CannedEndpoint("http://server/v1", "a-secret", str(folder), {"model": "made"}, tries=1, concurrency=1)
    endpoint.embed([["a", "b"]], {}, 2)


def _model(tiny: Path) -> Files:
    return {
        path.relative_to(tiny).as_posix(): path.read_bytes()
        for path in sorted(tiny.rglob("*"))
        if path.is_file() and path.suffix in (".json", ".safetensors")
    } | _metadata()


def _read_model(folder: Path) -> None:
    encoder = babelrank.load_encoder(str(folder))
    babelrank.encode(encoder, _known(), store=folder / "store")


READERS: dict[str, Reader] = {
    "lareqa": Reader(lareqa, _read_lareqa),
    "beir": Reader(beir, _load("beir:{}")),
    "mteb": Reader(mteb, _load("beir:{}@de")),
    "local": Reader(local, _load("local:{}")),
    "configurations": Reader(configured, _load("hf:{}")),
    "ntrex": Reader(ntrex, lambda folder: _use(load_ntrex("ntrex", folder))),
    "afriqa": Reader(afriqa, lambda folder: _use(load_afriqa("afriqa", folder))),
    "table": Reader(table, _load("local:{}/faq.csv")),
    "miracl": Reader(miracl, lambda folder: _use(load_miracl("sw", folder, folder=folder))),
    "mteb-task": Reader(mteb_task, lambda folder: _use(load_mteb_task(folder))),
    "ir-data-set": Reader(ir_data_set, load_ir_data_set),
    "run": Reader(_run, _read_run),
    "results": Reader(_only(".json"), _read_results),
    "report": Reader(_report, _board),
    "ranks": Reader(_ranks, _read_ranks),
    "top": Reader(_top, lambda folder: read_top(folder / "top.parquet")),
    "examples": Reader(_examples, _read_examples),
    "config": Reader(_config, lambda folder: load_config(folder / "other.toml")),
    "experiment": Reader(_experiment, _read_experiment),
    "metadata": Reader(_metadata, _read_metadata, always_loads=True),
    "npy": Reader(partial(_embeddings, "npy"), _read_embeddings),
    "safetensors": Reader(partial(_embeddings, "safetensors"), _read_embeddings),
    "vectors": Reader(partial(_embeddings, "parquet"), _read_embeddings),
    "answer": Reader(_answer, _ask),
}


def model_reader(tiny: Path) -> Reader:
    """Return the reader of models, with a tiny one as the sample."""
    return Reader(partial(_model, tiny), _read_model)


def write(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write files; where one has no content, a folder. Of two that exclude each other, the later one counts."""
    for name, content in files.items():
        path = folder / name
        for above in path.relative_to(folder).parents:
            if (folder / above).is_file():
                (folder / above).unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        if content is None:
            path.unlink(missing_ok=True)
            path.mkdir()
        else:
            path.write_bytes(content)
