"""Recommend models for some languages, based on existing reports."""

from collections.abc import Sequence
from pathlib import Path

from babelrank.api.inputs import reports_folder
from babelrank.data.language_facts import parse_languages
from babelrank.reporting.recommendation import Recommendation
from babelrank.reporting.recommendation import recommend as compare_all
from babelrank.reporting.report import read_reports
from babelrank.result import check_measure


def recommend(
    languages: str | Sequence[str],
    *,
    collection: str | None = None,
    setting: str | None = None,
    measure: str | None = None,
    max_parameters: float | None = None,
    margin: float = 0.0,
    reports: str | Path | None = None,
) -> Recommendation:
    """Return the models that do not differ significantly from the best for some languages.

    Each model is compared with the best one by a paired permutation test over groups of questions that share an
    article, corrected by Holm's method over all models. Intervals come from a bootstrap over the same groups.

    Parameters
    ----------
    languages
        Codes, such as ``"de,tr,ar"``: queries and passages in these languages count.
    collection
        Collection to compare on; by default the first with queries and passages in all of these languages.
    setting
        ``pairs`` (all pairs of the languages, the default), ``monolingual`` (the default for one language),
        ``cross_lingual``, or ``multilingual`` (queries in these languages, passages in all languages).
    measure
        Measure to compare; by default the first that reports show for the collection.
    max_parameters
        Maximum number of parameters of the models to compare.
    margin
        Differences up to this do not matter in practice.
    reports
        As for `load_report`.

    Raises
    ------
    ReportError
        No report or collection has the languages, no model is small enough, or the setting or measure is unknown.

    Examples
    --------
    >>> import babelrank
    >>> found = babelrank.recommend("de,tr,ar", collection="xquad-r", max_parameters=60e6)
    >>> found.models == found.to_frame().query("recommended")["model"].tolist()
    True
    """
    if measure is not None:
        check_measure(measure)
    chosen = parse_languages(languages if isinstance(languages, str) else ",".join(languages))
    return compare_all(
        read_reports(reports_folder(reports)),
        chosen,
        collection=collection,
        setting=setting,
        measure=measure,
        max_parameters=max_parameters,
        margin=margin,
    )
