"""BEIR's layout: judged queries, graded judgements, what does not fit together; SciFact as published."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from babelrank.analysis.summary import analyse
from babelrank.data.loading import load_collection
from babelrank.encoding.representations import encode
from babelrank.errors import DataError
from babelrank.ranking.rank import rank

CORPUS = [
    {"_id": "d1", "title": "Ann", "text": "Ann ran."},
    {"_id": 2, "text": "Bob sat."},
    {"_id": "d3", "title": "Cy", "text": ""},
    {"_id": "d4", "text": ""},
]
QUERIES = [
    {"_id": "q1", "text": "Who ran?", "metadata": {}},
    {"_id": 2, "text": "Who sat?"},
    {"_id": "q3", "text": "Unjudged?"},
    {"_id": "q4", "text": "Nothing is right?"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\t2\t0\nq1\td3\t1\n2\t2\t1\nq4\td1\t0\n"


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def folder(tmp_path):
    """A small collection: q3 has no judgements, q4 only one of no relevance."""
    path = tmp_path / "tiny"
    (path / "qrels").mkdir(parents=True)
    (path / "corpus.jsonl").write_text(lines(CORPUS))
    (path / "queries.jsonl").write_text(lines(QUERIES))
    (path / "qrels" / "test.tsv").write_text(QRELS)
    return path


def load(folder, split="test"):
    return load_collection(f"beir:{folder}:{split}", folder.parent / "nowhere")


def judgements(streamed):
    """Return (query id, passage id, grade) of each judgement."""
    ids = streamed.queries["id"].to_numpy()[streamed.qrels["query"]]
    return list(zip(ids, streamed.qrels["passage_id"], streamed.qrels["grade"], strict=True))


# --- protocol ---


def test_only_judged_queries_count(folder):
    streamed = load(folder)
    assert streamed.queries.to_dict("list") == {
        "lang": ["und", "und"],
        "id": ["q1", "2"],
        "question": ["q1", "2"],
        "text": ["Who ran?", "Who sat?"],
    }
    assert streamed.notes[1:3] == (
        "1 queries without a judgement were dropped",
        "1 queries without a relevant passage were dropped, which trec_eval counts as 0",
    )


def test_queries_that_are_passages_themselves_are_told(folder):
    (folder / "qrels" / "test.tsv").write_text(QRELS.replace("2\t2\t1", "2\td3\t1"))
    streamed = load(folder)
    assert streamed.notes[-1].startswith("1 queries have the id of a passage, which is left out")
    assert streamed.self_matches.tolist() == [-1, 1]


def test_a_passage_with_the_id_of_a_query_that_is_relevant_to_it_is_no_copy(folder):
    streamed = load(folder)
    assert streamed.notes[-1] == "1 queries have the id of a passage, which stays in their results"
    assert streamed.self_matches is None
    assert ("2", "2", 1) in judgements(streamed)


def test_where_no_query_is_a_passage_nothing_is_left_out(folder):
    path = folder / "queries.jsonl"
    path.write_text(path.read_text().replace('"_id": 2', '"_id": "q2"'))
    (folder / "qrels" / "test.tsv").write_text(QRELS.replace("\n2\t2", "\nq2\t2"))
    streamed = load(folder)
    assert not any("id of a passage" in note for note in streamed.notes)
    assert streamed.self_matches is None


def test_grades_are_kept_and_0_is_judged_not_relevant(folder):
    streamed = load(folder)
    assert judgements(streamed) == [("q1", "d1", 2), ("q1", "d3", 1), ("2", "2", 1)]
    assert streamed.qrels["passage"].tolist() == [0, 2, 1]


def test_documents_without_text_stay_in_the_pool_and_are_counted(folder):
    streamed = load(folder)
    assert (len(streamed.passages), streamed.pool_sizes, streamed.languages) == (4, {"und": 4}, ("und",))
    assert "1 passages have no text; they stay in the pool" in streamed.notes


def test_a_streamed_collection_becomes_one_in_memory(folder):
    collection = load(folder).with_passages_in_memory()
    assert collection.passages.frame["text"].tolist() == ["Ann Ann ran.", "Bob sat.", "Cy", ""]
    assert collection.qrels[["query", "passage", "grade"]].to_numpy().tolist() == [[0, 0, 2], [0, 2, 1], [1, 1, 1]]
    assert (collection.name, collection.candidates, collection.query_counts) == ("beir:tiny", "passage", {"und": 2})


def test_it_is_ranked_and_analysed_as_any_collection(folder, fake_encoder, tmp_path):
    collection = load(folder).with_passages_in_memory()
    encoder = fake_encoder()
    ranks = rank(collection, encode(encoder, collection, store=tmp_path / "store")).ranks
    scores = analyse(ranks)
    assert ranks.table["grade"].tolist() == [2, 1, 1]
    # By hand, from the vectors themselves.
    passages = np.stack([encoder.vector("document", text) for text in collection.passages.frame["text"]])
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    first = passages @ encoder.vector("query", "Who ran?")
    places = {i: 1 + (first > first[i]).sum() for i in (0, 2)}
    gain = (2 / np.log2(1 + places[0]) + 1 / np.log2(1 + places[2])) / (2 + 1 / np.log2(3))
    second = passages @ encoder.vector("query", "Who sat?")
    expected = (gain + 1 / np.log2(2 + (second > second[1]).sum())) / 2
    assert scores.macro["monolingual"]["nDCG@10"] == pytest.approx(expected, abs=1e-6)
    assert scores.macro["cross_lingual"]["nDCG@10"] is None


@pytest.mark.parametrize("kind", [".jsonl.gz", ".parquet"])
def test_gzipped_files_and_parquet_are_the_same_collection(folder, kind):
    plain = load(folder)
    for stem, records in (("corpus", CORPUS), ("queries", QUERIES)):
        (folder / f"{stem}.jsonl").unlink()
        if kind == ".parquet":
            (folder / stem).mkdir()
            table = pd.DataFrame(records).drop(columns="metadata", errors="ignore").astype({"_id": "str"})
            table.to_parquet(folder / stem / f"tiny-{stem}{kind}")
        else:
            (folder / f"{stem}{kind}").write_bytes(gzip.compress(lines(records).encode()))
    other = load(folder)
    assert (other.sha256, judgements(other)) == (plain.sha256, judgements(plain))


def test_the_digest_changes_with_every_part(folder):
    digests = [load(folder).sha256]
    for path, old, new in (
        ("corpus.jsonl", "Bob sat", "Bob stood"),
        ("queries.jsonl", "Who sat", "Who stood"),
        ("qrels/test.tsv", "q1\td1\t2", "q1\td1\t1"),
    ):
        (folder / path).write_text((folder / path).read_text().replace(old, new))
        digests.append(load(folder).sha256)
    assert len(set(digests)) == 4


def test_the_language_can_be_another(folder):
    assert load_collection(f"beir:{folder}@pl").pool_sizes == {"pl": 4}


# --- judgements ---


@pytest.mark.parametrize(
    "content",
    [
        QRELS.partition("\n")[2],  # no header
        "\ufeff" + QRELS.replace("\n", "\r\n"),
        QRELS + "\n\nq1\td1\t2\n",  # a blank line, and a judgement that stands twice
    ],
)
def test_headers_byte_order_marks_and_line_ends_do_not_matter(folder, content):
    expected = judgements(load(folder))
    (folder / "qrels" / "test.tsv").write_bytes(content.encode())
    assert judgements(load(folder)) == expected


def test_a_grade_below_0_is_judged_not_relevant(folder):
    """As in TREC-COVID, whose judgements have -1."""
    expected = judgements(load(folder))
    (folder / "qrels" / "test.tsv").write_text(QRELS.replace("\t0\n", "\t-1\n"))
    assert "-1" in (folder / "qrels" / "test.tsv").read_text()
    assert judgements(load(folder)) == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("q1\td1\t1.5", "grade '1.5' is not a whole number."),
        ("q1\td1\thigh", "grade 'high' is not a whole number."),
        ("q1\td1", "'q1\\td1' is not 'query-id\\tcorpus-id\\tscore'."),
        ("q1\tQ0\td1\t1", "'q1\\tQ0\\td1\\t1' is not 'query-id\\tcorpus-id\\tscore'."),
        ("\td1\t1", "empty id."),
        ("q1\td1\t1", "grade 1 of ('q1', 'd1') conflicts with grade 2 on line 2."),
    ],
)
def test_a_line_that_is_no_judgement_is_named(folder, line, complaint):
    path = folder / "qrels" / "test.tsv"
    path.write_text(QRELS + line + "\n")
    with pytest.raises(DataError) as caught:
        load(folder)
    assert str(caught.value) == f"{path}:7: {complaint}"


def test_a_first_line_with_a_bad_grade_is_no_header(folder):
    (folder / "qrels" / "test.tsv").write_text("q1\td1\t0.5\n")
    with pytest.raises(DataError, match=r"test\.tsv:1: grade '0\.5' is not a whole number"):
        load(folder)


@pytest.mark.parametrize("content", ["", "query-id\tcorpus-id\tscore\n"])
def test_no_judgements_are_an_error(folder, content):
    (folder / "qrels" / "test.tsv").write_text(content)
    with pytest.raises(DataError, match=r"test\.tsv: has no judgements"):
        load(folder)


def test_judgements_of_what_is_not_there_are_left_out_and_told(folder):
    more = [{"_id": f"m{i}", "text": "more"} for i in range(60)]
    (folder / "corpus.jsonl").write_text(lines(CORPUS + more))
    extra = "".join(f"2\tm{i}\t1\n" for i in range(60)) + "2\tghost\t1\nnobody\td1\t1\nno-one\td1\t1\n"
    (folder / "qrels" / "test.tsv").write_text(QRELS + extra)
    streamed = load(folder)
    assert len(streamed.qrels) == 63
    assert streamed.notes[-2:] == (
        "2 judgements name unknown queries: nobody, no-one",
        "1 judgements name unknown passages: ghost",
    )


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [
        ("ghost\td1\t1", "queries", "ghost"),
        ("q1\tghost\t1", "passages", "ghost"),
        ("q1\xa0\td1\t1", "queries", r"'q1\xa0'"),
    ],
)
def test_many_judgements_of_what_is_not_there_are_an_error(folder, line, kind, name):
    (folder / "qrels" / "test.tsv").write_text(QRELS + line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load(folder)
    assert str(caught.value) == (
        f"beir:tiny: 1 of 6 judgements name unknown {kind} ({name}). With more than 5%, queries, "
        "passages and qrels probably do not belong together. If they do, choose --missing count or --missing ignore."
    )
    allowed = load_collection(f"beir:{folder}", allow_mismatch=True)
    assert f"1 judgements name unknown {kind}: {name}" in allowed.notes


def test_nothing_relevant_at_all_is_an_error(folder):
    (folder / "qrels" / "test.tsv").write_text("q1\td1\t0\n")
    with pytest.raises(DataError, match="beir:tiny: no query has a relevant passage"):
        load(folder)


# --- queries ---


def test_a_repeated_query_id_is_an_error(folder):
    (folder / "queries.jsonl").write_text(lines([*QUERIES, {"_id": "2", "text": "Again?"}]))
    with pytest.raises(DataError, match=r"queries\.jsonl:5: query id '2' is also used for another query on line 2"):
        load(folder)


def test_a_query_without_text_is_an_error_only_if_it_is_judged(folder):
    (folder / "queries.jsonl").write_text(lines([*QUERIES[:2], {"_id": "q3", "text": " "}, QUERIES[3]]))
    assert load(folder).notes[1] == "1 queries without a judgement were dropped"
    (folder / "queries.jsonl").write_text(lines([{"_id": "q1", "text": ""}, *QUERIES[1:]]))
    with pytest.raises(DataError, match="beir:tiny: query 'q1' has no text"):
        load(folder)


@pytest.mark.parametrize(
    "record", [{"_id": "x"}, {"text": "x"}, {"_id": "x", "text": 3}, [], {"_id": None, "text": "x"}]
)
def test_a_record_that_is_no_query_is_named(folder, record):
    (folder / "queries.jsonl").write_text(lines([*QUERIES, record]))
    with pytest.raises(DataError, match=r"queries\.jsonl:5: .*expected \{\"_id\": …, \"text\": …\}"):
        load(folder)


# --- places ---


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("corpus.jsonl", "tiny: no corpus.jsonl, nor corpus.jsonl.gz, corpus.parquet."),
        ("queries.jsonl", "tiny: no queries.jsonl, nor queries.jsonl.gz, queries.parquet."),
        ("qrels/test.tsv", "tiny: no qrels/test.tsv."),
    ],
)
def test_a_missing_file_is_named(folder, missing, complaint):
    (folder / missing).unlink()
    with pytest.raises(DataError) as caught:
        load(folder)
    assert str(caught.value).endswith(complaint)


def test_an_unknown_split_is_told_with_those_that_there_are(folder):
    (folder / "qrels" / "dev.tsv").write_text("q3\td1\t1\n")
    with pytest.raises(DataError, match=r"tiny: unknown split 'train'\. Known: dev, test\."):
        load(folder, split="train")
    dev = load(folder, split="dev")
    assert (dev.name, dev.queries["id"].tolist()) == ("beir:tiny:dev", ["q3"])


def test_queries_and_judgements_may_be_in_several_files(folder):
    whole = load(folder)
    (folder / "queries.jsonl").unlink()
    (folder / "queries-1.jsonl").write_text(lines(QUERIES[:2]))
    (folder / "queries-2.jsonl").write_text(lines(QUERIES[1:]))
    (folder / "qrels" / "test.tsv").unlink()
    for number, rows in enumerate((QRELS.splitlines()[:3], QRELS.splitlines()[3:])):
        (folder / "qrels" / f"test-0000{number}-of-00002.tsv").write_text("\n".join(rows))
    parts = load(folder)
    assert parts.sha256 == whole.sha256
    assert "1 queries are repeated; each counts once" in parts.notes
    (folder / "queries-2.jsonl").write_text(lines([{"_id": "q1", "text": "Other?"}]))
    with pytest.raises(DataError, match=r"queries-2\.jsonl:1: query id 'q1' .* on line 1 of .*queries-1\.jsonl\."):
        load(folder)


@pytest.mark.parametrize("name", ["corpus", "qrels", "queries"])
def test_a_missing_shard_is_noticed(folder, name):
    path = folder / ("qrels/test.tsv" if name == "qrels" else f"{name}.jsonl")
    path.rename(path.with_name(f"{path.stem}-00001-of-00003{path.suffix}"))
    with pytest.raises(DataError, match=rf"only 1 of 3 files of the {name} exist: .*-00001-of-00003"):
        load(folder)


@pytest.mark.parametrize(
    ("there", "expected"),
    [("corpus.json", "corpus.jsonl"), ("queries.JSONL", "queries.jsonl"), ("qrels/test.csv", "qrels/test.tsv")],
)
def test_files_of_another_kind_are_named(folder, there, expected):
    (folder / expected).rename(folder / there)
    with pytest.raises(DataError, match=rf"no {expected}.*; there is .*{there}\."):
        load(folder)


def test_no_queries_are_an_error(folder):
    (folder / "queries.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"queries\.jsonl: has no queries\."):
        load(folder)


def test_a_collection_below_the_data_folder_goes_by_its_name(folder):
    data = folder.parent / "data"
    (data / "beir").mkdir(parents=True)
    folder.rename(data / "beir" / "tiny")
    assert load_collection("beir:tiny", data).name == "beir:tiny"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="none: no such folder"):
        load_collection(f"beir:{tmp_path / 'none'}")


# --- real data ---


@pytest.fixture(scope="module")
def scifact(real_data):
    if not (real_data / "beir" / "scifact").is_dir():
        pytest.skip(f"needs SciFact in BEIR's layout: {real_data / 'beir' / 'scifact'} is not there")
    return load_collection("beir:scifact", real_data)


def test_scifact_has_the_published_counts(scifact):
    assert (len(scifact.passages), len(scifact.queries), len(scifact.qrels)) == (5183, 300, 339)
    assert (scifact.name, scifact.notes) == ("beir:scifact", ())
    assert set(scifact.qrels["grade"]) == {1}


def test_scifact_agrees_with_a_plain_reading_of_its_files(scifact, real_data):
    folder = real_data / "beir" / "scifact"
    corpus = {d["_id"]: d for d in map(json.loads, (folder / "corpus.jsonl").read_text("utf-8").splitlines())}
    rows = [line.split("\t") for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]]
    assert sorted(judgements(scifact)) == sorted((query, passage, int(grade)) for query, passage, grade in rows)
    collection = scifact.with_passages_in_memory()
    assert collection.passages.frame["id"].tolist() == list(corpus)
    assert collection.passages.frame["text"].tolist() == [f"{d['title']} {d['text']}".strip() for d in corpus.values()]
    relevant = collection.passages.frame["id"].to_numpy()[collection.qrels["passage"]]
    assert relevant.tolist() == scifact.qrels["passage_id"].tolist()
