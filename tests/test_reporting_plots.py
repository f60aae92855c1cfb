import re
from dataclasses import replace

import matplotlib as mpl
import pandas as pd
import pytest

from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.encoding.protocol import EncoderInfo
from babelrank.errors import ReportError
from babelrank.ranking.table import COLUMNS, RelevantRanks
from babelrank.reporting import plots
from babelrank.reporting.heatmaps import HEATMAPS
from babelrank.reporting.languages import language_name
from babelrank.reporting.plots import draw_heatmap, plot_models, render_heatmap, shared_scale
from babelrank.reporting.results import Results, Seconds, collection_results, current_environment, model_results

PAIRS, MEAN_RANK, SHARE_FIRST = HEATMAPS
TEXTS = {"query": 2, "document": 6}


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Draw few pixels, for speed; SVG has none."""
    monkeypatch.setattr(plots, "_DPI", 40)


def make_results(name, ranks, collection="xquad-r", languages=("de", "en")):
    """Results from the pool's ranks of one question's passages, by query language, then passage language."""
    rows = [
        (query, "q", passage, f"{passage}/1", 1, float(ranks[i][j]), float(ranks[i][j]))
        for i, query in enumerate(languages)
        for j, passage in enumerate(languages)
        if ranks[i][j]
    ]
    table = RelevantRanks(pd.DataFrame(rows, columns=list(COLUMNS)), languages, dict.fromkeys(languages, 50), 0)
    queries = pd.DataFrame([(lang, "q", "?") for lang in languages], columns=["lang", "id", "text"])
    toy = Collection(collection, languages, queries, queries, pd.DataFrame(), "sentence", "0" * 64)
    result = collection_results(
        toy,
        analyse(table),
        texts_encoded=TEXTS,
        texts_truncated={"query": 0.25, "document": 0.5},
        seconds=Seconds(0, 0, 0, 0, 0),
    )
    model = model_results(EncoderInfo(name, "use", "1", 4), name=name, submitted_as=name)
    return Results(model, {collection: result}, current_environment())


def draw(results, heatmap, scale=None):
    scale = scale or shared_scale(heatmap, [results.collections["xquad-r"]])
    return draw_heatmap(results, "xquad-r", heatmap, scale)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_cell_is_labelled_and_languages_have_names():
    results = make_results("toy", [[1, 4], [20, 1]])
    figure = draw(results, PAIRS)
    axes = figure.axes[0]
    assert texts(figure) == ["1.00", "0.25", "0.05", "1.00"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["German (de)", "English (en)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["German (de)", "English (en)"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("passage language", "query language")
    assert figure.get_suptitle() == "toy\nxquad-r: mAP by query and passage language"
    assert axes.get_ylim() == (2, 0)  # the first query language on top
    assert texts(draw(results, MEAN_RANK)) == ["1.0", "4.0", "20.0", "1.0"]
    assert texts(draw(results, SHARE_FIRST)) == ["100%", "0%", "0%", "100%"]


def test_labels_are_dark_on_bright_cells_and_bright_on_dark_ones():
    colours = [text.get_color() for text in draw(make_results("toy", [[1, 4], [20, 1]]), PAIRS).axes[0].texts]
    assert colours == ["black", "white", "white", "black"]


def test_a_setting_without_queries_is_no_number():
    assert texts(draw(make_results("toy", [[1, 2], [0, 1]]), PAIRS))[2] == "–"


def test_models_that_are_compared_share_one_scale(tmp_path):
    good, bad = make_results("good", [[1, 2], [2, 1]]), make_results("bad", [[10, 50], [40, 8]])
    scale = shared_scale(MEAN_RANK, [model.collections["xquad-r"] for model in (good, bad)])
    assert (scale.vmin, scale.vmax) == (1, 50)
    assert [draw(model, MEAN_RANK, scale).axes[0].collections[0].norm for model in (good, bad)] == [scale, scale]
    paths = plot_models([good, bad], tmp_path)
    ticks = {
        name: re.findall(r'text-anchor: start"[^>]*>([^<]+)<', (tmp_path / name).read_text())
        for name in ("good.xquad-r.mean-rank.svg", "bad.xquad-r.mean-rank.svg")
    }
    assert ticks["good.xquad-r.mean-rank.svg"] == ticks["bad.xquad-r.mean-rank.svg"]
    assert {"1", "10", "50"} <= set(ticks["good.xquad-r.mean-rank.svg"])
    expected = {
        f"{model}.xquad-r.{heatmap.name}.{suffix}"
        for model in ("good", "bad")
        for heatmap in HEATMAPS
        for suffix in ("png", "svg")
    }
    assert {path.name for path in paths} == expected == {path.name for path in tmp_path.iterdir()}


def test_models_are_drawn_for_the_collections_they_have(tmp_path):
    one, two = make_results("one", [[1, 2], [2, 1]]), make_results("two", [[1, 2], [2, 1]], "mlqa-r")
    names = [path.name for path in plot_models([one, two], tmp_path) if path.suffix == ".svg"]
    assert names == [
        *(f"one.xquad-r.{heatmap.name}.svg" for heatmap in HEATMAPS),
        *(f"two.mlqa-r.{heatmap.name}.svg" for heatmap in HEATMAPS),
    ]


@pytest.mark.parametrize("heatmap", HEATMAPS, ids=lambda heatmap: heatmap.name)
def test_equal_or_missing_values_still_have_a_scale(heatmap):
    for ranks in ([[1, 1], [1, 1]], [[1, 0], [0, 1]]):
        results = make_results("toy", ranks)
        scale = shared_scale(heatmap, [results.collections["xquad-r"]])
        assert scale.vmin < scale.vmax
        assert render_heatmap(results, "xquad-r", heatmap, scale, "svg")


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_drawing_is_deterministic_and_leaves_matplotlib_as_it_was(suffix):
    results = make_results("toy", [[1, 4], [20, 1]])
    scale = shared_scale(PAIRS, [results.collections["xquad-r"]])
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        first = render_heatmap(results, "xquad-r", PAIRS, scale, suffix)
        assert dict(mpl.rcParams) == before
    assert first == render_heatmap(results, "xquad-r", PAIRS, scale, suffix)


@pytest.mark.parametrize("name", ["a$b$c", "模型", "x" * 120, "words " * 19 + "end"])
def test_odd_names_can_be_drawn(name):
    results = make_results(name, [[1, 4], [20, 1]])
    scale = shared_scale(PAIRS, [results.collections["xquad-r"]])
    svg = render_heatmap(results, "xquad-r", PAIRS, scale, "svg").decode()
    assert name[:3] in svg
    assert render_heatmap(results, "xquad-r", PAIRS, scale, "png").startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "plots").write_text("a file")
    with pytest.raises(ReportError, match="cannot be written"):
        plot_models([make_results("toy", [[1, 2], [2, 1]])], tmp_path / "plots")


def test_an_unknown_language_is_shown_by_its_code():
    assert language_name("de") == "German (de)"
    assert [language_name(code) for code in ("<x>", "qqx")] == ["<x>", "qqx"]


def test_scales_have_the_bounds_that_a_heatmap_asks_for():
    results = make_results("toy", [[1, 4], [4, 1]])
    scale = shared_scale(replace(PAIRS, limits=(0.0, 1.0)), [results.collections["xquad-r"]])
    assert (scale.vmin, scale.vmax) == (0, 1)
