"""The simulation study of bias measures, small: encoders of known bias, and what intervals cover."""

import numpy as np
import pytest

from babelrank.ranking.table import read_ranks
from paths import ROOT


@pytest.fixture
def study(monkeypatch):
    """The modules of the study, by name."""
    monkeypatch.syspath_prepend(str(ROOT / "experiments" / "bias-measures"))
    import interval_coverage
    import page
    import simulated_encoders

    return {"coverage": interval_coverage, "page": page, "encoders": simulated_encoders}


def test_simulated_ranks_are_those_of_a_pool(study):
    encoders = study["encoders"]
    ranks = encoders.simulate(encoders.Setting(2.2, bias=0.5), questions=40, languages=["de", "th"], seed=3)
    table = ranks.table.assign(
        query=ranks.query_numbers, size=ranks.table["passage_lang"].map(ranks.pool_sizes).astype(int)
    )
    assert len(table) == 40 * 2 * 11
    assert (table["rank_in_language"] <= table["size"]).all()
    assert (table["rank_in_language"] <= table["rank_in_pool"]).all()
    assert table["rank_in_pool"].between(1, 13_014).all()
    assert not table.duplicated(["query", "rank_in_pool"]).any()
    again = encoders.simulate(encoders.Setting(2.2, bias=0.5), questions=40, languages=["de", "th"], seed=3)
    assert again.table.equals(ranks.table)


def test_offsets_leave_rankings_within_languages_as_they_are(study):
    encoders = study["encoders"]
    means = [
        np.log(encoders.simulate(encoders.Setting(2.2, bias), questions=300, languages=["de"]).table[column]).mean()
        for column in ("rank_in_language", "rank_in_pool")
        for bias in (0.0, 1.0)
    ]
    assert means[0] == pytest.approx(means[1], abs=0.02)
    assert means[2] != pytest.approx(means[3], abs=0.02)


def test_the_language_effect_passes_and_rank_distance_does_not(study, monkeypatch):
    page = study["page"]
    monkeypatch.setattr(page, "LANGUAGES", ("de",))
    monkeypatch.setattr(page, "RUNS", 1)
    monkeypatch.setattr(page, "SKILLS", (1.3, 3.1))
    offsets = page.simulate_all((0.0, page.WEAK, page.STRONG), questions=250)
    own = page.simulate_all((page.STRONG,), own=True, questions=250)
    effect, distance = (page.find_trait(offsets, measure) for measure in ("language_effect", "rank_distance"))
    assert effect.passes
    assert effect.spread < 1.3
    assert effect.false_alarms == 0
    assert not distance.passes
    coverage = [study["coverage"].Coverage("Mul.", 10, {"article": 0.9, "paragraph": 0.8, "question": 0.7})]
    text = page.render_page(offsets, own, coverage)
    assert "| Mul. | 70 % | 80 % | 90 % | 10 |" in text
    assert "language effect η²" in text.split("**")[1]


def test_intervals_that_draw_articles_cover_more_than_those_that_draw_questions(study):
    folders = [ROOT / "reports" / name for name in ("bm25", "use-multilingual-v3")]
    ranks, other = (read_ranks(folder / "xquad-r.ranks.parquet") for folder in folders)
    covered = {each.figure: each.held for each in study["coverage"].cover_macro_figures(ranks, other, trials=20)}
    assert covered["Mul."]["article"] > covered["Mul."]["question"]
    assert covered["difference in Mul."]["article"] >= 0.7
    effect = study["coverage"].cover_language_effect(ranks, ["de"], trials=2)
    assert set(effect.held.values()) <= {0.0, 0.5, 1.0}
