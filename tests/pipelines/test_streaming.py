"""Streamed evaluation: the same tables and figures as in memory, shards that are kept, and a bound on memory."""

import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from babelrank.data.loading import load_collection
from babelrank.encoding.protocol import EncoderInfo
from babelrank.encoding.shards import find_missing
from babelrank.encoding.vectors import Kind
from babelrank.errors import BabelrankError, EncoderError, EngineError, SearchError
from babelrank.observer import Observer
from babelrank.pipelines.modes import Streaming, choose_mode
from babelrank.pipelines.submission import submit
from babelrank.ranking.table import read_ranks
from babelrank.reporting.results_file import read_results
from made_collections import folder_of_shards, write_beir, write_local
from observers import RecordingObserver
from paths import TESTS

STREAMED = Streaming(memory=10**11)  # more than other tests left in use


@pytest.fixture
def evaluate(monkeypatch, tmp_path):
    """Submit to a folder of its own; return the rank table, the results and what was told."""
    monkeypatch.chdir(TESTS)  # where the encoders are found

    def run(name, collection, streaming=None, *, encoder="words", store=None, **options):
        told = RecordingObserver()
        folder = submit(
            f"streamed_encoders:{encoder}",
            [collection],
            tmp_path / name,
            told,
            store=store or tmp_path / f"store of {name}",
            streaming=streaming,
            **options,
        ).folder
        (results,) = read_results(folder / "results.json").collections.values()
        return read_ranks(folder / results.ranks.file), results, told

    return run


def assert_same(streamed, in_memory):
    """Compare rank tables and results, with the digests of both tables, to the bit.

    Times, counts of encoded texts, and the embedding space, which streaming does not measure, may differ.
    """
    ranks, results, _ = streamed
    expected, expected_results, _ = in_memory
    pd.testing.assert_frame_equal(ranks.table, expected.table, check_exact=True)
    assert (ranks.languages, ranks.pool_sizes, ranks.tied) == (
        expected.languages,
        expected.pool_sizes,
        expected.tied,
    )
    same = {"seconds": results.seconds, "evaluated": results.evaluated, "texts_encoded": results.texts_encoded}
    same |= {"space": None, "cost": results.cost}
    assert replace(expected_results, **same) == results


def test_scifact_streamed_is_scifact_in_memory_to_the_bit(evaluate, real_data):
    if not (real_data / "beir" / "scifact").is_dir():
        pytest.skip(f"needs SciFact: {real_data}/beir/scifact is not there")
    collection = f"beir:{real_data / 'beir' / 'scifact'}"
    streamed = evaluate("streamed", collection, STREAMED)
    assert_same(streamed, evaluate("in memory", collection))
    assert streamed[1].pool.scores["nDCG@10"][0] > 0.03  # words retrieve something: ranks are not those of noise
    assert streamed[1].texts_encoded.document >= 5100


def test_no_memory_is_estimated_of_vectors_that_are_not_dense(tmp_path):
    collection = load_collection(f"local:{write_local(tmp_path / 'own')}", None)
    info = EncoderInfo("bm25", "bm25", "1", dimension=2**31, kind=Kind.SPARSE)
    assert choose_mode(collection, info, Streaming(), []) == (
        False,
        "evaluated in memory, since only dense vectors without transforms can be streamed",
    )


def test_languages_that_are_mixed_in_the_stream_are_ranked_as_in_memory(evaluate, tmp_path):
    collection = f"local:{write_local(tmp_path / 'own')}"
    streamed, in_memory = evaluate("streamed", collection, STREAMED), evaluate("in memory", collection)
    assert streamed[0].tied > 0
    assert streamed[0].table["rank_in_language"].ne(streamed[0].table["rank_in_pool"]).any()
    assert_same(streamed, in_memory)
    assert any("local:own: streamed, as requested; it needs about" in text for text in streamed[2].messages)
    assert any("local:own: evaluated in memory; it needs about" in text for text in in_memory[2].messages)


def test_queries_that_are_passages_are_ranked_without_themselves_either_way(evaluate, tmp_path):
    collection = f"beir:{write_beir(tmp_path / 'made', 400, own=range(2, 9))}"
    streamed, in_memory = (
        evaluate(name, collection, streaming, runs=tmp_path / name)
        for name, streaming in (("streamed", STREAMED), ("in memory", None))
    )
    assert_same(streamed, in_memory)
    for _, _, told in (streamed, in_memory):
        assert any("7 queries have the id of a passage, which is left out of their results" in m for m in told.messages)
    for folder in ("streamed", "in memory"):
        (run,) = (tmp_path / folder).glob("*.run")
        pairs = [line.split()[:3:2] for line in run.read_text().splitlines()]
        assert len(pairs) == 20 * 100
        assert not any(query == passage for query, passage in pairs)


@pytest.mark.parametrize("kind", ["local", "beir"])
def test_scores_that_nearly_tie_give_a_report_and_the_same_one_either_way(evaluate, tmp_path, kind):
    """More ranks differ between single and double precision here than any rounding would explain."""
    write = {"local": write_local, "beir": write_beir}[kind]
    collection = f"{kind}:{write(tmp_path / 'made', 400)}"
    streamed, in_memory = (
        evaluate(name, collection, streaming, encoder="collapsed")
        for name, streaming in (("streamed", STREAMED), ("in memory", None))
    )
    assert_same(streamed, in_memory)
    assert streamed[0].table["rank_in_pool"].max() > 100


def test_shards_are_kept_and_only_what_is_damaged_is_encoded_again(evaluate, tmp_path):
    collection, store = f"beir:{write_beir(tmp_path / 'made', 1500)}", tmp_path / "store"
    first = evaluate("first", collection, STREAMED, store=store)
    assert (first[1].texts_encoded.document, first[2].progress[-1]) == (1500, ("document", 1500, 1500))
    shards = sorted(folder_of_shards(store).glob("*.safetensors"))
    assert len(shards) == 6  # of 256 passages
    content = shards[2].read_bytes()
    shards[2].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    shards[5].unlink()
    again = evaluate("again", collection, STREAMED, store=store)
    assert again[1].texts_encoded.document == 256 + 1500 - 5 * 256
    assert any("4 of 6 shards are on disk, 1 damaged shards are encoded again" in text for text in again[2].messages)
    assert shards[2].read_bytes() == content
    assert_same(again, first)
    assert evaluate("third", collection, STREAMED, store=store)[1].texts_encoded.document == 0


def test_the_run_is_that_of_an_exact_search(evaluate, tmp_path):
    collection = f"beir:{write_beir(tmp_path / 'made', 400)}"
    for name, streaming in (("streamed", STREAMED), ("in memory", None)):
        evaluate(name, collection, streaming, runs=tmp_path / f"runs {name}")
    files = sorted(path.name for path in (tmp_path / "runs streamed").iterdir())
    assert len(files) == 2
    for file in files:
        ours, theirs = (
            (tmp_path / f"runs {name}" / file).read_text().splitlines() for name in ("streamed", "in memory")
        )
        assert len(ours) == len(theirs) > 30
        first = [{tuple(line.split()[:3]) for line in lines if line.split()[3] == "1"} for lines in (ours, theirs)]
        assert first[0] == first[1]


def test_disk_space_is_checked_before_anything_is_encoded(evaluate, tmp_path, monkeypatch):
    collection = f"beir:{write_beir(tmp_path / 'made', 600)}"
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(EncoderError, match=r"the vectors need .* is free"):
        evaluate("full", collection, STREAMED, store=tmp_path / "store")
    assert len(find_missing(folder_of_shards(tmp_path / "store"))) == 3


def test_what_cannot_be_streamed_is_refused_before_anything_is_encoded(evaluate, tmp_path):
    collection = f"beir:{write_beir(tmp_path / 'made', 300)}"
    with pytest.raises(EncoderError, match="transforms are fitted on all vectors at once"):
        evaluate("transformed", collection, STREAMED, transforms=["center"])
    with pytest.raises(EncoderError, match="only dense vectors can be streamed, these are sparse"):
        submit(
            "bm25", [collection], tmp_path / "bm25", RecordingObserver(), streaming=STREAMED, store=tmp_path / "store"
        )
    with pytest.raises(SearchError, match=r"--memory 50 MB is too low: babelrank with .* takes .* MB already"):
        evaluate("tight", collection, Streaming(memory=50 * 10**6))
    with pytest.raises(EngineError, match="unknown engine 'spark'"):  # before the model is looked for
        submit("no-such-model", [collection], tmp_path / "spark", Observer(), streaming=Streaming(engine="spark"))
    assert not list(tmp_path.glob("store*"))


def test_a_collection_that_would_not_fit_is_streamed_unasked(evaluate, tmp_path, monkeypatch):
    collection = f"beir:{write_beir(tmp_path / 'made', 300)}"
    monkeypatch.setattr("babelrank.pipelines.modes.available_memory", lambda: 300_000)
    told = evaluate("unasked", collection)[2]
    assert any(": streamed; it needs about" in text for text in told.messages)
    told = evaluate("transformed", collection, transforms=["center"])[2]
    assert any("evaluated in memory, since only dense vectors" in text for text in told.messages)


def test_collections_of_lareqa_stay_in_memory_and_say_so(evaluate):
    told = evaluate("sample", "sample:de,en", STREAMED)[2]
    assert "sample:de,en: evaluated in memory; only passages on disk can be streamed" in told.messages


_MEASURED = """
import sys
from pathlib import Path
from babelrank.encoding.registry import load_encoder
from babelrank.environment import resident_memory
from babelrank.pipelines.modes import Streaming, choose_mode
from babelrank.pipelines.submission import submit
from babelrank.observer import Observer

collection, folder, limit, small = sys.argv[1:]
for name in (small, collection):  # the first loads all code
    if name == collection:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is held
        before = resident_memory()
    streaming = Streaming(memory=before + int(limit) if name == collection else 10**10)
    store = Path(folder) / "store"
    submit("streamed_encoders:hashed", [name], Path(folder), Observer(), store=store, streaming=streaming)
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024 - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's account of memory")
def test_the_peak_stays_under_a_bound_below_the_size_of_the_vectors(tmp_path):
    """What the program and the encoder held before is not counted here; the bound that users give includes it."""
    limit = 330 * 10**6  # near the least that searching takes
    small, large = (write_beir(tmp_path / name, size) for name, size in (("small", 600), ("large", 60_000)))
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *map(str, (f"beir:{large}", out, limit, f"beir:{small}"))],
        cwd=TESTS,
        check=True,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    vectors = max(sum(file.stat().st_size for file in entry.iterdir()) for entry in (out / "store").iterdir())
    assert int(done.stdout.split()[-1]) < limit < vectors


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("1.5 g", 15 * 10**8), ("512MiB", 2**29), ("8kb", 8000)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    from babelrank.cli.common import parse_size

    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "-4GB", "0GB", "four GB"])
def test_what_is_no_size_is_refused(text):
    from babelrank.cli.common import parse_size

    with pytest.raises(BabelrankError, match="expected a size such as 4GB"):
        parse_size(text)
