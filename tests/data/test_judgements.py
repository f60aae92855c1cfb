"""Judgements from files: headers, quotation marks, grades, white space; what cannot be read is named by its line."""

import pandas as pd
import pytest

from babelrank.data.folders import LocalFile
from babelrank.data.judgements import BEIR_QRELS, MAX_GRADE, TREC_QRELS, read_qrels
from babelrank.errors import DataError


def read(folder, content, layout=BEIR_QRELS, name="test.tsv"):
    path = folder / name
    path.write_bytes(content.encode())
    table = read_qrels([LocalFile(path)], layout)
    return list(table.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    "header",
    ["query-id\tcorpus-id\tscore", "query_id\tdoc_id\trelevance", "qid\tpid\tlabel", "Query ID\tPassage ID\tGrade"],
)
def test_a_first_line_of_names_is_a_header(tmp_path, header):
    assert read(tmp_path, f"{header}\nq\td\t1\n") == [("q", "d", 1)]
    assert read(tmp_path, "q\td\t1\nr\td\t0\n") == [("q", "d", 1), ("r", "d", 0)]


@pytest.mark.parametrize("line", ["q\td\t", "q\td\tyes", "q\tDocument\tyes", "1\t2\tn/a", "q\td\t0.5"])
def test_a_first_judgement_without_a_grade_is_no_header(tmp_path, line):
    with pytest.raises(DataError, match=r"test\.tsv:1: grade '.*' is not a whole number"):
        read(tmp_path, f"{line}\nr\td\t1\n")


def test_cells_in_quotation_marks_are_read_as_csv_writes_them(tmp_path):
    content = '"query-id"\t"corpus-id"\t"score"\n"q 1"\t"say ""hi"""\t"2"\nq\ta"b\t1\n'
    assert read(tmp_path, content) == [("q 1", 'say "hi"', 2), ("q", 'a"b', 1)]
    path = tmp_path / "pandas.tsv"
    table = pd.DataFrame({"query-id": ['a"b', "c"], "corpus-id": ["d", '"'], "score": [1, 2]})
    table.to_csv(path, sep="\t", index=False)
    assert read_qrels([LocalFile(path)], BEIR_QRELS)["passage_id"].tolist() == ["d", '"']
    with pytest.raises(DataError, match=r"test\.tsv:2: unclosed quotation mark"):
        read(tmp_path, 'q\td\t1\n"q\td\t1\n')


def test_trec_knows_no_quotation(tmp_path):
    assert read(tmp_path, '"q 0 "d" 1\n', TREC_QRELS) == [('"q', '"d"', 1)]


def test_ids_end_at_ascii_white_space_alone(tmp_path):
    assert read(tmp_path, "q\u00a01 0 \u3000d\x1c 1\n", TREC_QRELS) == [("q\u00a01", "\u3000d\x1c", 1)]
    assert read(tmp_path, " q\u2028 \td\u00a0\t1 \n") == [("q\u2028", "d\u00a0", 1)]


@pytest.mark.parametrize(("written", "grade"), [("2.0", 2), (str(MAX_GRADE), MAX_GRADE), ("-1", 0), ("1.", 1)])
def test_whole_grades_are_read(tmp_path, written, grade):
    assert read(tmp_path, f"q\td\t{written}\n") == [("q", "d", grade)]


@pytest.mark.parametrize("grade", [MAX_GRADE + 1, -(2**40), 10**30, "9" * 5000])
def test_a_grade_beyond_32_bits_is_refused(tmp_path, grade):
    with pytest.raises(DataError, match=r"test\.tsv:2: grade .* is too large; grades must be at most 2,147"):
        read(tmp_path, f"q\tc\t1\nq\td\t{grade}\n")


def test_grades_that_are_not_relevant_do_not_conflict(tmp_path):
    assert read(tmp_path, "q\td\t0\nq\td\t-1\n") == [("q", "d", 0)]
    with pytest.raises(DataError, match=r"test\.tsv:2: grade 0 of \('q', 'd'\) conflicts with grade 1 on line 1\."):
        read(tmp_path, "q\td\t1\nq\td\t-1\n")


def test_a_header_may_follow_blank_lines(tmp_path):
    assert read(tmp_path, "\n \nquery-id\tcorpus-id\tscore\nq\td\t1\n") == [("q", "d", 1)]


def test_records_are_judgements_too(tmp_path):
    content = '{"query-id": "q", "corpus-id": 7, "score": 2.0}\n{"query-id": "q", "corpus-id": "d", "score": 0}\n'
    assert read(tmp_path, content, name="test.jsonl") == [("q", "7", 2), ("q", "d", 0)]
    for wrong, problem in (
        ('{"query-id": "q", "score": 1}', "no field 'corpus-id'"),
        ('{"query-id": "q", "corpus-id": "d", "score": 0.5}', r"grade 0\.5 is not a whole number"),
        ('{"query-id": "q", "corpus-id": "d", "score": null}', "grade None is not a whole number"),
    ):
        with pytest.raises(DataError, match=rf"test\.jsonl:1: {problem}"):
            read(tmp_path, wrong, name="test.jsonl")
