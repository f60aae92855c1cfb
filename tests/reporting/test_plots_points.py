"""Rank distances, scatter and scaling; and on real reports, that no label is cut off or lies on another."""

from dataclasses import replace
from itertools import combinations, islice

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from babelrank.analysis.bias import measure_rank_distance
from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE, Interval
from babelrank.analysis.scaling import ScalingPoint, fit_scaling
from babelrank.errors import ReportError
from babelrank.ranking.table import COLUMNS, RankTable, read_ranks
from babelrank.reporting.plots import (
    COLUMN,
    KINDS,
    SIZES,
    TEXT,
    PlotInputs,
    ScalingPanel,
    draw,
    draw_distance_boxes,
    draw_distance_curves,
    draw_scaling,
    draw_scatter,
    house_style,
    kinds,
    plot,
    render,
    style,
)
from babelrank.reporting.plots.points import Point
from babelrank.reporting.plots.style import PlotStyle
from babelrank.reporting.report import read_reports
from babelrank.reporting.scaling_table import scaling_points
from paths import REPORTS
from toy_reports import toy_results


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Draw few pixels, for speed."""
    monkeypatch.setattr(style, "DPI", 40)


@pytest.fixture(scope="module")
def reports():
    """The committed reports, by folder."""
    return {
        folder: replace(results, collections={name: results.collections[name] for name in ("xquad-r", "mlqa-r")})
        for folder, results in read_reports(REPORTS).items()
        if {"xquad-r", "mlqa-r"} <= results.collections.keys()
    }


@pytest.fixture(scope="module")
def material(reports):
    folders, models = list(reports), list(reports.values())
    return PlotInputs(models, lambda i, name: read_ranks(folders[i] / models[i].collections[name].ranks.file))


def make_table(ranks, languages=("de", "en")):
    """A rank table from the pool's ranks of each question's passages: by query language, question, passage language."""
    rows = [
        (lang, f"q{number}", languages[k], f"{languages[k]}/{number}", 1, float(rank), float(rank))
        for lang, questions in zip(languages, ranks, strict=True)
        for number, places in enumerate(questions)
        for k, rank in enumerate(places)
    ]
    return RankTable(pd.DataFrame(rows, columns=list(COLUMNS)), languages, dict.fromkeys(languages, 500), 0)


# Rank distances


def test_boxes_show_quartiles_and_the_mean_that_reports_have():
    table = make_table([[(1, 1 + d) for d in (10, 20, 30, 40, 100)], [(5, 3), (1, 9), (400,)]])
    axes = draw_distance_boxes({"toy": table}, "xquad-r").axes[0]
    means = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(means, measure_rank_distance(table).mean)
    np.testing.assert_allclose(means, [40, 5])  # the question with one relevant passage takes no part
    first = axes.patches[0].get_path().vertices[:, 1]
    assert (first.min(), first.max()) == (20, 40)
    assert axes.get_yscale() == "log"


def test_distances_of_0_are_on_the_axis():
    table = make_table([[(2, 2), (4, 4)], [(3, 7), (3, 9)]])
    for figure in (draw_distance_boxes({"toy": table}, "c"), draw_distance_curves({"toy": table}, "c")):
        axes = figure.axes[0]
        axis = axes.yaxis if figure.axes[0].get_ylabel().startswith("rank") else axes.xaxis
        assert axis.get_view_interval()[0] == 0
        assert axis.get_majorticklabels()[0].get_text() == "0"


def test_curves_are_the_quantiles_of_each_language():
    ranks = np.random.default_rng(0).integers(1, 900, size=(2, 57, 2))
    figure = draw_distance_curves({"one": make_table(ranks), "two": make_table(ranks * 2)}, "xquad-r")
    for axes, lang in zip(figure.axes, ranks, strict=True):
        distances = np.abs(np.diff(lang))
        for line, factor in zip(axes.lines, (1, 2), strict=True):
            np.testing.assert_allclose(line.get_xdata(), np.quantile(distances * factor, line.get_ydata()))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["German (de)", "English (en)"]


def test_a_language_without_distances_has_no_box():
    table = make_table([[(1, 4), (2, 9)], [(5,)]])
    assert len(draw_distance_boxes({"toy": table}, "xquad-r").axes[0].patches) == 1
    assert [len(axes.lines) for axes in draw_distance_curves({"toy": table}, "xquad-r").axes] == [1, 0]


def test_tables_that_cannot_be_drawn_together_are_refused():
    table = make_table([[(1, 4)], [(5, 2)]])
    with pytest.raises(ReportError, match="de, en and de, fr"):
        draw_distance_boxes({"a": table, "b": make_table([[(1, 4)], [(5, 2)]], ("de", "fr"))}, "xquad-r")
    with pytest.raises(ReportError, match="no query has two"):
        draw_distance_curves({"a": make_table([[(1,)], [(5,)]])}, "xquad-r")
    with pytest.raises(ReportError, match="at least one rank table"):
        draw_distance_boxes({}, "xquad-r")


# Scatter and scaling


def test_each_collection_has_a_panel_with_every_model_that_has_both_figures(reports):
    first, second, *_ = reports.values()
    without = second.collections["mlqa-r"]
    macro = {**without.macro, "multilingual": {**without.macro["multilingual"], "rank_distance": None}}
    second = replace(second, collections={**second.collections, "mlqa-r": replace(without, macro=macro)})
    figure = draw_scatter([first, second])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["xquad-r", "mlqa-r"]
    for axes, models in zip(figure.axes, ([first, second], [first]), strict=True):
        macros = [model.collections[axes.get_title(loc="left")].macro["multilingual"] for model in models]
        expected = [(macro["rank_distance"], macro["mAP"]) for macro in macros]
        drawn = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() != "None"]
        np.testing.assert_allclose(drawn, expected)
    names = [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()]
    assert names == [first.model.name, second.model.name]


def test_intervals_are_crosses(reports):
    model = next(iter(reports.values()))
    known = {"rank_distance": Interval(9000, 8000, 10000), "multilingual": Interval(0.1, 0.05, 0.2)}
    axes = draw_scatter([model], intervals={"xquad-r": {model.model.name: known}}).axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "None"]
    assert [tuple(crosses[0].get_xdata()), tuple(crosses[1].get_ydata())] == [(8000, 10000), (0.05, 0.2)]


def test_a_key_names_all_models(reports):
    model = next(iter(reports.values()))
    names = [f"_a model with a long name and $x$, number {i}" for i in range(20)]
    models = [replace(model, model=replace(model.model, name=name)) for name in names]
    figure = draw_scatter(models, size=COLUMN)
    assert [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()] == names


def test_models_without_parameters_are_left_out_by_name(reports):
    models = [(each.model, each.collections["xquad-r"]) for each in reports.values()]
    points, left_out = scaling_points(models, "multilingual")
    assert left_out == ["bm25"]
    panel = ScalingPanel("xquad-r", "multilingual", points, {}, left_out)
    assert all(name in draw_scaling([panel]).axes[0].get_xlabel().replace("\n", " ") for name in left_out)


def test_a_model_and_its_variants_are_one_point():
    toy, _ = toy_results()
    models = [
        (replace(toy.model, name=name, base_model=base, parameters=parameters), toy.collections["xquad-r"])
        for name, base, parameters in (
            ("b, trained on", "b", 11 * 10**6),
            ("b, trained on twice", "b, trained on", 12 * 10**6),
            ("b", None, 10**7),
            ("c, trained on", "c", 10**8),
        )
    ]
    points, _ = scaling_points(models, "multilingual")
    assert [(point.label, point.parameters) for point in points] == [("b", 10**7), ("c, trained on", 10**8)]


def test_a_law_is_drawn_over_the_points_with_its_band():
    points = [ScalingPoint(str(i), 10.0**i, 0.1 * i + 0.01 * (i % 2)) for i in range(4, 9)]
    fit = fit_scaling(points)
    axes = draw_scaling([ScalingPanel("toy", "multilingual", points, {"toys": fit})]).axes[0]
    law = next(line for line in axes.lines if len(line.get_xdata()) > 2)
    assert (law.get_xdata()[0], law.get_xdata()[-1]) == (1e4, pytest.approx(1e8))
    np.testing.assert_allclose(law.get_ydata(), [fit.predict(size).value for size in law.get_xdata()])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(max(fit.predict(size).high for size in law.get_xdata()))
    assert axes.get_xscale() == "log"


def test_a_law_that_leaves_the_possible_does_not_stretch_the_axis():
    points = [ScalingPoint(str(i), 10.0**i, 0.1 * i) for i in range(1, 5)]
    law = fit_scaling([replace(point, value=point.value * (-1) ** i) for i, point in enumerate(points)])
    low, high = draw_scaling([ScalingPanel("toy", "multilingual", points, {"toys": law})]).axes[0].get_ylim()
    assert -0.2 < low < 0.1
    assert 0.4 < high < 1.2
    axes = draw_scaling([ScalingPanel("toy", "rank_distance", points, {"toys": law})]).axes[0]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] > 0.01


def test_scaling_needs_panels_with_points():
    with pytest.raises(ReportError, match="at least one panel"):
        draw_scaling([])
    with pytest.raises(ReportError, match="known number of parameters"):
        draw_scaling([ScalingPanel("toy", "multilingual", [], {})])


def test_only_a_family_of_four_sizes_gets_a_law():
    toy, _ = toy_results()
    models = [
        replace(toy, model=replace(toy.model, name=name, parameters=parameters, family=family))
        for name, parameters, family in (
            *((f"a{i}", 10**i, "a") for i in range(5, 9)),
            *((f"b{i}", 10**i, "b") for i in range(5, 8)),
            ("other", 10**9, None),
        )
    ]
    ((_, figure),) = KINDS["scaling"](PlotInputs(models, None), TEXT)
    titles = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes]
    assert all("a: log-linear" in title and "b:" not in title for title in titles)
    assert len([line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]) == 1


# All kinds, on the committed reports


def on(material, collection, most=None):
    """The same models, or the first ones, on one collection alone."""
    models = [replace(model, collections={collection: model.collections[collection]}) for model in material.models]
    models = models[:most]
    return PlotInputs(models, material.ranks)


def labels(figure):
    """Every text that is seen, with its place in pixels, an annotation's line aside."""
    texts = [figure._suptitle, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        if axes.get_visible():
            texts += [*axes.texts, axes._left_title, axes.xaxis.label, axes.yaxis.label]
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                texts += [tick.label1 for tick in axis.get_major_ticks() if low - 1e-9 <= tick.get_loc() <= high + 1e-9]
    return [(text, Text.get_window_extent(text)) for text in texts if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("size", [SIZES["column"], SIZES["slide"]], ids=lambda size: size.name)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_label_is_cut_off_or_lies_on_another(kind, size, material, monkeypatch):
    monkeypatch.setattr(kinds, "clustered_scores", lambda ranks: None)
    # And no bootstrap, for speed.
    crosses = dict.fromkeys(MACRO_MEASURES, Interval(0, 0.3, 0.4)) | {RANK_DISTANCE: Interval(0, 500, 900)}
    monkeypatch.setattr(kinds, "find_intervals", lambda _: crosses)
    few = 12 if kind == "distance" else None  # which reads rank tables
    drawn = KINDS[kind](on(material, "xquad-r", few), size)
    for _, figure in islice(drawn, 2 if kind == "distance" else 1):
        with house_style():
            figure.draw_without_rendering()
            placed = labels(figure)
        whole = figure.bbox
        cut = [text.get_text() for text, box in placed if not (whole.x0 - 1 <= box.x0 and box.x1 <= whole.x1 + 1)]
        cut += [text.get_text() for text, box in placed if not (whole.y0 - 1 <= box.y0 and box.y1 <= whole.y1 + 1)]
        assert not cut
        upright = [(text.get_text(), box) for text, box in placed if text.get_rotation() % 90 == 0]
        assert not [
            (first, second)
            for (first, a), (second, b) in combinations(upright, 2)
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5
        ]


def test_kinds_are_written_to_files_named_after_models_collections_and_figures(reports, material, tmp_path):
    pair = on(PlotInputs(material.models[:2], material.ranks), "mlqa-r")
    names = {kind: [path.name for path in plot(kind, pair, tmp_path, formats=["svg"])] for kind in sorted(KINDS)}
    first, second = (folder.name for folder in list(reports)[:2])
    maps = {
        heatmap: [f"{model}.mlqa-r.{heatmap}.svg" for model in (first, second)]
        for heatmap in ("pairs", "mean-rank", "share-first")
    }
    figures = ("monolingual", "cross-lingual", "multilingual", "rank-distance")
    assert names == {
        "heatmaps": [name for each in maps.values() for name in each],
        **maps,
        "difference": [f"{first}.vs.{second}.mlqa-r.{name}-difference.svg" for name in ("pairs", "mean-rank")],
        "distance": ["mlqa-r.rank-distance.svg", "mlqa-r.rank-distance-curves.svg"],
        "scatter": ["accuracy-and-bias.svg"],
        "scaling": ["mlqa-r.scaling.svg"],
        "bars": [f"mlqa-r.{figure}-bars.svg" for figure in figures],
        "radar": [f"mlqa-r.{figure}-radar.svg" for figure in figures],
        "map": [f"{model}.mlqa-r.map.svg" for model in (first, second)],
    }
    assert {path.name for path in tmp_path.iterdir()} == {name for each in names.values() for name in each}


def test_figures_are_drawn_without_files(material):
    one = PlotInputs(material.models[:1], material.ranks)
    (figure,) = draw("pairs", one, collection="mlqa-r")
    assert figure.axes[0].get_ylabel() == "query language"
    assert "mlqa-r" in figure.get_suptitle()
    with pytest.raises(
        ReportError, match=r"unknown kind of figure 'nope'.*Known: bars, difference, distance, heatmaps"
    ):
        next(draw("nope", one))
    with pytest.raises(ReportError, match="unknown collection 'mlqa'"):
        next(draw("pairs", one, collection="mlqa"))


def test_an_unknown_kind_or_nothing_to_draw_is_an_error(material, tmp_path):
    with pytest.raises(ReportError, match="Did you mean 'scatter'"):
        list(plot("scater", material, tmp_path))
    with pytest.raises(ReportError, match="two models"):
        list(plot("difference", PlotInputs(material.models[:1], material.ranks), tmp_path))


def test_drawing_does_not_depend_on_the_users_settings(material):
    first = render(draw_scatter(material.models[:3]), "svg")
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "figure.dpi": 50, "text.color": "red"}):
        assert render(draw_scatter(material.models[:3]), "svg") == first


def test_a_point_shows_only_intervals_with_bounds():
    unknown, known = Interval(0.5, float("nan"), float("nan")), Interval(9.0, 8.0, 11.0)
    style = PlotStyle("black", "", "o", "-")
    assert Point(9.0, 0.5, known, unknown, style).strokes == [((8.0, 0.5), (11.0, 0.5))]
    assert Point(9.0, 0.5, None, unknown, style).strokes == []
