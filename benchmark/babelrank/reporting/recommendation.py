"""Recommend the models that do not differ significantly from the best for some languages."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Group

from babelrank.analysis.best_models import VersusBest, compare_with_best
from babelrank.analysis.bootstrap import ALL_PAIRS, QuestionScores
from babelrank.errors import ReportError, unknown_choice
from babelrank.reporting.formatting import NO_VALUE, show_change, show_parameters, show_score
from babelrank.reporting.languages import language_name
from babelrank.reporting.measures import measures_of
from babelrank.reporting.results import TASKS, CollectionResults, ModelResults, RanksFile, Results, catalog_order
from babelrank.reporting.stored_tables import StoredRanks, question_values
from babelrank.reporting.tables import Column, Entry, Table, show_cell
from babelrank.reporting.terminal import table_terminal, text_lines

_MUCH_SMALLER = 0.8
SETTINGS = (ALL_PAIRS, *TASKS)
_WHAT = {
    ALL_PAIRS: "mean over all pairs of these languages",
    "monolingual": "queries and passages in the same language",
    "cross_lingual": "queries and passages in two different languages of these",
    "multilingual": "queries in these languages, passages in all languages of the collection",
}


@dataclass(frozen=True)
class Candidate:
    """A model in the comparison.

    Attributes
    ----------
    model
        Name and settings.
    folder
        Folder of its report.
    versus
        Comparison with the best model.
    by_language
        Score for queries in each language.
    """

    model: ModelResults
    folder: Path
    versus: VersusBest
    by_language: Mapping[str, float]


@dataclass(frozen=True, repr=False)
class Recommendation:
    """The models that do not differ significantly from the best for some languages.

    Attributes
    ----------
    collection, languages, measure, setting, margin
        What the models are compared on, and the difference that does not matter in practice.
    candidates
        All compared models, best first.
    drawn
        What intervals and tests draw, such as ``48 groups of questions that share an article``.
    notes
        Which reports are left out, and why.
    """

    collection: str
    languages: tuple[str, ...]
    measure: str
    setting: str
    margin: float
    candidates: tuple[Candidate, ...]
    drawn: str
    notes: tuple[str, ...] = ()

    @property
    def models(self) -> list[str]:
        """Names of the recommended models, best first."""
        return [each.model.name for each in self._tied]

    @property
    def _tied(self) -> list[Candidate]:
        return [each for each in self.candidates if each.versus.is_tied]

    def to_frame(self) -> pd.DataFrame:
        """Return all compared models, best first.

        Returns
        -------
        DataFrame
            Columns ``model``, ``recommended``, ``score``, ``low`` and ``high`` (95 % interval), ``behind`` (score minus
            that of the best; NaN for the best itself), ``behind_low``, ``behind_high``, ``p``, ``p_holm`` (corrected by
            Holm's method), ``parameters``, ``dimension``, one column for each query language, and ``folder``.
        """
        rows = []
        for each in self.candidates:
            versus, behind = each.versus, each.versus.behind
            rows.append(
                {
                    "model": each.model.name,
                    "recommended": versus.is_tied,
                    "score": versus.score.value,
                    "low": versus.score.low,
                    "high": versus.score.high,
                    "behind": None if behind is None else behind.value,
                    "behind_low": None if behind is None else behind.low,
                    "behind_high": None if behind is None else behind.high,
                    "p": versus.p,
                    "p_holm": versus.p_holm,
                    "parameters": each.model.parameters,
                    "dimension": each.model.dimension,
                    **each.by_language,
                    "folder": str(each.folder),
                }
            )
        return pd.DataFrame(rows)

    def reasons(self) -> list[str]:
        """Return the reasons in sentences, and which model is much smaller than the best."""
        tied, names = self._tied, ", ".join(map(language_name, self.languages))
        best, others = tied[0], len(self.candidates) - 1
        by = f" by more than {self.margin:g}" if self.margin else ""
        lines = [
            f"{best.model.name} has the highest {self.measure} for {names} on {self.collection}: "
            f"{show_cell(best.versus.score, show_score)}, {_WHAT[self.setting]}.",
        ]
        if others:
            if same := len(tied) - 1:
                who = "The other model" if others == 1 else f"{same} of the {others} others"
                verb = "does not differ" if same == 1 else "do not differ"
            else:
                who, verb = ("The other model", "differs") if others == 1 else (f"All {others} others", "differ")
            lines.append(f"{who} {verb} significantly from it{by}.")
        sized = [each for each in tied if each.model.parameters]
        smallest = min(sized, key=lambda each: each.model.parameters or 0, default=best)
        if (smallest.model.parameters or 0) < _MUCH_SMALLER * (best.model.parameters or 0):
            sizes = (show_parameters(each.model.parameters) for each in (smallest, best))
            lines.append(f"{smallest.model.name} is much smaller than the best: {' against '.join(sizes)} parameters.")
        for each in tied:
            unseen = [lang for lang in self.languages if each.model.seen is not None and lang not in each.model.seen]
            if unseen:
                lines.append(f"{each.model.name} was not trained on {', '.join(map(language_name, unseen))}.")
        worse = next((each for each in self.candidates if not each.versus.is_tied), None)
        if worse is not None and worse.versus.behind is not None:
            behind = show_change(self.setting, worse.versus.behind)
            p = f"p = {worse.versus.p_holm:.4f}"
            lines.append(f"The best model that is significantly worse is {worse.model.name}: {behind}, {p}.")
        return lines

    def __rich__(self) -> Group:
        columns = [Column(each, numeric=True) for each in (self.measure, "behind the best (95 %)", "p", "size")]
        rows: list[list[Entry]] = [
            [
                each.model.name,
                show_score(each.versus.score.value),
                NO_VALUE if each.versus.behind is None else show_change(self.setting, each.versus.behind),
                NO_VALUE if each.versus.p_holm is None else f"{each.versus.p_holm:.3f}",
                show_parameters(each.model.parameters),
                *(each.by_language[lang] for lang in self.languages),
            ]
            for each in self._tied
        ]
        languages = [Column(lang, _show_briefly) for lang in self.languages]
        table = Table(
            f"Not significantly worse than the best on {self.collection}", [Column("model"), *columns, *languages], rows
        )
        tests = (
            f"Intervals and tests draw {self.drawn}. p: paired permutation test against the best, corrected over all "
            "models (Holm). size: number of parameters. Languages: scores of queries in them."
        )
        return Group(table_terminal(table), *text_lines([*self.reasons(), tests, *self.notes]))

    def __repr__(self) -> str:
        return "\n".join(["Recommendation", *(f"  {line}" for line in self.reasons())])

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html(index=False, float_format="{:.3f}".format)
        return html


def recommend(
    reports: Mapping[Path, Results],
    languages: Sequence[str],
    *,
    collection: str | None = None,
    setting: str | None = None,
    measure: str | None = None,
    max_parameters: float | None = None,
    margin: float = 0.0,
) -> Recommendation:
    """Compare all models for some languages; see `babelrank.recommend`."""
    if not languages:
        raise ReportError("name at least one language, such as de,tr,ar.")
    name = collection or _choose_collection(reports, languages)
    evaluated = {folder: each.collections[name] for folder, each in reports.items() if name in each.collections}
    if not evaluated:
        raise ReportError(unknown_choice("collection", name, _collections(reports)))
    digest, _ = Counter(each.sha256 for each in evaluated.values()).most_common(1)[0]
    notes: list[str] = []
    kept: dict[Path, RanksFile] = {}
    for folder, found in evaluated.items():
        model = reports[folder].model
        if found.sha256 != digest:
            notes.append(f"{model.name} was evaluated on a different version of the collection.")
        elif found.ranks is None:
            notes.append(f"{model.name} has no rank table.")
        elif max_parameters is not None and model.parameters is None:
            notes.append(f"The size of {model.name} is unknown.")
        elif max_parameters is None or (model.parameters or 0) <= max_parameters:
            kept[folder] = found.ranks
    if not kept:
        raise ReportError(f"{name}: no model has at most {show_parameters(max_parameters)} parameters.")
    first = evaluated[next(iter(kept))]
    _check_languages(name, first, languages)
    chosen = _check_setting(setting, len(languages))
    shown = measures_of(name, first).headline[0] if measure is None else measure
    scores = [
        question_values(StoredRanks(folder, table, shown)).restricted(languages) for folder, table in kept.items()
    ]
    versus = compare_with_best(scores, chosen, margin=margin)
    candidates = [
        Candidate(reports[folder].model, folder, found, _by_language(each, chosen))
        for folder, found, each in zip(kept, versus, scores, strict=True)
    ]
    candidates.sort(key=lambda each: (each.versus.behind is not None, -each.versus.score.value, each.model.name))
    notes += [scores[0].warning] if scores[0].warning else []
    return Recommendation(
        name, tuple(languages), shown, chosen, margin, tuple(candidates), scores[0].drawn, tuple(notes)
    )


def _collections(reports: Mapping[Path, Results]) -> list[str]:
    return sorted({name for each in reports.values() for name in each.collections}, key=catalog_order)


def _choose_collection(reports: Mapping[Path, Results], languages: Sequence[str]) -> str:
    """Return the first collection that has queries and passages in all languages."""
    known: dict[str, list[str]] = {}
    for name in _collections(reports):
        found = next(each.collections[name] for each in reports.values() if name in each.collections)
        known[name] = _languages_of(found)
        if set(languages) <= set(known[name]):
            return name
    told = "; ".join(f"{name} has {', '.join(langs)}" for name, langs in known.items()) or "there are no reports"
    raise ReportError(f"no collection has queries and passages in {', '.join(languages)}: {told}.")


def _languages_of(found: CollectionResults) -> list[str]:
    return [lang for lang in found.languages if found.queries.get(lang) and found.passages.get(lang)]


def _check_languages(name: str, found: CollectionResults, languages: Sequence[str]) -> None:
    for lang in languages:
        if lang not in _languages_of(found):
            raise ReportError(f"{name}: " + unknown_choice("language", lang, _languages_of(found)))


def _check_setting(setting: str | None, languages: int) -> str:
    chosen = setting or (ALL_PAIRS if languages > 1 else "monolingual")
    if chosen not in SETTINGS:
        raise ReportError(unknown_choice("setting", chosen, SETTINGS))
    if chosen == "cross_lingual" and languages < 2:
        raise ReportError("cross_lingual needs at least two languages.")
    return chosen


def _by_language(scores: QuestionScores, setting: str) -> dict[str, float]:
    once = np.ones((1, len(scores.ids)))
    return {lang: float(scores.macro(setting, once, [lang])[0]) for lang in scores.languages}


def _show_briefly(score: float) -> str:
    return show_score(score).removeprefix("0")
