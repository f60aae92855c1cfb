"""The section on errors: which passages rank above the answers, and the worst questions."""

from collections.abc import Sequence
from functools import partial

from babelrank.analysis.errors import Counts, Errors, Outranking, Worst, WorstQuestion
from babelrank.analysis.proportions import wilson_intervals
from babelrank.analysis.settings import Cell, Matrix
from babelrank.data.catalog import Source
from babelrank.reporting.formatting import show_count, show_rank, show_share
from babelrank.reporting.languages import language_name
from babelrank.reporting.matrices import MatrixView
from babelrank.reporting.sections import QueryList, RankedPassage, RankedQuery, Section
from babelrank.reporting.tables import Bars, Column, Table

_KINDS = {
    "relevant": "another answer",
    "query_language": "wrong, in the query's language",
    "answer_language": "wrong, in the answer's language",
    "third_language": "wrong, in a third language",
}
_SHORT = {
    "relevant": "another answer",
    "query_language": "query's language",
    "answer_language": "answer's language",
    "third_language": "third language",
}
_PLACES = {"same_paragraph": "same paragraph", "same_article": "same article", "elsewhere": "another article"}
_LISTS = {
    "monolingual": "Monolingual: the worst questions of each language",
    "cross_lingual": "Cross-lingual: the worst question of each pair",
    "multilingual": "Multilingual: for each language, the questions with the worst-ranked first answer",
    "most_buried": "Multilingual: for each language, the question with the worst-ranked last answer",
}


def error_section(errors: Errors, worst: Worst, source: Source | None) -> Section:
    """Show what outranks answers, by kind, and the worst questions.

    Parameters
    ----------
    worst
        Output of `analysis.errors.select_worst`, with or without texts.
    source
        Source of the texts; None if there are none.
    """
    texts = (
        f"Texts: {source.description} ({source.citation}), licence {source.licence}. Long texts are cut."
        if source
        else "The report has no texts of this collection, so questions and passages are shown by their ids."
    )
    of_language = f"{errors.language_depth} " if errors.language_depth > 1 else ""
    return Section(
        title="Errors",
        folded=True,
        caption="The worst questions, and the passages ranked above the answer: another relevant passage (in the pool, "
        "one in another language), or a wrong one in the query's, the answer's or a third language. For each query, "
        f"the top {errors.pool_depth} of the pool and the top {of_language}of each language are stored; passages below "
        f"are not counted. {texts}",
        matrices=[*_pair_views(errors), *_pool_views(errors)],
        tables=[_first_table(errors)],
        queries=[
            QueryList(title, [(name, _queries(name, found)) for name, found in worst[kind].items()])
            for kind, title in _LISTS.items()
            if worst.get(kind)
        ],
    )


def _pair_views(errors: Errors) -> list[MatrixView]:
    pairs = errors.pairs
    share_of = partial(MatrixView, rows=errors.languages, columns=errors.languages, show=show_share, limits=(0.0, 1.0))
    outranked = share_of(
        label="outranked",
        title="Share of questions with an outranked answer, by query and passage language",
        values=_divide(pairs.outranked, pairs.n),
        legend="share of questions (lower is better)",
        note="A wrong passage in the passage language has a higher score. Ties do not count.",
        colours="viridis_r",
        n=pairs.n,
        intervals=wilson_intervals(pairs.outranked, pairs.n),
    )
    places = [
        share_of(
            label=_PLACES[place],
            title=f"Outranked answers where the first passage is a wrong one of {_article(place)}",
            values=_divide(counts, pairs.outranked),
            legend="share of the questions with an outranked answer",
            note="Compared with the answer. A near miss is another sentence of the right paragraph.",
            colours="cividis",
            n=pairs.outranked,
            intervals=wilson_intervals(counts, pairs.outranked),
        )
        for place, counts in (pairs.places or {}).items()
    ]
    return [outranked, *places]


def _pool_views(errors: Errors) -> list[MatrixView]:
    languages, pool = errors.languages, errors.pool
    kinds = [
        MatrixView(
            label=f"above: {_SHORT[kind]}",
            title=f"In the pool, passages above an answer: {_KINDS[kind]}",
            rows=languages,
            columns=languages,
            values=_divide(counts, pool.n),
            show="{:.1f}".format,
            precise="{:.2f}".format,
            legend=f"mean number in the top {errors.pool_depth} (lower is better)",
            note="Columns are the languages of the answers. If query and answer are in one language, wrong passages in "
            "it count as the query's.",
            colours="viridis_r",
            limits=(0.0, None),
            n=pool.n,
            unit="answers",
        )
        for kind, counts in pool.kinds.items()
    ]
    intruders = [[sum(row)] * len(languages) for row in pool.intruders]
    above_all = MatrixView(
        label="above all answers",
        title="Languages of the wrong passages that rank above all answers in the pool",
        rows=languages,
        columns=languages,
        values=_divide(pool.intruders, intruders),
        show=show_share,
        legend="share of these passages",
        note="Each row adds up to 100 %. Columns are the languages of the wrong passages.",
        colours="cividis",
        limits=(0.0, None),
        n=intruders,
        unit="passages",
        intervals=wilson_intervals(pool.intruders, intruders),
    )
    return [*kinds, above_all]


def _first_table(errors: Errors) -> Table:
    pool = errors.pool
    questions = list(enumerate(pool.questions))
    by_kind = {kind: [_share(counts[i], n) for i, n in questions] for kind, counts in pool.first.items()}
    wrong = [_share(sum(counts[i] for counts in pool.first.values()), n) for i, n in questions]
    return Table(
        caption="Share of questions for which a wrong passage comes first in the pool, and its language: bars are the "
        "share, from 0 to 100 %",
        columns=[
            Column("query language"),
            Column("wrong first", show_share),
            *(Column(_SHORT[kind], show_share) for kind in by_kind),
            Column("n", show_count),
        ],
        rows=[
            [language_name(lang), wrong[i], *(shares[i] for shares in by_kind.values()), n]
            for (i, n), lang in zip(questions, errors.languages, strict=True)
        ],
        bars=Bars(length=1, limit=1.0),
    )


def _queries(setting: str, found: Sequence[WorstQuestion]) -> list[RankedQuery]:
    lang = setting.partition("→")[0]
    return [
        RankedQuery(
            lang,
            question.query_id,
            question.query,
            [
                *map(_passage, question.outranking),
                RankedPassage(
                    _show_rank(question.rank), "the answer", question.answer_lang, question.answer_id, question.answer
                ),
            ],
        )
        for question in found
    ]


def _passage(above: Outranking) -> RankedPassage:
    what = _KINDS[above.kind] + (f", {_PLACES[above.place]}" if above.place else "")
    return RankedPassage(_show_rank(above.rank), what, above.passage_lang, above.passage_id, above.text)


def _show_rank(rank: float) -> str:
    return show_rank(rank).removesuffix(".0")


def _article(place: str) -> str:
    return _PLACES[place] if _PLACES[place].startswith("another") else f"the {_PLACES[place]}"


def _divide(counts: Counts, of: Counts) -> Matrix:
    return [[_share(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(counts, of, strict=True)]


def _share(count: int, of: int) -> Cell:
    return count / of if of else None
