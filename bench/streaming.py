"""Measure streaming: reading a large BEIR folder against plain `json`, and encoding with two workers against one."""

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from babelrank.data.collection import Collection
from babelrank.data.folders import LocalFile
from babelrank.data.loading import load_collection
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.encoding.corpus import EncoderSource, encode_corpus
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.engines.local import LocalWorkers, ThisProcess
from babelrank.engines.protocol import Engine
from babelrank.environment import available_cores
from bench import models
from bench.material import TINY, sized, xquad
from bench.table import Row, duration_row, speed_row
from bench.timing import best_seconds

_READ_PASSAGES = sized(1_000_000, 1_000)
_READ_ROUNDS = sized(3, 1)
_READ_TARGET = 1.5
_ENCODED_PASSAGES = (sized(512, 32), sized(2048, 320))  # shards have 256 texts: the same number for each worker
_ENCODE_ROUNDS = sized(2, 1)
_ENCODE_TARGET = 1.0
_WORKERS = sized(2, 1)


def measure() -> Iterator[Row]:
    """Compare reading, then encoding."""
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        yield _measure_reading(Path(folder))
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        yield _measure_workers(Path(folder))


def _measure_reading(folder: Path) -> Row:
    path = _write_corpus(folder, _READ_PASSAGES)
    source = PassageSource((LocalFile(path),), PassageLayout(("_id",), "en"))

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
    """Compare speeds without startup, which does not grow with the corpus: the difference of many and few passages."""
    # Tiny: without PyTorch, a worker starts sooner.
    model = str(models.static(folder, models.raw_minilm(folder)) if TINY in os.environ else models.dense(folder))
    engines: dict[str, Engine] = {"ours": LocalWorkers(_WORKERS), "one": ThisProcess()}
    few, many = (_encoding(_write_collection(folder / str(size), size), model, folder) for size in _ENCODED_PASSAGES)
    seconds = best_seconds(
        {
            (name, size): partial(encode, engine)
            for name, engine in engines.items()
            for size, encode in (("few", few), ("many", many))
        },
        rounds=_ENCODE_ROUNDS,
    )
    fewest, most = _ENCODED_PASSAGES
    ours, one = (seconds[name, "many"] - seconds[name, "few"] for name in engines)
    start = seconds["ours", "few"] - seconds["one", "few"]
    return speed_row(
        f"encode {most - fewest:,} passages of XQuAD-R into shards with {Path(model).name} and {_WORKERS} workers "
        f"(their start, about {start:.0f} s, left out), against one process with {available_cores()} threads",
        most - fewest,
        ours,
        one,
        target=_ENCODE_TARGET,
    )


def _write_collection(folder: Path, passages: int) -> Collection:
    (folder / "qrels").mkdir(parents=True)
    _write_corpus(folder, passages)
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "a query"}\n', encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t0\t1\n", encoding="utf-8")
    return load_collection(f"beir:{folder}", folder)


def _encoding(collection: Collection, model: str, folder: Path) -> Callable[[Engine], None]:
    """Return a function that encodes the collection into a new store."""
    encoder = load_encoder(model)
    source = EncoderSource(model, EncoderOptions(), None, encoder.info.fingerprint, folder)

    def encode(engine: Engine) -> None:
        with TemporaryDirectory(dir=folder) as store:
            encode_corpus(collection, encoder, source, Path(store), engine)

    return encode


def _write_corpus(folder: Path, passages: int) -> Path:
    """Write repeated real sentences in BEIR's layout."""
    texts = cycle(xquad().passages.frame["text"].tolist())
    path = folder / "corpus.jsonl"
    with path.open("w", encoding="utf-8") as handle:
        for number, text in enumerate(islice(texts, passages)):
            record = {"_id": str(number), "title": f"Passage {number}", "text": text, "metadata": {}}
            handle.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path
