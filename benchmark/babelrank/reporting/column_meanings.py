"""What the columns of the leaderboard mean."""

from collections.abc import Sequence

from babelrank.reporting.boards import GROUP, SEARCHED, TRAINED, UNCHECKED, Board
from babelrank.reporting.tables import Link, is_bounded

# What has to be there for it, the term and its meaning.
_MEANINGS = (
    ("pool", "Mo. ↑", "Monolingual: queries and passages in the same language, mean over languages."),
    (
        "pool",
        "Cr. ↑",
        "Cross-lingual: passages in one other language, mean over all ordered pairs of languages. With one relevant "
        "passage per query and language, mAP in Mo. and Cr. is the mean reciprocal rank (MRR, uncut).",
    ),
    (
        "pool",
        "Mul. ↑",
        "Multilingual: passages of all languages in one pool, mean over query languages; micro: over all queries.",
    ),
    (
        "bias",
        "language effect η² ↓",
        "Language bias: the share of the variance of log ranks within queries that the passage's language explains, "
        "minus the share expected by chance. 0 without bias at any accuracy, 1 if the language decides everything.",
    ),
    (
        "bias",
        "favoured most, least",
        "The passage languages that rank highest and lowest, with m: the mean difference in log rank from a query's "
        "average answer. m = −0.69 means that answers in the language have half the rank of the average answer. "
        "Others may be favoured as much: reports have all languages with intervals.",
    ),
    (
        "bias",
        "rank distance (spread) ↓",
        "The measure of arXiv 2408.10536: the difference between the pool ranks of a query's worst and best relevant "
        "passages, averaged over queries, then over query languages. It ignores which language is favoured, and "
        "falls as accuracy rises.",
    ),
    (
        "group",
        "group",
        "Models that share a letter do not differ significantly by more than .001 (--margin) in Mul., or else in the "
        "score that follows. Tests are paired permutation tests over groups of questions that share an article (else "
        "over questions), at 5 % after Holm's correction over all pairs. The number in front of a model is 1 plus the "
        "number of models above it that are significantly better. Tests compare "
        "these checkpoints. Runs of one recipe with different seeds are not compared and share letters.",
    ),
    (
        "searched",
        "searched",
        "An experiment selected such runs by their scores on this collection. Expect lower scores on others.",
    ),
    (
        "trained on",
        "trained on",
        "The model was trained on texts of this collection, in some language. Expect lower scores on others.",
    ),
    (
        "unchecked",
        "unchecked",
        "The model's training texts were not compared with this collection. It may have been trained on them.",
    ),
    (
        "speed",
        "texts/s",
        "Distinct texts that the model encoded per second, on the hardware that its report names. A dash means "
        "that all vectors came from the store.",
    ),
    ("interval", "in brackets or small", "95 % bootstrap intervals over the same groups of questions."),
)


def meanings(boards: Sequence[Board]) -> dict[str, str]:
    """Return the meanings of the columns that the boards have."""
    cells = [cell for board in boards for row in board.table.rows for cell in row]
    badges = {cell.badge for cell in cells if isinstance(cell, Link)}
    there = {
        "pool": any(board.has_pool for board in boards),
        "bias": any(board.has_bias for board in boards),
        "group": any(column.label == GROUP for board in boards for column in board.table.columns),
        "speed": any(column.key == "speed" for board in boards for column in board.table.columns),
        **{badge: badge in badges for badge in (SEARCHED, TRAINED, UNCHECKED)},
        "interval": any(map(is_bounded, cells)),
    }
    return {term: meaning for needed, term, meaning in _MEANINGS if there[needed]}
