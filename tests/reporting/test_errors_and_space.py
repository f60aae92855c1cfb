"""What a report keeps and shows beyond the ranks: top passages with the worst questions, the space, languages seen."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from babelrank.analysis.errors import find_errors, gather_texts, select_worst
from babelrank.analysis.space import Space, measure_space
from babelrank.analysis.summary import analyse
from babelrank.data.loading import load_collection
from babelrank.encoding.protocol import EncoderInfo, Similarity
from babelrank.encoding.representations import Representations
from babelrank.errors import ReportError
from babelrank.ranking.top_table import read_top
from babelrank.reporting.error_section import error_section
from babelrank.reporting.facts import reproducing_command
from babelrank.reporting.leaderboard import read_boards, render_leaderboard, render_leaderboard_html
from babelrank.reporting.make_results import collection_results, model_results
from babelrank.reporting.names import LEADERBOARD, LEADERBOARD_PAGE
from babelrank.reporting.provenance import Seconds, current_environment
from babelrank.reporting.refresh import check_reports, refresh_reports
from babelrank.reporting.report import read_reports, write_report
from babelrank.reporting.results import Results
from babelrank.reporting.results_file import dump, parse, read_results
from made_collections import rank_with_top
from paths import REPORTS, TESTS

NAME = "sample:de,en"
PLACES = ("same paragraph", "same article", "another article")
PAGES = ("report.md", "report.html")
INFO = EncoderInfo("toy", "use", "toy==1", dimension=8)
VERSION_1 = TESTS / "results_version_1.json"  # that babelrank wrote when 1 was the version


@pytest.fixture(scope="module")
def submitted(fake_encoder):
    """Results, rank tables and tables of top passages of German and English vectors that know nothing."""
    collection, encoder = load_collection(NAME), fake_encoder(8)
    vectors = Representations(
        encoder.encode_query(collection.queries["text"].tolist()),
        encoder.encode_document(collection.passages.frame["text"].tolist()),
        Similarity.COSINE,
        {},
        {},
    )
    ranks, top = rank_with_top(collection, vectors)
    evaluated = collection_results(
        collection,
        analyse(ranks),
        texts_encoded={"query": 56, "document": 140},
        texts_truncated={"query": 0.0, "document": 0.0},
        seconds=Seconds(1.0, 0.5, 2.5, 0.25, 0.125),
        evaluated=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        space=measure_space(collection, vectors),
        texts=gather_texts(select_worst(find_errors(ranks, top)), collection),
    )
    model = model_results(INFO, name="toy", submitted_as="toy")
    return Results(model, {NAME: evaluated}, current_environment()), {NAME: ranks}, {NAME: top}


def changed(submitted, **fields):
    """The same with other fields of the collection."""
    results, ranks, tops = submitted
    return replace(results, collections={NAME: replace(results.collections[NAME], **fields)}), ranks, tops


def read(folder: Path, page: str) -> str:
    return (folder / page).read_text(encoding="utf-8")


# Top passages and errors


def test_top_passages_are_kept_beside_the_ranks_with_their_digest(tmp_path, submitted):
    folder = write_report(tmp_path, *submitted)
    stored = read_results(folder / "results.json").collections[NAME].top
    top = read_top(folder / stored.file)
    assert stored.file == "sample.de-en.top.parquet"
    assert (stored.rows, stored.pool_depth, stored.language_depth) == (len(top.table), 10, 1)
    assert check_reports(tmp_path) == []
    (folder / stored.file).write_bytes(b"other")
    assert check_reports(tmp_path) == [str(folder / stored.file)]
    results, ranks, _ = submitted
    other = replace(results, collections={"xquad-r": results.collections[NAME]})
    with pytest.raises(ReportError, match=r"top\.parquet: missing, or its checksum"):
        write_report(tmp_path, other, {"xquad-r": ranks[NAME]})


def test_pages_show_the_worst_questions_with_texts_source_and_licence(tmp_path, submitted):
    _, ranks, tops = submitted
    folder = write_report(tmp_path, *submitted)
    worst = select_worst(find_errors(ranks[NAME], tops[NAME]))["multilingual"]["de→all"][0]
    collection = load_collection(NAME)
    queries, passages = (
        table.set_index(["lang", "id"])["text"] for table in (collection.queries, collection.passages.frame)
    )
    asked, above = queries["de", worst.query_id], passages.xs(worst.outranking[0].passage_id, level="id").item()
    content = read(folder, "report.html")
    for text in (
        "Errors",
        "worst questions of each language",
        asked,
        above,
        "written for babelrank), licence Apache-2.0",
    ):
        assert text in content, text
    assert "Not in this report" not in content


def test_heatmaps_of_errors_agree_with_the_tables(submitted):
    _, ranks, tops = submitted
    errors = find_errors(ranks[NAME], tops[NAME])
    section = error_section(errors, select_worst(errors), None)
    views = {view.label: view for view in section.matrices}
    table = ranks[NAME].table
    wrong = table.assign(wrong=table["rank_in_language"] > 1).groupby(["query_lang", "passage_lang"])["wrong"].mean()
    assert np.array(views["outranked"].values).ravel() == pytest.approx(wrong.to_numpy())
    assert np.sum([views[place].values for place in PLACES], axis=0) == pytest.approx(np.ones((2, 2)))
    # What stands above an answer, among the first ten of the pool, is of one of the four kinds.
    above = np.minimum(table["rank_in_pool"] - 1, 10).groupby([table["query_lang"], table["passage_lang"]]).mean()
    kinds = [view.values for label, view in views.items() if label.startswith("above: ")]
    assert np.sum(kinds, axis=0).ravel() == pytest.approx(above.to_numpy())
    assert len(kinds) == 4
    assert np.sum(views["above all answers"].values, axis=1) == pytest.approx([1, 1])
    for lang, share, *by_language, n in section.tables[0].rows:
        assert share == pytest.approx(sum(by_language)), lang
        assert n == 28


def test_without_texts_questions_are_named_by_their_ids(tmp_path, submitted):
    folder = write_report(tmp_path, *changed(submitted, texts=None))
    content = read(folder, "report.html")
    assert "has no texts of this collection" in content
    assert "licence Apache-2.0. Long texts" not in content
    assert f"<code class=asked>{load_collection(NAME).queries['id'][0]}</code>" in content


def test_without_the_table_of_top_passages_pages_say_how_to_get_it(tmp_path, submitted):
    folder = write_report(tmp_path, *submitted)
    (folder / "sample.de-en.top.parquet").unlink()
    assert refresh_reports(tmp_path) == [folder / "report.html"]
    assert check_reports(tmp_path) == []
    content = read(folder, "report.html")
    assert "no table of top passages" in content
    assert "submit the model again" in content
    assert "worst questions of each language" not in content
    assert "Embedding space" in content


def test_an_evaluation_without_top_passages_leaves_none_of_an_earlier_one(tmp_path, submitted):
    folder = write_report(tmp_path, *submitted)
    results, ranks, _ = submitted
    write_report(tmp_path, results, ranks)
    assert not list(folder.glob("*.top.parquet"))
    assert read_results(folder / "results.json").collections[NAME].top is None


def test_texts_of_others_do_no_harm(tmp_path, submitted):
    evil = "<script>alert(1)</script>| `x` [y](javascript:z)"
    texts = submitted[0].collections[NAME].texts
    texts = replace(texts, queries={lang: dict.fromkeys(found, evil) for lang, found in texts.queries.items()})
    folder = write_report(tmp_path, *changed(submitted, texts=texts))
    assert "<script>alert" not in read(folder, "report.html")
    assert "&lt;script&gt;alert" in read(folder, "report.html")
    assert "<script>" not in read(folder, "report.md").replace("\\<", "")
    assert "](javascript" not in read(folder, "report.md").replace("\\]", "")


# The space


def test_pages_show_the_space_that_results_hold(tmp_path, submitted):
    folder = write_report(tmp_path, *submitted)
    space = read_results(folder / "results.json").collections[NAME].space
    probe = space.queries.language_probe
    assert 0 <= probe.accuracy <= 1
    content = read(folder, "report.html")
    assert "Embedding space" in content
    assert f"{space.query_hubs.hubs[0]}, to {space.query_hubs.occurrences[0]} of 56" in content
    assert f"<td>{probe.accuracy:.0%}</td><td>{probe.chance:.0%}</td>" in content


@pytest.mark.parametrize(
    ("space", "line"),
    [
        (None, "Embedding space: not measured."),
        (Space(["de", "en"], "sparse representations: why."), "Embedding space: sparse representations: why."),
    ],
)
def test_a_space_without_figures_leaves_its_section_out_and_says_why(tmp_path, submitted, space, line):
    folder = write_report(tmp_path, *changed(submitted, space=space))
    assert line in read(folder, "report.html")
    assert "language probe" not in read(folder, "report.html")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda space: space["alignment"].pop(), "space.alignment: expected 2 rows"),
        (lambda space: space["passages"]["n"].pop(), "space.passages.n: 1 values"),
        (lambda space: space["queries"]["centroid_cosine"][0].pop(), "space.queries.centroid_cosine: expected 2 rows"),
        (lambda space: space["query_hubs"]["share_of_places"].pop(), "space.query_hubs.share_of_places: 1 values"),
        (lambda space: space["languages"].reverse(), "space.languages: not those of the collection"),
        (lambda space: space["passages"].update(isoscore="x"), "space.passages.isoscore: "),
    ],
)
def test_a_space_of_another_shape_is_refused(submitted, change, place):
    document = json.loads(dump(submitted[0]))
    change(document["collections"][NAME]["space"])
    with pytest.raises(ReportError) as caught:
        parse(json.dumps(document), "x")
    assert place in str(caught.value)


# Earlier versions


def test_results_of_version_1_are_read_and_lack_what_came_later():
    results = read_results(VERSION_1)
    collection = results.collections["mlqa-r"]
    assert (collection.top, collection.space, collection.texts, results.model.seen) == (None, None, None, None)
    assert (
        collection.macro["monolingual"]["mAP"]
        == json.loads(VERSION_1.read_text(encoding="utf-8"))["collections"]["mlqa-r"]["macro"]["monolingual"]["mAP"]
    )
    assert json.loads(dump(results))["schema_version"] == 4


def test_the_reports_of_the_project_are_read():
    reports = read_reports(REPORTS)
    assert len(reports) >= 6
    assert {results.schema_version for results in reports.values()} == {4}  # whichever they are of


def test_a_new_evaluation_joins_a_report_of_version_1(tmp_path, submitted):
    results, ranks, _ = submitted
    folder = write_report(tmp_path, results, ranks)
    path = folder / "results.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["schema_version"] = 1
    document["collections"] = {"xquad-r:de,en": document["collections"][NAME]}
    for field in ("top", "space", "texts"):
        del document["collections"]["xquad-r:de,en"][field]
    del document["model"]["seen"]
    path.write_text(json.dumps(document), encoding="utf-8")
    (folder / "sample.de-en.ranks.parquet").rename(folder / "xquad-r.de-en.ranks.parquet")
    document["collections"]["xquad-r:de,en"]["ranks"]["file"] = "xquad-r.de-en.ranks.parquet"
    path.write_text(json.dumps(document), encoding="utf-8")
    write_report(tmp_path, *submitted)
    merged = read_results(path)
    assert list(merged.collections) == ["xquad-r:de,en", NAME]
    assert merged.collections["xquad-r:de,en"].space is None
    assert merged.collections[NAME].space is not None
    assert json.loads(path.read_text(encoding="utf-8"))["schema_version"] == 4


# Languages seen in training, and what leads from page to page


def test_languages_seen_in_training_are_groups_and_part_of_the_command(tmp_path, submitted):
    results, ranks, tops = submitted
    seen = replace(results, model=replace(results.model, seen=["de", "fr"]))
    folder = write_report(tmp_path, seen, ranks, tops)
    assert "--seen de,fr" in reproducing_command(seen)
    for page in PAGES:
        assert "German (de), French (fr)" in read(folder, page)
    assert "pair: one seen" in read(folder, "report.html")
    assert "pair: one seen" not in read(write_report(tmp_path / "unknown", *submitted), "report.html")


def test_a_report_in_its_project_leads_to_the_leaderboard_and_one_elsewhere_does_not(tmp_path, submitted):
    at_home = write_report(tmp_path / "reports", *submitted, with_leaderboard=True)
    elsewhere = write_report(tmp_path / "z" / "reports", *submitted)
    for page, target in zip(PAGES, (LEADERBOARD, LEADERBOARD_PAGE), strict=True):
        assert f"../../{target}" in read(at_home, page)
        assert target not in read(elsewhere, page)
    boards = read_boards(tmp_path / "reports")
    assert "reports/toy/report.md" in render_leaderboard(boards)
    assert "reports/toy/report.html" in render_leaderboard_html(boards)


def test_a_leaderboard_with_four_sizes_of_a_family_shows_how_figures_scale(tmp_path, submitted):
    results, ranks, _ = submitted
    for i, parameters in enumerate((10**6, 10**7, 10**7, None, 10**8, 10**9)):
        model = replace(results.model, name=f"toy {i}", parameters=parameters, fingerprint=str(i), family="toys")
        score = 0.2 + 0.1 * np.log10((parameters or 1) / 10**6)
        macro = json.loads(json.dumps(results.collections[NAME].macro))
        macro["monolingual"]["mAP"] = score
        evaluated = replace(results.collections[NAME], macro=macro)
        write_report(tmp_path, Results(model, {NAME: evaluated}, results.environment), ranks)
        boards = read_boards(tmp_path)
        for page in (render_leaderboard(boards), render_leaderboard_html(boards)):
            assert ("fits to the number of parameters" in page) == (i == 5)
    fitted = "| mAP Mo. ↑ | toys | log-linear | tenfold: +0.100 (+0.100 to +0.100) | 1.000 | 5 |"
    assert fitted in render_leaderboard(boards)
