"""The reports of the project: their figures follow from their rank tables, and what is committed is current."""

from dataclasses import asdict, is_dataclass

import numpy as np
import pytest

from babelrank.analysis.summary import analyse
from babelrank.ranking.table import read_ranks
from babelrank.reporting.results_file import read_results
from paths import REPORTS

FOLDERS = sorted(path.parent for path in REPORTS.glob("*/results.json"))


def flat(value, place=""):
    """Every number in nested mappings and lists, by its place; None where there is none."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{place}.{key}").items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{place}[{i}]").items()}
    return {place: value}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_figures_of_a_report_follow_from_its_rank_tables(folder):
    for collection in read_results(folder / "results.json").collections.values():
        found = analyse(read_ranks(folder / collection.ranks.file))
        named = {
            "macro": found.macro,
            "micro": {"multilingual": dict(found.pool.micro)},
            "pairs": asdict(found.pairs),
            "pool": {"n": found.pool.n, "scores": found.pool.scores},
            "rank_distance": asdict(found.rank_distance),
            "favoured": asdict(found.favoured),
        }
        kept = {name: getattr(collection, name) for name in named}
        fresh = flat(named)
        stored = flat({name: asdict(each) if is_dataclass(each) else each for name, each in kept.items()})
        assert found.languages == collection.languages
        assert fresh.keys() <= stored.keys()
        values = [[np.nan if each[place] is None else each[place] for place in fresh] for each in (fresh, stored)]
        np.testing.assert_allclose(*values, rtol=0, atol=1e-6)
