"""How scores go with traits of languages, and what a variant of the queries changes."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from babelrank.analysis.query_variants import compare_variants, mean_gain
from babelrank.analysis.typology import (
    AS_PASSAGES,
    AS_QUERIES,
    FROM_ENGLISH,
    FROM_TRAINING,
    WITHIN,
    explain_retrieval,
    explain_scores,
    language_traits,
)
from babelrank.encoding.fertility import Fertility
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
    assert not {"syntactic distance from training", "unknown tokens"} & language_traits(["de"]).keys()


def test_tokens_are_traits_where_they_are_known():
    made = Fertility([9, 9], [1.0, None], [4.0, 2.0], [1.5, None], [None, None])
    traits = language_traits(["de", "th"], fertility=made)
    assert traits["tokens relative to English"] == {"de": 1.5}
    assert "unknown tokens" not in traits


def scored(languages, score):
    """A matrix in which queries of a language score as given, a tenth less across languages."""
    return [[score[a] - 0.1 * (a != b) for b in languages] for a in languages]


def test_the_scores_of_queries_and_of_passages_are_explained():
    score, a, _ = made()
    found = explain_retrieval(scored(LANGUAGES, score), LANGUAGES, {"a": a})
    assert list(found) == [WITHIN, AS_QUERIES, AS_PASSAGES]
    rho = {name: each.associations[0].rho.value for name, each in found.items()}
    assert rho[WITHIN] == rho[AS_QUERIES] > 0.9
    assert rho[AS_PASSAGES] < -0.9  # of its passages, the mean over the others' queries, which leaves it out


def test_one_variant_of_a_language_counts_and_cells_may_be_empty():
    score, a, _ = made()
    languages = [*LANGUAGES, "zh-Hant", "zu-ZA"]
    score, a = ({**each, "zh-Hant": 9.0, "zu-ZA": 9.0} for each in (score, a))
    matrix = scored(languages, score)
    matrix[0][0] = None
    found = explain_retrieval(matrix, languages, {"a": a})
    assert found[WITHIN].languages == tuple(LANGUAGES[1:])
    assert found[AS_QUERIES].languages == tuple(LANGUAGES)


def test_the_distance_from_training_takes_the_place_of_that_from_english():
    score, a, b = made()
    for traits, used in (({FROM_ENGLISH: a}, FROM_ENGLISH), ({FROM_ENGLISH: a, FROM_TRAINING: b}, FROM_TRAINING)):
        (only,) = explain_retrieval(scored(LANGUAGES, score), LANGUAGES, traits)[WITHIN].associations
        assert only.trait == used


def test_more_traits_need_more_languages():
    score, a, _ = made()
    matrix = scored(LANGUAGES, score)
    traits = {f"trait {i}": {code: value * (-1) ** i + i for code, value in a.items()} for i in range(5)}
    assert explain_retrieval(matrix, LANGUAGES, traits) == {}


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
