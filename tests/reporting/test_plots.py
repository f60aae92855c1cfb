import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from babelrank.analysis.summary import analyse
from babelrank.encoding.protocol import EncoderInfo
from babelrank.errors import ReportError
from babelrank.ranking.table import COLUMNS, RankTable
from babelrank.reporting import plots
from babelrank.reporting.heatmaps import HEATMAPS
from babelrank.reporting.languages import language_name
from babelrank.reporting.make_results import collection_results, model_results
from babelrank.reporting.plots import (
    COLUMN,
    DIFFERENCES,
    FORMATS,
    QUANTITIES,
    SIZES,
    TEXT,
    PlotInputs,
    draw_bars,
    draw_difference,
    draw_heatmap,
    draw_radar,
    plot,
    render,
    shared_scale,
    write_figure,
)
from babelrank.reporting.plots.style import plan_legend
from babelrank.reporting.provenance import Seconds, current_environment
from babelrank.reporting.results import Results
from made_collections import collection_of_tables

PAIRS, MEAN_RANK, SHARE_FIRST = HEATMAPS
TEXTS = {"query": 2, "document": 6}


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Draw few pixels, for speed; SVG has none."""
    monkeypatch.setattr(plots.style, "DPI", 40)


def make_results(name, ranks, collection="xquad-r", languages=("de", "en")):
    """Results from the pool's ranks of one question's passages, by query language, then passage language."""
    rows = [
        (query, "q", passage, f"{passage}/1", 1, float(ranks[i][j]), float(ranks[i][j]))
        for i, query in enumerate(languages)
        for j, passage in enumerate(languages)
        if ranks[i][j]
    ]
    table = RankTable(pd.DataFrame(rows, columns=list(COLUMNS)), languages, dict.fromkeys(languages, 50), 0)
    queries = pd.DataFrame([(lang, "q", "?") for lang in languages], columns=["lang", "id", "text"])
    toy = collection_of_tables(collection, languages, queries, queries, pd.DataFrame(), "sentence", "0" * 64)
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


def heatmaps(models, out, **options):
    return list(plot("heatmaps", PlotInputs(models, None), out, **options))


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
    paths = heatmaps([good, bad], tmp_path)
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
        for suffix in ("svg", "pdf", "png")
    }
    assert {path.name for path in paths} == expected == {path.name for path in tmp_path.iterdir()}


def test_models_are_drawn_for_the_collections_they_have(tmp_path):
    one, two = make_results("one", [[1, 2], [2, 1]]), make_results("two", [[1, 2], [2, 1]], "mlqa-r")
    names = [path.name for path in heatmaps([one, two], tmp_path, formats=["svg"])]
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
        assert render(draw_heatmap(results, "xquad-r", heatmap, scale), "svg")


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_drawing_is_deterministic_and_leaves_matplotlib_as_it_was(suffix):
    results = make_results("toy", [[1, 4], [20, 1]])
    scale = shared_scale(PAIRS, [results.collections["xquad-r"]])
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        first = render(draw_heatmap(results, "xquad-r", PAIRS, scale), suffix)
        assert dict(mpl.rcParams) == before
    assert first == render(draw_heatmap(results, "xquad-r", PAIRS, scale), suffix)


@pytest.mark.parametrize("name", ["a$b$c", "模型", "x" * 120, "words " * 19 + "end"])
def test_odd_names_can_be_drawn(name):
    results = make_results(name, [[1, 4], [20, 1]])
    scale = shared_scale(PAIRS, [results.collections["xquad-r"]])
    svg = render(draw_heatmap(results, "xquad-r", PAIRS, scale), "svg").decode()
    assert name[:3] in svg
    assert render(draw_heatmap(results, "xquad-r", PAIRS, scale), "png").startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "plots").write_text("a file")
    with pytest.raises(ReportError, match="cannot be written"):
        heatmaps([make_results("toy", [[1, 2], [2, 1]])], tmp_path / "plots")


def test_an_unknown_language_is_shown_by_its_code():
    assert language_name("de") == "German (de)"
    assert [language_name(code) for code in ("<x>", "qqx")] == ["<x>", "qqx"]


def test_scales_have_the_bounds_that_a_heatmap_asks_for():
    results = make_results("toy", [[1, 4], [4, 1]])
    scale = shared_scale(replace(PAIRS, limits=(0.0, 1.0)), [results.collections["xquad-r"]])
    assert (scale.vmin, scale.vmax) == (0, 1)


# Differences


def test_a_difference_of_scores_is_a_minus_b_on_a_scale_with_0_in_the_middle():
    first, second = make_results("one", [[1, 4], [20, 1]]), make_results("two", [[2, 4], [1, 1]])
    figure = draw_difference(first, second, "xquad-r")
    assert texts(figure) == ["+.50", ".00", "−.95", ".00"]
    assert figure.get_suptitle() == "A: one\nB: two\nxquad-r: mAP, A − B"
    scale = figure.axes[0].collections[0].norm
    assert (scale.vmin, scale.vmax) == (-0.95, 0.95)
    blue, _, red, _ = figure.axes[0].collections[0].to_rgba(figure.axes[0].collections[0].get_array()).reshape(4, 4)
    assert blue[2] > blue[0]  # A is better
    assert red[0] > red[2]


def test_a_difference_of_ranks_is_a_ratio_and_blue_where_a_ranks_higher():
    first, second = make_results("one", [[1, 4], [40, 1]]), make_results("two", [[1, 16], [4, 1]])
    figure = draw_difference(first, second, "xquad-r", DIFFERENCES[1])
    assert texts(figure) == ["1.0", "÷4.0", "×10", "1.0"]
    cells = figure.axes[0].collections[0]
    np.testing.assert_allclose(cells.get_array().ravel(), [0, -2, np.log2(10), 0])
    colours = cells.to_rgba(cells.get_array()).reshape(4, 4)
    assert colours[1][2] > colours[1][0]
    assert colours[2][0] > colours[2][2]


def test_a_setting_that_one_model_lacks_has_no_difference():
    first, second = make_results("one", [[1, 2], [0, 1]]), make_results("two", [[1, 2], [3, 1]])
    for difference in DIFFERENCES:
        assert texts(draw_difference(first, second, "xquad-r", difference))[2] == "–"


def test_models_that_are_equal_have_a_difference_of_nothing():
    same = make_results("one", [[1, 2], [3, 1]])
    assert texts(draw_difference(same, same, "xquad-r")) == [".00"] * 4


def test_only_models_evaluated_on_the_same_files_are_compared():
    first = make_results("one", [[1, 2], [2, 1]])
    other = replace(first.collections["xquad-r"], sha256="1" * 64)
    with pytest.raises(ReportError, match="different files"):
        draw_difference(first, replace(first, collections={"xquad-r": other}), "xquad-r")
    with pytest.raises(ReportError, match=r"two: unknown collection 'xquad-r'.*Known: mlqa-r"):
        draw_bars([first, make_results("two", [[1, 2], [2, 1]], "mlqa-r")], "xquad-r")
    with pytest.raises(ReportError, match="no model given"):
        draw_bars([], "xquad-r")


# Bars and radar

THREE = [[1, 2, 4], [5, 1, 10], [20, 2, 1]]  # ranks by query language; each language's own passage first


def make_three(name="three", ranks=THREE):
    return make_results(name, ranks, languages=("de", "en", "fr"))


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ("monolingual", [1, 1, 1]),
        ("cross_lingual", [(1 / 2 + 1 / 4) / 2, (1 / 5 + 1 / 10) / 2, (1 / 20 + 1 / 2) / 2]),
        ("multilingual", [(1 + 2 / 2 + 3 / 4) / 3, (1 + 2 / 5 + 3 / 10) / 3, (1 + 2 / 2 + 3 / 20) / 3]),
        ("rank_distance", [3, 9, 19]),
    ],
)
def test_bars_are_as_long_as_the_figure_of_their_query_language(figure, expected):
    results = make_three().collections["xquad-r"]
    np.testing.assert_allclose(QUANTITIES[figure].by_language(results), expected)
    assert np.mean(expected) == pytest.approx(QUANTITIES[figure].macro(results))
    for size, length in ((TEXT, "get_height"), (COLUMN, "get_width")):
        bars = draw_bars([make_three()], "xquad-r", figure, size=size).axes[0].patches
        np.testing.assert_allclose([getattr(bar, length)() for bar in bars], expected)


def test_bars_are_grouped_by_language_and_carry_their_values():
    models = [make_three("one"), make_three("two", [[2, 1, 4], [1, 4, 2], [1, 2, 4]])]
    figure = draw_bars(models, "xquad-r", "monolingual")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["German (de)", "English (en)", "French (fr)"]
    assert texts(figure) == ["1.00", "0.50", "1.00", "0.25", "1.00", "0.25"]
    centres = np.array([bar.get_x() + bar.get_width() / 2 for bar in axes.patches]).reshape(2, 3)
    assert (centres[0] < centres[1]).all()
    np.testing.assert_allclose(centres.mean(axis=0), [0, 1, 2])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in axes.patches}
    assert len(looks) == len({colour for colour, _ in looks}) == len({hatch for _, hatch in looks}) == 2


def test_a_language_without_a_value_has_a_dash_and_no_bar():
    results = make_three(ranks=[[0, 2, 4], [5, 1, 10], [20, 2, 1]])
    figure = draw_bars([results], "xquad-r", "monolingual")
    assert texts(figure) == ["–", "1.00", "1.00"]
    assert figure.axes[0].patches[0].get_height() == 0
    line = draw_radar([results], "xquad-r", "monolingual").axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 1, 1, np.nan])  # a gap


def test_a_radar_goes_round_the_languages_and_shows_distances_as_logarithms():
    line = draw_radar([make_three()], "xquad-r", "rank_distance").axes[0].lines[0]
    np.testing.assert_allclose(10 ** line.get_ydata(), [3, 9, 19, 3])
    np.testing.assert_allclose(line.get_xdata(), np.array([0, 1, 2, 0]) * 2 * np.pi / 3)


def test_a_radar_needs_three_languages():
    with pytest.raises(ReportError, match=r"3 languages, got 2"):
        draw_radar([make_results("two", [[1, 2], [2, 1]])], "xquad-r")


def test_an_unknown_figure_is_named():
    with pytest.raises(ReportError, match="Did you mean 'multilingual'"):
        draw_bars([make_three()], "xquad-r", "multilinguall")


# Files


def test_a_figure_becomes_svg_with_text_pdf_with_truetype_and_png(tmp_path):
    figure = draw_bars([make_three("a$b$c")], "xquad-r")
    paths = write_figure(figure, tmp_path / "new" / "v1.5")
    assert [path.name for path in paths] == ["v1.5.svg", "v1.5.pdf", "v1.5.png"]
    svg, pdf, png = (path.read_bytes() for path in paths)
    assert "a$b$c" in svg.decode()
    assert b"/FontFile2" in pdf  # an embedded TrueType font
    assert b"/Type3" not in pdf
    assert b"/CreationDate" not in pdf
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_results_give_the_same_bytes(suffix):
    assert len({render(draw_bars([make_three(), make_three("b")], "xquad-r"), suffix) for _ in range(2)}) == 1


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ReportError, match=r"format 'gif'.*Known: pdf, png, svg"):
        write_figure(draw_bars([make_three()], "xquad-r"), tmp_path / "bars", ["svg", "gif"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_figures_have_the_width_that_their_size_says(size):
    results = make_three()
    scale = shared_scale(PAIRS, [results.collections["xquad-r"]])
    for figure in (draw_bars([results], "xquad-r", size=size), draw_heatmap(results, "xquad-r", PAIRS, scale, size)):
        assert figure.get_figwidth() == size.width
        assert size.height in (None, figure.get_figheight())


def test_a_legend_of_many_names_is_smaller_where_the_height_is_fixed():
    names = [f"a model of many words that differ, number {i}" for i in range(30)]
    slide = SIZES["slide"]
    few, many = plan_legend(names[:3], slide), plan_legend(names, slide)
    assert few.font == slide.font > many.font
    assert few.height < many.height <= 0.4 * slide.height
    assert plan_legend(names, TEXT).font == TEXT.font
