"""Experiments: a page that follows from reports alone."""

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from babelrank.analysis.clusters import clusters
from babelrank.analysis.language_bias import LanguageBias, measure_language_bias
from babelrank.cli import app
from babelrank.errors import ReportError
from babelrank.ranking.table import read_ranks
from babelrank.reporting.cache import Cache
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.experiment import check_experiments, experiment_pages, make_page, write_experiments
from babelrank.reporting.experiment_file import read_experiment
from babelrank.reporting.scatter import scatter_svg
from babelrank.reporting.stored_tables import file_digest
from paths import ROOT
from toy_reports import edit

EXPERIMENT = """
title = "Two systems"
text = "What *is* compared."
collections = ["xquad-r"]
start = "lexical"
source = "somebody's paper"
runs = [
  {label = "lexical", report = "bm25"},
  {label = "dense", report = "use-multilingual-v3", config = "dense.toml"},
]
published = [{label = "theirs", figures = {xquad-r = [0.5, 0.25, 0.125, 1234]}}]
claims = [
  {text = "Dense crosses languages", run = "dense", better_than = ["lexical"], figure = "cross_lingual"},
  {text = "Dense is better in its own", run = "dense", better_than = ["lexical"], figure = "monolingual"},
  {text = "Dense has less bias", run = "dense", better_than = ["lexical"], figure = "rank_distance"},
  {text = "Dense knows Greek", run = "dense", better_than = ["lexical"], figure = "monolingual", languages = ["el"]},
]
"""

KNOWN = Cache()


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with two real reports, of three collections, and an experiment about them."""
    for name in ("bm25", "use-multilingual-v3"):
        folder = tmp_path / "reports" / name
        shutil.copytree(ROOT / "reports" / name, folder)
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        kept = {name: results["collections"][name] for name in ("xquad-r", "mlqa-r", "beir:scifact")}
        (folder / "results.json").write_text(json.dumps({**results, "collections": kept}), encoding="utf-8")
    folder = tmp_path / "experiments" / "two-systems"
    folder.mkdir(parents=True)
    (folder / "experiment.toml").write_text(EXPERIMENT)
    (tmp_path / "leaderboard.md").write_text("")
    return tmp_path


def pages_of(project: Path, **options) -> dict[str, str]:
    """Return the pages of the experiments; values of the same rank tables are computed once for all tests."""
    return experiment_pages(project / "experiments", project / "reports", Estimates(KNOWN), **options)


def render(project: Path) -> str:
    return pages_of(project)["two-systems.md"]


@cache
def language_bias(report: str, collection: str = "xquad-r") -> LanguageBias:
    """Return the language bias of a report of this project."""
    ranks = read_ranks(ROOT / "reports" / report / f"{collection}.ranks.parquet")
    return measure_language_bias(ranks, clusters=clusters(ranks))


def test_the_page_shows_figures_changes_and_what_others_published(project):
    page = render(project)
    assert "# Two systems" in page
    assert "What *is* compared." in page
    assert "| [lexical](bm25/report.md) | 0.728 (" in page
    assert "| dense | −0.203 (−0.2" in page
    assert "| theirs | 0.500 | 0.250 | 0.125 | 1,234 |" in page
    assert "somebody's paper" in page
    assert "../experiments/two-systems/dense.toml" in page


def test_claims_are_judged_by_their_intervals(project):
    rows = [line for line in render(project).splitlines() if line.startswith("| Dense")]
    assert rows[0].endswith("| open (one seed) |")
    assert rows[1].endswith("| did not hold (one seed) |")
    # Rank distance falls where a system gets better: USE's is larger than BM25's.
    assert "lexical: −1,6" in rows[2]
    assert rows[2].endswith("| did not hold (one seed) |")
    assert rows[3].endswith("| did not hold (one seed) |")


def test_only_runs_of_several_seeds_can_hold_a_claim(project):
    path = project / "experiments" / "two-systems" / "experiment.toml"
    for seed in ("seed-1", "seed-2"):
        shutil.copytree(project / "reports" / "use-multilingual-v3", project / "reports" / seed)
    given = '"use-multilingual-v3", repeats = ["seed-1", "seed-2"],'
    path.write_text(path.read_text().replace('"use-multilingual-v3",', given))
    rows = [line for line in render(project).splitlines() if line.startswith("| Dense")]
    assert rows[0].endswith("| held |")
    assert rows[0].split(" | ")[2] == r"\< 0.001"
    assert rows[1].endswith("| did not hold |")


def test_a_claim_may_be_about_a_multiple_of_the_others_figure(project):
    path = project / "experiments" / "two-systems" / "experiment.toml"
    claim = '{text = "Dense has less bias", run = "dense", better_than = ["lexical"], figure = "rank_distance"'
    path.write_text(path.read_text().replace(claim, f"{claim}, times = 2"))
    row = next(line for line in render(project).splitlines() if line.startswith("| Dense has less"))
    assert "2.00 × lexical: +" in row
    assert row.endswith("| open (one seed) |")


def claim_of(project, figure, settings="", *, collection="xquad-r"):
    """Return the row of one claim, that dense is better than lexical, as cells."""
    path = project / "experiments" / "two-systems" / "experiment.toml"
    text = EXPERIMENT[: EXPERIMENT.index("claims = ")].replace('["xquad-r"]', f'["{collection}"]')
    claim = f'text = "Dense is better"\nrun = "dense"\nbetter_than = ["lexical"]\nfigure = "{figure}"\n{settings}'
    path.write_text(f"{text}\n[[claims]]\n{claim}\n")
    return next(line for line in render(project).splitlines() if line.startswith("| Dense is")).strip("| ").split(" | ")


@pytest.mark.parametrize(("figure", "digits"), [("language_effect", 3), ("rank_ratio", 1), ("merge_gap", 3)])
def test_claims_may_be_about_language_bias(project, figure, digits):
    values = [language_bias(name).measures[figure].macro.value for name in ("bm25", "use-multilingual-v3")]
    _, gain, _, verdict = claim_of(project, figure)
    assert gain.startswith(f"lexical: {values[0] - values[1]:+,.{digits}f} (".replace("-", "−"))
    assert verdict == "open (one seed)"
    if figure != "merge_gap":
        _, gain, p, verdict = claim_of(project, figure, "times = 0.1")
        assert gain.startswith(f"0.10 × lexical: {0.1 * values[0] - values[1]:+,.{digits}f} (".replace("-", "−"))
        assert (p, verdict) == (r"\< 0.001", "did not hold (one seed)")


@pytest.mark.parametrize("collection", ["xquad-r", "mlqa-r"])
def test_a_share_of_a_value_that_is_not_above_0_is_not_defined(project, collection):
    assert language_bias("bm25", collection).merge_gap.macro.low < 0
    assert claim_of(project, "merge_gap", "times = 0.25", collection=collection)[1:] == [
        "0.25 × lexical: –",
        "–",
        "not defined (one seed)",
    ]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ('better_than = ["dense"]', "claim 'Dense crosses languages' compares 'dense' with itself"),
        ('better_than = ["lexical"], collections = ["mlqa-r"]', "is about mlqa-r, not of xquad-r"),
        ('better_than = ["lexical"], more_than = {run = "dense", better_than = "sparse"}', "no run is called sparse"),
    ],
)
def test_a_claim_that_cannot_be_tested_is_refused(project, changed, problem):
    folder = project / "experiments" / "two-systems"
    text = (folder / "experiment.toml").read_text()
    (folder / "experiment.toml").write_text(text.replace('better_than = ["lexical"]', changed, 1))
    with pytest.raises(ReportError, match=problem):
        read_experiment(folder)


def test_a_gain_may_be_compared_with_that_in_other_languages_and_of_other_runs(project):
    folder = project / "experiments" / "two-systems"
    claims = """
[[claims]]
text = "Dense is better in Greek"
run = "dense"
better_than = ["lexical"]
figure = "cross_lingual"
languages = ["el"]
more_than_languages = ["en"]

[[claims]]
text = "Dense gains over nothing"
run = "dense"
better_than = ["lexical"]
figure = "cross_lingual"
more_than = {run = "lexical", better_than = "dense"}
"""
    (folder / "experiment.toml").write_text(EXPERIMENT[: EXPERIMENT.index("claims = ")] + claims)
    greek, twice = (line.split(" | ") for line in render(project).splitlines() if line.startswith("| Dense"))
    gains = {}
    results = [
        json.loads((ROOT / "reports" / name / "results.json").read_text()) for name in ("use-multilingual-v3", "bm25")
    ]
    for lang in ("el", "en"):
        means = []
        for each in results:
            found = each["collections"]["xquad-r"]
            row, column = found["languages"].index(lang), list(range(len(found["languages"])))
            means.append(np.mean([found["pairs"]["scores"]["mAP"][row][n] for n in column if n != row]))
        gains[lang] = means[0] - means[1]
    assert greek[1].startswith(f"lexical: {gains['el'] - gains['en']:+.3f} (".replace("-", "−"))
    gain = next(line for line in render(project).splitlines() if line.startswith("| dense | −0.203")).split(" | ")[2]
    doubled, once = (float(text.replace("−", "-")) for text in (twice[1].split()[1], gain.split()[0]))
    assert doubled == pytest.approx(2 * once, abs=0.0015)


def test_the_page_shows_language_bias_report_by_report(project):
    page = render(project)
    assert "Language bias" in page
    row = next(line for line in page.splitlines() if line.startswith("| lexical | [bm25]"))
    assert f"| {language_bias('bm25').measures['merge_gap'].macro.value:.3f} (" in row


def test_the_page_shows_what_the_runs_cost(project):
    assert "The versions that made these reports did not record their cost." in render(project)

    def record(results):
        results["model"] |= {"training_cost": {"cpu_seconds": 5400.0, "hardware": "a GPU"}}
        results["model"]["notes"]["training"] = "X-X batches"
        results["collections"]["xquad-r"]["cost"] = {
            "texts_per_second": 1.0,
            "hardware": "a processor",
            "bytes_per_vector": 4.0,
            "cpu_seconds": 900.0,
        }

    edit(project / "reports" / "use-multilingual-v3" / "results.json", record)
    page = render(project)
    assert "The sum of what was recorded is 1.75 CPU hours." in page
    assert "| lexical | not trained | not recorded |" in page
    assert "| dense | 1.5 | 0.25 | a GPU; a processor |" in page
    path = project / "experiments" / "two-systems" / "experiment.toml"
    path.write_text(path.read_text().replace('"use-multilingual-v3",', '"use-multilingual-v3", repeats = ["bm25"],'))
    assert "| dense | 1.5 | 0.25 (1 of 2 recorded) | a GPU; a processor |" in render(project)


def test_a_run_of_several_seeds_is_their_mean_and_each_is_shown(project):
    path = project / "experiments" / "two-systems" / "experiment.toml"
    path.write_text(path.read_text().replace('"use-multilingual-v3",', '"use-multilingual-v3", repeats = ["bm25"],'))
    scores = [
        json.loads((project / "reports" / name / "results.json").read_text())["collections"]["xquad-r"]["macro"]
        for name in ("use-multilingual-v3", "bm25")
    ]
    page = render(project)
    mean = sum(macro["cross_lingual"]["mAP"] for macro in scores) / 2
    row = next(line for line in page.splitlines() if line.startswith("| [dense]"))
    assert row.startswith("| [dense](use-multilingual-v3/report.md), mean of 2 seeds | ")
    assert row.split(" | ")[2].startswith(f"{mean:.3f} (")
    assert "| dense | [use-multilingual-v3](use-multilingual-v3/report.md) | 0.525 (" in page
    assert "| dense | [bm25](bm25/report.md) | 0.728 (" in page
    assert page.count("| lexical | [") == 1  # in the table of language bias


def test_pages_are_written_checked_and_kept_current(project):
    page = project / "reports" / "two-systems.md"
    experiments, reports = project / "experiments", project / "reports"
    plot = page.with_suffix(".xquad-r.svg")
    assert check_experiments(experiments, reports) == [str(plot), str(page)]
    assert write_experiments(experiments, reports) == [plot, page]
    assert check_experiments(experiments, reports) == []
    assert write_experiments(experiments, reports) == []
    page.write_text(page.read_text().replace("open", "failed", 1))
    assert check_experiments(experiments, reports) == [str(page)]


def test_each_report_is_a_point_of_the_plot(project):
    folder = project / "reports"
    shutil.copytree(folder / "bm25", folder / "seed-1")
    path = project / "experiments" / "two-systems" / "experiment.toml"
    path.write_text(path.read_text().replace('"bm25"', '"bm25", repeats = ["seed-1"]', 1))
    plot = ElementTree.fromstring(pages_of(project)["two-systems.xquad-r.svg"])
    circles = plot.findall("{*}circle")
    assert len(circles) == 3 + 2  # points, and the key
    assert [circle.get("fill") for circle in circles] == ["#0072B2", "#0072B2", "#D55E00", "#0072B2", "#D55E00"]
    assert circles[0].get("cx") == circles[1].get("cx") < circles[2].get("cx")
    page = pages_of(project, as_html=True)["two-systems.html"]
    assert 'aria-label="Accuracy and language bias: xquad-r"' in page


def test_answers_are_collected_with_the_claims_behind_them(project):
    path = project / "experiments" / "two-systems" / "experiment.toml"
    assert "questions.md" not in pages_of(project)
    path.write_text('answer = "Yes, it does."\nlimits = "Other models."\n' + path.read_text())
    page = pages_of(project)["questions.md"]
    assert "- [Two systems](two-systems.md)" in page
    assert "## Two systems\n\nYes, it does.\n" in page
    rows = [line for line in page.splitlines() if line.startswith("| xquad-r | Dense")]
    assert [row.split(" | ", 1)[1] for row in rows] == [
        line.removeprefix("| ") for line in render(project).splitlines() if line.startswith("| Dense")
    ]
    assert "Not shown: Other models." in page
    assert "two-systems.html" in pages_of(project, as_html=True)["questions.html"]


def test_a_collection_has_only_the_measures_that_its_languages_allow(project):
    path = project / "experiments" / "two-systems" / "experiment.toml"
    path.write_text(path.read_text().replace('["xquad-r"]', '["beir:scifact"]').replace("published =", "#"))
    page = pages_of(project)
    assert list(page) == ["two-systems.md"]  # without a plot of language bias
    section = page["two-systems.md"].split("## beir:scifact")[1]
    assert "| run | Mo. ↑ |\n" in section
    claims = [line for line in section.splitlines() if line.startswith("| Dense")]
    assert [line.split(" | ")[0] for line in claims] == ["| Dense is better in its own", "| Dense knows Greek"]


@pytest.mark.parametrize("values", [[0.3, 0.7], [-0.002, -0.001], [0.0, 0.0], [1e-9, 20.0]])
def test_every_point_has_a_place_in_the_plot(values):
    plot = ElementTree.fromstring(scatter_svg("title", [("a", 0.5, value) for value in values]))
    assert all(float(circle.get("cy")) == float(circle.get("cy")) for circle in plot.findall("{*}circle"))


def test_the_space_of_reports_is_compared_with_their_accuracy(project):
    page = render(project)
    space = json.loads((project / "reports" / "use-multilingual-v3" / "results.json").read_text())
    probe = space["collections"]["xquad-r"]["space"]["passages"]["language_probe"]["accuracy"]
    assert "Embedding space, report by report" in page
    row = page[page.index("Embedding space") :].split("| dense | ")[1].splitlines()[0]
    assert row.split(" | ")[2] == f"{probe:.3f}"
    assert "Rank correlation" not in page  # of one report with a space


def test_the_leaderboard_command_sees_to_the_pages(project, monkeypatch):
    monkeypatch.chdir(project)
    for path in project.glob("reports/*/results.json"):
        edit(path, lambda found: found["collections"].pop("mlqa-r"))
    runner = CliRunner()
    stale = runner.invoke(app, ["leaderboard", "--check"])
    assert stale.exit_code == 1
    assert runner.invoke(app, ["leaderboard"]).exit_code == 0
    assert "Two systems" in (project / "reports" / "two-systems.md").read_text()
    assert runner.invoke(app, ["leaderboard", "--check"]).exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('start = "lexical"', 'start = "nothing"', "no run is called nothing; there are dense, lexical"),
        ("title", "titel", "titel"),
        ('report = "bm25"', 'report = "bm52"', "Did you mean 'bm25'"),
        ('"cross_lingual"', '"crossing"', "crossing"),
        ('"bm25"', '"bm25", repeats = ["bm25"]', "'lexical' names a report twice"),
        ('"bm25"', '"bm25", repeats = ["bm52"]', "unknown report 'bm52'. Did you mean 'bm25'"),
    ],
)
def test_a_mistake_in_an_experiment_is_named(project, old, new, problem):
    path = project / "experiments" / "two-systems" / "experiment.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ReportError, match=problem):
        make_page(path.parent, project / "reports", Estimates())


def test_a_run_on_other_questions_than_the_start_is_named(project):
    path = project / "reports" / "use-multilingual-v3" / "xquad-r.ranks.parquet"
    ranks = read_ranks(path)
    ids = ranks.table["query_id"]
    replace(ranks, table=ranks.table[ids != ids.iloc[0]]).write(path)
    digest = file_digest(path)
    edit(path.with_name("results.json"), lambda found: found["collections"]["xquad-r"]["ranks"].update(sha256=digest))
    with pytest.raises(ReportError, match=r"run 'dense', xquad-r: .*different questions"):
        render(project)


def test_the_experiments_of_the_project_name_configurations_that_are_there():
    for path in ROOT.glob("experiments/*/experiment.toml"):
        for run in read_experiment(path.parent).runs:
            assert run.config is None or (path.parent / run.config).is_file()


def test_an_experiment_without_all_of_its_reports_has_no_page(project):
    path, reports = project / "experiments" / "two-systems" / "experiment.toml", project / "reports"
    path.write_text(path.read_text().replace("runs = [", 'runs = [{label = "later", report = "not-yet"},', 1))
    assert check_experiments(path.parents[1], reports) == []
    assert write_experiments(path.parents[1], reports) == []


def test_an_experiment_on_a_collection_that_a_report_lacks_has_no_page(project):
    path, reports = project / "experiments" / "two-systems" / "experiment.toml", project / "reports"
    path.write_text(path.read_text().replace('["xquad-r"]', '["xquad-r", "mlqa-r"]'))
    assert "two-systems.md" in pages_of(project)
    edit(reports / "bm25" / "results.json", lambda found: found["collections"].pop("mlqa-r"))
    assert pages_of(project) == {}
