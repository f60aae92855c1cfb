"""Matrices of more than 24 languages are shown by family."""

import json
from dataclasses import replace

import pytest

from babelrank.data.language_facts import language_facts
from babelrank.data.ntrex import find_variants
from babelrank.reporting.formatting import show_rank
from babelrank.reporting.large import by_family, shorten
from babelrank.reporting.matrices import DIGITS, Margin, MatrixView
from babelrank.reporting.tables import Column, Table

LANGUAGES = [
    *("ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl", "gu"),
    *("he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "ko", "lt", "ms", "th", "vi"),
]  # fmt: skip


def view(languages, **others):
    size = len(languages)
    values = [[float(i * size + j) for j in range(size)] for i in range(size)]
    return MatrixView("mAP", "mAP", languages, languages, values, "{:.1f}".format, "mAP", **others)


def test_few_languages_are_shown_one_by_one():
    few = view(LANGUAGES[:24])
    assert by_family(few) is few


def test_many_are_shown_by_family():
    size = len(LANGUAGES)
    counts = [[2] * size for _ in range(size)]
    grouped = by_family(view(LANGUAGES, n=counts, right=Margin("Mul.", "all", [1.0] * size, [3] * size)))
    assert grouped.rows == sorted({language_facts(lang).family for lang in LANGUAGES})
    ja, semitic = grouped.rows.index("Japonic"), grouped.rows.index("Afro-Asiatic")
    row, places = LANGUAGES.index("ja"), [LANGUAGES.index("ar"), LANGUAGES.index("he")]
    assert grouped.values[ja][semitic] == pytest.approx(sum(row * size + place for place in places) / 2)
    assert grouped.n[ja][semitic] == 4
    assert grouped.right.n[semitic] == 6
    assert grouped.table.rows


def test_ratios_are_averaged_as_ratios():
    size = len(LANGUAGES)
    values = [[1.0 if j % 2 else 100.0 for j in range(size)] for _ in range(size)]
    grouped = by_family(MatrixView("rank", "rank", LANGUAGES, LANGUAGES, values, str, "rank", logarithmic=True))
    families = grouped.rows
    arabic, hebrew = LANGUAGES.index("ar") % 2, LANGUAGES.index("he") % 2
    expected = 10.0 if arabic != hebrew else (1.0 if arabic else 100.0)
    assert grouped.values[0][families.index("Afro-Asiatic")] == pytest.approx(expected)


def test_variants_of_a_language_are_close():
    assert find_variants(["de", "pt", "pt-BR"]) == [["de"], ["pt", "pt-BR"]]


def test_a_table_of_many_languages_keeps_its_ends_and_its_footer():
    rows = [[f"language {i}", float(i)] for i in (*range(20, 40), *range(20))]
    table = Table("", [Column("language"), Column("value")], [*rows, ["mean", 19.5]], footer=1)
    assert [row[1] for row in shorten(table).rows] == [0, 1, 2, 3, 4, 35, 36, 37, 38, 39, 19.5]
    few = replace(table, rows=table.rows[:10], footer=0)
    assert shorten(few) is few


def unpack(text, cells):
    width = cells["width"]
    for digits in (text[i : i + width] for i in range(0, len(text), width)):
        number = sum(DIGITS.find(digit) * len(DIGITS) ** place for place, digit in enumerate(reversed(digits)))
        yield None if digits.isspace() else cells["low"] + (number + 0.5) * cells["step"]


def cells_of(values, show, **others):
    grouped = by_family(replace(view(LANGUAGES, **others), values=values, show=show))
    return json.loads(json.dumps(grouped.data()["cells"]))


@pytest.mark.parametrize(
    ("show", "largest"),
    [
        ("{:.2f}".format, 1.0),
        ("{:.0%}".format, 1.0),
        ("{:+.2f}".format, -7.0),
        ("{:.3f}".format, 0.02),
        (show_rank, 2e4),
    ],
)
def test_single_languages_are_kept_for_the_page_and_shown_as_elsewhere(show, largest):
    size = len(LANGUAGES)
    # Some are between two texts, such as .125.
    values = [[None if i == j else largest * (i * size + j) / 2000 for j in range(size)] for i in range(size)]
    pool = Margin("Mul.", "all", [0.5] * size)
    cells = cells_of(values, show, right=pool)
    assert cells["codes"] == LANGUAGES
    assert (cells["percent"], cells["below"]) == (show(0.5) == "50%", None)
    for row, packed in zip([*values, pool.values], [*cells["values"], cells["right"]["values"]], strict=True):
        found = list(unpack(packed, cells))
        assert [each and show(each) for each in found] == [each and show(each) for each in row]
        assert [each or 0.0 for each in found] == pytest.approx([each or 0.0 for each in row], abs=abs(largest) / 500)


def test_half_of_a_symmetric_matrix_is_kept():
    size = len(LANGUAGES)
    cells = cells_of([[abs(i - j) / size for j in range(size)] for i in range(size)], "{:.2f}".format)
    assert [len(row) for row in cells["values"]] == [2 * (i + 1) for i in range(size)]
    assert view(LANGUAGES[:3]).data()["cells"] is None
