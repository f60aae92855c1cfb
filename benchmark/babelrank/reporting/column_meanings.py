"""What the columns of the leaderboard mean."""

from collections.abc import Sequence

from babelrank.analysis.bootstrap import Interval
from babelrank.reporting.boards import GROUP, Board
from babelrank.reporting.tables import Link

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
        "less what chance explains. 0 without bias at any accuracy, 1 if the language decides everything.",
    ),
    (
        "bias",
        "favoured most, least",
        "The passage languages that stand highest and lowest, with m: the mean difference in log rank from a query's "
        "average answer. −0.69 says that answers in the language stand at half the rank.",
    ),
    (
        "bias",
        "rank distance (spread) ↓",
        "The figure of arXiv 2408.10536: difference between the ranks in the pool of a query's worst and best relevant "
        "passage, mean over queries, then over query languages. It does not see which language is which, and falls "
        "with accuracy.",
    ),
    (
        "group",
        "group",
        "Models that share a letter do not differ by significantly more than a thousandth (`--margin`) in the measure "
        "that sorts them: paired permutation tests over groups of questions that share an article (else over "
        "questions), at 5 % after Holm's correction over all pairs. A model's number is one more than the models above "
        "it that are significantly better, and does not fall. Tests are about these checkpoints: runs of one recipe "
        "with other seeds are not compared, and share letters.",
    ),
    (
        "searched",
        "searched",
        "An experiment chose among such runs by their figures on this collection: expect less on others.",
    ),
    (
        "speed",
        "texts/s",
        "Distinct texts that the model encoded in a second, on the hardware that its report names; a dash where "
        "vectors came from the store.",
    ),
    ("interval", "in brackets, or small", "95 % intervals by bootstrap over the same groups of questions."),
)


def meanings(boards: Sequence[Board]) -> dict[str, str]:
    """Return what the columns mean, of those that there are."""
    cells = [cell for board in boards for row in board.table.rows for cell in row]
    there = {
        "pool": any(board.has_pool for board in boards),
        "bias": any(board.has_bias for board in boards),
        "group": any(column.label == GROUP for board in boards for column in board.table.columns),
        "speed": any(column.key == "speed" for board in boards for column in board.table.columns),
        "searched": any(isinstance(cell, Link) and cell.badge for cell in cells),
        "interval": any(isinstance(cell, Interval) for cell in cells),
    }
    return {term: meaning for needed, term, meaning in _MEANINGS if there[needed]}
