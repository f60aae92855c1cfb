"""Examples -> the mean vector of each language and role, estimated from a sample."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from babelrank.training.examples import PASSAGE, QUERY, ExampleSet
from babelrank.training.membership import RowSet

_SAMPLE = 256  # texts per data set, language and role for estimating a mean


def mean_vectors(
    encode: Callable[[Sequence[str], str], np.ndarray],
    examples: Sequence[ExampleSet],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, dict[str, np.ndarray]]:
    """Return the mean vector of some of the examples' texts: role -> language -> shape (dimension,).

    Parameters
    ----------
    encode
        Returns the vectors of texts in a role: shape (texts, dimension).
    on_progress
        Called after each language with the number of texts read, and the total.
    """
    samples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for source in examples:
        places = defaultdict(list)
        for role, sides in ((QUERY, source.queries), (PASSAGE, source.passages)):
            for lang, members in sides.items():
                for row in _spread(members):
                    places[int(row)].append((role, lang))
        for row in sorted(places):
            example = source[row]
            for role, lang in places[row]:
                parallels = (example.query,) if role == QUERY else example.passages
                samples[role, lang].append(next(texts[lang] for texts in parallels if lang in texts))
    means: dict[str, dict[str, np.ndarray]] = {QUERY: {}, PASSAGE: {}}
    done, total = 0, sum(map(len, samples.values()))
    for (role, lang), sample in samples.items():
        means[role][lang] = encode(sample, role).mean(axis=0)
        done += len(sample)
        on_progress(done, total)
    return means


def _spread(members: RowSet) -> np.ndarray:
    """Return up to `_SAMPLE` rows, evenly spread, because the first rows of a set may be all of one kind; int64."""
    count = min(_SAMPLE, len(members))
    return members.select(np.arange(count) * len(members) // max(count, 1))
