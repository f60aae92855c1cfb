"""A training run as a TOML file says it; every default stands here, with its reason.

In: a file. Out: a `TrainingConfig` that is valid in itself. What only the units or the model can tell (a language that
no unit has, a parameter that there is not) is found where they are known.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from babelrank.errors import TrainingError, unknown_choice
from babelrank.training.hub_units import LANGUAGE
from babelrank.training.schedule import BatchKind

EXTENDS = "extends"
WAYS_TO_READ = ("own", "all")  # a teacher's, in place of a language

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]

# Keys of units that a file has no use for.
_OF_THE_HUB = {"query", "passage", "negatives", "configs", "split", "revision"}

# Kind of error -> what is said of it, where pydantic speaks of Python.
_MESSAGES = {
    "string_type": "should be a text",
    "string_pattern_mismatch": "should be a language code such as 'en' or 'zh-Hant'",  # no other text has a pattern
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "tuple_type": "should be a list",
    "too_short": "should not be empty",
    "dict_type": "should be a table",
    "model_type": "should be a table",
}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ModelConfig(_Table):
    """The start, and how it reads a text."""

    start: str  # on the Hub, or a folder
    revision: str | None = None
    pooling: Literal["mean", "cls"] | None = None  # of a raw checkpoint; else mean
    query_prompt: str | None = None  # the start's own by default
    document_prompt: str | None = None
    max_length: Count = 128  # tokens while training; the checkpoint keeps the start's own
    freeze: tuple[str, ...] = ()  # patterns of parameter names, as "*embeddings*"
    average_with_start: Share = 0.0  # weight of the start in the checkpoint (Wortsman et al. 2022, arXiv 2109.01903)
    trust_remote_code: bool = False


class UnitsConfig(_Table):
    """One set of parallel units: a JSONL file, or a data set of the Hub."""

    path: str | None = None
    hub: str | None = None
    query: str = "query"  # columns of a Hub data set; {lang} stands for the language
    passage: str = "passage"
    negatives: tuple[str, ...] = ()
    configs: dict[Language, str] | None = None  # language -> configuration, if each language has its own
    split: str = "train"
    revision: str | None = None
    languages: tuple[Language, ...] = ()  # texts in others are ignored; all by default, required for the Hub
    weight: Positive | None = None  # relative to other sets; the number of units by default

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
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0  # NumPy's generator takes no larger one
    languages: tuple[Language, ...] = ()  # of X-X batches; all that the units have by default

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
    hard_negatives: Annotated[int, Field(ge=0)] = 0  # per query, of those that its unit has


class DistillationConfig(_Table):
    """See `objectives.embedding_distance`."""

    weight: Positive = 1.0


class TemperatureConfig(_Table):
    """An objective with a weight and a temperature."""

    weight: Positive = 1.0
    temperature: Positive = 0.05


class ObjectivesConfig(_Table):
    """The weighted sum that is minimised."""

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
        """Whether an objective compares with a teacher."""
        return bool(self.embedding_distillation or self.score_distillation)

    @property
    def needs_translation(self) -> bool:
        """Whether an objective reads the passage in a second language."""
        return bool(self.semantic_contrast or self.language_contrast)


class TeacherConfig(_Table):
    """What the distillation objectives learn from."""

    model: str | None = None  # the start by default
    revision: str | None = None
    # In which the teacher reads every unit; "own": each text as the student does; "all": every translation. Several, as
    # "own+en": the mean of what it makes of each.
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*([+][a-z]{2,3}(-[A-Za-z0-9]+)*)*$")] = "en"
    centered: bool = False  # move the vectors of each language so that their mean is that of all languages
    query_prompt: str | None = None
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
    """Units on whose InfoNCE loss the checkpoint is chosen."""

    path: str
    every: Count  # steps
    patience: Count | None = None  # evaluations without a gain before training stops; never by default
    choose_best: bool = True  # keep the best checkpoint rather than the last


class CurvesConfig(_Table):
    """A collection on which the model is ranked while it is trained."""

    collection: str
    every: Count


class EngineConfig(_Table):
    """How the run is computed; nothing here changes which batches are drawn."""

    bf16: bool = False
    micro_batch_size: Count | None = (
        None  # gradient caching: texts in memory at once (Gao et al. 2021, arXiv 2101.06983)
    )
    gradient_accumulation: Count = 1
    save_every: Count | None = None  # steps; with each validation, or else a tenth of the run, by default
    workers: Annotated[int, Field(ge=0)] = 0  # processes that read and tokenise
    tensorboard: bool = False
    device: Literal["cpu"] | None = None  # what accelerate finds by default


class LoraConfig(_Table):
    """Low-rank adapters (peft), merged into the checkpoint."""

    rank: Count = 16
    alpha: Count = 32
    dropout: Share = 0.0
    modules: tuple[str, ...] = ("query", "key", "value")


class ContaminationConfig(_Table):
    """Test collections of which no text may be trained on."""

    collections: tuple[str, ...] = ("xquad-r", "mlqa-r")


class TrainingConfig(_Table):
    """All of a run."""

    output: str
    model: ModelConfig
    units: Annotated[tuple[UnitsConfig, ...], Field(min_length=1)]
    schedule: ScheduleConfig
    objectives: ObjectivesConfig = ObjectivesConfig(info_nce=InfoNCEConfig())
    teacher: TeacherConfig | None = None
    optimizer: OptimizerConfig = OptimizerConfig()
    validation: ValidationConfig | None = None
    curves: CurvesConfig | None = None
    engine: EngineConfig = EngineConfig()
    lora: LoraConfig | None = None
    contamination: ContaminationConfig = ContaminationConfig()

    @model_validator(mode="after")
    def _teacher_is_used(self) -> Self:
        if self.teacher and not self.objectives.needs_teacher:
            raise ValueError("[teacher] is given, but no objective distils from it")
        return self

    @model_validator(mode="after")
    def _save_every_is_used(self) -> Self:
        if self.validation and self.engine.save_every:
            raise ValueError("engine.save_every is given, but [validation] is too: checkpoints are saved with each")
        return self

    @model_validator(mode="after")
    def _freeze_is_used(self) -> Self:
        if self.model.freeze and self.lora:
            raise ValueError("model.freeze is given, but [lora] is too: nothing but its adapters is trained")
        return self

    @property
    def save_every(self) -> int:
        """Steps between two checkpoints from which a run can go on."""
        if self.validation:
            return self.validation.every
        return self.engine.save_every or max(self.schedule.steps // 10, 1)


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Read a configuration.

    A file may say ``extends = "other.toml"``: it is then that file with what this one says put over it, table by table.
    Environment variables in paths (``$HOME/units.jsonl``) are filled in; relative paths start at the file's folder.

    Parameters
    ----------
    overrides
        Put over the file, as it is over the one that it extends.

    Raises
    ------
    TrainingError
        The file cannot be read, a key is unknown or missing, or a value is not what the key takes.
    """
    raw = _merge(_read(path, ()), dict(overrides or {}))
    try:
        return TrainingConfig.model_validate(_as_tuples(raw))
    except ValidationError as error:
        told = [f"{path}: {_explain(details)}" for details in error.errors() if not _follows(details)]
        raise TrainingError("\n".join(told)) from error


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in seen:
        raise TrainingError(f"{path}: extends itself, by way of {', '.join(map(str, seen))}.")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not TOML ({error}).") from error
    base = raw.pop(EXTENDS, None)
    if base is not None and not isinstance(base, str):
        raise TrainingError(f"{path}: {EXTENDS} should name a file, is {base!r}.")
    _fill_in_paths(raw, path)
    return raw if base is None else _merge(_read(path.parent / base, (*seen, path)), raw)


def _fill_in_paths(raw: dict[str, Any], file: Path) -> None:
    """Make what names a file or folder absolute, in place; names of the Hub stay as they are."""
    units = raw.get("units")
    entries = [(f"units[{i}].", entry) for i, entry in enumerate(units)] if isinstance(units, list) else []
    paths = [("", raw, "output"), ("validation.", raw.get("validation"), "path")]
    names = [("model.", raw.get("model"), "start"), ("teacher.", raw.get("teacher"), "model")]
    for place, table, key in (*paths, *((place, entry, "path") for place, entry in entries)):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(file.parent / _expand(table[key], f"{file}: {place}{key}"))
    for place, table, key in (*names, *((place, entry, "hub") for place, entry in entries)):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            name = _expand(table[key], f"{file}: {place}{key}")
            table[key] = str(file.parent / name) if name.startswith(".") else name


def _expand(text: str, where: str) -> str:
    expanded = os.path.expanduser(os.path.expandvars(text))  # noqa: PTH111  # of a text that may not be a path
    if "$" in expanded:
        raise TrainingError(f"{where}: {text!r} names an environment variable that is not set.")
    return expanded


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _as_tuples(value: Any) -> Any:
    """Turn the lists of TOML into tuples: pydantic's strict mode wants them so."""
    if isinstance(value, dict):
        return {key: _as_tuples(item) for key, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _explain(details: Any) -> str:
    """Say what is wrong with one key, in terms of the file."""
    place = _place(details["loc"])
    if details["type"] == "extra_forbidden":
        *tables, key = details["loc"]
        where = f"{_place(tables)}: " if tables else ""
        return where + unknown_choice("key", str(key), _keys(tables))
    if details["type"] == "missing":
        return f"{place} is missing."
    if details["type"] == "value_error":
        message = details["msg"].removeprefix("Value error, ")
        return f"{place}: {message}." if place else f"{message}."
    given = details["input"]
    if details["type"] == "tuple_type" and isinstance(given, dict):
        return f"{place}: should be a list of tables, each under [[{place}]], is one table."
    message = _MESSAGES.get(details["type"], details["msg"].replace("Input should", "should"))
    return f"{place}: {message}, is {list(given) if isinstance(given, tuple) else given!r}."


def _follows(details: Any) -> bool:
    """Tell whether an error only follows from others: pydantic counts but the valid items of a list."""
    return details["type"] == "too_short" and len(details["input"]) > 0


def _place(loc: Sequence[str | int]) -> str:
    """Write the way to a key as ``units[0].path``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return "".join(parts).removeprefix(".")


def _keys(tables: list[Any]) -> list[str]:
    """Return the keys that a table takes."""
    model: Any = TrainingConfig
    for part in tables:
        if isinstance(part, str):
            model = _table_type(model.model_fields[part].annotation)
    return list(model.model_fields)


def _table_type(annotation: Any) -> Any:
    """Return the table in an annotation such as ``Table | None`` or ``tuple[Table, …]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(found for part in getattr(annotation, "__args__", ()) if (found := _table_type(part)))
