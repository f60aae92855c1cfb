"""Collections through the command line: figures agree whoever counts, and what is wrong is said before any work."""

import json

import pytest

from made_collections import write_beir, write_jsonl


def write_numbered(folder, texts, qrels):
    """Question i and passage i, both called i, of one text."""
    for name in ("corpus", "queries"):
        write_jsonl(folder / f"{name}.jsonl", ({"_id": str(i), "text": text} for i, text in enumerate(texts)))
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("".join(f"{query}\t{passage}\t1\n" for query, passage in qrels))
    return folder


@pytest.fixture
def submit(babelrank, tmp_path):
    def run(*arguments, out="out"):
        return babelrank("submit", "bm25", *arguments, "--out", tmp_path / out, "--store", tmp_path / "store")

    return run


@pytest.fixture
def results(tmp_path):
    return lambda out="out": json.loads((tmp_path / out / "bm25" / "results.json").read_text("utf-8"))["collections"]


TEXTS = ["ann ran home", "bob sat down", "cy lay awake", "dan ate bread", "eve saw ann"]


@pytest.mark.parametrize("more", [[], [(i, (i + 1) % 5) for i in range(5)]])
def test_an_answer_that_has_the_id_of_its_question_counts_wherever_it_is_counted(
    babelrank, submit, results, tmp_path, more
):
    write_numbered(tmp_path / "made", TEXTS, [(i, i) for i in range(5)] + more)
    outcome = submit("-c", "beir:made@en", "--run", tmp_path / "runs")
    assert outcome.code == 0, outcome.err
    assert "5 queries have the id of a passage, which stays in their results" in outcome.err
    (figures,) = results().values()
    (run,) = (tmp_path / "runs").glob("*.run")
    for command in (("evaluate", run), ("fuse", run, run, "--run", "fused.run")):
        assert babelrank(*command, "-c", "beir:made@en", "--out", "figures.json").code == 0
        found = json.loads((tmp_path / "figures.json").read_text())["macro"]["monolingual"]
        assert found["R@1"] == figures["macro"]["monolingual"]["R@1"] == 1 / (2 if more else 1)
        assert found["MRR@10"] == figures["macro"]["monolingual"]["MRR@10"] == 1


def test_a_copy_that_is_not_the_answer_is_left_out_wherever_it_is_counted(babelrank, submit, results, tmp_path):
    texts = ["ann ran home", "ann ran away", "cy lay awake", "cy lay down"]
    write_numbered(tmp_path / "made", texts, [(0, 1), (2, 3)])
    assert submit("-c", "beir:made@en", "--run", tmp_path / "runs").code == 0
    (figures,) = results().values()
    lists = {0: (0, 1), 2: (2, 3)}
    lines = [f"{query} Q0 {passage} 0 {-rank} t" for query in lists for rank, passage in enumerate(lists[query])]
    (tmp_path / "theirs.run").write_text("\n".join(lines))
    assert babelrank("evaluate", "theirs.run", "-c", "beir:made@en", "--out", "figures.json").code == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["macro"]["monolingual"]["R@1"] == figures["macro"]["monolingual"]["R@1"] == 1
    assert "2 lines are self-matches (passages with the query's id); they are left out" in found["notes"]


def test_two_folders_of_one_name_are_refused_before_any_work(submit, tmp_path):
    for lang, passages in (("fr", 60), ("de", 70)):
        write_beir(tmp_path / lang / "test", passages)
    outcome = submit("-c", "beir:fr/test", "-c", "beir:de/test")
    assert outcome.code == 2
    assert "beir:fr/test and beir:de/test would both be called beir:test. Rename one folder" in outcome.err
    assert not (tmp_path / "out").exists()
    assert submit("-c", "beir:fr/test@fr", "-c", "beir:de/test@de", out="both").code == 0
    assert submit("-c", "beir:fr/test", "-c", f"beir:{tmp_path}/fr/test", out="once").code == 0


def test_figures_of_other_files_are_not_replaced_without_a_word(submit, results, tmp_path):
    for lang, passages in (("fr", 60), ("de", 70)):
        write_beir(tmp_path / lang / "test", passages)
    assert submit("-c", "beir:fr/test").code == 0
    before = results()["beir:test"]
    again = submit("-c", "beir:de/test")
    assert again.code == 2
    assert "has scores of a different version of beir:test" in again.err
    assert results()["beir:test"] == before
    (tmp_path / "german").symlink_to(tmp_path / "de" / "test")
    assert submit("-c", "beir:german").code == 0
    assert set(results()) == {"beir:test", "beir:german"}
    assert submit("-c", "beir:de/test", "--replace").code == 0
    assert results()["beir:test"]["sha256"] != before["sha256"]


def test_an_id_with_a_space_stops_a_run_before_any_work(submit, tmp_path):
    write_beir(tmp_path / "good", 60)
    write_numbered(tmp_path / "bad", TEXTS, [(0, 0)])
    write_jsonl(tmp_path / "bad" / "corpus.jsonl", [{"_id": "0", "text": "a"}, {"_id": "Annual report", "text": "b"}])
    outcome = submit("-c", "beir:good", "-c", "beir:bad", "--run", tmp_path / "runs")
    assert outcome.code == 2
    assert "beir:bad: the id 'Annual report' has white space" in outcome.err
    assert not (tmp_path / "runs").exists()
    assert submit("-c", "beir:good", "-c", "beir:bad").code == 0


def test_names_between_colons_are_printed_as_they_are(babelrank, tmp_path):
    write_beir(tmp_path / "made", 60)
    (tmp_path / "a.run").write_text("".join(f"q{i} Q0 :id:[red]d{i} 0 1 t\n" for i in range(20)))
    outcome = babelrank("evaluate", "a.run", "-c", "beir:made")
    assert outcome.code == 2
    assert "(:id:[red]d0, :id:[red]d1, :id:[red]d2)" in outcome.err
