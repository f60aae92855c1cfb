"""The configuration of a training run, with the reason for every default.

`config_file` reads a `TrainingConfig` from TOML. Values that depend on the examples or the model (such as a language
that no example has) are checked when these are read.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from babelrank.training.hub_rows import LANGUAGE
from babelrank.training.schedule import BatchKind

WAYS_TO_READ = ("own", "all")  # values of teacher.language other than language codes

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]

# Keys of [[examples]] that only apply to data sets of the Hub.
_OF_THE_HUB = {"query", "passage", "negatives", "configs", "split", "revision"}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ModelConfig(_Table):
    """The base model, and how it encodes texts."""

    base_model: str  # name on the Hub, or folder
    revision: str | None = None
    pooling: Literal["mean", "cls"] | None = None  # for a raw checkpoint; mean by default
    query_prompt: str | None = None  # the base model's own by default
    document_prompt: str | None = None
    max_length: Count = 128  # tokens while training; the checkpoint keeps the base model's
    query_max_length: Count | None = None  # for queries; max_length by default
    document_max_length: Count | None = None
    layers: Count | None = None  # number of the base model's layers to keep, evenly spaced; all by default
    dropout: Share | None = None  # while training, in all layers; the base model's by default
    freeze: tuple[str, ...] = ()  # patterns of parameter names, such as "*embeddings*"
    # Weight of the base model in the checkpoint (Wortsman et al. 2022, arXiv 2109.01903).
    average_with_base_model: Share = 0.0


class ExamplesConfig(_Table):
    """One set of parallel examples: a JSONL file, or a data set on the Hub."""

    path: str | None = None
    hub: str | None = None
    query: str = "query"  # columns of a data set on the Hub; {lang} stands for the language
    passage: str = "passage"
    negatives: tuple[str, ...] = ()
    configs: dict[Language, str] | None = None  # configuration by language, if each language has one
    split: str = "train"
    revision: str | None = None
    languages: tuple[Language, ...] = ()  # texts in other languages are ignored; all by default, required for the Hub
    weight: Positive | None = None  # number of examples that it counts as; by default its number of examples
    share: Annotated[float, Field(gt=0, le=1)] = (
        1.0  # share of its examples, drawn by the seed; larger shares include smaller ones
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError("one of 'path' and 'hub' should be given, and only one")
        if self.hub and not (self.languages or self.configs):
            raise ValueError("'languages' (or 'configs') should name the languages of a Hub data set")
        return self

    @model_validator(mode="after")
    def _columns_are_of_the_hub(self) -> Self:
        given = [key for key in type(self).model_fields if key in self.model_fields_set & _OF_THE_HUB]
        if self.path is not None and given:
            keys = ", ".join(map(repr, given))
            raise ValueError(f"{keys}: for a data set of the Hub, this is a file, {self.path!r}")
        return self

    @model_validator(mode="after")
    def _columns_are_of_one_language(self) -> Self:
        if self.hub is None or self.configs or len(self.languages) < 2:
            return self
        for key, columns in (("query", [self.query]), ("passage", [self.passage]), ("negatives", self.negatives)):
            for column in columns:
                if LANGUAGE not in column:
                    raise ValueError(
                        f"{key!r} names one column, {column!r}, for {', '.join(self.languages)}: it should hold "
                        f"{LANGUAGE}, or 'configs' should be given"
                    )
        return self


class ScheduleConfig(_Table):
    """Which batches are drawn; see `schedule`."""

    batches: Literal["hybrid", "X-X", "X-Y", "X-X mixed", "english"] = "hybrid"
    alpha: Share = 0.5  # share of X-X batches in a hybrid schedule; the paper's
    batch_size: Annotated[int, Field(ge=2)] = 100  # triplets; the paper's
    steps: Count
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0  # NumPy's generator takes no larger seed
    languages: tuple[Language, ...] = ()  # of X-X batches; all that the examples have by default

    @model_validator(mode="after")
    def _keys_are_used(self) -> Self:
        if self.batches != "hybrid" and "alpha" in self.model_fields_set:
            raise ValueError(f"'alpha' is for hybrid batches, these are {self.batches!r}")
        if self.batches not in ("hybrid", "X-X") and self.languages:
            raise ValueError(f"'languages' is for X-X and hybrid batches, these are {self.batches!r}")
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("'languages' should name each language once")
        return self

    @property
    def kinds(self) -> dict[BatchKind, float]:
        """Probability of each kind of batch."""
        return {
            "hybrid": {BatchKind.MONOLINGUAL: self.alpha, BatchKind.CROSS_LINGUAL: 1 - self.alpha},
            "X-X": {BatchKind.MONOLINGUAL: 1.0},
            "X-Y": {BatchKind.CROSS_LINGUAL: 1.0},
            "X-X mixed": {BatchKind.MIXED: 1.0},
            "english": {BatchKind.MONOLINGUAL: 1.0},
        }[self.batches]


class InfoNCEConfig(_Table):
    """See `objectives.info_nce`."""

    weight: Positive = 1.0
    temperature: Positive = 0.05  # as usual for cosine similarities (SimCSE, sentence-transformers' scale of 20)
    symmetric: bool = False
    hard_negatives: Annotated[int, Field(ge=0)] = 0  # per query and step, drawn from those of its example


class DistillationConfig(_Table):
    """See `objectives.embedding_distance`."""

    weight: Positive = 1.0


class TemperatureConfig(_Table):
    """An objective with a weight and a temperature."""

    weight: Positive = 1.0
    temperature: Positive = 0.05


class ObjectivesConfig(_Table):
    """The training loss: a weighted sum of objectives."""

    info_nce: InfoNCEConfig | None = None
    embedding_distillation: DistillationConfig | None = None
    score_distillation: TemperatureConfig | None = None
    semantic_contrast: TemperatureConfig | None = None
    language_contrast: TemperatureConfig | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"at least one objective should be given: {', '.join(type(self).model_fields)}")
        return self

    @property
    def needs_teacher(self) -> bool:
        """Whether an objective needs a teacher."""
        return bool(self.embedding_distillation or self.score_distillation)

    @property
    def needs_translation(self) -> bool:
        """Whether an objective needs a translation of the passage."""
        return bool(self.semantic_contrast or self.language_contrast)


class TeacherConfig(_Table):
    """The teacher of the distillation objectives."""

    model: str | None = None  # the base model by default
    revision: str | None = None
    # Language in which the teacher reads every example. "own": the student's text; "all": every translation. Several,
    # such as "own+en": the mean of their vectors.
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*([+][a-z]{2,3}(-[A-Za-z0-9]+)*)*$")] = "en"
    centered: bool = False  # move the mean of each language's vectors to the mean of all languages
    query_prompt: str | None = None  # the teacher's by default
    document_prompt: str | None = None

    @model_validator(mode="after")
    def _revision_is_of_a_model(self) -> Self:
        if self.revision is not None and self.model is None:
            raise ValueError("'revision' is that of 'model', which is not given")
        return self

    @property
    def languages(self) -> list[str]:
        """The parts of `language`: codes, and `WAYS_TO_READ`."""
        return self.language.split("+")


class OptimizerConfig(_Table):
    """AdamW; the paper's values."""

    learning_rate: Positive = 3e-5
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    warmup: Share = 0.1  # share of the steps
    decay: Literal["linear", "cosine", "constant"] = "linear"
    max_gradient_norm: Positive = 1.0


class ValidationConfig(_Table):
    """How the checkpoint is selected: by the InfoNCE loss of examples, or by a measure on a development collection."""

    every: Count  # steps
    path: str | None = None  # examples; their loss is always logged
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = ("en",)  # English only, as in the paper
    batch_size: Annotated[int, Field(ge=2)] | None = None  # passages per comparison; schedule.batch_size by default
    select_by: Literal["loss", "multilingual_map", "rank_ratio", "merge_gap"] = "loss"
    collection: str | None = None  # for the measures; must not share texts with contamination.collections
    patience: Count | None = None  # number of validations without a gain before training stops; never by default
    choose_best: bool = True  # keep the best checkpoint (or the base model, if none is better) instead of the last

    @model_validator(mode="after")
    def _has_what_it_reads(self) -> Self:
        if self.select_by == "loss" and self.path is None:
            raise ValueError("'path' should name the validation examples; select_by = 'loss' reads them")
        if (self.select_by == "loss") != (self.collection is None):
            wanted = "is read by no other select_by than" if self.collection else "should be given for"
            raise ValueError(f"'collection' {wanted} 'multilingual_map', 'rank_ratio' and 'merge_gap'")
        if self.path is None and self.model_fields_set & {"languages", "batch_size"}:
            raise ValueError("'languages' and 'batch_size' are those of the examples in 'path', which is not given")
        return self


class CurvesConfig(_Table):
    """A collection on which the model is evaluated during training."""

    collection: str
    every: Count


class EngineConfig(_Table):
    """How the run is computed. Nothing here changes the batches."""

    bf16: bool = False
    fp16: bool = False  # on a GPU
    micro_batch_size: Count | None = (
        None  # gradient caching: texts in memory at once (Gao et al. 2021, arXiv 2101.06983)
    )
    gradient_accumulation: Count = 1
    save_every: Count | None = None  # steps; by default with each validation, else every tenth of the run
    workers: Annotated[int, Field(ge=0)] = 0  # processes that read and tokenise texts
    report_to: tuple[str, ...] = ()  # trackers of transformers, such as "tensorboard", "wandb" or "trackio"
    device: Literal["cpu"] | None = None  # accelerate's choice by default

    @model_validator(mode="after")
    def _one_precision(self) -> Self:
        if self.bf16 and self.fp16:
            raise ValueError("'bf16' and 'fp16' cannot be combined")
        if self.fp16 and self.device == "cpu":
            raise ValueError("'fp16' needs a GPU; 'bf16' works on a CPU, too")
        return self


class LoraConfig(_Table):
    """Low-rank adapters (peft), merged into the checkpoint."""

    rank: Count = 16
    alpha: Count = 32
    dropout: Share = 0.0
    modules: tuple[str, ...] = ("query", "key", "value")


class MatryoshkaConfig(_Table):
    """Train vectors that work when truncated to the first dimensions (Kusupati et al. 2022, arXiv 2205.13147)."""

    dimensions: Annotated[tuple[Count, ...], Field(min_length=1)]  # in addition to the full dimension


class HubConfig(_Table):
    """Where the finished checkpoint is uploaded."""

    push: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    private: bool = False


class ContaminationConfig(_Table):
    """Test collections. Examples that share a text with them are not used."""

    collections: tuple[str, ...] = ("xquad-r", "mlqa-r")


class TrainingConfig(_Table):
    """The whole configuration of a run."""

    output: str
    model: ModelConfig
    examples: Annotated[tuple[ExamplesConfig, ...], Field(min_length=1)]
    schedule: ScheduleConfig
    objectives: ObjectivesConfig = ObjectivesConfig(info_nce=InfoNCEConfig())
    teacher: TeacherConfig | None = None
    optimizer: OptimizerConfig = OptimizerConfig()
    validation: ValidationConfig | None = None
    curves: CurvesConfig | None = None
    engine: EngineConfig = EngineConfig()
    lora: LoraConfig | None = None
    matryoshka: MatryoshkaConfig | None = None
    hub: HubConfig | None = None
    contamination: ContaminationConfig = ContaminationConfig()

    @model_validator(mode="after")
    def _teacher_is_used(self) -> Self:
        if self.teacher and not self.objectives.needs_teacher:
            raise ValueError("[teacher] is given, but there is no distillation objective")
        return self

    @model_validator(mode="after")
    def _save_every_is_used(self) -> Self:
        if self.validation and self.engine.save_every:
            raise ValueError("engine.save_every cannot be combined with [validation], which saves checkpoints")
        return self

    @model_validator(mode="after")
    def _freeze_is_used(self) -> Self:
        if self.model.freeze and self.lora:
            raise ValueError("model.freeze cannot be combined with [lora], which trains only its adapters")
        return self

    @property
    def save_every(self) -> int:
        """Steps between two checkpoints from which a run can continue."""
        if self.validation:
            return self.validation.every
        return self.engine.save_every or max(self.schedule.steps // 10, 1)
