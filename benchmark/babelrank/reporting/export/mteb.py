"""JSON as MTEB writes the results of a task (Muennighoff et al. 2022, arXiv 2210.07316).

In: results. Out: ``<model>/<collection>.<setting>.json`` for each kind of setting: its subsets are the settings, and
the mean of their main scores, as MTEB takes it, is this report's Mo., Cr. or Mul.

The layout is that of `mteb.TaskResult` at commit 02c088e (2.x): ``dataset_revision``, ``task_name``, ``mteb_version``,
``scores`` (split -> one object for each subset, with ``hf_subset``, ``languages``, ``main_score``),
``evaluation_time``, ``kg_co2_emissions``, ``date`` (seconds since 1970, UTC). What is put into it:

- ``task_name``: collection and kind of setting, such as ``xquad-r.cross_lingual``. None of MTEB's tasks is the same:
  its XQuADRetrieval and MLQARetrieval have paragraphs for candidates. Such files are not for MTEB's leaderboard.
- ``mteb_version``: null, since MTEB had no part in it; a word would be refused as no version. ``evaluated_with``, which
  MTEB passes over, names the harness.
- ``dataset_revision``: the SHA-256 of the collection's files.
- the split is ``test``; ``hf_subset`` is ``de-en``, query language first, ``de-de`` or ``de-all``; ``languages`` are
  those of query and passages, as ISO 639-3 with the script that CLDR deems likely, such as ``deu-Latn``.
- ``main_score`` is the collection's headline measure: for LAReQA ``map``, uncut, as in the report and its paper; for
  MIRACL and BEIR ``ndcg_at_10``, as in MTEB. ``num_queries`` is the setting's number of queries.
- ``evaluation_time`` and ``kg_co2_emissions``: null. One pass ranks for all settings, and stored vectors are used
  again.

A setting without queries is left out.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache

from langcodes import Language, LanguageTagError

from babelrank.data.language_facts import UNKNOWN_LANGUAGE
from babelrank.errors import ReportError
from babelrank.reporting.export.protocol import ALL_LANGUAGES, File, Options, RanksReader, evaluations
from babelrank.reporting.measures import MeasureSet, measures_of
from babelrank.reporting.names import collection_stem, slug
from babelrank.reporting.results import TASKS, CollectionResults, Results

# What MTEB calls the measures.
MEASURE_NAMES = {
    "mAP": "map",
    "R@1": "recall_at_1",
    "R@10": "recall_at_10",
    "R@100": "recall_at_100",
    "MRR@10": "mrr_at_10",
    "nDCG@10": "ndcg_at_10",
}
_SPLIT = "test"


def render(results: Sequence[Results], _read_ranks: RanksReader, _options: Options) -> Iterator[File]:
    """Yield a file for each model, collection and kind of setting.

    Raises
    ------
    ReportError
        A language has no ISO 639-3 code.
    """
    version = {each.model.name: each.environment.babelrank for each in results}
    for model, name, collection in evaluations(results):
        environment = collection.environment
        harness = environment.babelrank if environment else version[model]
        for kind, subsets in _subsets(collection, measures_of(name, collection)).items():
            task = f"{collection_stem(name)}.{kind}"
            document = {
                "dataset_revision": collection.sha256,
                "task_name": task,
                "mteb_version": None,
                "evaluated_with": f"babelrank {harness}",
                "scores": {_SPLIT: subsets},
                "evaluation_time": None,
                "kg_co2_emissions": None,
                "date": collection.evaluated.timestamp(),
            }
            if subsets:
                yield f"{slug(model)}/{task}.json", json.dumps(document, indent=2, allow_nan=False) + "\n"


@cache
def language_script(code: str) -> str:
    """Return a language as MTEB names it: ``deu-Latn`` for ``de``.

    Raises
    ------
    ReportError
        It is not a language of ISO 639.
    """
    try:
        language = Language.get(code).maximize()
        return f"{language.to_alpha3()}-{language.script}"
    except (LanguageTagError, LookupError) as error:
        raise ReportError(f"{code!r} is not a language of ISO 639, and MTEB has no other names for one.") from error


def _subsets(collection: CollectionResults, shown: MeasureSet) -> dict[str, list[dict[str, object]]]:
    """Return the scores of every setting with queries, by kind."""
    main = MEASURE_NAMES[shown.headline[0]]
    subsets: dict[str, list[dict[str, object]]] = {kind: [] for kind in TASKS}
    pairs, pool, languages = collection.pairs, collection.pool, collection.languages
    for i, query_lang in enumerate(languages):
        for j, passage_lang in enumerate(languages):
            scores = {measure: matrix[i][j] for measure, matrix in pairs.scores.items()}
            kind = TASKS[0] if i == j else TASKS[1]
            subsets[kind] += _subset(query_lang, passage_lang, [passage_lang], pairs.n[i][j], scores, main)
        scores = {measure: row[i] for measure, row in pool.scores.items()}
        subsets[TASKS[2]] += _subset(query_lang, ALL_LANGUAGES, languages, pool.n[i], scores, main)
    return {kind: subsets[kind] for kind in shown.tasks}


def _subset(
    query_lang: str, target: str, passage_langs: Sequence[str], n: int, scores: dict[str, float | None], main: str
) -> list[dict[str, object]]:
    if n == 0:
        return []
    named = {MEASURE_NAMES[measure]: value for measure, value in scores.items() if measure in MEASURE_NAMES}
    return [
        {
            "hf_subset": f"{query_lang}-{target}",
            "languages": [
                language_script(lang)
                for lang in dict.fromkeys([query_lang, *passage_langs])
                if lang != UNKNOWN_LANGUAGE
            ],
            "main_score": named[main],
            **named,
            "num_queries": n,
        }
    ]
