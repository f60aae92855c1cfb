"""What a report shows beyond its results, from the rank table alone."""

from dataclasses import replace

import pytest

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.detail import analyse_in_detail
from babelrank.analysis.list_consistency import compare_lists
from babelrank.ranking.table import read_ranks
from babelrank.ranking.top_table import read_top
from babelrank.reporting.detail_sections import detail_sections
from babelrank.reporting.formatting import show_count, show_p, show_parameters, show_rank, show_score, show_signed
from babelrank.reporting.language_section import group_section
from babelrank.reporting.tables import show_bounds, show_cell
from paths import REPORTS

REPORT = REPORTS / "multilingual-e5-small-4-bit-weights"


@pytest.fixture(scope="module")
def detail():
    return analyse_in_detail(read_ranks(REPORT / "xquad-r.ranks.parquet"))


@pytest.fixture(scope="module")
def sections(detail):
    return {section.title: section for section in detail_sections(detail)}


def test_every_analysis_has_its_section(sections):
    assert list(sections) == [
        "Preference between languages",
        "The query's own language",
        "Are the differences real?",
        "Consistency",
        "Groups of languages",
        "Distance between languages",
    ]
    assert all(section.caption and (section.matrices or section.tables) for section in sections.values())


def test_switches_of_a_section_have_different_names(sections):
    for section in sections.values():
        labels = [view.label for view in section.matrices]
        assert len(set(labels)) == len(labels)


def test_the_own_language_is_shown_beside_what_chance_would_give(sections, detail):
    *languages, mean = sections["The query's own language"].tables[0].rows
    assert len(languages) == 11
    english = next(row for row in languages if row[0] == "English (en)")
    assert english[3] == pytest.approx(1 / 11)
    assert mean[1] == detail.preference.own.macro["own_above"]


def test_pairs_of_languages_are_mirrored(sections):
    views = {view.label: view for view in sections["Preference between languages"].matrices}
    values = views["which of two"].values
    for i in range(11):
        for j in range(i):
            assert values[i][j] + values[j][i] == pytest.approx(1)
    balance = sections["Are the differences real?"].matrices[0].values
    assert all(balance[i][j] == -balance[j][i] for i in range(11) for j in range(i))


def test_where_languages_lack_passages_shares_of_the_top_stand_beside_those_without_bias(sections):
    """MLQA-R has about three times as many English questions, and each question in its own language."""
    parallel = {view.label: view for view in sections["Preference between languages"].matrices}
    assert "share without bias" not in parallel
    assert parallel["share of top 10"].legend.endswith("equal without bias")
    detail = analyse_in_detail(read_ranks(REPORT / "mlqa-r.ranks.parquet"))
    views = {view.label: view for view in detail_sections(detail)[0].matrices}
    assert "without bias" not in views["share of top 10"].legend
    expected = views["share without bias"]
    arabic, english = expected.rows.index("ar"), expected.rows.index("en")
    counts = detail.preference.n[arabic]  # 517 of its questions have an Arabic passage and as many an English one
    assert expected.values[arabic][english] == expected.values[arabic][arabic] == 517 / sum(counts) > 0.25
    assert max(expected.values[arabic][i] for i in range(7) if i not in (arabic, english)) < 0.12


def test_consistency_begins_with_what_is_retrieved(detail):
    top = read_top(REPORT / "xquad-r.top.parquet")
    (section,) = (
        each for each in detail_sections(replace(detail, lists=compare_lists(top))) if each.title == "Consistency"
    )
    assert [view.label for view in section.matrices][:2] == ["overlap@10", "RBO@10"]
    macro = compare_lists(top).macro
    assert f"{macro['overlap_beyond_chance']:.3f} (0: lists of different questions" in section.caption
    overlap = section.matrices[0].values
    assert all(row[i] == pytest.approx(1) for i, row in enumerate(overlap))
    pairs = [overlap[i][j] for i in range(11) for j in range(i)]
    assert sum(pairs) / len(pairs) == pytest.approx(macro["overlap_beyond_chance"])


def test_shares_of_few_passages_have_their_number_and_an_interval(sections):
    views = {view.label: view for view in sections["Preference between languages"].matrices}
    view = views["share of top 10"]
    for values, counts, intervals in zip(view.values, view.n, view.intervals, strict=True):
        assert len(set(counts)) == 1
        assert all(each.low <= value <= each.high for value, each in zip(values, intervals, strict=True))


def test_groups_without_enough_questions_have_a_warning(detail):
    assert "with 95 % intervals" in group_section(detail.groups).caption
    caption = group_section(detail.groups, "Only 12 groups.").caption
    assert "Only 12 groups." in caption
    assert "95 %" not in caption


def test_groups_of_one_language_are_left_out_and_intervals_hold_their_figure(sections, detail):
    by_language, by_pair = sections["Groups of languages"].tables
    assert all("," in str(row[1]) for row in (*by_language.rows, *by_pair.rows))
    assert any(str(row[0]) == "pair: distant low-resource" for row in by_pair.rows)
    for groups in detail.groups.values():
        for group in groups:
            for interval in group.intervals.values():
                assert interval.low <= interval.value <= interval.high


def test_distance_goes_against_this_encoders_cross_lingual_scores(sections, detail):
    genetic = next(row for row in sections["Distance between languages"].tables[0].rows if row[0] == "genetic")
    assert genetic[1] < -0.5
    # Of the section's 24 p-values, corrected together, this is among the smallest.
    assert detail.score_by_distance["genetic"].p < 0.05 < genetic[2] <= 24 * detail.score_by_distance["genetic"].p


def test_one_language_has_sections_without_figures_and_no_warnings(ranks_of):
    rows = [("en", f"q{i}", "en", f"p{i}", 1, float(i + 1), float(i + 1)) for i in range(4)]
    detail = analyse_in_detail(ranks_of(rows, ("en",)))
    assert len(detail_sections(detail)) == 6


def test_languages_that_judgements_do_not_link_have_sections_all_the_same(ranks_of):
    """Russian and Ukrainian have answers in their own language alone, German and English in both; no question twice."""
    rows = [(lang, f"{lang}{i}", lang, f"{lang}/{i}", 1, 1.0 + i, 2.0 + i) for lang in ("ru", "uk") for i in range(3)]
    rows += [
        (query, f"{query}{i}", passage, f"{passage}/{query}{i}", 1, 1.0 + i, 3.0 + i + (passage == "en"))
        for query in ("de", "en")
        for passage in ("de", "en")
        for i in range(3)
    ]
    sections = {
        section.title: section
        for section in detail_sections(analyse_in_detail(ranks_of(rows, ("de", "en", "ru", "uk"))))
    }
    by_language, _ = sections["Groups of languages"].tables
    cyrillic = next(row for row in by_language.rows if row[0] == "script: Cyrl")
    assert cyrillic[3:] == [None, cyrillic[4], None, None]
    assert not sections["Consistency"].matrices
    assert "No question" in sections["Consistency"].caption


def test_numbers_as_text():
    assert show_p(0.0004) == "< 0.001"
    assert show_p(0.0126) == "0.013"
    assert show_signed(-0.5) == "−0.50"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (7, "7"),
        (5e5, "500 k"),
        (57_305_088, "57.3 M"),
        (999_400_000, "999 M"),
        (999_600_000, "1 B"),  # not 1e+03 M
        (1.5e9, "1.5 B"),
        (2e12, "2 T"),
    ],
)
def test_numbers_of_weights_are_written_with_a_unit(number, text):
    assert show_parameters(number) == text


@pytest.mark.parametrize("noise", [-1e-15, 0.0, 1e-15])
def test_a_figure_between_two_texts_is_one_text_on_every_processor(noise):
    """Sums differ in their last bits with the order of addition, and so with the processor."""
    assert show_score(0.8125 + noise) == show_score(0.8125)
    assert show_rank(2.25 + noise) == show_rank(2.25)
    assert show_bounds(Interval(3.0, 2.5 + noise, 3.5 + noise), show_count) == "2–4"
    assert show_cell(0.125 + noise, "{:.0%}".format) == show_cell(0.125, "{:.0%}".format)
