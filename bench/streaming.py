"""Passages that stream: reading a large BEIR folder against plain `json`, and encoding with two workers against one."""

import json
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from babelrank.data.beir import DEFAULT_SPLIT
from babelrank.data.families import CollectionName, load_streamed
from babelrank.data.folders import LocalFile
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.data.streamed import StreamedCollection
from babelrank.encoding.corpus import EncoderSource, encode_corpus
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.engines.local import LocalWorkers, ThisProcess
from babelrank.engines.protocol import Engine
from babelrank.environment import available_cores
from bench import models
from bench.material import xquad
from bench.table import Row, duration_row, speed_row
from bench.timing import best_seconds

_READ_PASSAGES = 1_000_000
_READ_ROUNDS = 3
_READ_TARGET = 1.5
_ENCODED_PASSAGES = 2048  # 8 shards
_ENCODE_ROUNDS = 2
_ENCODE_TARGET = 1.0
_WORKERS = 2


def measure() -> Iterator[Row]:
    """Compare reading, then encoding."""
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        yield _measure_reading(Path(folder))
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        yield _measure_workers(Path(folder))


def _measure_reading(folder: Path) -> Row:
    path = _write_corpus(folder, _READ_PASSAGES)
    source = PassageSource((LocalFile(path),), PassageLayout("_id", "en"))

    def plain() -> int:
        with path.open(encoding="utf-8") as lines:
            return sum(len(json.loads(line)) > 0 for line in lines)

    seconds = best_seconds(
        {"ours": lambda: sum(map(len, source.blocks())), "plain": plain},
        rounds=_READ_ROUNDS,
    )
    return duration_row(
        f"stream {_READ_PASSAGES:,} passages of a BEIR folder ({path.stat().st_size / 1e6:,.0f} MB), checked, against "
        "json.loads of each line",
        seconds["ours"],
        seconds["plain"],
        target=_READ_TARGET,
    )


def _measure_workers(folder: Path) -> Row:
    _write_corpus(folder, _ENCODED_PASSAGES)
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "a query"}\n', encoding="utf-8")
    (folder / "qrels").mkdir()
    (folder / "qrels" / f"{DEFAULT_SPLIT}.tsv").write_text("query-id\tcorpus-id\tscore\nq\t0\t1\n", encoding="utf-8")
    collection = load_streamed(CollectionName("beir", str(folder), DEFAULT_SPLIT), folder)
    model = str(models.dense(folder))
    encode = _encoding(collection, model, folder)
    seconds = best_seconds(
        {"ours": lambda: encode(LocalWorkers(_WORKERS)), "one": lambda: encode(ThisProcess())}, rounds=_ENCODE_ROUNDS
    )
    return speed_row(
        f"encode {_ENCODED_PASSAGES:,} passages of XQuAD-R into shards with {Path(model).name} and {_WORKERS} workers "
        f"(started and loaded in that time), against one process with {available_cores()} threads",
        _ENCODED_PASSAGES,
        seconds["ours"],
        seconds["one"],
        target=_ENCODE_TARGET,
    )


def _encoding(collection: StreamedCollection, model: str, folder: Path) -> Callable[[Engine], None]:
    """Return what encodes the collection into a new store."""
    encoder = load_encoder(model)
    source = EncoderSource(model, EncoderOptions(), None, encoder.info.fingerprint, folder)

    def encode(engine: Engine) -> None:
        with TemporaryDirectory(dir=folder) as store:
            encode_corpus(collection, encoder, source, Path(store), engine)

    return encode


def _write_corpus(folder: Path, passages: int) -> Path:
    """Write real sentences, again and again, as BEIR has them."""
    texts = cycle(xquad().passages["text"].tolist())
    path = folder / "corpus.jsonl"
    with path.open("w", encoding="utf-8") as handle:
        for number, text in enumerate(islice(texts, passages)):
            record = {"_id": str(number), "title": f"Passage {number}", "text": text, "metadata": {}}
            handle.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path
