"""Tidy CSV: one figure to a row, for pandas, R or a spreadsheet.

In: reports. Out: three files. A figure that is not defined is an empty field, never a number. What a collection's
judgements do not allow, such as a multilingual setting or bias in a single language, has no rows. UTF-8, lines end with
LF.

- ``settings.csv``: every measure of every setting. Columns model, collection, setting (``monolingual``,
  ``cross_lingual``, ``multilingual``), query_lang, passage_lang (``all`` for the pool), measure, value, n (queries).
- ``macro.csv``: averages over settings. Columns model, collection, setting, average (``macro`` over the settings,
  ``micro`` over the queries of all languages), measure, value, low, high, n (settings or queries). The rank distances
  stand with the multilingual setting. low and high are the bounds of the 95 % percentile interval of a bootstrap over
  groups of questions that share an article, else over questions (Efron 1979; see `analysis.bootstrap`), for macro mAP
  and macro rank distance; empty for the rest.
- ``bias.csv``: language bias by query language. Columns model, collection, query_lang, passage_lang (``all`` for the
  rank distances), figure, value, n (queries).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, RANK_DISTANCE, Interval, clustered_scores, find_intervals
from babelrank.reporting.export.protocol import ALL_LANGUAGES, File, Options, RanksReader, evaluations
from babelrank.reporting.measures import MeasureSet, measures_of
from babelrank.reporting.results import BIAS_MEASURES, TASKS, CollectionResults, Results
from babelrank.reporting.results_file import DECIMALS
from babelrank.reporting.summary import BIAS_LABELS

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet evaluates
_SETTINGS_COLUMNS = ["setting", "query_lang", "passage_lang", "measure", "value", "n"]
_MACRO_COLUMNS = ["setting", "average", "measure", "value", "low", "high", "n"]
_BIAS_COLUMNS = ["query_lang", "passage_lang", "figure", "value", "n"]


def render(results: Sequence[Results], read_ranks: RanksReader, _options: Options) -> Iterator[File]:
    """Yield the three tables."""
    tables: dict[str, list[pd.DataFrame]] = {"settings.csv": [], "macro.csv": [], "bias.csv": []}
    for model, name, collection in evaluations(results):
        intervals = find_intervals(clustered_scores(read_ranks(model, name)))
        shown = measures_of(name, collection)
        for file, frame in (
            ("settings.csv", _settings(collection, shown)),
            ("macro.csv", _macro(collection, shown, intervals)),
            ("bias.csv", _bias(collection) if shown.has_bias else pd.DataFrame(columns=_BIAS_COLUMNS)),
        ):
            frame.insert(0, "model", _inert(model))
            frame.insert(1, "collection", _inert(name))
            tables[file].append(frame)
    for file, frames in tables.items():
        text: str = pd.concat(frames).to_csv(index=False, lineterminator="\n")
        yield file, text


def _inert(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would evaluate (OWASP, "CSV injection")."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _settings(collection: CollectionResults, shown: MeasureSet) -> pd.DataFrame:
    languages = collection.languages
    kinds = np.where(np.eye(len(languages), dtype=bool), TASKS[0], TASKS[1])
    pairs = [
        _matrix(languages, setting=kinds, measure=measure, value=scores, n=collection.pairs.n)
        for measure, scores in collection.pairs.scores.items()
    ]
    pool = [
        _vector(languages, setting=TASKS[2], measure=measure, value=scores, n=collection.pool.n)
        for measure, scores in collection.pool.scores.items()
        if shown.has_pool
    ]
    return pd.concat([*pairs, *pool])[_SETTINGS_COLUMNS]


def _bias(collection: CollectionResults) -> pd.DataFrame:
    languages, distance, favoured = collection.languages, collection.rank_distance, collection.favoured
    distances = [
        _vector(languages, figure=figure, value=getattr(distance, attribute), n=distance.n)
        for figure, attribute in BIAS_LABELS.items()
    ]
    matrices = [
        _matrix(languages, figure=figure, value=getattr(favoured, figure), n=favoured.n)
        for figure in ("mean_rank", "share_first")
    ]
    return pd.concat([*distances, *matrices])[_BIAS_COLUMNS]


def _macro(collection: CollectionResults, shown: MeasureSet, intervals: dict[str, Interval]) -> pd.DataFrame:
    filled = np.array(collection.pairs.n) > 0
    diagonal = np.eye(len(filled), dtype=bool)
    counts = (filled[diagonal].sum(), filled[~diagonal].sum(), np.count_nonzero(collection.pool.n))
    settings, biased = dict(zip(TASKS, counts, strict=True)), np.count_nonzero(collection.rank_distance.n)
    rows: list[tuple[Any, ...]] = []
    for setting in shown.tasks:
        for measure, value in collection.macro[setting].items():
            if measure in BIAS_MEASURES and not shown.has_bias:
                continue
            interval = intervals.get({DEFAULT_MEASURE: setting, RANK_DISTANCE: RANK_DISTANCE}.get(measure, ""))
            bounds = (round(interval.low, DECIMALS), round(interval.high, DECIMALS)) if interval else (np.nan, np.nan)
            n = biased if measure in BIAS_MEASURES else settings[setting]
            rows.append((setting, "macro", measure, value, *bounds, n))
    rows += [
        (setting, "micro", measure, value, np.nan, np.nan, sum(collection.pool.n))
        for setting, scores in collection.micro.items()
        for measure, value in scores.items()
        if shown.has_pool
    ]
    return pd.DataFrame(rows, columns=_MACRO_COLUMNS).astype({"value": float, "n": int})


def _matrix(languages: list[str], **columns: Any) -> pd.DataFrame:
    """One row per pair, query languages first; `columns` are of shape (languages, languages), or one value for all."""
    size = len(languages)
    pairs = {"query_lang": np.repeat(languages, size), "passage_lang": np.tile(languages, size)}
    return _frame(pairs, columns)


def _vector(languages: list[str], **columns: Any) -> pd.DataFrame:
    """One row per query language; `columns` are of shape (languages,), or one value for all."""
    return _frame({"query_lang": languages, "passage_lang": ALL_LANGUAGES}, columns)


def _frame(keys: dict[str, Any], columns: dict[str, Any]) -> pd.DataFrame:
    flat = {name: value if isinstance(value, str) else np.ravel(value) for name, value in columns.items()}
    return pd.DataFrame(keys | flat).astype({"value": float})
