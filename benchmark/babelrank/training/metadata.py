"""Write and read the files of a checkpoint: the model, its training metadata, log, curves and card."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import ModelCard
from sentence_transformers import SentenceTransformer

from babelrank.checkpoints import BASE_MODEL, LOG_FILE, METADATA_FILE, read_training_metadata
from babelrank.environment import hardware, machine, package_versions
from babelrank.errors import TrainingError
from babelrank.files import atomic_write
from babelrank.reporting.curves import draw_curves
from babelrank.training.card import CARD_FILE, read_card, render_card
from babelrank.training.config import TrainingConfig
from babelrank.training.development import LOSS
from babelrank.training.plan import TrainingPlan
from babelrank.training.schedule import languages_of
from babelrank.training.trainer import ScheduledTrainer

CURVES_FILE = "curves.svg"
History = Sequence[Mapping[str, float]]  # measured values, by step


def write_checkpoint(
    folder: Path, name: str, model: SentenceTransformer, metadata: Mapping[str, Any], history: History
) -> None:
    """Write a trained model to a folder.

    Parameters
    ----------
    name
        Name of the checkpoint in its card.
    metadata
        See `make_metadata`.
    """
    model.save_pretrained(str(folder), create_model_card=False)
    settings = metadata["config"]["model"]
    write_training_metadata(folder, name, metadata, history, read_card(settings["base_model"], settings["revision"]))


def write_training_metadata(
    folder: Path, name: str, metadata: Mapping[str, Any], history: History, parent: ModelCard | None
) -> None:
    """Write the files of a checkpoint other than the model.

    Parameters
    ----------
    parent
        Card of the model that it was made from.
    """
    atomic_write(folder / METADATA_FILE, json.dumps(metadata, indent=2, ensure_ascii=False))
    atomic_write(folder / LOG_FILE, "".join(f"{json.dumps(entry)}\n" for entry in history))
    atomic_write(folder / CURVES_FILE, draw_curves(history))
    atomic_write(folder / CARD_FILE, render_card(name, metadata, parent))


def read_checkpoint(folder: Path) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Return the metadata and the log of a checkpoint.

    Raises
    ------
    TrainingError
        The folder is not a checkpoint of this trainer.
    """
    metadata = read_training_metadata(folder)
    try:
        history = [json.loads(line) for line in (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, RecursionError):
        history = None
    if metadata is None or history is None or not all(isinstance(entry, dict) for entry in history):
        missing = METADATA_FILE if metadata is None else LOG_FILE
        raise TrainingError(
            f"{folder}: not a checkpoint of `babelrank train` ({missing} is missing or cannot be read)."
        )
    return metadata, history


def make_metadata(
    config: TrainingConfig,
    plan: TrainingPlan,
    trainer: ScheduledTrainer,
    step: int,
    seconds: float,
    cpu_seconds: float | None,
) -> dict[str, Any]:
    """Return the training metadata of a checkpoint, for JSON.

    Parameters
    ----------
    step
        Step of the weights that are kept; 0 for the base model.
    seconds
        Wall-clock time of training in this call.
    cpu_seconds
        Processor time of the whole run by all processes; None if parts are unknown.
    """
    sources, drawn = plan.schedule.sources, plan.schedule.drawn
    counts: dict[str, int] = {}
    for (kind, _, _), count in plan.schedule.count_batches().items():
        counts[kind] = counts.get(kind, 0) + count
    losses = validated_values(trainer.state.log_history, LOSS)
    before = read_training_metadata(Path(config.model.base_model))
    return {
        "babelrank": version("babelrank"),
        "config": config.model_dump(mode="json", exclude={"output", "hub"}),
        "languages": list(languages_of(sources[i] for i in drawn)),
        "examples": [
            {
                "name": sources[i].name,
                "fingerprint": plan.examples[i].fingerprint,
                "rows": plan.examples[i].rows,
                "examples": sources[i].size - len(plan.unused[i]),
                "dropped": len(np.setdiff1d(plan.contaminations[i].examples, plan.unused[i])),
                "shared": dict(plan.contaminations[i].by_collection),
            }
            for i in drawn
        ],
        "validation": _describe_validation(config, plan, trainer.state.log_history, step),
        "batches_planned": counts,
        "steps": trainer.state.global_step,
        "step_of_checkpoint": step,
        # Measured for the trained weights, not for an average.
        "validation_loss": None if config.model.average_with_base_model else losses.get(step),
        "validation_loss_of_base_model": losses.get(0),
        "seconds": round(seconds, 1),
        "cpu_seconds": None if cpu_seconds is None else round(cpu_seconds, 1),
        "hardware": hardware("cpu" if trainer.args.device.type == "cpu" else str(trainer.args.device)),
        "device": str(trainer.args.device),
        "processes": trainer.args.world_size,
        "machine": machine(),
        "packages": package_versions(),
        **({BASE_MODEL: before} if before else {}),
    }


def validated_values(history: History, name: str) -> dict[int, float]:
    """Return step -> value of a validation measure, such as ``loss``."""
    return {int(entry["step"]): entry[f"eval_{name}"] for entry in history if f"eval_{name}" in entry}


def _describe_validation(config: TrainingConfig, plan: TrainingPlan, history: History, step: int) -> Any:
    if config.validation is None:
        return None
    chosen_by = config.validation.select_by
    values = validated_values(history, chosen_by)
    found: dict[str, Any] = {"select_by": chosen_by, "base_model": values.get(0), "checkpoint": values.get(step)}
    if plan.development is not None:
        found |= {"collection": plan.development.name, "training_examples_shared": plan.development_shared}
    if plan.validation is not None:
        found |= {
            "examples": len(plan.validation),
            "group_size": len(plan.validation.groups[0]),
            "dropped": len(plan.validation.contamination.examples),
            "shared": dict(plan.validation.contamination.by_collection),
            "shared_with_training": plan.validation_shared,
        }
    return found
