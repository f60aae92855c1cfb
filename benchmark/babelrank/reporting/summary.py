"""The tables and the verdict on one collection that every page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, RANK_DISTANCE, Interval
from babelrank.analysis.pool_recall import PoolRecall
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.reporting.estimates import BiasSummary, CollectionEstimates
from babelrank.reporting.formatting import (
    show_count,
    show_number,
    show_precisely,
    show_rank,
    show_score,
    show_share,
    show_signed,
)
from babelrank.reporting.languages import language_name, short_name
from babelrank.reporting.measures import measures_of, tasks_of
from babelrank.reporting.results import BIAS_MEASURES, TASKS, CollectionResults
from babelrank.reporting.tables import Bars, Column, Entry, Table, show_cell

_MOST_NAMED = 3  # languages in a sentence
# Of the rank distance, by the name under which macro averages hold it.
BIAS_LABELS = dict(zip(BIAS_MEASURES, ("mean", "median", "floor", "normalised"), strict=True))
# What the paper calls the means over each task.
TASK_LABELS = dict(zip(TASKS, ("Mo.", "Cr.", "Mul."), strict=True))
MEANINGS = dict(
    zip(
        TASKS,
        ("passages in the query's language", "passages in one other language", "passages of all languages in one pool"),
        strict=True,
    )
)
MICRO = "Mul. micro"
# Of the macro figures with intervals; the arrow says which way is better.
MACRO_LABELS = {figure: f"{TASK_LABELS[figure]} ↑" for figure in TASKS} | {RANK_DISTANCE: "rank distance ↓"}
MEANING = (
    "Mo. (monolingual): queries and passages in the same language. Cr. (cross-lingual): passages in one other "
    "language. Mul. (multilingual): passages of all languages in one pool. Each score is the mean over its settings "
    "(macro); micro is the mean over all queries. With one relevant passage per query and language, mAP in Mo. and Cr. "
    "equals the mean reciprocal rank (MRR, uncut)."
)

_PASSAGES_NOTE = (
    "Own first: share of queries for which the passage in their own language comes first. m: the mean difference in "
    "log rank from a query's average answer. Below 0, a language is favoured: −0.69 means half the rank of the average "
    "answer, +0.69 twice the rank."
)
# Columns on the model's tokens.
_TOKENS = {"÷ English": show_number, "per word": show_number, "characters": show_number, "unknown": show_share}
_TOKENS_NOTE = (
    "Tokens: of the model's own tokenizer, in a sample of passages: relative to the English passages that answer the "
    "same questions, per word (where words are separated by spaces), characters per token, and the share of tokens "
    "for text outside the vocabulary."
)

Intervals = Mapping[str, Interval]  # by macro figure


@dataclass(frozen=True)
class SummaryRow:
    """Averages over one task.

    Attributes
    ----------
    label
        ``Mo.``, ``Cr.``, ``Mul.`` or ``Mul. micro``.
    meaning
        What it averages over.
    scores
        Scores by measure.
    task
        Of `TASKS`; empty for the micro average.
    """

    label: str
    meaning: str
    scores: dict[str, Cell]
    task: str


def summary_rows(collection: CollectionResults) -> list[SummaryRow]:
    """Return the macro average of each task, and the micro average of the multilingual task."""
    pairs = collection.pairs.n
    diagonal = [i == j for i, j in product(range(len(pairs)), repeat=2)]
    filled = [n > 0 for row in pairs for n in row]
    monolingual = sum(a and b for a, b in zip(filled, diagonal, strict=True))
    multilingual = sum(n > 0 for n in collection.pool.n)
    counts = dict(zip(TASKS, (monolingual, sum(filled) - monolingual, multilingual), strict=True))
    shown = [
        SummaryRow(TASK_LABELS[task], f"{_word(task)}, {_settings(counts[task])}", collection.macro[task], task)
        for task in tasks_of(collection.languages, pairs)
    ]
    if TASKS[2] in {row.task for row in shown}:
        queries = f"multilingual, {sum(collection.pool.n):,} queries"
        shown.append(SummaryRow(MICRO, queries, collection.micro[TASKS[2]], ""))
    return shown


def summary_table(name: str, collection: CollectionResults, intervals: Intervals | None = None) -> Table:
    """Return the macro averages of every task and measure, with the intervals of the first measure where known.

    Parameters
    ----------
    name
        Of the collection.
    intervals
        By macro figure, as `analysis.bootstrap.find_intervals` gives them for the first headline measure.
    """
    shown, known = measures_of(name, collection), intervals or {}
    first = shown.headline[0]

    def cell(row: SummaryRow, measure: str) -> Entry:
        return with_interval(row.scores[measure], known.get(row.task) if measure == first else None)

    return Table(
        caption="Means over settings, by measure; higher is better",
        columns=[
            Column(""),
            Column("macro average over"),
            *(Column(f"{measure} ↑", show_score, key=measure) for measure in shown.measures),
        ],
        rows=[
            [row.label, row.meaning, *(cell(row, measure) for measure in shown.measures)]
            for row in summary_rows(collection)
        ],
        note=_distance_note(collection, known) if shown.has_bias else "",
    )


def verdict(name: str, collection: CollectionResults, bias: BiasSummary | None = None) -> str:
    """Return a few sentences on how well the model retrieves and which languages it favours."""
    shown, languages = measures_of(name, collection), collection.languages
    measure = shown.headline[0]
    scores = {task: show_score(collection.macro[task][measure]) for task in shown.tasks}
    if not shown.has_pool:
        n = sum(collection.queries.values())
        return f"{measure} is {scores[TASKS[0]]} over {n:,} {'query' if n == 1 else 'queries'}."
    places = {
        "monolingual": "within a language",
        "cross_lingual": "across languages",
        "multilingual": f"from one pool of {len(languages)} languages",
    }
    parts = [f"{score} {places[task]}" for task, score in scores.items()]
    sentences = [f"{measure} is {', '.join(parts[:-1])} and {parts[-1]}."]
    if bias and bias.effect is not None:
        sentences.append(
            f"The passage's language explains {show_share(bias.effect.value)} of the variation in ranks "
            f"({show_share(0)} without bias): {_ends(bias)}."
        )
    if shown.has_bias:
        sentences.append(_own_language(collection, bias))
    return " ".join(filter(None, sentences))


def certainty(estimates: CollectionEstimates) -> str:
    """Return a sentence on what the intervals draw, or on why there are none."""
    if estimates.warning:
        return estimates.warning
    return f"Ranges are 95 % bootstrap intervals over {estimates.drawn}." if estimates.drawn else ""


def distance_table(collection: CollectionResults) -> Table:
    """Return the rank distance by query language, and how often the query's own language comes first."""
    distance, favoured = collection.rank_distance, collection.favoured
    macro, own = collection.macro[TASKS[2]], [row[i] for i, row in enumerate(favoured.share_first)]
    rows: list[list[Entry]] = [
        [language_name(lang), *values]
        for lang, *values in zip(
            collection.languages,
            distance.mean,
            distance.median,
            distance.floor,
            distance.normalised,
            own,
            distance.n,
            strict=True,
        )
    ]
    return Table(
        caption="Rank distance (spread) by query language: bars are means, with median and floor marked",
        columns=[
            Column("query language"),
            *(Column(label, show_rank) for label in ("mean ↓", "median ↓", "floor")),
            Column("normalised ↓", show_precisely),
            Column("own language first", show_share),
            Column("n", show_count),
        ],
        rows=[*rows, ["mean over languages", *(macro[name] for name in BIAS_LABELS), _mean(own), None]],
        bars=Bars(length=1, marks=(2, 3)),
        note="The rank distance of a query is the difference between the pool ranks of its worst and its best relevant "
        "passages. It is averaged over the n queries with at least two. Its floor is their number minus one, unless "
        "they tie. The normalised value is 0 at the floor and 1 if they are at both ends of the pool. arXiv 2408.10536 "
        "uses it as language bias, but it ignores which language is favoured, and it falls as accuracy rises.",
        footer=1,
    )


def language_table(collection: CollectionResults, measure: str, estimates: CollectionEstimates) -> Table:
    """Return how well each language works: for queries, for passages, and in the pool, with intervals if known."""
    scores, bias, tasks = np.array(collection.pairs.scores[measure], dtype=float), estimates.bias, estimates.by_language
    others = np.where(np.eye(len(scores), dtype=bool), np.nan, scores)
    own = [row[i] for i, row in enumerate(collection.favoured.share_first)]
    made = collection.fertility
    tokens = [made.relative_to_english, made.tokens_per_word, made.characters_per_token, made.unknown] if made else []

    def bounded(task: str, i: int, score: Cell) -> Entry:
        return with_interval(score, tasks[task][i] if task in tasks else None)

    rows: list[list[Entry]] = [
        [
            language_name(lang),
            bounded(TASKS[0], i, collection.pairs.scores[measure][i][i]),
            mean_or_none(others[i]),
            mean_or_none(others[:, i]),
            bounded(TASKS[2], i, collection.pool.scores[measure][i]),
            own[i],
            bias.effects.get(lang) if bias else None,
            *(values[i] for values in tokens),
        ]
        for i, lang in enumerate(collection.languages)
    ]
    table = Table(
        caption=f"{measure} by language: bars are queries and passages in this language (Mo.), queries in the pool of "
        "all languages (Mul.) are marked",
        columns=[
            Column("language", key="all"),
            Column("Mo. ↑", show_score, key="all"),
            Column("Cr., query ↑", show_score, key="all"),
            Column("Cr., passage ↑", show_score, key="all"),
            Column("Mul. ↑", show_score, key="all"),
            Column("own first", show_share, key="bias"),
            Column("m", show_signed, key="bias"),
            *(Column(label, show, "tokens", key="all") for label, show in _TOKENS.items() if made),
        ],
        rows=rows,
        bars=Bars(length=1, marks=(4,), limit=1.0),
        note="Cr.: means over all other languages, as the language of queries and of passages."
        f"{f' {_PASSAGES_NOTE}' if bias else ''}{f' {_TOKENS_NOTE}' if made else ''}",
    )
    return table if bias else table.select(["all"])


def pool_table(collection: CollectionResults, measures: Sequence[str], recall: Sequence[PoolRecall] = ()) -> Table:
    """Return the scores of the multilingual task by query language, with recall as a share of its ceiling."""
    scores, cut = collection.pool.scores, [each for each in recall if each.depth < 100]
    return Table(
        caption=f"Scores in the pool of all languages, by query language: bars are {measures[0]}, from 0 to 1",
        columns=[
            Column("query language"),
            *(Column(measure, show_score) for measure in measures),
            *(Column(f"Success@{each.depth}", show_score) for each in cut),
            *(Column(f"R@{each.depth}, of its ceiling", show_share) for each in cut),
            Column("n", show_count),
        ],
        rows=[
            [
                language_name(lang),
                *(scores[measure][i] for measure in measures),
                *(each.success[i] for each in cut),
                *(each.of_ceiling[i] for each in cut),
                collection.pool.n[i],
            ]
            for i, lang in enumerate(collection.languages)
        ],
        bars=Bars(length=1, limit=1.0),
        note=recall_note(recall),
    )


def recall_note(recall: Sequence[PoolRecall]) -> str:
    """Return sentences on recall and success at the top of the pool."""
    parts = [
        f"R@{each.depth} reaches {show_share(each.macro[f'R@{each.depth}_of_ceiling'] or 0.0)} of its ceiling, "
        f"{show_score(each.macro[f'R@{each.depth}_ceiling'])}. Success@{each.depth} (a relevant passage in the top "
        f"{each.depth}) is {show_score(each.macro[f'Success@{each.depth}'])}"
        for each in recall
        if each.depth < 100
    ]
    return f"In the pool a query has several relevant passages. {'. '.join(parts)}." if parts else ""


def with_interval(value: Cell, interval: Interval | None) -> Interval | Cell:
    """Return a figure as results have it, with the bounds of its interval where they are known."""
    return Interval(value, interval.low, interval.high) if value is not None and interval else value


def macro_value(collection: CollectionResults, figure: str) -> Cell:
    """Return one of `MACRO_MEASURES` as the report has it: mAP of a task, or the rank distance."""
    if figure == RANK_DISTANCE:
        return collection.macro[TASKS[2]][RANK_DISTANCE]
    return collection.macro[figure][DEFAULT_MEASURE]


def _distance_note(collection: CollectionResults, intervals: Intervals) -> str:
    macro, interval = collection.macro[TASKS[2]], intervals.get(RANK_DISTANCE)
    texts = {label: show_rank(macro[name]) for name, label in BIAS_LABELS.items()}
    texts["normalised"] = show_precisely(macro["rank_distance_normalised"])
    if interval:
        texts["mean"] = show_cell(interval, show_count)
    return f"Rank distance (spread) ↓ {', '.join(f'{label} {text}' for label, text in texts.items())}"


def _ends(bias: BiasSummary) -> str:
    """Return a clause on the most and the least favoured languages, with m: all within the interval of the first."""
    order = [lang for lang, _ in bias.favoured]
    best, worst = bias.effects[order[0]], bias.effects[order[-1]]
    highest = [lang for lang in order if lang == order[0] or bias.effects[lang].value < best.high]
    lowest = [lang for lang in order[::-1] if lang == order[-1] or bias.effects[lang].value > worst.low]
    return (
        f"answers in {_join_names(highest)} rank highest (m = {show_signed(best.value)} in log rank), answers in "
        f"{_join_names(lowest)} lowest (m = {show_signed(worst.value)})"
    )


def _join_names(languages: Sequence[str]) -> str:
    """Return the names of some languages; of more than three, only of the first two."""
    names = [short_name(lang) for lang in languages]
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1} other languages"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _own_language(collection: CollectionResults, bias: BiasSummary | None) -> str:
    """Return a sentence on how often the query's own language comes first."""
    favoured = collection.favoured
    own = _mean([row[i] for i, row in enumerate(favoured.share_first)])
    if own is None:
        return ""
    even = len({n for row in favoured.n for n in row}) == 1
    known = bias.measures.get("own_first") if bias else None
    chance = known.shuffled if known else 1 / len(collection.languages) if even else None
    without = "" if chance is None else f" ({show_share(chance)} without bias)"
    return f"The passage in the query's own language comes first for {show_share(own)} of queries{without}."


def _mean(values: Sequence[Cell]) -> Cell:
    return mean_or_none(np.array(values, dtype=float))


def _settings(count: int) -> str:
    return f"{count} setting{'s' if count != 1 else ''}"


def _word(task: str) -> str:
    return task.replace("_", "-")
