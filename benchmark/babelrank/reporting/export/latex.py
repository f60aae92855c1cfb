r"""LaTeX tables for papers, with booktabs, laid out as those of arXiv 2408.10536 (Elmahdy, Lin & Ahmad 2024).

In: reports. Out: one file for each table, to be taken in with ``\input``. They need
``\usepackage{booktabs,graphicx}`` (graphicx shrinks a table that is wider than the line) and, for names of models
beyond ASCII, an engine and a font that have their characters.

- ``main.tex``, Table 1: a row for each model, its mAP Mo., Cr., Mul. by collection.
- ``language-bias.tex``, Table 2: a row for each model, its rank distance by collection.
- ``monolingual.tex``, as Tables 12 and 13: a row for each model, nDCG@10 and Recall@100 by collection of one language,
  such as MIRACL's and BEIR's; these stand in none of the other tables.
- ``<collection>.by-language.tex``, Tables 3–6: a row for each query language and one for their mean; Mo., Cr., Mul.,
  and in each a column for each model. Above mAP; below R@1, but R@10 for Mul. Cr. of a query language is the mean over
  the other passage languages. The paper has one table for each base model: name the models of one base to get it.
- ``<collection>.rank-distance.tex``, Tables 7–8: a row for each query language and one for their mean, a column for
  each model.
- ``<collection>.pairs.<model>.tex``, not in the paper and on request: mAP of each query language (rows) on each passage
  language, and on the pool.

The best value is bold, the second underlined, as shown: values that look alike are marked alike. Models are compared,
down the columns of Tables 1 and 2, along the rows and within a kind of setting in the others. Nothing is marked where
there is nothing to choose. Scores have 3 decimals and rank distances 1, as in reports. Intervals, on request in Tables
1 and 2, are 95 % percentile intervals of a bootstrap over questions (see `analysis.bootstrap`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, RANK_DISTANCE, Interval, find_intervals, question_figures
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.reporting.export.protocol import File, Options, RanksReader, collection_names
from babelrank.reporting.figures import figures_of
from babelrank.reporting.names import collection_stem, slug
from babelrank.reporting.results import SETTING_KINDS, CollectionResults, Results
from babelrank.reporting.summary import NO_VALUE, SETTING_LABELS, macro_figure, show_rank, show_score

_HEADINGS = dict(zip(SETTING_KINDS, ("Monolingual", "Cross-lingual", "Multilingual"), strict=True))
# Of Tables 3-6: the measure of each kind of setting, in the upper and the lower half.
_BLOCKS = (
    dict.fromkeys(SETTING_KINDS, DEFAULT_MEASURE),
    dict(zip(SETTING_KINDS, ("R@1", "R@1", "R@10"), strict=True)),
)
_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': "''",  # the straight one depends on the font's encoding
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)
_PREAMBLE = r"% Made by `babelrank export`; needs \usepackage{booktabs,graphicx}."
# As wide as it is, but not wider than the line.
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
Show = Callable[[Cell], str]


@dataclass(frozen=True)
class Section:
    """Rows under their own heading.

    Attributes
    ----------
    head
        Lines of LaTeX.
    rows
        Cells that are LaTeX already.
    mean
        A last row, set apart; empty if there is none.
    """

    head: list[str]
    rows: list[list[str]]
    mean: list[str]


def render(results: Sequence[Results], read_ranks: RanksReader, options: Options) -> Iterator[File]:
    """Yield the tables."""
    names = collection_names(results)
    intervals: dict[tuple[str, str], dict[str, Interval]] = {}
    if options.intervals:
        intervals = {
            (each.model.name, name): find_intervals(question_figures(read_ranks(each.model.name, name)))
            for each in results
            for name in each.collections
        }
    having = {name: [each for each in results if name in each.collections] for name in names}
    figures = {name: figures_of(name, shown[0].collections[name]) for name, shown in having.items()}
    names = [name for name in having if figures[name].has_pool]
    biased = [name for name in names if figures[name].has_bias]
    if names:
        yield "main.tex", _main(results, names, intervals)
    if biased:
        yield "language-bias.tex", _language_bias(results, biased, intervals)
    if len(names) < len(having):
        monolingual = {name: figures[name].headline for name in having if name not in names}
        yield "monolingual.tex", _monolingual(results, monolingual)
    for name in names:
        shown = having[name]
        yield f"{collection_stem(name)}.by-language.tex", _by_language(shown, name)
        if name in biased:
            yield f"{collection_stem(name)}.rank-distance.tex", _rank_distance(shown, name)
        if options.pairs:
            for each in shown:
                yield f"{collection_stem(name)}.pairs.{slug(each.model.name)}.tex", _pairs(each, name)


def escape(text: str) -> str:
    """Return LaTeX that shows a text as it is, in one line."""
    return " ".join(text.split()).translate(_SPECIAL)


def mark_best(values: Sequence[Cell], show: Show, *, lower_is_better: bool = False) -> list[str]:
    """Show values with the best bold and the second underlined, or as they are if all look alike."""
    texts = [show(value).replace(NO_VALUE, "--") for value in values]
    seen = {text: value for text, value in zip(texts, values, strict=True) if value is not None}
    ranked = sorted(seen, key=lambda text: float(text.replace(",", "")), reverse=not lower_is_better)
    commands = dict(zip(ranked, (r"\textbf", r"\underline"), strict=False)) if len(ranked) > 1 else {}
    return [f"{commands[text]}{{{text}}}" if text in commands else text for text in texts]


def _main(
    results: Sequence[Results], names: Sequence[str], intervals: dict[tuple[str, str], dict[str, Interval]]
) -> str:
    head = [
        _row(["", *(_span(f"{escape(name)} ($\\uparrow$)", len(SETTING_KINDS)) for name in names)]),
        _rules([len(SETTING_KINDS)] * len(names)),
        _row(["Model", *list(SETTING_LABELS.values()) * len(names)]),
    ]
    columns = [_macro_column(results, name, kind, show_score, intervals) for name in names for kind in SETTING_KINDS]
    caption = (
        "mAP of monolingual (Mo.), cross-lingual (Cr.) and multilingual (Mul.) retrieval, macro-averaged over settings."
    )
    return _table("main", caption, "l" + "r" * len(columns), [Section(head, _model_rows(results, columns), [])])


def _monolingual(results: Sequence[Results], headlines: Mapping[str, Sequence[str]]) -> str:
    """Show the headline measures of collections in one language."""
    widths = [len(measures) for measures in headlines.values()]
    head = [
        _row(["", *(_span(f"{escape(name)} ($\\uparrow$)", len(headlines[name])) for name in headlines)]),
        _rules(widths),
        _row(["Model", *(measure for measures in headlines.values() for measure in measures)]),
    ]
    columns = [
        mark_best(
            [
                each.collections[name].macro["monolingual"][measure] if name in each.collections else None
                for each in results
            ],
            show_score,
        )
        for name, measures in headlines.items()
        for measure in measures
    ]
    caption = "Monolingual retrieval: queries and passages in one language."
    return _table("monolingual", caption, "l" + "r" * len(columns), [Section(head, _model_rows(results, columns), [])])


def _language_bias(
    results: Sequence[Results], names: Sequence[str], intervals: dict[tuple[str, str], dict[str, Interval]]
) -> str:
    head = [
        _row(["", _span(r"Language bias ($\downarrow$)", len(names))]),
        _rules([len(names)]),
        _row(["Model", *map(escape, names)]),
    ]
    columns = [_macro_column(results, name, RANK_DISTANCE, show_rank, intervals) for name in names]
    caption = "Language bias in multilingual retrieval: rank distance, macro-averaged over query languages."
    return _table(
        "language-bias", caption, "l" + "r" * len(columns), [Section(head, _model_rows(results, columns), [])]
    )


def _by_language(results: Sequence[Results], name: str) -> str:
    collections = [each.collections[name] for each in results]
    numbers = [f"({place})" for place in range(1, len(results) + 1)]
    widths = [len(results)] * len(SETTING_KINDS)
    sections = []
    for measures in _BLOCKS:
        head = [
            _row(["", *(_span(f"{_HEADINGS[kind]}, {measures[kind]}", len(results)) for kind in SETTING_KINDS)]),
            _rules(widths),
            _row(["Query language", *numbers * len(SETTING_KINDS)]),
        ]
        values = {
            kind: [_by_query_language(collection, kind, measures[kind]) for collection in collections]
            for kind in SETTING_KINDS
        }
        rows = [
            [
                lang,
                *(cell for kind in SETTING_KINDS for cell in mark_best([each[i] for each in values[kind]], show_score)),
            ]
            for i, lang in enumerate(collections[0].languages)
        ]
        macro = {kind: [collection.macro[kind][measures[kind]] for collection in collections] for kind in SETTING_KINDS}
        sections.append(Section(head, rows, ["Mean", *_marked(macro)]))
    caption = (
        f"mAP and recall of monolingual, cross-lingual and multilingual retrieval on {escape(name)}, by query "
        f"language. {_numbered(results)}"
    )
    return _table(f"{collection_stem(name)}-by-language", caption, "l" + "r" * sum(widths), sections)


def _marked(values: dict[str, list[Cell]]) -> list[str]:
    """Show the models' scores of each kind of setting, side by side."""
    return [cell for scores in values.values() for cell in mark_best(scores, show_score)]


def _rank_distance(results: Sequence[Results], name: str) -> str:
    collections = [each.collections[name] for each in results]
    head = [_row(["Query language", *(f"({place})" for place in range(1, len(results) + 1))])]
    rows = [
        [lang, *mark_best([c.rank_distance.mean[i] for c in collections], show_rank, lower_is_better=True)]
        for i, lang in enumerate(collections[0].languages)
    ]
    macro = [macro_figure(collection, RANK_DISTANCE) for collection in collections]
    mean = ["Mean", *mark_best(macro, show_rank, lower_is_better=True)]
    caption = (
        f"Rank distance between the relevant passages of {escape(name)} in multilingual retrieval, by query language; "
        f"lower is better. {_numbered(results)}"
    )
    spec = "l" + "r" * len(results)
    return _table(f"{collection_stem(name)}-rank-distance", caption, spec, [Section(head, rows, mean)])


def _pairs(results: Results, name: str) -> str:
    collection = results.collections[name]
    languages = collection.languages
    head = [
        _row(["", _span("Passage language", len(languages)), ""]),
        _rules([len(languages)]),
        _row(["Query language", *languages, "all"]),
    ]
    pairs, pool = collection.pairs.scores[DEFAULT_MEASURE], collection.pool.scores[DEFAULT_MEASURE]
    rows = [
        [lang, *(show_score(value).replace(NO_VALUE, "--") for value in (*row, pooled))]
        for lang, row, pooled in zip(languages, pairs, pool, strict=True)
    ]
    caption = (
        f"mAP of {escape(results.model.name)} on {escape(name)}, by query and passage language, and on all languages."
    )
    label = f"{collection_stem(name)}-pairs-{slug(results.model.name)}"
    return _table(label, caption, "l" + "r" * (len(languages) + 1), [Section(head, rows, [])])


def _by_query_language(collection: CollectionResults, kind: str, measure: str) -> list[Cell]:
    """Return a score for each query language: of one setting, or the mean over the cross-lingual ones."""
    if kind == "multilingual":
        return collection.pool.scores[measure]
    matrix = np.array(collection.pairs.scores[measure], dtype=float)
    diagonal = np.eye(len(matrix), dtype=bool)
    wanted = diagonal if kind == "monolingual" else ~diagonal
    return [mean_or_none(row[chosen]) for row, chosen in zip(matrix, wanted, strict=True)]


def _macro_column(
    results: Sequence[Results],
    name: str,
    figure: str,
    show: Show,
    intervals: dict[tuple[str, str], dict[str, Interval]],
) -> list[str]:
    """Return one of `MACRO_FIGURES` of every model, marked, with intervals if there are any."""
    values = [macro_figure(each.collections[name], figure) if name in each.collections else None for each in results]
    cells = mark_best(values, show, lower_is_better=figure == RANK_DISTANCE)
    found = [intervals.get((each.model.name, name), {}).get(figure) for each in results]
    return [
        f"{cell} {{\\scriptsize ({show(interval.low)}--{show(interval.high)})}}" if interval else cell
        for cell, interval in zip(cells, found, strict=True)
    ]


def _model_rows(results: Sequence[Results], columns: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[escape(each.model.name), *(column[i] for column in columns)] for i, each in enumerate(results)]


def _numbered(results: Sequence[Results]) -> str:
    models = "; ".join(f"({place}) {escape(each.model.name)}" for place, each in enumerate(results, start=1))
    return f"Models: {models}."


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _span(text: str, width: int) -> str:
    return f"\\multicolumn{{{width}}}{{c}}{{{text}}}"


def _rules(widths: Sequence[int]) -> str:
    """Draw a rule under each of the groups of columns that follow the first column."""
    ends = [1 + end for end in accumulate(widths)]
    return " ".join(f"\\cmidrule(lr){{{end - width + 1}-{end}}}" for end, width in zip(ends, widths, strict=True))


def _table(label: str, caption: str, columns: str, sections: Sequence[Section]) -> str:
    lines: list[str] = []
    for section in sections:
        lines += [r"\midrule" if lines else r"\toprule", *section.head, r"\midrule", *map(_row, section.rows)]
        if section.mean:
            lines += [r"\midrule", _row(section.mean)]
    return "\n".join(
        [
            _PREAMBLE,
            r"\begin{table*}[t]",
            r"\centering",
            f"\\caption{{{caption}}}",
            f"\\label{{tab:{label}}}",
            _FIT,
            f"\\begin{{tabular}}{{{columns}}}",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )
