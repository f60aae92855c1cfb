"""MIRACL: the real topics and judgements of Swahili and Telugu, and whole collections on made passages."""

import gzip
import json

import pytest

from babelrank.data.folders import LocalFile
from babelrank.data.judgements import TREC_QRELS, read_qrels, read_topics
from babelrank.data.loading import load_collection
from babelrank.data.miracl import load_miracl, topics_pattern
from babelrank.errors import DataError

# Zhang et al. 2023 (arXiv 2210.09984), Table 2, dev: queries and judgements.
PUBLISHED = {"sw": (482, 5092), "te": (828, 1606)}


def write_passages(root, lang, ids, *, shards=2):
    """Write made passages with these ids, in MIRACL's layout."""
    folder = root / f"miracl-corpus-v1.0-{lang}"
    folder.mkdir(parents=True)
    for shard in range(shards):
        records = [{"docid": name, "title": f"Title {name}", "text": f"text {name}"} for name in ids[shard::shards]]
        content = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"docs-{shard}.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    return folder


def write_topics(root, lang, topics="1\tNani?\n2\tWapi?\n", qrels="1 Q0 7#0 1\n1 Q0 7#1 0\n2\tQ0\t9#0\t1\n"):
    for kind, content in (("topics", topics), ("qrels", qrels)):
        path = root / topics_pattern(lang, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.fixture
def miracl(tmp_path):
    """A made Swahili collection."""
    root = tmp_path / "there"
    write_topics(root, "sw")
    write_passages(root, "sw", ["7#0", "7#1", "8#0", "9#0", "9#1"])
    return root


# --- real topics and judgements ---


@pytest.fixture(scope="module", params=sorted(PUBLISHED))
def real(request, real_data):
    """A language, and its real topics and judgements."""
    lang = request.param
    files = [real_data / "miracl" / topics_pattern(lang, kind) for kind in ("topics", "qrels")]
    if not all(file.is_file() for file in files):
        pytest.skip(f"needs MIRACL's topics and judgements: {files[0]} is not there")
    topics, qrels = map(LocalFile, files)
    return lang, read_topics(topics, lang), read_qrels([qrels], TREC_QRELS)


def test_the_published_counts_are_met(real):
    lang, topics, qrels = real
    assert (len(topics), len(qrels)) == PUBLISHED[lang]
    assert set(qrels["query_id"]) == set(topics["id"])
    assert set(qrels["grade"]) == {0, 1}


def test_every_real_query_has_a_relevant_passage(real):
    _, topics, qrels = real
    assert set(qrels["query_id"][qrels["grade"] > 0]) == set(topics["id"])


def test_a_collection_of_real_queries_over_made_passages(real, real_data, tmp_path):
    lang, topics, qrels = real
    ids = [*qrels["passage_id"].unique(), *(f"x#{i}" for i in range(100))]
    write_passages(tmp_path, lang, ids, shards=3)
    for kind in ("topics", "qrels"):
        path = tmp_path / topics_pattern(lang, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(real_data / "miracl" / topics_pattern(lang, kind))
    streamed = load_miracl(lang, tmp_path, folder=tmp_path)
    assert (len(streamed.queries), len(streamed.qrels)) == (PUBLISHED[lang][0], (qrels["grade"] > 0).sum())
    assert (len(streamed.passages), streamed.notes) == (len(ids), ())
    stream = [name for block in streamed.passages.blocks() for name in block.ids]
    assert [stream[row] for row in streamed.qrels["passage"]] == streamed.qrels["passage_id"].tolist()
    order = {name: row for row, name in enumerate(topics["id"])}
    assert streamed.queries["id"].map(order).is_monotonic_increasing


# --- layout ---


def test_topics_judgements_and_shards_make_a_collection(miracl, tmp_path):
    streamed = load_miracl("sw", tmp_path, folder=miracl)
    assert (streamed.name, streamed.languages, streamed.pool_sizes) == ("miracl:sw", ("sw",), {"sw": 5})
    assert streamed.queries["text"].tolist() == ["Nani?", "Wapi?"]
    assert streamed.qrels["passage_id"].tolist() == ["7#0", "9#0"]
    assert streamed.qrels["grade"].tolist() == [1, 1]
    (block,) = streamed.passages.blocks()
    assert block.texts[0] == "Title 7#0 text 7#0"


def test_both_repositories_may_stand_beside_each_other(miracl, tmp_path):
    data = tmp_path / "data"
    for kind, part in (("miracl", "miracl-v1.0-sw"), ("miracl-corpus", "miracl-corpus-v1.0-sw")):
        (data / "miracl" / kind).mkdir(parents=True)
        (miracl / part).rename(data / "miracl" / kind / part)
    assert len(load_miracl("sw", data).passages) == 5


def test_a_folder_without_the_passages_is_told(miracl, tmp_path):
    for shard in (miracl / "miracl-corpus-v1.0-sw").iterdir():
        shard.unlink()
    with pytest.raises(DataError) as caught:
        load_miracl("sw", tmp_path, folder=miracl)
    assert str(caught.value) == (
        f"{miracl}: found no miracl-corpus-v1.0-sw/docs-*.jsonl.gz in it or in miracl-corpus/."
    )


@pytest.mark.parametrize("line", ["3", "\tNani?"])
def test_a_line_that_is_no_topic_is_named(miracl, tmp_path, line):
    write_topics(miracl, "sw", topics=f"1\tNani?\n2\tWapi?\n{line}\n")
    with pytest.raises(DataError, match=r"topics\.miracl-v1\.0-sw-dev\.tsv:3: .* is not 'query-id\\ttext'"):
        load_miracl("sw", tmp_path, folder=miracl)


def test_a_line_that_is_no_judgement_of_trec_is_named(miracl, tmp_path):
    write_topics(miracl, "sw", qrels="1\tQ0\t7#0\t1\n1\t7#1\t1\n")
    with pytest.raises(DataError, match=r"dev\.tsv:2: .* is not 'query-id\\tQ0\\tpassage-id\\tgrade'"):
        load_miracl("sw", tmp_path, folder=miracl)


def test_a_passage_id_in_two_shards_is_an_error(miracl, tmp_path):
    shard = miracl / "miracl-corpus-v1.0-sw" / "docs-2.jsonl.gz"
    shard.write_bytes(gzip.compress(b'{"docid": "9#1", "title": "", "text": "x"}\n'))
    with pytest.raises(DataError, match=r"'9#1' at .*docs-\d\.jsonl\.gz:\d and .*docs-2\.jsonl\.gz:1"):
        load_miracl("sw", tmp_path, folder=miracl)


# --- names ---


def test_a_named_folder_is_read(miracl, tmp_path):
    assert len(load_collection(f"miracl:{miracl}:sw", tmp_path).passages) == 5


def test_an_unknown_language_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(DataError, match="miracl: unknown language 'xx'"):
        load_miracl("xx", tmp_path)
