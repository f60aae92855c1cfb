"""A configuration -> the inputs of a run: examples, validation examples, the collection of the curves, the schedule."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.errors import TrainingError
from babelrank.observer import Observer
from babelrank.training.config import WAYS_TO_READ, ExamplesConfig, TeacherConfig, TrainingConfig
from babelrank.training.contamination import Contamination, find_contamination, texts_of_collection, without
from babelrank.training.development import require_development
from babelrank.training.examples import ExampleSet, Rows
from babelrank.training.hub_rows import HubRows
from babelrank.training.indexing import open_examples
from babelrank.training.jsonl_rows import JsonlRows
from babelrank.training.membership import in_several
from babelrank.training.permutation import permute
from babelrank.training.schedule import Schedule, ScheduleSettings, Source
from babelrank.training.validation import KNOWN_AS, ValidationSet, load_validation

DEVELOPMENT = "[development]"  # name of the `KnownTexts` of the development collection


@dataclass(frozen=True)
class TrainingPlan:
    """The inputs of a run.

    Attributes
    ----------
    examples
        The data sets.
    contaminations
        Overlap of each data set with test collections, which is not used for training.
    unused
        Numbers of the examples that the ``share`` of each data set leaves out, ascending; int64.
    schedule
        The texts of each batch.
    validation
        Examples for selecting the checkpoint, if the run validates.
    validation_shared
        Number of validation examples that share a text with the data sets.
    development
        Collection for selecting the checkpoint, if a measure selects it.
    development_shared
        Number of training examples that share a text with the development collection.
    curves
        Collection on which the model is evaluated during training, if configured.
    """

    examples: tuple[ExampleSet, ...]
    contaminations: tuple[Contamination, ...]
    unused: tuple[np.ndarray, ...]
    schedule: Schedule
    validation: ValidationSet | None = None
    validation_shared: int = 0
    development: Collection | None = None
    development_shared: int = 0
    curves: Collection | None = None


def make_plan(config: TrainingConfig, observer: Observer, data: Path | None = None) -> TrainingPlan:
    """Read the inputs of a run other than its models, and plan the batches. Quick checks come first.

    Parameters
    ----------
    data
        Folder of the collections.

    Raises
    ------
    BabelrankError
        Examples or collections cannot be read, or lack texts that the batches or the objectives need.
    """
    names = _distinct_names(config.examples)
    curves = load_collection(config.curves.collection, data) if config.curves else None
    known = [texts_of_collection(load_collection(name, data)) for name in config.contamination.collections]
    checked = config.validation
    development = load_collection(checked.collection, data) if checked and checked.collection else None
    looked_for = [*known]
    if development:
        looked_for.append(replace(texts_of_collection(development), name=DEVELOPMENT))
        require_development(development, looked_for[-1], known)
    validation = load_validation(checked, config.schedule.batch_size, known) if checked and checked.path else None
    if validation:
        looked_for.append(validation.texts)
    rows = [_open(entry) for entry in config.examples]
    examples = tuple(
        open_examples(each, looked_for, observer.counting(f"{name} read", "rows"))
        for name, each in zip(names, rows, strict=True)
    )
    contaminations = tuple(find_contamination(each, [one.name for one in known]) for each in examples)
    for name, each, found in zip(names, examples, contaminations, strict=True):
        merged = f" from {each.rows:,} rows" if each.rows > len(each) else ""
        observer.log(f"{name}: {len(each):,} examples{merged}; {found}")
    unused = tuple(
        _leave_out(entry.share, len(each), config.schedule.seed)
        for entry, each in zip(config.examples, examples, strict=True)
    )
    sources = [
        _describe_source(name, each, entry.weight, np.concatenate([found.examples, left_out]))
        for name, entry, each, found, left_out in zip(
            names, config.examples, examples, contaminations, unused, strict=True
        )
    ]
    _require_texts(config, examples, sources)
    wanted = ("en",) if config.schedule.batches == "english" else config.schedule.languages
    settings = ScheduleSettings(config.schedule.kinds, config.schedule.batch_size, config.schedule.seed, wanted)
    schedule = Schedule(sources, settings, config.schedule.steps * config.engine.gradient_accumulation)
    for i, name in enumerate(names):
        if i not in schedule.drawn:
            observer.log(f"{name}: not used, since no batch of the configured kinds can be made from it")
    shared = _count_shared(validation, examples, observer) if validation else 0
    return TrainingPlan(
        examples,
        contaminations,
        unused,
        schedule,
        validation,
        shared,
        development,
        _count_development(development, examples, observer) if development else 0,
        curves,
    )


def _describe_source(name: str, examples: ExampleSet, weight: float | None, dropped: np.ndarray) -> Source:
    size = len(examples)
    return Source(
        name, size, without(examples.queries, dropped, size), without(examples.passages, dropped, size), weight
    )


def _leave_out(share: float, size: int, seed: int) -> np.ndarray:
    """Return the examples that a share leaves out, drawn by the seed. Larger shares include smaller ones."""
    order = permute(np.arange(size), size, seed)
    left_out: np.ndarray = np.flatnonzero(order >= max(round(share * size), 1))
    return left_out


def _count_shared(validation: ValidationSet, examples: Sequence[ExampleSet], observer: Observer) -> int:
    """Log the validation examples; return how many of them share a text with the data sets."""
    groups = len(validation.groups)
    left_over = f", {validation.left_over} more fill no group" if validation.left_over else ""
    observer.log(
        f"validation: {len(validation):,} examples in groups of {len(validation.groups[0])} ({groups:,} groups"
        f"{left_over}); {validation.contamination}"
    )
    shared = max(validation.count_sharing(each.index.found[KNOWN_AS]) for each in examples)
    if shared:
        observer.log(
            f"warning: {shared:,} of {len(validation):,} validation examples share a text with the training examples. "
            "Their validation loss is too low, so an overfitted checkpoint may be selected."
        )
    return shared


def _count_development(collection: Collection, examples: Sequence[ExampleSet], observer: Observer) -> int:
    """Return how many examples share a text with the development collection, and warn if some do."""
    shared = sum(len(each.index.shared[DEVELOPMENT]) for each in examples)
    if shared:
        observer.log(
            f"warning: {shared:,} training examples share a text with {collection.name}, which selects the checkpoint. "
            "An overfitted checkpoint may be selected."
        )
    return shared


def _require_texts(config: TrainingConfig, examples: Sequence[ExampleSet], sources: Sequence[Source]) -> None:
    """Check that some example has the texts that the objectives need in addition to its query and passage."""
    objectives, teacher = config.objectives, config.teacher or TeacherConfig()
    sides = [side for source in sources for side in (source.queries, source.passages)]
    languages = sorted({lang for side in sides for lang, members in side.items() if len(members)})
    if objectives.needs_teacher:
        for lang in teacher.languages:
            if lang not in (*WAYS_TO_READ, *languages):
                raise TrainingError(
                    f"teacher.language: no example has {lang!r}; valid are {', '.join((*languages, *WAYS_TO_READ))}."
                )
    if objectives.needs_translation and not any(len(in_several(s.passages.values(), s.size)) for s in sources):
        name = "semantic_contrast" if objectives.semantic_contrast else "language_contrast"
        raise TrainingError(
            f"objectives.{name}: no example has its passage in two languages; the examples are in "
            f"{', '.join(languages)}."
        )
    wanted = objectives.info_nce.hard_negatives if objectives.info_nce else 0
    if wanted and not any(len(each.index.negatives.rows) for each in examples):
        raise TrainingError(
            f"objectives.info_nce.hard_negatives: {wanted}, but no example has negatives; it should be 0."
        )


def _open(entry: ExamplesConfig) -> Rows:
    if entry.path is not None:
        return JsonlRows(Path(entry.path), entry.languages)
    return HubRows(
        str(entry.hub),
        entry.query,
        entry.passage,
        entry.languages or tuple(entry.configs or ()),
        configs=entry.configs,
        negatives=entry.negatives,
        split=entry.split,
        revision=entry.revision,
    )


def _distinct_names(entries: Sequence[ExamplesConfig]) -> list[str]:
    """Return a unique name for each data set; for a file, as much of its path as necessary."""
    ways = [Path(entry.path).parts if entry.path is not None else (str(entry.hub),) for entry in entries]
    names = []
    for i, way in enumerate(ways):
        tails = (way[-length:] for length in range(1, len(way) + 1))
        distinct = next((tail for tail in tails if sum(other[-len(tail) :] == tail for other in ways) == 1), None)
        names.append(str(Path(*distinct)) if distinct else f"{way[-1]} (examples[{i}])")
    return names
