"""Run the study and write its page and plot: `python experiments/bias-measures/page.py`.

It takes about two minutes of CPU time, and comes out the same every time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import matplotlib as mpl
import numpy as np
from interval_coverage import Coverage, cover_language_effect, cover_macro_figures
from matplotlib.figure import Figure
from simulated_encoders import QUESTIONS, Observation, Setting, observe

from babelrank.analysis.clusters import LEVELS
from babelrank.ranking.table import read_ranks

REPORTS = Path(__file__).resolve().parents[2] / "reports"
PAGE, PLOT = "bias-measures.md", "bias-measures.svg"
SKILLS = (1.3, 2.2, 3.1, 4.0)  # for a multilingual mAP of about .03, .13, .39 and .71
BIASES = (0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)
STRONG, WEAK = 0.25, 0.06  # the biases at which skills are compared, and at which power is read
LANGUAGES = ("de", "en", "th", "zh")  # of the queries; passages are in all eleven
RUNS = 2
TRIALS, EFFECT_TRIALS = 200, 40
COVERED = ("use-multilingual-v3", "multilingual-e5-small-4-bit-weights")
NEAR_0 = 0.01
CHOSEN = "language_effect"  # the leaderboard's measure of bias
MEASURES = {
    "language_effect": "language effect η²",
    "rank_ratio": "rank ratio",
    "kendall_w": "Kendall's W",
    "own_first": "own language first",
    "exposure_relevant": "unevenness of exposure@10",
    "merge_gap": "merge gap",
    "rank_distance": "rank distance (spread)",
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_MARKERS = ("o", "s", "^", "D")

Runs = Mapping[tuple[float, float], Sequence[Observation]]  # by skill and strength of the bias


@dataclass(frozen=True)
class Trait:
    """How one measure behaves; see the page for the columns."""

    unbiased: float
    rises: bool
    spread: float
    false_alarms: float | None
    power: float | None

    @property
    def passes(self) -> bool:
        """Whether it is near 0 without bias at any accuracy, and rises strictly with it at each."""
        return self.unbiased < NEAR_0 and self.rises


def simulate_all(biases: Sequence[float] = BIASES, *, own: bool = False, questions: int = QUESTIONS) -> Runs:
    """Observe the encoders of all skills with offsets of these strengths, or with one for the query's own language."""
    return {
        (skill, bias): [
            observe(
                Setting(skill, own=bias) if own else Setting(skill, bias),
                questions=questions,
                languages=LANGUAGES,
                seed=run,
            )
            for run in range(RUNS)
        ]
        for skill in SKILLS
        for bias in biases
    }


def mean_value(runs: Runs, measure: str, skill: float, bias: float) -> float:
    """Return the mean of a measure over the runs of one setting."""
    return float(np.mean([run.values[measure] for run in runs[skill, bias]]))


def find_trait(runs: Runs, measure: str) -> Trait:
    """Sum up how a measure behaves over all settings."""
    biases = sorted({bias for _, bias in runs})
    curves = [[mean_value(runs, measure, skill, bias) for bias in biases] for skill in SKILLS]
    strong = [mean_value(runs, measure, skill, STRONG) for skill in SKILLS]
    return Trait(
        unbiased=max(abs(curve[0]) for curve in curves),
        rises=all((np.diff(curve) > 0).all() for curve in curves),
        spread=max(strong) / min(strong) if min(strong) > 0 else float("inf"),
        false_alarms=_share_found(runs, measure, 0.0),
        power=_share_found(runs, measure, WEAK),
    )


def _share_found(runs: Runs, measure: str, bias: float) -> float | None:
    found = [run.found[measure] for (_, b), each in runs.items() if b == bias for run in each if measure in run.found]
    return float(np.mean(found)) if found else None


def render_page(offsets: Runs, own: Runs, coverage: Sequence[Coverage]) -> str:
    """Return the page in Markdown."""
    traits = {measure: find_trait(offsets, measure) for measure in MEASURES}
    accuracies = [np.mean([run.accuracy for run in offsets[skill, 0.0]]) for skill in SKILLS]
    heads = [f"mAP {_number(accuracy)}" for accuracy in accuracies]
    *others, last = [MEASURES[measure] for measure, trait in traits.items() if trait.passes]
    distances = [mean_value(offsets, "rank_distance", skill, 0.0) for skill in SKILLS]

    def by_skill(runs: Runs, bias: float) -> Iterable[Sequence[str]]:
        return (
            [name, *(_number(mean_value(runs, measure, skill, bias)) for skill in SKILLS)]
            for measure, name in MEASURES.items()
        )

    biases = sorted({bias for _, bias in offsets})
    found = (
        [name, *(_share(_share_found(offsets, measure, bias)) for bias in biases)]
        for measure, name in MEASURES.items()
        if _share_found(offsets, measure, 0.0) is not None
    )
    rise = (
        [name, *(_number(float(np.mean([mean_value(offsets, measure, s, b) for s in SKILLS]))) for b in biases)]
        for measure, name in MEASURES.items()
    )
    verdict = (
        [
            MEASURES[measure],
            _number(trait.unbiased),
            "yes" if trait.rises else "no",
            f"{trait.spread:.2f}" if np.isfinite(trait.spread) else "changes sign",
            _share(trait.false_alarms),
            _share(trait.power),
        ]
        for measure, trait in traits.items()
    )
    chosen, strong = traits[CHOSEN], [mean_value(offsets, CHOSEN, skill, STRONG) for skill in SKILLS]
    if not chosen.passes:
        raise ValueError(f"{MEASURES[CHOSEN]} does not pass: {chosen}")
    introduction = _INTRODUCTION.format(
        unbiased=_number(chosen.unbiased),
        strong=STRONG,
        low=_number(min(strong)),
        high=_number(max(strong)),
        weak=WEAK,
        power=_share(chosen.power),
        passing=f"{', '.join(others)} and {last}",
        questions=QUESTIONS,
        near=_number(NEAR_0),
        highest=_number(max(distances)),
        lowest=_number(min(distances)),
    )
    sections = [
        _COMMENT,
        _TITLE,
        *(fill(paragraph, width=120) for paragraph in introduction.split("\n\n")),
        f"![Each measure over the strength of the bias, one line per accuracy]({PLOT})",
        "## How the measures behave\n\n" + _COLUMNS.format(strong=STRONG, weak=WEAK, questions=QUESTIONS),
        _table(
            ["measure", "without bias, at most", "rises strictly", "dependence on accuracy", "false alarms", "power"],
            verdict,
        ),
        "## Without bias\n\nLess the value under shuffled labels, where there is one.",
        _table(["measure", *heads], by_skill(offsets, 0.0)),
        f"## The same bias at four accuracies\n\nOffsets of {STRONG}.",
        _table(["measure", *heads], by_skill(offsets, STRONG)),
        "## Rise with the bias\n\nMean over the four accuracies; columns are standard deviations of the offsets.",
        _table(["measure", *(f"{bias:g}" for bias in biases)], rise),
        "## Power\n\nShare of the query languages in which the interval is above the value under shuffled labels.",
        _table(["measure", *(f"{bias:g}" for bias in biases)], found),
        f"## A bonus for the query's own language\n\nScores of passages in the query's language are {STRONG} higher.",
        _table(["measure", *heads], by_skill(own, STRONG)),
        _COVERAGE,
        _table(
            ["figure", *(f"by {level}" for level in reversed(LEVELS)), "trials"],
            (
                [each.figure, *(_share(each.held[level]) for level in reversed(LEVELS)), str(each.trials)]
                for each in coverage
            ),
        ),
    ]
    return "\n\n".join(sections) + "\n"


def draw_plot(runs: Runs, path: Path) -> None:
    """Draw each measure over the strength of the bias, one line per skill, as SVG."""
    biases = sorted({bias for _, bias in runs})
    with mpl.rc_context({"svg.hashsalt": "babelrank", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        axes = figure.subplots(2, 4).ravel()
        for axis, (measure, name) in zip(axes, MEASURES.items(), strict=False):
            for skill, colour, marker in zip(SKILLS, _COLOURS, _MARKERS, strict=True):
                accuracy = np.mean([run.accuracy for run in runs[skill, 0.0]])
                values = [mean_value(runs, measure, skill, bias) for bias in biases]
                label = f"mAP {_number(float(accuracy))}"
                axis.plot(biases, values, color=colour, marker=marker, markersize=3, linewidth=1, label=label)
            axis.set_title(name, fontsize=8)
            axis.set_xscale("symlog", linthresh=min(bias for bias in biases if bias))
            axis.set_xticks([0, 0.03, 0.12, 0.5], labels=["0", ".03", ".12", ".5"])
            axis.minorticks_off()
            if measure == "rank_distance":
                axis.set_yscale("log")
            if measure == "rank_ratio":
                axis.set_yscale("symlog", linthresh=1)
                axis.set_ylim(bottom=-0.5)
        axes[-1].axis("off")
        axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="center", frameon=False)
        figure.supxlabel("standard deviation of the languages' offsets", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _number(value: float) -> str:
    """Return three digits or so, without a 0 before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    text = f"{value:.{3 if abs(value) >= NEAR_0 else 4}f}"
    return text.replace("0.", ".", 1) if float(text) else "0"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_COMMENT = "<!-- Made by `python experiments/bias-measures/page.py`; changes made here by hand are lost. -->"
_TITLE = "# Which measure of language bias is not accuracy in disguise?"
_INTRODUCTION = """\
A measure of language bias should be 0 for an encoder that favours no language, whether it is good or bad, and rise
with the bias. We simulate encoders for XQuAD-R's {questions:,} questions: four levels of accuracy, and for the
queries of each language offsets of the passage languages' scores, of a known strength. Offsets leave the ranking
within a language as it is, so all that changes in the pool is due to the bias. Strength is in standard deviations of
the scores of irrelevant passages.

**{passing}** pass: below {near} without bias at every accuracy, and rising strictly with it. The language effect is
the measure of choice, and the leaderboard's column of language bias. Without bias its mean is at most {unbiased} from 0
at each accuracy (|mean| < {near}), and it rises strictly with the bias at each. With offsets of {strong} it is {low} to
{high}, whatever the accuracy; offsets of {weak} it finds in {power} of the query languages. It says how much of the
ranks within a query the language decides, from 0 to 1.

The others are good for one thing each. Kendall's W behaves like the language effect, on orders instead of log ranks,
so it does not see whether a language stands one place behind another or a thousand. The rank ratio puts a bias into a
unit that people understand, but depends on accuracy, as exposure does. The merge gap says what a bias costs; without
bias it is below 0. Preference for the query's own language is one kind of bias, and does not see others. Rank
distance ignores which language is which: shuffled labels leave it as it is. Without any bias it falls from {highest}
for the worst encoder to {lowest} for the best. The measures of MLAIRE (arXiv 2605.07249), Language Preference Rate and
Lang-nDCG, are left out: their formulas could not be verified."""

_COLUMNS = """\
- *without bias, at most*: largest distance from 0 over the four accuracies, less the value under shuffled labels
- *rises strictly*: whether the mean over runs rises at each step of the bias, at every accuracy
- *dependence on accuracy*: highest over lowest value of the four accuracies, at offsets of {strong}; 1 is best
- *false alarms*: query languages without bias in which the 95 % interval is above the value under shuffled labels
- *power*: the same with offsets of {weak}, for {questions:,} questions"""

_COVERAGE = """\
## What the intervals cover

XQuAD-R's questions come from 240 paragraphs of 48 articles. We take the articles of a real report as all there are,
draw 48 of them with replacement, as if the collection had been made again, and look how often an interval of 95 %
holds the figure of all articles. Intervals that draw questions are too narrow by far; those that draw articles hold
nearly what they promise. The difference is that of two encoders on the same questions."""


def main() -> None:
    """Run the study, and write page and plot into the reports' folder."""
    offsets, own = simulate_all(), simulate_all((STRONG,), own=True)
    first, second = (read_ranks(REPORTS / name / "xquad-r.ranks.parquet") for name in COVERED)
    coverage = [
        *cover_macro_figures(first, second, trials=TRIALS),
        cover_language_effect(first, ("de", "th"), trials=EFFECT_TRIALS),
    ]
    (REPORTS / PAGE).write_text(render_page(offsets, own, coverage), encoding="utf-8")
    draw_plot(offsets, REPORTS / PLOT)


if __name__ == "__main__":
    main()
