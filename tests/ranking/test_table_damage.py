"""Tables of ranks that others made: what analyses cannot work with is refused when it is read."""

import re
from dataclasses import replace

import pytest

from babelrank.errors import ReportError
from babelrank.ranking.table import read_ranks
from toy_reports import toy_ranks


def changed(column, value):
    ranks = toy_ranks()
    return replace(ranks, table=ranks.table.assign(**{column: [value, *ranks.table[column][1:]]}))


@pytest.mark.parametrize(
    ("ranks", "problem"),
    [
        (replace(toy_ranks(), languages=()), "languages must be a sorted list of codes, got []"),
        (replace(toy_ranks(), languages=("en", "de")), "languages must be a sorted list"),
        (replace(toy_ranks(), languages=("de", None)), "languages must be a sorted list"),
        (replace(toy_ranks(), pool_sizes={"de": 3}), "a number of passages for each language, is {'de': 3}"),
        (replace(toy_ranks(), pool_sizes={"de": 3, "en": 2**63}), "a number of passages for each language"),
        (replace(toy_ranks(), pool_sizes={"de": 3, "en": -1}), "a number of passages for each language"),
        (replace(toy_ranks(), pool_sizes={"de": 3, "en": "3"}), "a number of passages for each language"),
        (replace(toy_ranks(), table=toy_ranks().table[:0]), "a relevant passage has no rank, or there is none"),
        (changed("passage_lang", "fr"), "passage_lang holds a language that is not one of de, en"),
        (changed("query_id", None), "query_id holds an empty cell"),
        (changed("rank_in_pool", 0.5), "rank_in_pool holds a rank below 1"),
        (changed("rank_in_language", float("nan")), "a relevant passage has no rank"),
    ],
)
def test_what_cannot_be_analysed_is_refused(tmp_path, ranks, problem):
    ranks.write(tmp_path / "ranks.parquet")
    with pytest.raises(ReportError, match=r"ranks\.parquet: no readable rank table.*" + re.escape(problem)):
        read_ranks(tmp_path / "ranks.parquet")


def test_a_language_of_queries_alone_has_no_passages(tmp_path):
    replace(toy_ranks(), languages=("de", "en", "th"), pool_sizes={"de": 3, "en": 3, "th": 0}).write(tmp_path / "x")
    assert read_ranks(tmp_path / "x").pool_sizes["th"] == 0
