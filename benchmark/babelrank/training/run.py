"""A training run from its configuration to a checkpoint.

In: a `TrainingConfig`. Out: a sentence-transformers folder with its card, its curves and an account of the run. While
it is under way, its state lies in ``OUTPUT.training``; the same call goes on from there. OUTPUT is there when it is
done.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from babelrank.data.loading import load_collection
from babelrank.errors import TrainingError
from babelrank.files import atomic_write
from babelrank.training.checkpoint import ACCOUNT, write_checkpoint
from babelrank.training.config import WAYS_TO_READ, TeacherConfig, TrainingConfig, UnitsConfig
from babelrank.training.contamination import Contamination, recall_contamination, without
from babelrank.training.hub_units import HubUnits
from babelrank.training.membership import in_several
from babelrank.training.schedule import Schedule, ScheduleSettings, Source
from babelrank.training.units import JsonlUnits, Units

_CONFIG, _UNITS = "config.json", "units.json"  # in the folder of a run: what it is of


class Observer(Protocol):
    """Is told how a run goes."""

    def announce(self, message: str) -> None:
        """Something began that takes a while, or was decided."""

    def counting(self, what: str, unit: str) -> Callable[[int, int], None]:
        """Return what is told how many units of something are done, and how many there are."""

    def training(self, steps: int) -> Callable[[int, Mapping[str, float]], None]:
        """Return what is told each step that is done, of `steps`, and what was measured at it."""


@dataclass(frozen=True)
class Preparation:
    """What a run trains on.

    Attributes
    ----------
    units
        The data sets.
    contaminations
        What each shares with test collections, and so is not trained on.
    schedule
        Which of their texts meet in which batch.
    """

    units: tuple[Units, ...]
    contaminations: tuple[Contamination, ...]
    schedule: Schedule


def prepare(config: TrainingConfig, observer: Observer, data: Path | None = None) -> Preparation:
    """Read the units, leave out what test collections hold, and plan the batches.

    Raises
    ------
    BabelrankError
        Units or collections cannot be read, or neither a batch as asked for nor what an objective reads can be made of
        them.
    """
    units = tuple(_open(entry) for entry in config.units)
    names = _distinct_names(config.units)
    collections = [load_collection(name, data) for name in config.contamination.collections]
    contaminations = tuple(
        recall_contamination(source, collections, observer.counting(f"{name} compared", unit="units"))
        for name, source in zip(names, units, strict=True)
    )
    for name, source, found in zip(names, units, contaminations, strict=True):
        shared = (
            ", ".join(f"{count} with {where}" for where, count in found.by_collection.items()) or "no collection named"
        )
        dropped = f"; dropped: {', '.join(found.ids)} …" if found.ids else ""
        observer.announce(f"{name}: {len(source):,} units; shares texts: {shared}{dropped}")
    sources = [
        Source(
            name,
            len(source),
            without(source.queries, found.rows, len(source)),
            without(source.passages, found.rows, len(source)),
            entry.weight or float(len(source) - len(found.rows)),
        )
        for name, entry, source, found in zip(names, config.units, units, contaminations, strict=True)
    ]
    _require_texts(config, units, sources)
    wanted = ("en",) if config.schedule.batches == "english" else config.schedule.languages
    settings = ScheduleSettings(config.schedule.kinds, config.schedule.batch_size, config.schedule.seed, wanted)
    steps = config.schedule.steps * config.engine.gradient_accumulation
    schedule = Schedule(sources, settings, steps)
    for i, name in enumerate(names):
        if i not in schedule.drawn:
            observer.announce(f"{name}: no batch as asked for can be made of it; it is not trained on")
    return Preparation(units, contaminations, schedule)


def _require_texts(config: TrainingConfig, units: Sequence[Units], sources: Sequence[Source]) -> None:
    """Make sure that some unit has what the objectives read beside its query and passage."""
    objectives, teacher = config.objectives, config.teacher or TeacherConfig()
    sides = [side for source in sources for side in (source.queries, source.passages)]
    languages = sorted({lang for side in sides for lang, members in side.items() if len(members)})
    if objectives.needs_teacher:
        for lang in teacher.languages:
            if lang not in (*WAYS_TO_READ, *languages):
                raise TrainingError(
                    f"teacher.language: no unit has {lang!r}; valid are {', '.join((*languages, *WAYS_TO_READ))}."
                )
    if objectives.needs_translation and not any(len(in_several(s.passages.values(), s.size)) for s in sources):
        name = "semantic_contrast" if objectives.semantic_contrast else "language_contrast"
        raise TrainingError(
            f"objectives.{name}: no unit has its passage in two languages; the units are in {', '.join(languages)}."
        )
    wanted = objectives.info_nce.hard_negatives if objectives.info_nce else 0
    if wanted and not any(source[row].negatives for source in units for row in range(len(source))):
        raise TrainingError(f"objectives.info_nce.hard_negatives: {wanted}, but no unit has negatives; it should be 0.")


def train(config: TrainingConfig, observer: Observer, data: Path | None = None) -> Path:
    """Train a checkpoint, or go on with the run that was begun; return its folder.

    Parameters
    ----------
    data
        Folder of the collections.

    Raises
    ------
    BabelrankError
        Something in the configuration does not hold, the output is another run's, or the loss is not finite.
    """
    output = Path(config.output)
    if (output / ACCOUNT).is_file():
        _require_same(as_json(config), json.loads((output / ACCOUNT).read_text(encoding="utf-8"))["config"], output)
        observer.announce(f"{output}: is there already, trained as this configuration says.")
        return output
    if output.exists():
        raise TrainingError(f"{output}: exists, and is no checkpoint of this trainer; choose another output.")
    work = output.with_name(f"{output.name}.training")
    lock = FileLock(work.with_name(f"{work.name}.lock"))
    main = _is_main_process()
    try:
        work.mkdir(parents=True, exist_ok=True)
        if main:
            lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(f"{work}: another process is training there.") from error
    except OSError as error:
        raise TrainingError(f"{work}: cannot be written ({error.strerror}).") from error
    try:
        _require_noted(work / _CONFIG, as_json(config), work, main=main)
        _run(config, work, observer, data, main=main)
        if main:
            (work / "final").replace(output)
            shutil.rmtree(work)
    finally:
        lock.release()
    return output


def _run(config: TrainingConfig, work: Path, observer: Observer, data: Path | None, *, main: bool) -> None:
    prepared = prepare(config, observer, data)
    _require_noted(work / _UNITS, _identify(prepared), work, main=main)
    from babelrank.training.assembly import TENSORBOARD, make_trainer
    from babelrank.training.engine import last_checkpoint
    from babelrank.training.model import average, copy_weights, load_start, merge_lora

    resume = last_checkpoint(work)
    tell = observer.training(config.schedule.steps)
    trainer = make_trainer(config, prepared, work, tell, data, resuming=resume is not None)
    if resume:
        observer.announce(f"going on from {resume}")
    began = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    seconds = time.perf_counter() - began
    if config.lora:
        merge_lora(trainer.model)
    if config.model.average_with_start:
        average(trainer.model, copy_weights(load_start(config.model, "cpu")), config.model.average_with_start)
    if main:
        write_checkpoint(work / "final", config, prepared, trainer, seconds)
        if (work / TENSORBOARD).is_dir():
            shutil.copytree(work / TENSORBOARD, work / "final" / TENSORBOARD, dirs_exist_ok=True)


def _require_noted(noted: Path, what: Any, place: Path, *, main: bool) -> None:
    """Note what a new run is made of, or compare it with what the run noted that was begun."""
    if noted.is_file():
        _require_same(what, json.loads(noted.read_text(encoding="utf-8")), place)
    elif main:
        atomic_write(noted, json.dumps(what, indent=2, ensure_ascii=False))


def _identify(prepared: Preparation) -> dict[str, Any]:
    """Return what tells the units of one run from those of another, by data set."""
    return {
        source.name: {"fingerprint": units.fingerprint, "dropped": found.rows.tolist()}
        for source, units, found in zip(prepared.schedule.sources, prepared.units, prepared.contaminations, strict=True)
    }


def _require_same(what: Any, other: Any, place: Path) -> None:
    here, there = _flatten(what), _flatten(other)
    differing = [
        f"{key} is {there.get(key)!r} there and {here.get(key)!r} here"
        for key in sorted(here.keys() | there.keys())
        if here.get(key) != there.get(key)
    ]
    if differing:
        raise TrainingError(
            f"{place}: holds a run with another configuration: {'; '.join(differing)}. Choose another output, or "
            "remove that folder."
        )


def as_json(config: TrainingConfig) -> dict[str, Any]:
    """Return a configuration as JSON has it, without where its output goes."""
    return config.model_dump(mode="json", exclude={"output"})


def _flatten(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict | list):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, item in items for k, v in _flatten(item, f"{path}.{key}".removeprefix(".")).items()}


def _open(entry: UnitsConfig) -> Units:
    if entry.path is not None:
        return JsonlUnits(Path(entry.path), entry.languages)
    return HubUnits(
        str(entry.hub),
        entry.query,
        entry.passage,
        entry.languages or tuple(entry.configs or ()),
        configs=entry.configs,
        negatives=entry.negatives,
        split=entry.split,
        revision=entry.revision,
    )


def _distinct_names(entries: Sequence[UnitsConfig]) -> list[str]:
    """Return the name of each data set, which no other has: of a file, as much of its path as tells it from others."""
    ways = [Path(entry.path).parts if entry.path is not None else (str(entry.hub),) for entry in entries]
    names = []
    for i, way in enumerate(ways):
        tails = (way[-length:] for length in range(1, len(way) + 1))
        distinct = next((tail for tail in tails if sum(other[-len(tail) :] == tail for other in ways) == 1), None)
        names.append(str(Path(*distinct)) if distinct else f"{way[-1]} (units[{i}])")
    return names


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"
