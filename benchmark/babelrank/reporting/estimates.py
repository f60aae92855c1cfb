"""Intervals and groups of models from stored rank tables, computed once for each content of the tables."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from babelrank.analysis.bootstrap import (
    MACRO_MEASURES,
    Interval,
    QuestionScores,
    find_interval,
    find_intervals,
    mean_scores,
)
from babelrank.reporting.cache import Cache
from babelrank.reporting.formatting import settle
from babelrank.reporting.stored_tables import StoredRanks, checked_path, question_values


class Estimates:
    """Estimates from rank tables; each table is checked against the checksum in its results.json."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache, self._checked = cache or Cache(), set[Path]()

    def intervals(self, table: StoredRanks) -> dict[str, Interval]:
        """Return the macro figures that there are, with their intervals; see `bootstrap.find_intervals`."""
        found = self._cache.once(
            ["intervals", self._origin([table])],
            lambda: {name: _plain(each) for name, each in find_intervals(question_values(table)).items()},
        )
        return {figure: Interval(*found[figure]) for figure in MACRO_MEASURES if figure in found}

    def drawn(self, table: StoredRanks) -> str:
        """Return what the intervals draw, in words; see `QuestionScores.drawn`."""
        found: str = self._cache.once(["drawn", self._origin([table])], lambda: question_values(table).drawn)
        return found

    def interval(
        self,
        runs: Sequence[StoredRanks],
        figure: str,
        *,
        against: Sequence[StoredRanks] = (),
        times: float = 1.0,
        languages: Sequence[str] = (),
    ) -> Interval:
        """Return a macro figure, the mean over runs, or its difference from others; see `bootstrap.find_interval`."""
        origin = [self._origin(runs), self._origin(against), figure, times, list(languages)]

        def compute() -> list[float]:
            other = _mean(against) if against else None
            return _plain(find_interval(_mean(runs), figure, against=other, times=times, languages=languages))

        return Interval(*self._cache.once(["interval", origin], compute))

    def letters(self, tables: Sequence[StoredRanks], figure: str) -> list[str]:
        """Return letters of models in the order given, best first; see `letters.find_letters`."""

        def compute() -> list[str]:
            from babelrank.analysis.letters import find_letters  # loads scipy.stats, which takes a second

            return find_letters([question_values(table) for table in tables], figure)

        found: list[str] = self._cache.once(["letters", self._origin(tables), figure], compute)
        return found

    def _origin(self, tables: Sequence[StoredRanks]) -> list[list[str]]:
        for table in tables:
            path = table.folder / table.file.file
            if path not in self._checked:
                self._checked.add(checked_path(table.folder, table.file))
        return [[table.file.sha256, table.measure] for table in tables]


def _mean(runs: Sequence[StoredRanks]) -> QuestionScores:
    return mean_scores([question_values(run) for run in runs])


def _plain(interval: Interval) -> list[float]:
    return [settle(bound) for bound in astuple(interval)]
