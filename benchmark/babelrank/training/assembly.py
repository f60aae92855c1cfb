"""Assemble models, loss and data of a run into a trainer."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from torch import nn
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations

from babelrank.data.collection import Collection
from babelrank.encoding.positions import most_tokens
from babelrank.encoding.precision import warn_if_emulated
from babelrank.errors import TrainingError, unknown_choice
from babelrank.training.batches import Collator, ScheduledTexts
from babelrank.training.config import ModelConfig, TeacherConfig, TrainingConfig
from babelrank.training.development import measure_curves, rank_collection
from babelrank.training.examples import PASSAGE, QUERY
from babelrank.training.hub import require_login
from babelrank.training.loss import WeightedObjectives
from babelrank.training.model import add_lora, freeze, load_base_model, prompts_of, set_dropout
from babelrank.training.plan import TrainingPlan
from babelrank.training.teacher import Teacher
from babelrank.training.trainer import (
    EveryFewSteps,
    MarkComplete,
    ReportProgress,
    ScheduledTrainer,
    early_stopping,
    make_arguments,
    trackers,
)

TENSORBOARD = "tensorboard"  # folder of its logs, in the run's folder and in the checkpoint


@dataclass(frozen=True)
class Models:
    """The models of a run.

    Attributes
    ----------
    student
        The base model, which is trained.
    teacher
        The model for the distillation objectives; None if there are none.
    """

    student: SentenceTransformer
    teacher: Teacher | None


def load_models(config: TrainingConfig, *, trust_remote_code: bool = False) -> Models:
    """Load the base model and the teacher, and choose the trained parameters.

    Parameters
    ----------
    trust_remote_code
        Whether the user has said on the command line that the models' own code may run.

    Raises
    ------
    TrainingError
        A model cannot be loaded, or does not fit the configuration or the other model.
    """
    _require_environment(config)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    transformers.set_seed(config.schedule.seed)  # the trainer only does so after the adapters are initialised
    model = load_base_model(config.model, config.engine.device, trust_remote_code=trust_remote_code)
    if config.engine.bf16:
        warn_if_emulated("bfloat16", model.device.type, "engine.bf16 = false is faster")
    _max_length(config.model, model)
    if config.model.dropout is not None:
        set_dropout(model, config.model.dropout)
    freeze(model, config.model.freeze)
    if config.lora:
        add_lora(model, config.lora)
    teacher = load_teacher(config, trust_remote_code=trust_remote_code) if config.objectives.needs_teacher else None
    _require_fit(config, model, teacher)
    return Models(model, teacher)


def _require_environment(config: TrainingConfig) -> None:
    """Check that the configured trackers, precision and Hub can be used here."""
    installed = get_available_reporting_integrations()
    for name in config.engine.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            raise TrainingError(f"engine.report_to: {unknown_choice('tracker', name, INTEGRATION_TO_CALLBACK)}")
        if name not in installed:
            raise TrainingError(f"engine.report_to: {name} is not installed.")
    if config.engine.fp16 and not torch.cuda.is_available():
        raise TrainingError("engine.fp16 needs a GPU; bf16 also works on a CPU.")
    if config.hub:
        require_login(config.hub.push)


def load_teacher(config: TrainingConfig, *, trust_remote_code: bool = False) -> Teacher:
    """Load the teacher: by default the base model, with its own prompts."""
    given = config.teacher or TeacherConfig()
    source, place = config.model.model_copy(update={"layers": None}), "model.base_model"
    if given.model:
        source, place = ModelConfig(base_model=given.model, revision=given.revision), "teacher.model"
    model = load_base_model(source, config.engine.device, place=place, trust_remote_code=trust_remote_code)
    asked = {QUERY: given.query_prompt, PASSAGE: given.document_prompt}
    own = prompts_of(model)
    return Teacher(model, {role: own[role] if prompt is None else prompt for role, prompt in asked.items()})


def make_trainer(
    config: TrainingConfig,
    models: Models,
    plan: TrainingPlan,
    work: Path,
    on_step: Callable[[int, Mapping[str, float]], None],
    *,
    resuming: bool,
) -> ScheduledTrainer:
    """Return the trainer of a run.

    Parameters
    ----------
    work
        Folder for checkpoints.
    on_step
        Receives each finished step, and the values measured at it.
    resuming
        Whether the run continues from a checkpoint.

    Raises
    ------
    TrainingError
        The processes cannot share a batch.
    """
    arguments = make_arguments(config, work, resuming=resuming)
    if models.teacher and config.teacher and config.teacher.centered:
        models.teacher.center(plan.examples)
    curves = _make_curves(config, models.student, plan.curves)
    trainer = ScheduledTrainer(
        models.student,
        arguments,
        plan.schedule,
        ScheduledTexts(plan.schedule, plan.examples),
        plan.validation,
        plan.development,
        _make_loss(config, models),
        make_collator(config, models.student),
        [
            *curves,
            *early_stopping(config),
            *trackers(config, work / TENSORBOARD),
            MarkComplete(),
            ReportProgress(on_step),
        ],
    )
    for curve in curves:
        curve.trainer = trainer
    return trainer


def _make_loss(config: TrainingConfig, models: Models) -> nn.Module:
    student = models.student
    loss = WeightedObjectives(
        student,
        config.objectives,
        models.teacher,
        config.engine.micro_batch_size,
        summed=config.matryoshka is not None,
    )
    if config.matryoshka is None:
        return loss
    dimensions = {*config.matryoshka.dimensions, *filter(None, [student.get_embedding_dimension()])}
    return MatryoshkaLoss(student, loss, sorted(dimensions))


def make_collator(config: TrainingConfig, model: SentenceTransformer) -> Collator:
    """Return the collator, which turns triplets into inputs of the model and the objectives."""
    teacher = config.teacher or TeacherConfig()
    return Collator(
        model.preprocess,
        prompts_of(model),
        _max_length(config.model, model),
        seed=config.schedule.seed,
        translations=config.objectives.needs_translation,
        negatives=config.objectives.info_nce.hard_negatives if config.objectives.info_nce else 0,
        teacher_language=teacher.language if config.objectives.needs_teacher else None,
    )


def _max_length(config: ModelConfig, model: SentenceTransformer) -> dict[str, int]:
    """Return the maximum number of tokens of a text, by role; the default is capped at the model's maximum.

    Raises
    ------
    TrainingError
        The configuration exceeds the model's maximum.
    """
    most, found = most_tokens(model), {}
    for role, key in ((QUERY, "query_max_length"), (PASSAGE, "document_max_length")):
        name = key if getattr(config, key) is not None else "max_length"
        found[role] = wanted = getattr(config, name)
        if most is not None and wanted > most:
            if name in config.model_fields_set:
                raise TrainingError(f"model.{name}: {wanted} exceeds the {most} tokens that {config.base_model} reads.")
            found[role] = most
    return found


def _require_fit(config: TrainingConfig, model: SentenceTransformer, teacher: Teacher | None) -> None:
    """Check that the model can be trained with the configured teacher, micro-batches and dimensions."""
    dimension = model.get_embedding_dimension()
    if config.matryoshka and dimension and max(config.matryoshka.dimensions) > dimension:
        raise TrainingError(
            f"matryoshka.dimensions: {max(config.matryoshka.dimensions)}; the vectors of {config.model.base_model} "
            f"have {dimension}."
        )
    if teacher and config.objectives.embedding_distillation and teacher.dimension != dimension:
        raise TrainingError(
            f"teacher.model: its vectors have {teacher.dimension} dimensions, but those of {config.model.base_model} "
            f"have {dimension}. Use objectives.score_distillation, which does not need equal dimensions."
        )
    if config.engine.micro_batch_size and isinstance(model[0], StaticEmbedding):
        raise TrainingError(
            f"engine.micro_batch_size: {config.model.base_model} is a static model, whose batches cannot be "
            "split; leave it out."
        )


def _make_curves(
    config: TrainingConfig, model: SentenceTransformer, collection: Collection | None
) -> list[EveryFewSteps]:
    if config.curves is None or collection is None:
        return []
    return [EveryFewSteps(config.curves.every, lambda: measure_curves(rank_collection(model, collection)))]
