"""A training run from its configuration to a checkpoint.

Input: a `TrainingConfig`. Output: a sentence-transformers folder with its card, curves and training metadata. During
the run, its state is in ``OUTPUT.training``, and the same call continues from there. OUTPUT appears when the run is
done.
"""

import json
import os
import shutil
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sentence_transformers import SentenceTransformer

from babelrank.checkpoints import read_training_metadata, rename_config_keys
from babelrank.environment import cpu_seconds
from babelrank.errors import TrainingError
from babelrank.files import atomic_write
from babelrank.observer import Observer
from babelrank.training.assembly import TENSORBOARD, load_models, make_trainer
from babelrank.training.config import TrainingConfig
from babelrank.training.config_file import add_defaults
from babelrank.training.development import CRITERIA
from babelrank.training.disk_errors import explain_disk_errors
from babelrank.training.hub import push
from babelrank.training.metadata import make_metadata, validated_values, write_checkpoint
from babelrank.training.model import average, copy_weights, load_base_model, merge_lora
from babelrank.training.plan import TrainingPlan, make_plan
from babelrank.training.run_cost import RunCost
from babelrank.training.trainer import ScheduledTrainer, last_checkpoint, remove_incomplete_checkpoints

_CONFIG, _EXAMPLES = "config.json", "examples.json"  # in the folder of a run: its inputs
_COST = "cpu_seconds.{}.json"  # the same: processor time of each process
_REMOVED_FROM_MODEL = {"trust_remote_code"}
_NOT_COMPARED = {"output", "hub"}  # where the checkpoint goes


def train(
    config: TrainingConfig, observer: Observer, data: Path | None = None, *, trust_remote_code: bool = False
) -> Path:
    """Train a checkpoint, or continue an interrupted run; return its folder.

    Parameters
    ----------
    data
        Folder of the collections.
    trust_remote_code
        Whether the user has said on the command line that the models' own code may run.

    Raises
    ------
    BabelrankError
        The configuration is not valid here, the output belongs to another run, the disk is full, or the loss is not
        finite.
    """
    output, work = Path(config.output), _work_folder(config)
    if is_done(config):
        observer.log(f"{output}: exists already, trained with this configuration.")
        return _upload(config, observer)
    if find_spec("accelerate") is None:  # transformers' trainer would only fail after all examples are read
        raise TrainingError("training needs accelerate: pip install 'babelrank[train]'.")
    lock = FileLock(work.with_name(f"{work.name}.lock"))
    main = _is_main_process()
    observer = observer if main else Observer()  # log every message once
    with explain_disk_errors(work, lambda: _clean_up(work)):
        work.mkdir(parents=True, exist_ok=True)
        try:
            if main:
                lock.acquire(timeout=0)
        except Timeout as error:
            raise TrainingError(f"{work}: another process is training there.") from error
        try:
            _run(config, work, observer, data, main=main, trust_remote_code=trust_remote_code)
            if main:
                (work / "final").replace(output)
                shutil.rmtree(work)
        finally:
            with suppress(OSError):
                work.rmdir()  # if the run did not begin
            lock.release()
    return _upload(config, observer)


def _upload(config: TrainingConfig, observer: Observer) -> Path:
    """Upload the checkpoint, if configured; return its folder."""
    output = Path(config.output)
    if config.hub and _is_main_process():
        observer.log(f"uploaded to {push(config.hub, output)}")
    return output


def is_done(config: TrainingConfig) -> bool:
    """Tell whether the output exists and was trained with this configuration.

    Raises
    ------
    TrainingError
        There is something else at the output, or a run with another configuration.
    """
    output, work = Path(config.output), _work_folder(config)
    if not output.exists():
        _require_same_as_noted(work / _CONFIG, as_json(config), work)
        return False
    metadata = read_training_metadata(output)
    if metadata is None:
        raise TrainingError(f"{output}: exists, but is not a checkpoint of this trainer; choose another output.")
    _require_same(as_json(config), with_new_keys(metadata["config"]), output)
    return True


def _work_folder(config: TrainingConfig) -> Path:
    """Return the folder that keeps the state of a run until it is done."""
    output = Path(config.output)
    return output.with_name(f"{output.name}.training")


def _run(
    config: TrainingConfig, work: Path, observer: Observer, data: Path | None, *, main: bool, trust_remote_code: bool
) -> None:
    began_cpu = cpu_seconds()
    models = load_models(config, trust_remote_code=trust_remote_code)
    plan = make_plan(config, observer, data)
    _require_same_as_noted(work / _EXAMPLES, _identify(plan), work)
    if main:
        for name, what in ((_CONFIG, as_json(config)), (_EXAMPLES, _identify(plan))):
            atomic_write(work / name, json.dumps(what, indent=2, ensure_ascii=False))
        remove_incomplete_checkpoints(work)
    resume = last_checkpoint(work)
    on_step = observer.training(config.schedule.steps)
    trainer = make_trainer(config, models, plan, work, on_step, resuming=resume is not None)
    cost = RunCost(work / _COST.format(os.environ.get("RANK", "0")), began_cpu, resuming=resume is not None)
    trainer.add_callback(cost)
    if resume:
        observer.log(f"continuing from {resume}")
    began = time.perf_counter()
    try:
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    finally:
        cost.note()
    seconds = time.perf_counter() - began
    spent = cost.of_all(trainer.accelerator)
    step = _choose_step(config, trainer, observer)
    if config.lora:
        merge_lora(trainer.model)
    model: SentenceTransformer = trainer.model
    if config.model.average_with_base_model or not step:
        base_model = load_base_model(config.model, "cpu", trust_remote_code=trust_remote_code)
        average(model, copy_weights(base_model), config.model.average_with_base_model if step else 1.0)
    if main:
        metadata = make_metadata(config, plan, trainer, step, seconds, spent)
        history = [entry for entry in trainer.state.log_history if "train_runtime" not in entry]
        write_checkpoint(work / "final", Path(config.output).name, model, metadata, history)
        if (work / TENSORBOARD).is_dir():
            shutil.copytree(work / TENSORBOARD, work / "final" / TENSORBOARD, dirs_exist_ok=True)


def _choose_step(config: TrainingConfig, trainer: ScheduledTrainer, observer: Observer) -> int:
    """Return the step of the weights that are kept, 0 for the base model; warn if no checkpoint is better."""
    last: int = trainer.state.global_step
    if config.validation is None:
        return last
    criterion = CRITERIA[config.validation.select_by]
    values = validated_values(trainer.state.log_history, config.validation.select_by)
    if 0 not in values:
        return last
    sign = -1 if criterion.greater_is_better else 1
    best = min(values, key=lambda step: (sign * values[step], step))
    if best == 0:
        kept = "the base model is kept" if config.validation.choose_best else "the last step is kept"
        others = [sign * value for step, value in values.items() if step]
        observer.log(
            f"warning: no checkpoint has {criterion.wanted} than the base model (step 0: {values[0]:.6f}, best "
            f"checkpoint: {sign * min(others, default=float('nan')):.6f}); {kept}"
        )
    return best if config.validation.choose_best else last


def _clean_up(work: Path) -> str:
    """Remove incomplete checkpoints after the disk is full; return advice on how to continue."""
    remove_incomplete_checkpoints(work)
    then = "continue from the last complete checkpoint" if last_checkpoint(work) else "start again"
    return f"; run the same command to {then}"


def _require_same_as_noted(noted: Path, what: Any, place: Path) -> None:
    """Compare the inputs of a run with those noted when it began, if it did."""
    if not noted.is_file():
        return
    try:
        before = json.loads(noted.read_text(encoding="utf-8"))
        before = with_new_keys(before) if noted.name == _CONFIG else before
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"{noted}: damaged ({error}). Remove {place} to begin again.") from error
    _require_same(what, before, place)


def _identify(plan: TrainingPlan) -> dict[str, Any]:
    """Return what identifies the examples of a run, by data set."""
    return {
        source.name: {"fingerprint": examples.fingerprint, "dropped": found.examples.tolist()}
        for source, examples, found in zip(plan.schedule.sources, plan.examples, plan.contaminations, strict=True)
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
            f"{place}: has a run with another configuration: {'; '.join(differing)}. Choose another output, or "
            "remove that folder."
        )


def as_json(config: TrainingConfig) -> dict[str, Any]:
    """Return a configuration for JSON, without the destinations of the checkpoint."""
    return config.model_dump(mode="json", exclude=_NOT_COMPARED)


def with_new_keys(config: Any) -> Any:
    """Return a recorded configuration under today's keys, with defaults for those that were added since."""
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        return config
    known = rename_config_keys(config)
    model = {key: value for key, value in known["model"].items() if key not in _REMOVED_FROM_MODEL}
    filled = add_defaults(TrainingConfig, {**known, "model": model})
    return {key: value for key, value in filled.items() if key not in _NOT_COMPARED}


def _flatten(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict | list):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, item in items for k, v in _flatten(item, f"{path}.{key}".removeprefix(".")).items()}


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"
