"""The page on distant languages: its figures are those of the reports."""

import csv
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


def test_the_table_of_fertility_has_every_language_once():
    with (ROOT / "experiments" / "distant-languages" / "fertility.csv").open(encoding="utf-8") as file:
        rows = [(row["model"], row["language"]) for row in csv.DictReader(file)]
    assert len(rows) == len(set(rows)) == 2 * 128


def test_fertility_is_at_least_a_token_and_shares_are_shares(page):
    for model in ("use-multilingual-v3", "multilingual-e5-small"):
        traits = page.read_fertility(model)
        assert min(traits["tokens per English word"].values()) > 0.5
        assert 0 <= min(traits["unknown tokens"].values()) <= max(traits["unknown tokens"].values()) <= 1
    assert page.read_fertility("use-multilingual-v3")["unknown tokens"]["ml"] > 0.5
    assert page.read_fertility("multilingual-e5-small")["unknown tokens"]["ml"] < 0.01


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
