"""How scores go with traits of languages, and what a variant of the queries changes."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from babelrank.analysis.query_variants import compare_variants, mean_gain
from babelrank.analysis.typology import explain_scores, language_traits
from babelrank.errors import ReportError
from made_ranks import pool_ranks

LANGUAGES = [
    *(
        "af",
        "ar",
        "bg",
        "cy",
        "da",
        "eu",
        "fi",
        "he",
        "hu",
        "id",
        "ja",
        "ka",
        "ko",
        "lo",
        "mn",
        "ms",
        "sw",
        "ta",
        "th",
        "tr",
    ),
    *("vi", "yo", "zh", "zu"),
]


def made(seed=0):
    """Scores that follow trait a; b follows a, too, and explains nothing more."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=len(LANGUAGES))
    b = a + rng.normal(size=len(LANGUAGES)) * 0.7
    score = a + rng.normal(size=len(LANGUAGES)) * 0.2
    return [dict(zip(LANGUAGES, values.tolist(), strict=True)) for values in (score, a, b)]


def test_a_trait_that_explains_is_told_from_one_that_goes_with_it():
    score, a, b = made()
    found = explain_scores(score, {"a": a, "b": b}, resamples=200)
    first, second = found.associations
    assert (first.trait, second.trait) == ("a", "b")
    assert first.partial.low > 0.5
    assert second.rho.value > 0.5
    assert second.partial.low < 0 < second.partial.high


def test_correlations_are_spearmans_and_partial_ones_those_of_ranks():
    score, a, b = made()
    found = explain_scores(score, {"a": a, "b": b}, resamples=10)
    x, y, z = (list(values.values()) for values in (score, a, b))
    xy, xz, yz = (spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
    assert found.associations[0].rho.value == pytest.approx(xy)
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert found.associations[0].partial.value == pytest.approx(expected)


def test_intervals_draw_families():
    score, a, _ = made()
    found = explain_scores(score, {"a": a}, resamples=10)
    assert found.families == 15  # Indo-European has 4 of the languages
    assert len(found.languages) == len(LANGUAGES)


def test_languages_without_a_trait_are_left_out_and_few_are_not_explained():
    score, a, b = made()
    del a["af"], b["ar"]
    assert len(explain_scores(score, {"a": a, "b": b}, resamples=5).languages) == len(LANGUAGES) - 2
    few = {lang: score[lang] for lang in LANGUAGES[:9]}
    assert explain_scores(few, {"b": b}).associations == ()
    assert explain_scores(score, {"constant": dict.fromkeys(LANGUAGES, 1.0)}).associations == ()


def test_traits_of_languages():
    traits = language_traits(["de", "th", "mey-Arab"], ["en", "de"])
    assert traits["resource class"] == {"de": 5.0, "th": 3.0}
    assert traits["Latin script"] == {"de": 1.0, "th": 0.0, "mey-Arab": 0.0}
    assert traits["syntactic distance from training"]["de"] == 0.0
    assert "syntactic distance from training" not in language_traits(["de"])


def table(ranks):
    """A rank table of questions in sw, each with one passage in en at the rank given."""
    queries = {("sw", f"q{i}"): [("en", rank)] for i, rank in enumerate(ranks)}
    return pool_ranks(queries, {"en": 50, "sw": 0})


def test_variants_are_compared_per_question():
    gains = compare_variants(table([4, 2, 1, 10]), table([1, 1, 1, 5]))
    assert list(gains) == ["sw"]
    assert gains["sw"].queries == 4
    assert gains["sw"].original.value == pytest.approx((1 / 4 + 1 / 2 + 1 + 1 / 10) / 4)
    assert gains["sw"].gain.value == pytest.approx((3 / 4 + 1 / 2 + 0 + 1 / 10) / 4)
    assert mean_gain(gains) == gains["sw"].gain.value


def test_only_questions_that_both_have_count():
    assert compare_variants(table([4, 2, 1, 10]), table([1, 1]))["sw"].queries == 2
    assert compare_variants(table([4]), table([])) == {}


def test_variants_over_other_passages_are_refused():
    with pytest.raises(ReportError, match="over the same passages only"):
        compare_variants(table([1]), pool_ranks({("sw", "q0"): [("en", 1)]}, {"en": 51, "sw": 0}))
