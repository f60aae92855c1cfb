"""Languages on a map: in reports of many languages, and for papers."""

from xml.etree import ElementTree

import pytest

from babelrank.errors import ReportError
from babelrank.reporting.maps import LanguageMap, figure_files, language_maps, render_map
from babelrank.reporting.plots import PlotInputs, draw
from babelrank.reporting.report import find_report
from paths import REPORTS

NAME = "ntrex:lead"


@pytest.fixture(scope="module")
def results():
    return find_report("use-multilingual-v3", REPORTS)


def test_a_language_is_where_glottolog_has_it_and_variants_share_its_place():
    shown = LanguageMap("x", {"en": 0.5, "en-GB": 0.7, "mi": 0.2, "tlh": 0.9}, "{:.1f}".format, "viridis")
    english, maori = shown.spots
    assert (english.lang, english.x, english.y) == ("en", -1 + 168, 80 - 53)
    assert (maori.lang, maori.value) == ("mi", 0.2)
    assert shown.bounds == (0.2, 0.5)
    assert (shown.step(0.2), shown.step(0.5)) == (0, 31)


def test_maps_show_map_within_languages_and_first_places(results):
    collection = results.collections[NAME]
    within, first = language_maps(NAME, collection)
    place = collection.languages.index("ta")
    assert within.values["ta"] == collection.pairs.scores["mAP"][place][place]
    shares = [row[place] for i, row in enumerate(collection.favoured.share_first) if i != place]
    assert first.values["ta"] == pytest.approx(sum(shares) / len(shares) * 128)
    svg = render_map([within, first], ["model", "<title>"])
    root = ElementTree.fromstring(svg)
    circles = [each for each in root.iter() if each.tag.endswith("circle")]
    assert len(circles) == len(within.spots) + len(first.spots)
    assert "Tamil (ta): 0.152" in svg
    assert render_map([within, first], ["model", "<title>"]) == svg


def test_reports_of_many_languages_have_a_map(results):
    assert figure_files(NAME, results.collections[NAME])[-1] == "ntrex.lead.map.svg"
    assert not any("map.svg" in name for name in figure_files("xquad-r", results.collections["xquad-r"]))


def test_a_map_is_drawn_for_papers(results):
    inputs = PlotInputs([results], lambda *_: pytest.fail("no rank table is needed"))
    (figure,) = draw("map", inputs, collection=NAME)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["mAP within the language", "first places, as a ratio to no bias"]
    with pytest.raises(ReportError, match="nothing to draw"):
        list(draw("map", inputs, collection="beir:scifact"))
