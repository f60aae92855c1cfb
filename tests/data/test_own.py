"""One's own data: a table of questions and answers, a template to begin from, and all that is wrong said at once."""

import gzip

import pandas as pd
import pytest

from babelrank.data.loading import load_collection
from babelrank.errors import DataError
from babelrank.reporting.results_file import read_results

ROWS = [
    ("q1", "en", "Who ran?", "Ann ran."),
    ("q1", "de", "Wer lief?", "Ann lief, sagte\nBob; zweimal."),
    ("q2", "en", 'Who said "no"?', 'Bob said "no".'),
    ("q3", "de", "", "Cy lag."),
]
TABLE = pd.DataFrame(ROWS, columns=["id", "language", "question", "answer"])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("faq.csv", {}),
        ("faq.csv", {"sep": ";"}),
        ("faq.tsv", {"sep": "\t"}),
        ("faq.csv", {"encoding": "utf-8-sig", "quoting": 1}),
    ],
)
def test_a_table_is_a_collection_in_several_languages(tmp_path, name, options):
    TABLE.to_csv(tmp_path / name, index=False, **options)
    collection = load_collection(f"local:{tmp_path / name}")
    assert (collection.name, collection.source, collection.languages) == (f"local:{name}", "local", ("de", "en"))
    assert (collection.query_counts, collection.pool_sizes) == ({"de": 1, "en": 2}, {"de": 2, "en": 2})
    answers = {}
    texts = collection.passages.frame["text"]
    for query, passage in collection.qrels[["query", "passage"]].itertuples(index=False):
        answers.setdefault(collection.queries["text"][query], set()).add(texts[passage])
    assert answers == {
        "Who ran?": {"Ann ran.", "Ann lief, sagte\nBob; zweimal."},
        "Wer lief?": {"Ann ran.", "Ann lief, sagte\nBob; zweimal."},
        'Who said "no"?': {'Bob said "no".'},
    }
    assert collection.labels.tolist() == ["de:q1", "en:q1", "en:q2"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_of_any_system_are_read(tmp_path, end):
    (tmp_path / "faq.csv").write_bytes(f"sep=;{end}question;answer;language{end}Who?;Ann.;en{end}".encode())
    assert load_collection(f"local:{tmp_path / 'faq.csv'}").passages["id"].tolist() == ["line-3/en/3"]
    (tmp_path / "faq.csv").write_bytes("question,answer,language\nWho?,Ann.,en\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"faq\.csv: UTF-16; save it as UTF-8"):
        load_collection(f"local:{tmp_path / 'faq.csv'}")
    (tmp_path / "faq.csv").write_bytes("question,answer,language\nGrün?,Ja.,de\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"faq\.csv: not valid Unicode .*; save it as UTF-8"):
        load_collection(f"local:{tmp_path / 'faq.csv'}")


def test_tables_as_spreadsheets_and_scripts_save_them(tmp_path):
    long = "word " * 40_000
    content = f'Question,Answer,Language,id,,\nWho?,"{long}",EN,1,,\nWho?,Ann.,en,1,,\n,,,,,\n'
    (tmp_path / "faq.csv.gz").write_bytes(gzip.compress(content.encode()))
    collection = load_collection(f"local:{tmp_path / 'faq.csv.gz'}")
    assert (collection.query_counts, collection.pool_sizes) == ({"en": 1}, {"en": 2})
    assert collection.passages.frame["text"].tolist() == [long.strip(), "Ann."]
    assert collection.notes == ("the language code EN or en is read as en",)


def test_the_language_may_be_called_as_in_the_files_of_a_folder(tmp_path):
    (tmp_path / "faq.csv").write_text("lang,question,answer\nen,Who?,Ann.\n")
    assert load_collection(f"local:{tmp_path / 'faq.csv'}").languages == ("en",)


def test_rows_that_are_repeated_count_once(tmp_path):
    pd.concat([TABLE, TABLE[:2]]).to_csv(tmp_path / "faq.csv", index=False)
    collection = load_collection(f"local:{tmp_path / 'faq.csv'}")
    assert (collection.pool_sizes, collection.notes[0]) == (
        {"de": 2, "en": 2},
        "2 rows are repeated; each counts once",
    )


def test_without_ids_each_row_is_a_question_of_its_own(tmp_path):
    TABLE.drop(columns="id").to_csv(tmp_path / "faq.csv", index=False)
    assert len(load_collection(f"local:{tmp_path / 'faq.csv'}").qrels) == 3


def test_a_question_may_have_several_answers(tmp_path):
    pd.concat([TABLE, TABLE[:1].assign(answer="It was Ann.")]).to_csv(tmp_path / "faq.csv", index=False)
    collection = load_collection(f"local:{tmp_path / 'faq.csv'}")
    assert len(collection.queries) == 3
    assert collection.qrels["query"].tolist() == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,question,answer\n1,a,b\n", r"faq\.csv: no column language; its first line names id, question, answer"),
        ("question,answer,language\na,b,en\na,,en\n", r"faq\.csv:3: no answer"),
        ("question,answer,language\na,b\n", r"faq\.csv:2: no language"),
        ("question,answer,language\na,b,en,c\n", r"faq\.csv:2: 4 cells, but 3 columns"),
        ('question,answer,language\na,"b,en\n', r"faq\.csv:2: no row of columns"),
        ("question,answer,language\na,b,english\n", r"faq\.csv:2: 'english' is not a language code"),
        ("question,answer,language\na,b,en\na,c,en" + "x" * 99, r"faq\.csv:3: longer than 0 MiB"),
        (
            "id,question,answer,language\n1,a,b,en\n1,c,d,EN\n",
            r"faq\.csv:3: id '1' has another question in en on line 2",
        ),
        ("question,answer,language\n,b,en\n", r"faq\.csv: has no questions"),
        ("question,answer,language\n", r"faq\.csv: has no questions"),
        ("", r"faq\.csv: no column question, answer, language; its first line names none"),
        ("Who?,Ann.,en\n", r"faq\.csv: no column question, answer, language; its first line names who\?, ann\., en"),
        ("question,answer,language,id,id\na,b,en,1,2\n", r"faq\.csv: two columns are called 'id'"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr("babelrank.data.records._LONGEST", 90)
    (tmp_path / "faq.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load_collection(f"local:{tmp_path / 'faq.csv'}")


# --- a template, and what is wrong with what became of it ---


def test_a_template_can_be_evaluated_as_it_is(babelrank, tmp_path):
    assert babelrank("data", "init", "own").code == 0
    passages = tmp_path / "own" / "passages.jsonl"
    passages.write_text(passages.read_text("utf-8") + passages.read_text("utf-8").splitlines()[0], "utf-8")
    checked = babelrank("data", "check", "local:own")
    assert checked.code == 0
    assert "local:own: 4 queries, 5 passages, 8 relevant pairs, 4 of them across languages" in checked.out
    assert "de: 2 queries, 3 passages" in checked.out
    outcome = babelrank("submit", "bm25", "-c", "local:own", "--out", "out", "--store", "store")
    assert outcome.code == 0, outcome.err
    note = "1 passages are exact copies of another; each counts once"
    assert note in checked.out
    (report,) = (tmp_path / "out").glob("*/report.md")
    assert f"the collection | {note}" in report.read_text("utf-8")
    assert read_results(report.with_name("results.json")).collections["local:own"].notes == [note]


def test_a_template_overwrites_nothing(babelrank, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "qrels.tsv").write_text("mine")
    outcome = babelrank("data", "init", "own")
    assert outcome.code == 2
    assert "own: qrels.tsv would be overwritten; name another folder" in outcome.err
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["qrels.tsv"]


def test_all_that_is_wrong_is_said_at_once(babelrank, tmp_path):
    babelrank("data", "init", "own")
    own = tmp_path / "own"
    (own / "qrels.tsv").unlink()
    (own / "queries.jsonl").write_text('{"id": "q", "text": "?"}\n')
    (own / "passages.jsonl").write_text('{"id": "p", "lang": "de"}\n')
    outcome = babelrank("data", "check", "local:own")
    assert outcome.code == 2
    for problem in ("queries.jsonl:1: no field 'lang'", "own: no qrels.tsv", "passages.jsonl:1: no field 'text'"):
        assert problem in outcome.err
    (own / "passages.jsonl").unlink()
    assert "own: no passages.jsonl" in babelrank("data", "check", "local:own").err


def test_judgements_that_fit_neither_side_are_told_of_both(babelrank, tmp_path):
    babelrank("data", "init", "own")
    (tmp_path / "own" / "qrels.tsv").write_text("x\ty\t1\n")
    outcome = babelrank("data", "check", "local:own")
    assert "1 of 1 judgements name unknown queries (x)" in outcome.err
    assert "1 of 1 judgements name unknown passages (y)" in outcome.err


def test_every_kind_of_collection_is_listed_with_an_example(babelrank, tmp_path):
    listed = babelrank("data", "list", "--data", tmp_path).out
    for example in ("miracl:sw,te", "beir:scifact", "local:my-collection", "local:faq.csv"):
        assert example in listed


def test_a_folder_of_which_no_page_can_show_the_name_is_refused(tmp_path):
    folder = tmp_path / "a\x1b[2J"
    folder.mkdir()
    for name, content in (
        ("queries.jsonl", '{"id": "q", "lang": "en", "text": "Who?"}\n'),
        ("passages.jsonl", '{"id": "p", "lang": "en", "text": "Ann."}\n'),
        ("qrels.tsv", "q\tp\t1\n"),
    ):
        (folder / name).write_text(content)
    with pytest.raises(DataError, match=r"collection 'local:a\\x1b\[2J' holds the control character U\+001B"):
        load_collection(f"local:{folder}")
