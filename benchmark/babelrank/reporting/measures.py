"""The measures of a collection: those that its qrels support, its source's headline measures first.

In: a collection's name and results. Out: the measures that reports, leaderboard, terminal and plots show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from babelrank.analysis.bootstrap import RANK_DISTANCE
from babelrank.data.spec import LAREQA, source_of_name
from babelrank.reporting.results import TASKS, CollectionResults

# In the leaderboard's order. Names without a known prefix follow LAReQA's protocol.
SOURCE_TITLES = MappingProxyType(
    {
        LAREQA: "LAReQA",
        "ntrex": "NTREX-128",
        "afriqa": "AfriQA",
        "miracl": "MIRACL",
        "beir": "BEIR",
        "hf": "Data sets in MTEB's layout",
        "mteb": "Tasks of mteb",
        "ir_datasets": "Data sets of ir_datasets",
        "local": "Own collections",
        "frames": "From Python",
    }
)
# What LAReQA, too, is reported in; the first is what its paper and arXiv 2408.10536 rank by.
_MEASURES = ("mAP", "R@1", "R@10", "MRR@10", "nDCG@10")
# MIRACL: arXiv 2210.09984; BEIR: arXiv 2104.08663.
_MONOLINGUAL_HEADLINE = ("nDCG@10", "R@100")
_MULTILINGUAL_HEADLINE = ("mAP",)


@dataclass(frozen=True)
class MeasureSet:
    """The measures and tasks that are shown for a collection.

    Attributes
    ----------
    source
        Key of `SOURCE_TITLES`.
    headline
        Main measures. Models are sorted by the first of them.
    measures
        All measures, the headline measures first.
    tasks
        Available tasks of `TASKS`. With one language, the pool is the same as the monolingual setting, so there is no
        multilingual task.
    has_bias
        Whether languages can be compared, that is, a query has relevant passages in two of them.
    """

    source: str
    headline: tuple[str, ...]
    measures: tuple[str, ...]
    tasks: tuple[str, ...]
    has_bias: bool

    @property
    def has_pool(self) -> bool:
        """Whether there is a pool of several languages."""
        return TASKS[2] in self.tasks

    @property
    def macro(self) -> tuple[str, ...]:
        """The available macro measures of `bootstrap.MACRO_MEASURES`."""
        return (*self.tasks, RANK_DISTANCE) if self.has_bias else self.tasks

    @property
    def main(self) -> tuple[str, str]:
        """The task and the measure by which models are sorted."""
        return self.tasks[-1], self.headline[0]


def measures_of(name: str, collection: CollectionResults) -> MeasureSet:
    """Return which measures a collection has."""
    source, tasks = source_of_name(name), tasks_of(collection.languages, collection.pairs.n)
    headline = headline_measures(source, tasks)
    return MeasureSet(
        source=source,
        headline=headline,
        measures=shown_measures(headline),
        tasks=tasks,
        has_bias=any(n > 0 for row in collection.favoured.n for n in row),
    )


def headline_measures(source: str, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return a source's headline measures. For the user's collections, they depend on the tasks."""
    by_source = {LAREQA: _MULTILINGUAL_HEADLINE, "miracl": _MONOLINGUAL_HEADLINE, "beir": _MONOLINGUAL_HEADLINE}
    return by_source.get(source, _MULTILINGUAL_HEADLINE if len(tasks) > 1 else _MONOLINGUAL_HEADLINE)


def shown_measures(headline: Sequence[str], *, cut: bool = False) -> tuple[str, ...]:
    """Return all measures that are shown, those of the headline first.

    Parameters
    ----------
    cut
        Whether the run is cut off. The uncut mAP is then not a headline measure.
    """
    measures = dict.fromkeys((*headline, *_MEASURES))
    if not cut:
        return tuple(measures)
    return tuple(dict.fromkeys((*_MONOLINGUAL_HEADLINE, "MRR@10", *measures)))


def tasks_of(languages: Sequence[str], pairs: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return the available tasks of `TASKS`. `pairs` has the number of queries of each pair of languages."""
    if len(languages) == 1:
        return TASKS[:1]
    filled = {i == j for i, row in enumerate(pairs) for j, n in enumerate(row) if n > 0}
    return tuple(task for task, there in zip(TASKS, (True in filled, False in filled, True), strict=True) if there)
