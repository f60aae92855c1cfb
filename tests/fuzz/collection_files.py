"""Files of collections that load: a sample of each kind."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from babelrank.data.miracl import topics_pattern

Files = Mapping[str, bytes]  # content by relative path


def json_bytes(document: object) -> bytes:
    return json.dumps(document).encode()


def lines_bytes(*records: object) -> bytes:
    return b"".join(json_bytes(record) + b"\n" for record in records)


def parquet_bytes(**columns: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def lareqa() -> Files:
    def paragraph(lang: str) -> dict[str, Any]:
        return {
            "context": f"{lang} One. Two.",
            "sentences": [f"{lang} One.", "Two."],
            "sentence_breaks": [[0, 7], [8, 12]],
            "qas": [{"id": f"q{i}", "question": f"{lang} {i}?", "answers": [{"answer_start": 8 * i}]} for i in (0, 1)],
        }

    return {f"{lang}.json": json_bytes({"data": [{"paragraphs": [paragraph(lang)]}]}) for lang in ("de", "en")}


_CORPUS = [{"_id": f"d{i}", "title": "A", "text": f"text {i}"} for i in range(3)]
_QUERIES = [{"_id": f"q{i}", "text": f"query {i}"} for i in range(2)]


def beir() -> Files:
    return {
        "corpus.jsonl": lines_bytes(*_CORPUS),
        "queries.jsonl": lines_bytes(*_QUERIES),
        "qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq0\td0\t2\nq1\td1\t1\nq1\td2\t0\n",
        "README.md": b"---\nlanguage:\n- de\nlicense: mit\n---\n# Made\n",
    }


def mteb() -> Files:
    def table(records: list[dict[str, str]]) -> bytes:
        return parquet_bytes(**{name: [record[name] for record in records] for name in records[0]})

    qrels = {"query-id": ["q0", "q1"], "corpus-id": ["d0", "d1"], "score": [1, 2]}
    return {
        "corpus/test-00000-of-00001.parquet": table(_CORPUS),
        "queries/test-00000-of-00001.parquet": table(_QUERIES),
        "qrels/test-00000-of-00001.parquet": parquet_bytes(**qrels),
    }


def local() -> Files:
    passages = [{"id": f"p{i}", "lang": lang, "text": f"{lang} {i}"} for i, lang in enumerate(("de", "en", "tr"))]
    queries = [{"id": f"q-{lang}", "lang": lang, "text": f"{lang}?", "question": "q"} for lang in ("de", "en")]
    return {
        "passages.jsonl": lines_bytes(*passages),
        "queries.jsonl": lines_bytes(*queries),
        "qrels.tsv": b"q-de\tp0\t1\nq-de\tp1\t2\nq-en\tp0\t1\nq-en\tp1\t1\n",
    }


def table() -> Files:
    return {"faq.csv": b"id,question,answer,language\n1,Who?,Ann.,en\n1,Wer?,Ann.,de\n2,,Bob.,en\n"}


def miracl() -> Files:
    passages = lines_bytes(*({"docid": f"{i}#0", "title": "A", "text": f"text {i}"} for i in range(3)))
    return {
        topics_pattern("sw", "topics"): b"1\tNani?\n2\tWapi?\n",
        topics_pattern("sw", "qrels"): b"1\tQ0\t0#0\t1\n2\tQ0\t1#0\t1\n",
        "miracl-corpus-v1.0-sw/docs-0.jsonl.gz": gzip.compress(passages, mtime=0),
    }


def configured() -> Files:
    """A repository with a configuration for each language, as MTEB's are."""
    card = "---\nconfigs:\n"
    files = {}
    for lang in ("de", "en"):
        for part, content in (("corpus", _CORPUS), ("queries", _QUERIES)):
            card += f"- config_name: {lang}-{part}\n  data_files:\n  - split: test\n    path: {lang}/{part}.jsonl\n"
            files[f"{lang}/{part}.jsonl"] = lines_bytes(*content)
        card += f"- config_name: {lang}-qrels\n  data_files:\n  - split: test\n    path: {lang}/qrels.jsonl\n"
        files[f"{lang}/qrels.jsonl"] = lines_bytes({"query-id": "q0", "corpus-id": "d0", "score": 1})
    return {**files, "README.md": f"{card}---\n# Made\n".encode()}


def mteb_task() -> Files:
    """Return what a task of mteb loads: per subset, corpus and queries as records, and grades by query and passage."""
    subsets = {}
    for lang in ("deu", "eng"):
        corpus = [{"id": f"{lang}-d{i}", "title": "A", "text": f"{lang} text {i}"} for i in range(3)]
        queries = [{"id": f"q{i}", "text": f"{lang} query {i}"} for i in range(2)]
        qrels = {"q0": {f"{lang}-d0": 2, f"{lang}-d1": 0}, "q1": {f"{lang}-d1": 1}}
        subsets[lang] = {"corpus": corpus, "queries": queries, "relevant_docs": qrels, "top_ranked": None}
    return {"task.json": json_bytes(subsets)}


def ir_data_set() -> Files:
    return {
        "docs.tsv": b"d0\tAnn ran home.\nd1\tBob ate bread.\n",
        "queries.tsv": b"0\tWho ran?\n1\tWho ate?\n",
        "qrels.txt": b"0 0 d0 2\n1 0 d1 1\n1 0 d0 0\n",
    }


def ntrex() -> Files:
    lines = [f"Line {i}." for i in range(8)]
    texts = {
        code: "".join(f"{code} {line}\n" for line in lines).encode() for code in ("src.eng", "ref.deu", "ref.zho-CN")
    }
    return {
        "DOCUMENT_IDS.tsv": "".join(f"document-{i // 4}\n" for i in range(8)).encode(),
        "LANGUAGES.tsv": b"deu\tGerman\nzho-CN\tChinese\n",
        **{f"NTREX-128/newstest2019-{code}.txt": text for code, text in texts.items()},
    }


def afriqa() -> Files:
    record = {"question_lang": "Nani?", "question_translated": "Who?", "title": "Ann", "context": "Ann ran."}
    answer = {"answer_pivot": {"answer_start": [0], "text": ["Ann"]}, "answer_lang": "Ann"}
    place = "data/gold_passages/{0}/gold_span_passages.afriqa.{0}.{1}.test.json"
    records = [{"id": str(i), **record, **answer, "context": f"Ann ran {i}."} for i in range(2)]
    return {place.format(code, pivot): lines_bytes(*records) for code, pivot in (("swa", "en"), ("fon", "fr"))}
