"""The page on distant languages: its figures are those of the reports."""

import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from paths import ROOT


@pytest.fixture
def page(monkeypatch):
    folder = ROOT / "experiments" / "distant-languages"
    monkeypatch.syspath_prepend(str(folder))
    # Under a name of its own: other experiments have a page.py, too.
    spec = spec_from_file_location("distant_languages_page", folder / "page.py")
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_unknown_tokens_are_those_of_scripts_that_the_encoder_does_not_know(page):
    results = page.read_results(page.REPORTS / page.ENCODER / page.FILE_NAME).collections["ntrex:lead"]
    unknown = dict(zip(results.languages, results.fertility.unknown, strict=True))
    assert unknown["ml"] > 0.5
    assert unknown["ja"] < 0.01


def test_numbers_are_written_with_their_intervals(page):
    interval = page.Interval(-0.5, -0.75, 0.25)
    assert page.show_signed(interval) == "−0.50 (−0.75 to +0.25)"
    assert page.show_interval(page.Interval(0.5, 0.25, 0.75)) == "0.500 (0.250–0.750)"
    assert page.table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_the_committed_page_has_the_figures_of_the_committed_report(page):
    text = (ROOT / "reports" / page.PAGE).read_text(encoding="utf-8")
    results = page.read_results(page.REPORTS / page.ENCODER / page.FILE_NAME).collections["ntrex:lead"]
    model = page.Model(page.ENCODER, None, results)
    assert f"| {page.language_name('zh-Hans')} | {page.show(model.own['zh-Hans'])} |" in text
    assert f"| {page.language_name('dz')} | {page.show(model.own['dz'])} |" in text
