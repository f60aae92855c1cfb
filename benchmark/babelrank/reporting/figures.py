"""Which figures a collection has: those that its judgements allow, its family's headline measures first.

In: a collection's name and results. Out: what reports, leaderboard, terminal and plots show of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from babelrank.analysis.bootstrap import RANK_DISTANCE
from babelrank.data.spec import LAREQA, source_of_name
from babelrank.reporting.results import SETTING_KINDS, CollectionResults

# In the leaderboard's order; whatever is of no other family is read by LAReQA's protocol.
FAMILY_TITLES = MappingProxyType({LAREQA: "LAReQA", "miracl": "MIRACL", "beir": "BEIR", "local": "Own collections"})
# What LAReQA, too, is reported in; the first is what its paper and arXiv 2408.10536 rank by.
_MEASURES = ("mAP", "R@1", "R@10", "MRR@10", "nDCG@10")
# MIRACL: arXiv 2210.09984; BEIR: arXiv 2104.08663.
_MONOLINGUAL_HEADLINE = ("nDCG@10", "R@100")
_MULTILINGUAL_HEADLINE = ("mAP",)


@dataclass(frozen=True)
class Figures:
    """What is shown of a collection.

    Attributes
    ----------
    family
        A key of `FAMILY_TITLES`.
    headline
        The measures in which the collection is reported first; models are sorted by the first of them.
    measures
        All measures, those of the headline first.
    kinds
        Of `SETTING_KINDS`, those that there are: of one language, the pool is the language's own passages, and so
        there is no multilingual setting.
    has_bias
        Whether languages can be compared: a query has relevant passages in two of them. Without that, a rank distance
        tells how far the relevant passages of one language are apart, which is no bias, and is not shown.
    """

    family: str
    headline: tuple[str, ...]
    measures: tuple[str, ...]
    kinds: tuple[str, ...]
    has_bias: bool

    @property
    def has_pool(self) -> bool:
        """Whether there is a pool of several languages."""
        return SETTING_KINDS[2] in self.kinds

    @property
    def macro(self) -> tuple[str, ...]:
        """Of `bootstrap.MACRO_FIGURES`, those that there are."""
        return (*self.kinds, RANK_DISTANCE) if self.has_bias else self.kinds

    @property
    def main(self) -> tuple[str, str]:
        """The kind of setting and the measure by which models are sorted."""
        return self.kinds[-1], self.headline[0]


def family_of(collection: str) -> str:
    """Return the family of a collection, by its name: a key of `FAMILY_TITLES`."""
    return source_of_name(collection)


def figures_of(name: str, collection: CollectionResults) -> Figures:
    """Return which figures a collection has."""
    family, kinds = family_of(name), setting_kinds(collection.languages, collection.pairs.n)
    headline = headline_measures(family, kinds)
    return Figures(
        family=family,
        headline=headline,
        measures=shown_measures(headline),
        kinds=kinds,
        has_bias=any(n > 0 for row in collection.favoured.n for n in row),
    )


def headline_measures(family: str, kinds: Sequence[str]) -> tuple[str, ...]:
    """Return a family's headline measures; those of an own collection depend on the kinds of setting that it has."""
    by_family = {LAREQA: _MULTILINGUAL_HEADLINE, "miracl": _MONOLINGUAL_HEADLINE, "beir": _MONOLINGUAL_HEADLINE}
    return by_family.get(family, _MULTILINGUAL_HEADLINE if len(kinds) > 1 else _MONOLINGUAL_HEADLINE)


def shown_measures(headline: Sequence[str], *, cut: bool = False) -> tuple[str, ...]:
    """Return all measures that are shown, those of the headline first.

    Parameters
    ----------
    cut
        Of a run that ends somewhere: the uncut mAP is then none of the first.
    """
    measures = dict.fromkeys((*headline, *_MEASURES))
    if not cut:
        return tuple(measures)
    return tuple(dict.fromkeys((*_MONOLINGUAL_HEADLINE, "MRR@10", *measures)))


def setting_kinds(languages: Sequence[str], pairs: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return the kinds of setting that there are, of `SETTING_KINDS`; `pairs`: the number of queries of each pair."""
    if len(languages) == 1:
        return SETTING_KINDS[:1]
    filled = {i == j for i, row in enumerate(pairs) for j, n in enumerate(row) if n > 0}
    there = (True in filled, False in filled, True)
    return tuple(kind for kind, is_there in zip(SETTING_KINDS, there, strict=True) if is_there)
