"""report.md: what it says, and that nothing in it breaks out of its place."""

from dataclasses import replace

import pytest

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.errors import Texts
from babelrank.reporting.estimates import BiasFigure, BiasSummary, CollectionEstimates
from babelrank.reporting.facts import reproducing_command
from babelrank.reporting.markdown import escape, table_markdown
from babelrank.reporting.pages import render_markdown
from babelrank.reporting.results import TopFile
from babelrank.reporting.results_file import read_results
from babelrank.reporting.summary import verdict
from babelrank.reporting.tables import Code, Column, Link, Table
from paths import REPORTS
from toy_reports import INFO, ROWS, toy_results


def test_the_report_says_what_was_evaluated_and_what_came_out():
    page = render_markdown(toy_results(("xquad-r",))[0])
    assert (
        "- **xquad-r**: mAP is 1.000 within a language, 0.583 across languages and 0.812 from one pool of 2 languages. "
        "The passage in the query's own language comes first for 100% of queries (50% without bias)."
    ) in page
    assert "| Mo. | monolingual, 2 settings | 1.000 |" in page
    assert "| Cr. | cross-lingual, 2 settings | 0.583 |" in page
    assert "| Mul. | multilingual, 2 settings | 0.812 |" in page
    assert "| Mul. micro | multilingual, 4 queries | 0.812 |" in page
    assert "Rank distance (spread) ↓ mean 2.8, median 2.8, floor 1.0, normalised 0.4375" in page
    assert "| German (de) | 1.00 | 0.75 | 0.88 |" in page
    assert "| English (en) | 3.5 | 3.5 | 1.0 | 0.6250 | 100% | 2 |" in page
    assert "mean over 2 queries" in page
    assert "](xquad-r.share-first.svg)" in page
    assert "| parameters | 1,234,567 |" in page
    assert "CC BY-SA 4.0" in page
    assert "1.00 s to load" in page
    assert "4 queries and 6 passages" in page


def test_intervals_stand_behind_the_figures_that_have_one():
    intervals = {"monolingual": Interval(1.0, 0.9, 1.0), "rank_distance": Interval(2.75, 1.0, 4.0)}
    page = render_markdown(toy_results()[0], {"xquad-r": CollectionEstimates(intervals, "2 questions")})
    assert "| Mo. | monolingual, 2 settings | 1.000 (0.900–1.000) | 1.000 |" in page
    assert "| Cr. | cross-lingual, 2 settings | 0.583 |" in page
    assert "Rank distance (spread) ↓ mean 3 (1–4), median" in page
    assert "95 % bootstrap intervals over 2 questions" in page


def test_n_is_shown_by_cell_where_it_differs():
    page = render_markdown(toy_results(rows=ROWS[:-2])[0])
    assert "mean over 2 queries" not in page
    assert "| English (en) | 1 | 1 | 1 |" in page


def test_tables_stay_tables_whatever_settings_hold():
    page = render_markdown(toy_results()[0])
    rows = [line for line in page.splitlines() if line.startswith("| query_prompt")]
    assert rows == ['| query_prompt | ``"q\\| `x` "`` |']


def test_links_and_codes_in_a_table_are_escaped():
    table = Table("", [Column("a|b"), Column("c")], [[Link("x|[y]", "z/report.md", "*note*"), Code("`|`")], ["", None]])
    assert table_markdown(table).splitlines() == [
        r"| a\|b | c |",
        "| --- | --- |",
        r"| [x\|\[y\]](z/report.md), \*note\* | `` `\|` `` |",
        "| | – |",
    ]


@pytest.mark.parametrize("folder", sorted(path.parent for path in REPORTS.glob("*/results.json")), ids=lambda p: p.name)
def test_the_projects_reports_are_pages_that_people_can_read(folder):
    page = (folder / "report.md").read_text(encoding="utf-8")
    collections = len(read_results(folder / "results.json").collections)
    assert len(page.encode()) <= max(30_000, 9_000 * collections)
    assert "## How to reproduce" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b c", "a_b c"),
        ("_a_ *b*", r"\_a\_ \*b\*"),
        ("x | y", r"x \| y"),
        ("[x](http://y)", r"\[x\](http\://y)"),
        ("<b> & $x$", r"\<b\> \& \$x\$"),
        ("www.example.org, me@example.org", r"www\.example.org, me\@example.org"),
        ("R@1, at 10:41", "R@1, at 10:41"),
        ("line\n\n# heading", "line # heading"),
    ],
)
def test_text_is_shown_as_it_is(text, shown):
    assert escape(text) == shown
    assert escape(escape(text)) == shown


def test_the_command_leaves_out_the_texts_that_the_report_leaves_out():
    top = TopFile("xquad-r.top.parquet", "0" * 64, 40, 10, 1)

    def command(name, **fields):
        results, _ = toy_results((name,))
        collection = replace(results.collections[name], **fields)
        return reproducing_command(replace(results, collections={name: collection}))

    assert command("xquad-r", top=top).endswith(" --no-texts")
    assert "--no-texts" not in command("xquad-r", top=top, texts=Texts({}, {}))
    assert "--no-texts" not in command("xquad-r")  # streamed: there are none to leave out
    assert "--no-texts" not in command("local:own", top=top)  # of a licence that is not known


def test_the_command_gives_the_same_report_again():
    info = replace(INFO, name="org/model", adapter="sentence-transformers", fingerprint="a" * 40)
    options = {"query_prompt": "it's: ", "max_length": 64}
    results, _ = toy_results(("xquad-r", "mlqa-r:de,en"), name="mine", info=info, options=options)
    assert reproducing_command(results).splitlines() == [
        "babelrank submit org/model \\",
        "  --adapter sentence-transformers \\",
        "  --collection xquad-r \\",
        "  --collection mlqa-r:de,en \\",
        "  --query-prompt 'it'\"'\"'s: ' \\",
        "  --max-length 64 \\",
        f"  --revision {'a' * 40} \\",
        "  --name mine",
    ]
    plain, _ = toy_results()
    assert reproducing_command(plain) == "babelrank submit toy \\\n  --adapter use \\\n  --collection xquad-r"
    folder, _ = toy_results(info=replace(INFO, fingerprint="b" * 64))
    assert "babelrank submit ./toy" in reproducing_command(folder)
    assert "The model is a folder" in render_markdown(folder)


def test_languages_that_are_favoured_as_much_are_named_together():
    effects = {
        "es": Interval(-0.41, -0.46, -0.36),
        "en": Interval(-0.40, -0.46, -0.35),
        "de": Interval(-0.22, -0.28, -0.17),
        "ar": Interval(0.31, 0.25, 0.38),
        "hi": Interval(0.31, 0.24, 0.38),
        "th": Interval(0.31, 0.25, 0.36),
        "zh": Interval(0.32, 0.23, 0.42),
    }
    measures = {"language_effect": BiasFigure(Interval(0.26, 0.24, 0.28), 0.0, 0.0, 1.0)}
    collection = read_results(REPORTS / "bm25" / "results.json").collections["xquad-r"]
    text = verdict("xquad-r", collection, BiasSummary(measures, effects))
    assert "answers in Spanish and English rank highest (m = −0.41 in log rank)" in text
    assert "answers in Chinese, Thai and 2 other languages lowest (m = +0.32)" in text
