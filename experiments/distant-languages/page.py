"""Write reports/distant-languages.md from the committed reports: `python experiments/distant-languages/page.py`.

It takes a minute of CPU time, and comes out the same every time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from textwrap import fill

import numpy as np

from babelrank.analysis.bootstrap import Interval, QuestionScores, clustered_scores, percentile_interval
from babelrank.analysis.groups import Group, find_distant_pairs, find_groups
from babelrank.analysis.query_variants import compare_variants, mean_gain
from babelrank.analysis.typology import Association, Explanation, explain_retrieval, language_traits
from babelrank.data.language_facts import covers, language_facts
from babelrank.ranking.table import read_ranks
from babelrank.reporting.languages import language_name, short_name
from babelrank.reporting.maps import CAPTION, map_file
from babelrank.reporting.results import CollectionResults
from babelrank.reporting.results_file import FILE_NAME, read_results

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "reports"
PAGE = "distant-languages.md"
NTREX, AFRIQA = "ntrex.lead", "afriqa"
# TensorFlow Hub's list for use-multilingual-v3, as quoted in github.com/koaning/whatlies,
# whatlies/language/_sentence_encode_lang.py at commit 00112a53.
USE = "ar de en es fr it ja ko nl pl pt ru th tr zh"
# XLM-R's, from which multilingual-e5-small is made: Conneau et al. 2020, arXiv 1911.02116, table 6.
XLM_R = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)
ENCODER, TRANSFORMER, HYBRID = "use-multilingual-v3", "multilingual-e5-small", "with hybrid batches"
# Report and languages of training by label. BM25 is not trained.
MODELS = {
    ENCODER: (ENCODER, USE),
    "bm25": ("bm25", ""),
    TRANSFORMER: ("me5-small-in-bfloat16", XLM_R),
    HYBRID: ("me5-small-batches-hybrid", XLM_R),
}
QUANTISED = "multilingual-e5-small-4-bit-weights"  # on six languages
SHOWN = 12  # languages at either end


@dataclass(frozen=True)
class Model:
    """A model's figures on NTREX-128."""

    name: str
    scores: QuestionScores
    results: CollectionResults
    trained: tuple[str, ...] = ()

    @property
    def seen(self) -> list[str]:
        """Languages and variants that it was trained on."""
        return [lang for lang in self.results.languages if covers(self.trained, lang)]

    @property
    def own(self) -> dict[str, float]:
        """Monolingual mAP by language."""
        matrix = self.results.pairs.scores["mAP"]
        return {lang: float(matrix[i][i] or 0.0) for i, lang in enumerate(self.results.languages)}

    def with_english(self, *, asked: bool) -> dict[str, float]:
        """Return mAP by language of its queries over English passages, or of English queries over its passages."""
        matrix, english = self.results.pairs.scores["mAP"], self.results.languages.index("en")
        return {
            lang: float((matrix[i][english] if asked else matrix[english][i]) or 0.0)
            for i, lang in enumerate(self.results.languages)
            if not lang.startswith("en")
        }

    def mean_over(self, pairs: Sequence[tuple[str, str]], against: "Model | None" = None) -> Interval:
        """Return the mean mAP over pairs of languages, or its gain over another model, with its interval."""
        means = self._means(pairs)
        return percentile_interval(means - against._means(pairs) if against else means)

    def _means(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return the mean mAP over pairs, then with documents drawn again."""
        place = {lang: i for i, lang in enumerate(self.scores.languages)}
        cells = [place[a] * len(place) + place[b] for a, b in pairs]
        weights = self.scores.draw()
        means = (weights @ self.scores.totals[:, cells]) / (weights @ self.scores.counts[:, cells])
        drawn: np.ndarray = means.mean(axis=1)
        return drawn


def read_models() -> list[Model]:
    """Read the models that have figures on NTREX-128."""
    found = []
    for name, (report, trained) in MODELS.items():
        folder = REPORTS / report
        results = read_results(folder / FILE_NAME).collections.get("ntrex:lead")
        if results:
            scores = clustered_scores(read_ranks(folder / f"{NTREX}.ranks.parquet"))
            found.append(Model(name, scores, results, tuple(trained.split())))
    return found


def render(models: Sequence[Model]) -> str:
    """Return the page."""
    languages = models[0].scores.languages
    distant = find_distant_pairs(languages)
    low = [lang for lang in languages if (language_facts(lang).resource_class or 0) <= 1]
    groups = {model.name: find_groups(model.scores) for model in models}
    by_name = {model.name: model for model in models}
    encoder, transformer = by_name[ENCODER], by_name.get(TRANSFORMER)
    trained = [each for each in (encoder, transformer) if each]
    verdicts = {
        model.name: [
            *(
                model.mean_over([(lang, lang) for lang in languages if (lang in each.seen) == seen])
                for each in trained
                for seen in (True, False)
            ),
            model.mean_over(distant),
        ]
        for model in models
    }
    use, bm25 = verdicts[ENCODER], verdicts["bm25"]
    seen, unseen = len(encoder.seen), len(languages) - len(encoder.seen)
    answer = (
        f"**Badly.** {ENCODER} was trained on {seen} of NTREX-128's {len(languages)} languages and variants. "
        f"Within "
        f"one of these its mAP is {show(use[0])}; within one of the other {unseen} it is {show(use[1])}, "
        f"where BM25, "
        f"which is not trained at all, has {show(bm25[1])}. On the {len(distant):,} pairs of different family and "
        f"script "
        f"with few resources, the encoder has {show(use[-1])} and BM25, by names and numbers that both languages spell "
        f"alike, {show(bm25[-1])}."
    )
    if transformer:
        others = verdicts[TRANSFORMER]
        answer += (
            f" {TRANSFORMER}, made from a model of {len(transformer.seen)} of the languages, has {show(others[2])} "
            f"within one of these, {show(others[3])} within one of the others, where BM25 has {show(bm25[3])}, and "
            f"{show(others[-1])} on the distant pairs."
        )
    hybrid = by_name.get(HYBRID)
    further = ""
    if transformer and hybrid:
        further = (
            f"The checkpoint with hybrid batches gains {show_signed(hybrid.mean_over(distant, transformer))} over "
            f"{TRANSFORMER} on the distant pairs. It was trained on lines of NTREX-128 in nine languages (one seed): "
            "it knows these documents, though not in most languages, so the gain is an upper bound."
        )
    columns = [f"{what} by {each.name}" for each in trained for what in ("seen", "not seen")]
    lines = [
        "<!-- Made by `python experiments/distant-languages/page.py`; changes made here by hand are lost. -->",
        "# Zero-shot retrieval for distant low-resource languages",
        prose(
            "Does an encoder retrieve in languages that it has never seen, far from those that it has? Queries "
            "are the "
            "headlines of NTREX-128's 123 news documents, passages the three lines that follow, in 128 languages and "
            "variants; AfriQA adds questions in nine African languages over English and French passages."
        ),
        prose(answer),
        prose(
            "With 123 documents, intervals are wide; they are of 95 %, by bootstrap over documents. Variants of "
            "one language "
            "(English four times, Chinese, French, Persian, Portuguese, Serbian and Spanish twice) count one by one."
        ),
        "## Seen, unseen, distant",
        table(
            ["model", *columns, "distant low-resource pairs"],
            [[name, *map(show_interval, found)] for name, found in verdicts.items()],
        ),
        prose(
            "mAP, within a language but for the last column. "
            + " ".join(f"Seen by {each.name} are {', '.join(map(short_name, each.seen))}." for each in trained)
            + " Distant pairs differ in family and script, and the one with fewer resources is in class 0 to 3 of "
            "Joshi et al. 2020."
        ),
        *([prose(further)] if further else []),
        "## Groups of languages",
    ]
    for view, title in (
        ("query_resource_class", "By resource class (Joshi et al. 2020; 5 has most)"),
        ("query_script", "By script"),
        ("query_family", "By family"),
    ):
        lines += [f"### {title}", group_table([groups[model.name][view] for model in models], models)]
    lines += [
        prose("mAP within a language and across languages, by language of the query."),
        "## What explains it?",
        *(part for each in trained for part in (f"### {each.name}", explanation_section(each))),
        "## Ends of the list",
        ends_table(encoder, models),
        "## Map",
        f"![Languages on a map, coloured by mAP and by the share of first places]({ENCODER}/{map_file('ntrex:lead')})",
        prose(CAPTION),
        "## What not understanding costs: AfriQA",
        afriqa_section(),
        *([] if transformer else ["## A transformer on six languages", transformer_section(models)]),
        "## Limits",
        prose(
            f"Only {len(models)} models on all languages: encoding 31,000 texts with a transformer takes hours on a "
            "small CPU. Few tokens can also mean one unknown token for a whole line, so both traits are held constant "
            "together. All of NTREX-128 is news, written in English first. Resource classes are of 2020. "
            f"{len(low)} of {len(languages)} languages are in class 0 or 1, or in none."
        ),
    ]
    return "\n\n".join(lines) + "\n"


def explanation_section(model: Model) -> str:
    """Show how mAP goes with traits of languages."""
    results = model.results
    traits = language_traits(results.languages, model.trained, results.fertility)
    found = explain_retrieval(results.pairs.scores["mAP"], results.languages, traits)
    first = next(iter(found.values()))
    away = {
        trait: sum(each.partial.low * each.partial.high > 0 for each in associations(found, trait)) for trait in traits
    }
    always, sometimes = (sorted(trait for trait in away if away[trait] in counts) for counts in ((3,), (1, 2)))
    told = (
        f"With the others held constant, these stay away from 0 in all three columns: {', '.join(always) or 'none'}; "
        f"in some: {', '.join(sometimes) or 'none'}. A tokenizer that makes many tokens of a language knows few of its "
        "words."
    )
    parts = [
        prose(told),
        prose(
            f"Spearman's correlation of {model.name}'s mAP with traits of {len(first.languages)} languages (one "
            f"variant of each, those with all traits known), alone and with the other traits held constant. Intervals "
            f"draw the {first.families} families, since related languages are not independent. Tokens are counted in "
            "the lines after the headline, relative to the same lines in English."
        ),
        table(
            ["trait", *(f"{name}: {kind}" for name in found for kind in ("ρ", "partial ρ"))],
            [
                [
                    each.trait,
                    *(show_signed(rho) for same in associations(found, each.trait) for rho in (same.rho, same.partial)),
                ]
                for each in first.associations
            ],
        ),
    ]
    return "\n\n".join(parts)


def associations(found: Mapping[str, Explanation], trait: str) -> list[Association]:
    """Return the correlations of a trait with each score."""
    return [each for every in found.values() for each in every.associations if each.trait == trait]


def group_table(groups: Sequence[Sequence[Group]], models: Sequence[Model]) -> str:
    """Return one row per group that has two languages or more, with columns for each model."""
    rows = []
    for label in [group.label for group in groups[0] if len(group.languages) > 1]:
        same = [next(group for group in each if group.label == label) for each in groups]
        cells = [show_interval(group.intervals[task]) for group in same for task in ("monolingual", "cross_lingual")]
        rows.append([label, str(len(same[0].languages)), *cells])
    headers = [f"{model.name}: {task}" for model in models for task in ("within", "across")]
    return table(["", "languages", *headers], rows)


def ends_table(model: Model, models: Sequence[Model]) -> str:
    """Return the languages with the highest and the lowest monolingual mAP of a model."""
    made = model.results.fertility
    tokens = dict(zip(model.results.languages, zip(made.relative_to_english, made.unknown, strict=True), strict=True))
    order = sorted(model.own, key=lambda lang: -model.own[lang])
    rows = [
        [
            language_name(lang),
            *(show(each.own[lang]) for each in models),
            f"{tokens[lang][0]:.1f}",
            f"{tokens[lang][1]:.0%}",
        ]
        for lang in (*order[:SHOWN], *order[-SHOWN:])
    ]
    return table(["language", *(model.name for model in models), "tokens, relative to English", "unknown tokens"], rows)


def afriqa_section() -> str:
    """Compare AfriQA's questions with their human translations."""
    rows, gains = {}, []
    for name, (report, _) in MODELS.items():
        original, human = (read_ranks(REPORTS / report / f"{AFRIQA}{part}.ranks.parquet") for part in ("", "-human"))
        found = compare_variants(original, human)
        gains.append((name, mean_gain(found)))
        for lang, each in found.items():
            cells = [show(each.original), show_signed(each.gain)]
            rows.setdefault(lang, [language_name(lang), str(each.queries)]).extend(cells)
    headers = [f"{name}: {what}" for name in MODELS for what in ("mAP", "gain")]
    told = "; ".join(f"{name} {gain:.3f}" for name, gain in gains)
    parts = [
        prose(
            "The same questions, once in their own language and once translated into the language of the passages by "
            "people, over 2,928 gold passages. The gain is an upper bound of what translating first could bring: what "
            f"the encoder loses by not understanding the language. On average it is in mAP: {told}. The pool is small, "
            "and figures on all of Wikipedia would be lower. The checkpoint with hybrid batches (one seed) is trained "
            "in nine languages, none of them one of these, and evaluated in bfloat16 like its base model, "
            "multilingual-e5-small."
        ),
        table(["asked in", "questions", *headers], list(rows.values())),
    ]
    return "\n\n".join(parts)


def transformer_section(models: Sequence[Model]) -> str:
    """Compare a transformer with the others on the languages that it was evaluated on: the same cells."""
    collections = read_results(REPORTS / QUANTISED / FILE_NAME).collections
    results = next(each for name, each in collections.items() if name.startswith("ntrex:lead:"))
    few = Model(QUANTISED, models[0].scores, results)
    tables = [few, *models]
    columns: dict[str, list[dict[str, float]]] = {
        "within": [each.own for each in tables],
        "found in English": [each.with_english(asked=True) for each in tables],
        "asked in English": [each.with_english(asked=False) for each in tables],
    }
    headers = [f"{name}: {what}" for what in columns for name in (TRANSFORMER, *(model.name for model in models))]
    rows = [
        [
            language_name(lang),
            *(show(each[lang]) if lang in each else "–" for each in chain(*columns.values())),
        ]
        for lang in results.languages
    ]
    parts = [
        prose(
            "multilingual-e5-small (4-bit weights), a transformer, on the same passages. "
            "Each cell searches the passages of one language, so that it is the same whatever other languages "
            "there are."
        ),
        table(["language", *headers], rows),
    ]
    return "\n\n".join(parts)


def show(value: float | Interval) -> str:
    """Write a score."""
    return f"{value.value if isinstance(value, Interval) else value:.3f}"


def show_interval(value: Interval) -> str:
    """Write a score with its interval."""
    return f"{value.value:.3f} ({value.low:.3f}–{value.high:.3f})"


def show_signed(value: Interval) -> str:
    """Write a correlation or a difference with its interval."""
    if np.isnan(value.value):
        return "–"
    return f"{value.value:+.2f} ({value.low:+.2f} to {value.high:+.2f})".replace("-", "−")


def prose(text: str) -> str:
    """Return a paragraph in lines of at most 120 characters."""
    return fill(text, 120, break_long_words=False, break_on_hyphens=False)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all but the first column to the right."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Write the page."""
    models = read_models()
    (REPORTS / PAGE).write_text(render(models), encoding="utf-8")


if __name__ == "__main__":
    main()
