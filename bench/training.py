"""Compare steps of babelrank's trainer with those of sentence-transformers, and plan a large schedule."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import transformers
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, TrainerCallback

from babelrank.observer import Observer
from babelrank.training.assembly import load_models, make_trainer
from babelrank.training.config import (
    ContaminationConfig,
    EngineConfig,
    ExamplesConfig,
    ModelConfig,
    ScheduleConfig,
    TrainingConfig,
)
from babelrank.training.plan import TrainingPlan, make_plan
from bench import models, planning
from bench.material import sized, xquad
from bench.table import Row, duration_row

_BATCH_SIZE = 16
_MAX_LENGTH = 64
_STEPS = sized(13, 3)  # one more than are measured: the end of the last one is unknown
_ROUNDS = sized(4, 1)
_TARGET = 1.0
_NEVER = 10**9  # steps


class _Stopwatch(TrainerCallback):
    """Records processor time at the start of each step, so that loading its batch counts towards the step before."""

    def __init__(self) -> None:
        self._began: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began.append(time.process_time())

    @property
    def seconds(self) -> np.ndarray:
        """Processor seconds from the start of each step to the start of the next; shape (steps - 1,)."""
        return np.diff(self._began)


def measure() -> Iterator[Row]:
    """Compare steps on the same pairs of texts; then plan in a separate process."""
    yield _measure_steps()
    yield from planning.measure()


def _measure_steps() -> Row:
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        scratch = Path(folder)
        config = _configure(scratch)
        plan = make_plan(config, Observer())
        trainers = {"ours": _make_ours, "plain": _make_plain}
        rounds: dict[str, list[np.ndarray]] = defaultdict(list)
        for turn in range(_ROUNDS):
            for side in sorted(trainers, reverse=bool(turn % 2)):
                rounds[side].append(_time_steps(trainers[side](config, plan, scratch / side)))
    # Use the best round of each step, as both take the same batches in the same order.
    seconds = {side: float(np.min(times, axis=0).mean()) for side, times in rounds.items()}
    return duration_row(
        f"train all-MiniLM-L6-v2 on batches of {_BATCH_SIZE} pairs, {_MAX_LENGTH} tokens, against "
        "SentenceTransformerTrainer with MultipleNegativesRankingLoss on the same pairs",
        seconds["ours"],
        seconds["plain"],
        target=_TARGET,
        unit="CPU s per step",
        digits=3,
    )


def _time_steps(trainer: SentenceTransformerTrainer) -> np.ndarray:
    stopwatch = _Stopwatch()
    trainer.add_callback(stopwatch)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return stopwatch.seconds


def _configure(scratch: Path) -> TrainingConfig:
    examples = scratch / "examples.jsonl"
    examples.write_text(
        "".join(f"{json.dumps(example, ensure_ascii=False)}\n" for example in _examples()), encoding="utf-8"
    )
    return TrainingConfig(
        output=str(scratch / "checkpoint"),
        model=ModelConfig(base_model=str(models.minilm(scratch)), max_length=_MAX_LENGTH),
        examples=(ExamplesConfig(path=str(examples)),),
        schedule=ScheduleConfig(batch_size=_BATCH_SIZE, steps=_STEPS),
        engine=EngineConfig(save_every=_NEVER),
        contamination=ContaminationConfig(collections=()),  # no evaluation of models trained here
    )


def _examples() -> list[dict[str, Any]]:
    """Make parallel examples of XQuAD-R: each question and its passage, in all languages."""
    collection = xquad()
    queries = collection.queries.iloc[collection.qrels["query"]].reset_index(drop=True)
    passages = collection.passages.frame.iloc[collection.qrels["passage"]].reset_index(drop=True)
    same = queries["lang"] == passages["lang"]
    examples: dict[str, dict[str, Any]] = {}
    for lang, name, query, passage in zip(
        queries["lang"][same], queries["id"][same], queries["text"][same], passages["text"][same], strict=True
    ):
        example = examples.setdefault(name, {"id": name, "query": {}, "passage": {}})
        example["query"][lang], example["passage"][lang] = query, passage
    return list(examples.values())


def _make_ours(config: TrainingConfig, plan: TrainingPlan, work: Path) -> SentenceTransformerTrainer:
    return make_trainer(config, load_models(config), plan, work, lambda *_: None, resuming=False)


def _make_plain(config: TrainingConfig, plan: TrainingPlan, work: Path) -> SentenceTransformerTrainer:
    """Make a trainer of the same texts, as drawn by the schedule, with the same settings."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = SentenceTransformer(config.model.base_model)
    model.max_seq_length = config.model.max_length
    optimizer = config.optimizer
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work),
        max_steps=config.schedule.steps,
        per_device_train_batch_size=config.schedule.batch_size,
        learning_rate=optimizer.learning_rate,
        weight_decay=optimizer.weight_decay,
        warmup_steps=round(optimizer.warmup * config.schedule.steps),
        max_grad_norm=optimizer.max_gradient_norm,
        bf16=config.engine.bf16,
        batch_sampler=_in_order,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    loss = MultipleNegativesRankingLoss(model)
    return SentenceTransformerTrainer(model, arguments, train_dataset=_pairs(plan), loss=loss)


def _pairs(plan: TrainingPlan) -> Dataset:
    """Return the texts of all batches, one after another."""
    columns: dict[str, list[str]] = {"anchor": [], "positive": []}
    languages = plan.schedule.languages
    for batch in plan.schedule:
        examples = [plan.examples[batch.source][row] for row in batch.examples.tolist()]
        for example, query, passage in zip(examples, batch.query_languages, batch.passage_languages, strict=True):
            columns["anchor"].append(example.query[languages[query]])
            columns["positive"].append(example.passage[languages[passage]])
    return Dataset.from_dict(columns)


def _in_order(dataset: Dataset, batch_size: int, drop_last: bool, **_: Any) -> DefaultBatchSampler:
    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)
