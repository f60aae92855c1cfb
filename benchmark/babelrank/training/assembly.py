"""Model, teacher, loss and data of a run, put together into a trainer."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.encoding.positions import most_tokens
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.errors import TrainingError
from babelrank.ranking.rank import rank
from babelrank.training.batches import PASSAGE, QUERY, Collator, FixedTexts, ScheduledTexts
from babelrank.training.config import ModelConfig, TeacherConfig, TrainingConfig
from babelrank.training.engine import (
    EveryFewSteps,
    MarkWhole,
    ScheduledTrainer,
    TellProgress,
    early_stopping,
    make_arguments,
    tensorboard,
)
from babelrank.training.loss import WeightedObjectives
from babelrank.training.model import add_lora, encode_role, freeze, load_start, prompts_of, set_dropout
from babelrank.training.teacher import Teacher
from babelrank.training.units import JsonlUnits

if TYPE_CHECKING:
    from babelrank.training.run import Preparation

# As logged, and drawn in the curves: setting of macro average -> its name in the log.
CURVE_NAMES = {"monolingual": "Mo. mAP", "cross_lingual": "Cr. mAP", "multilingual": "Mul. mAP"}
RANK_DISTANCE = "rank distance"
TENSORBOARD = "tensorboard"  # folder of its logs, in that of the run and in the checkpoint


def make_trainer(
    config: TrainingConfig,
    prepared: "Preparation",
    work: Path,
    tell: Callable[[int, Mapping[str, float]], None],
    data: Path | None,
    *,
    resuming: bool,
) -> ScheduledTrainer:
    """Load what a run needs.

    Parameters
    ----------
    work
        Folder for its checkpoints.
    tell
        Told each step that is done, and what was measured at it.
    data
        Folder of the collections.
    resuming
        Whether the run goes on from a checkpoint.

    Raises
    ------
    BabelrankError
        The model, the validation units or the collection of the curves cannot be loaded, or do not fit one another.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    arguments = make_arguments(config, work, resuming=resuming)
    transformers.set_seed(config.schedule.seed)  # the trainer does so after adapters are drawn
    model = load_start(config.model, config.engine.device)
    prompts = prompts_of(model)
    if config.model.dropout is not None:
        set_dropout(model, config.model.dropout)
    freeze(model, config.model.freeze)
    if config.lora:
        add_lora(model, config.lora)
    teacher = _load_teacher(config, prepared, prompts) if config.objectives.needs_teacher else None
    validation = _load_validation(config) if config.validation else None
    curves = _make_curves(config, model, prompts, data)
    _require_fit(config, model, teacher)
    trainer = ScheduledTrainer(
        model,
        arguments,
        prepared.schedule,
        ScheduledTexts(prepared.schedule, prepared.units),
        validation,
        WeightedObjectives(model, config.objectives, teacher, config.engine.micro_batch_size),
        make_collator(config, model),
        [
            *curves,
            *early_stopping(config),
            *tensorboard(config, work / TENSORBOARD),
            MarkWhole(),
            TellProgress(tell),
        ],
    )
    for curve in curves:
        curve.trainer = trainer
    return trainer


def make_collator(config: TrainingConfig, model: SentenceTransformer) -> Collator:
    """Return what turns examples into what the model and the objectives read."""
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


def _max_length(config: ModelConfig, model: SentenceTransformer) -> int:
    """Return how many tokens of a text are read: by default, no more than the model can.

    Raises
    ------
    TrainingError
        More are asked for than it can.
    """
    most = most_tokens(model)
    if most is None or config.max_length <= most:
        return config.max_length
    if "max_length" in config.model_fields_set:
        raise TrainingError(f"model.max_length: {config.max_length}; {config.start} reads at most {most} tokens.")
    return most


def _require_fit(config: TrainingConfig, model: SentenceTransformer, teacher: Teacher | None) -> None:
    """Make sure that the model can be trained with this teacher, and in parts, if that is asked for."""
    dimension = model.get_embedding_dimension()
    if teacher and config.objectives.embedding_distillation and teacher.dimension != dimension:
        raise TrainingError(
            f"teacher.model: its vectors have {teacher.dimension} dimensions, those of {config.model.start} "
            f"{dimension}; objectives.embedding_distillation needs as many, objectives.score_distillation does not."
        )
    if config.engine.micro_batch_size and isinstance(model[0], StaticEmbedding):
        raise TrainingError(
            f"engine.micro_batch_size: {config.model.start} is a static model, whose batches cannot be read in parts; "
            "leave it out."
        )


def rank_collection(model: SentenceTransformer, prompts: Mapping[str, str], collection: Collection) -> dict[str, float]:
    """Return the macro mAP of each kind of setting, and the rank distance, as the curves show them."""
    sides = {}
    for role, table in ((QUERY, collection.queries), (PASSAGE, collection.passages.frame)):
        rows, texts = pd.factorize(table["text"])
        sides[role] = encode_role(model, prompts, texts.tolist(), role)[rows]
    representations = Representations(sides[QUERY], sides[PASSAGE], Similarity.COSINE, {}, {})
    analysis = analyse(rank(collection, representations).ranks)
    found = {name: analysis.macro[setting]["mAP"] for setting, name in CURVE_NAMES.items()}
    found[RANK_DISTANCE] = analysis.macro["multilingual"]["rank_distance"]
    return {name: value for name, value in found.items() if value is not None}


def _load_teacher(config: TrainingConfig, prepared: "Preparation", prompts: Mapping[str, str]) -> Teacher:
    """Load the teacher: the start, unless another is named; with prompts as given, else its own, else the student's."""
    given = config.teacher or TeacherConfig()
    start = ModelConfig(start=given.model, revision=given.revision) if given.model else config.model
    model = load_start(start, config.engine.device)
    asked = {QUERY: given.query_prompt, PASSAGE: given.document_prompt}
    own = prompts_of(model)
    teacher = Teacher(
        model, {role: own[role] or prompts[role] if prompt is None else prompt for role, prompt in asked.items()}
    )
    if given.centered:
        teacher.center(prepared.units)
    return teacher


def _load_validation(config: TrainingConfig) -> FixedTexts:
    path = Path(config.validation.path) if config.validation else Path()
    texts = FixedTexts(JsonlUnits(path))
    if len(texts) < 2:
        raise TrainingError(f"validation.path: {path} holds {len(texts)} units with query and passage in one language.")
    return texts


def _make_curves(
    config: TrainingConfig, model: SentenceTransformer, prompts: Mapping[str, str], data: Path | None
) -> list[EveryFewSteps]:
    if config.curves is None:
        return []
    collection = load_collection(config.curves.collection, data)
    return [EveryFewSteps(config.curves.every, lambda: rank_collection(model, prompts, collection))]
