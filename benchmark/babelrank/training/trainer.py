"""sentence-transformers' Trainer, extended by schedules. The loop, processes, precision and resuming are the Trainer's.

Additions: batches come from the schedule, validation is a mean over examples and includes the base model as step 0, a
loss that is not finite stops the run, and incomplete checkpoints are ignored.
"""

import math
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.util.distributed import is_dist_initialized
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback, TrainerCallback
from transformers.integrations import TensorBoardCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from babelrank.data.collection import Collection
from babelrank.errors import TrainingError
from babelrank.files import atomic_write
from babelrank.training.batches import Collator, ScheduledTexts, StepSampler
from babelrank.training.config import TrainingConfig
from babelrank.training.development import CRITERIA, LOSS, rank_collection
from babelrank.training.schedule import Schedule
from babelrank.training.validation import ValidationSet, sum_losses

_COMPLETE = "complete"  # file in a completely written checkpoint
_CHECKPOINTS_KEPT = 2  # the last, and the best
_SCHEDULERS = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


class ScheduledTrainer(SentenceTransformerTrainer):
    """Trains on the batches of a schedule, in its order."""

    def __init__(
        self,
        model: SentenceTransformer,
        args: SentenceTransformerTrainingArguments,
        schedule: Schedule,
        train_dataset: ScheduledTexts,
        validation: ValidationSet | None,
        development: Collection | None,
        loss: torch.nn.Module,
        collator: Collator,
        callbacks: list[TrainerCallback],
    ) -> None:
        self._schedule = schedule
        self._validation = validation
        self._development = development
        self._batch = (-1, 0)  # step, and number of the batch within it
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            eval_dataset=validation or development,
            loss=loss,
            data_collator=collator,
            callbacks=callbacks,
        )
        for noisy in (ProgressCallback, PrinterCallback):
            self.remove_callback(noisy)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of each batch of the schedule."""
        self.accelerator.even_batches = False
        loader: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(
                self.train_dataset,
                batch_sampler=StepSampler(len(self._schedule), self._schedule.settings.batch_size),
                collate_fn=self.data_collator,
                num_workers=self.args.dataloader_num_workers,
                pin_memory=self.args.dataloader_pin_memory,
            )
        )
        return loader

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return the mean loss of the validation examples, and measures of the development collection.

        The values at step 0 are the baseline. Each process computes some of the groups of examples.

        Raises
        ------
        TrainingError
            A measure cannot be computed from the development collection.
        """
        metrics: dict[str, float] = {}
        if self._validation is not None:
            collator: Any = self.data_collator
            loss: Any = getattr(self.loss, "loss", self.loss)  # inside a Matryoshka loss
            groups = self._validation.groups[self.args.process_index :: self.args.world_size]
            prompts, at_once = collator.prompts, loss.mini_batch_size or None
            with self.compute_loss_context_manager():
                total = sum_losses(self.model, prompts, collator.max_length, groups, at_once)
            summed = self.accelerator.reduce(torch.tensor(total, device=self.args.device), "sum")
            metrics["eval_loss"] = metrics["eval_info_nce"] = summed.item() / len(self._validation)
        if self._development is not None:
            found = [self._measure(self._development) if self.is_world_process_zero() else {}]
            if is_dist_initialized():  # so that all processes stop at the same step
                torch.distributed.broadcast_object_list(found)
            metrics |= found[0]
        if metrics:
            self.log(dict(metrics))
            self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            if self.state.global_step == 0:
                self.state.best_metric, self.state.best_global_step = metrics[self.args.metric_for_best_model], 0
        return metrics

    def _measure(self, collection: Collection) -> dict[str, float]:
        ranks = rank_collection(self.model, collection)
        found = {f"eval_{name}": CRITERIA[name].measure(ranks) for name in CRITERIA if name != LOSS}
        if None in found.values():
            raise TrainingError(f"validation.collection: {collection.name} is too small for measures of language bias.")
        return {name: float(value) for name, value in found.items() if value is not None}

    def _run_epoch(self, **settings: Any) -> None:
        # The Trainer would take a step before it checks whether to stop.
        if not self.control.should_training_stop:
            super()._run_epoch(**settings)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Return the loss of one batch, which must be finite.

        Raises
        ------
        TrainingError
            The loss is NaN or infinite; the error names the batch and the last complete checkpoint.
        """
        step, count = self._batch
        self._batch = (self.state.global_step, count + 1 if step == self.state.global_step else 0)
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not math.isfinite(loss.item()):
            raise TrainingError(self._describe_divergence(loss.item()))
        return loss

    def _describe_divergence(self, loss: float) -> str:
        step, count = self._batch
        batch = self._schedule[step * self.args.gradient_accumulation_steps + count]
        last = last_checkpoint(Path(self.args.output_dir))
        kept = f"; {last} is the last checkpoint" if last else "; there is no earlier checkpoint"
        return (
            f"step {step + 1}: the loss is {loss} ({self._schedule.describe(batch)}){kept}. A lower "
            "optimizer.learning_rate, or bf16 = false, may help."
        )

    def preprocess_dataset(self, dataset: Any = None, **_: Any) -> Any:
        """Return the texts unchanged: the collator prepares them."""
        return dataset

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add no callback: the run writes its own card."""

    def _save(self, output_dir: str | None = None, **_: Any) -> None:
        self.model.save_pretrained(output_dir or self.args.output_dir, create_model_card=False)


class MarkComplete(TrainerCallback):
    """Marks each checkpoint when it is completely written, if its weights are finite."""

    def on_save(self, args: Any, state: Any, _control: Any, *, model: torch.nn.Module, **_: Any) -> None:
        """Mark the checkpoint of this step.

        Raises
        ------
        TrainingError
            A weight is not finite.
        """
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
        for name, parameter in model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise TrainingError(
                    f"step {state.global_step}: the weights {name} are not finite, so {folder} cannot be used. Earlier "
                    "checkpoints are kept."
                )
        atomic_write(folder / _COMPLETE, "")


class EarlyStopping(EarlyStoppingCallback):
    """Stop a resumed run if patience is exhausted, which transformers does not remember."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take no step if patience is exhausted."""
        super().on_train_begin(args, state, control, **kwargs)
        control.should_training_stop = self.early_stopping_patience_counter >= self.early_stopping_patience


class ReportProgress(TrainerCallback):
    """Reports the progress of the run."""

    def __init__(self, on_step: Callable[[int, Mapping[str, float]], None]) -> None:
        self._on_step = on_step

    def on_log(self, _args: Any, state: Any, _control: Any, *, logs: Mapping[str, float], **_: Any) -> None:
        """Report the step and the values measured at it."""
        if state.is_world_process_zero:
            self._on_step(state.global_step, logs)


class EveryFewSteps(TrainerCallback):
    """Measures something every few steps, before the checkpoint of that step is written."""

    def __init__(self, every: int, measure: Callable[[], Mapping[str, float]]) -> None:
        self.trainer: ScheduledTrainer | None = None
        self._every = every
        self._measure = measure

    def on_train_begin(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure the base model."""
        if state.global_step == 0:
            self._log(state, control)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure if the step is due."""
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._log(state, control)

    def _log(self, state: Any, control: Any) -> None:
        if self.trainer is not None and state.is_world_process_zero:
            wanted = control.should_log  # the trainer mistakes any log for that of the step's loss
            self.trainer.log(dict(self._measure()))
            control.should_log = wanted


def make_arguments(config: TrainingConfig, folder: Path, *, resuming: bool) -> SentenceTransformerTrainingArguments:
    """Translate a configuration into the Trainer's arguments.

    Raises
    ------
    TrainingError
        The processes cannot share a batch.
    """
    transformers.logging.set_verbosity_error()
    schedule, optimizer, engine, validation = config.schedule, config.optimizer, config.engine, config.validation
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if schedule.batch_size % processes:
        raise TrainingError(
            f"schedule.batch_size: {schedule.batch_size} triplets cannot be shared by {processes} processes."
        )
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=schedule.steps,
        per_device_train_batch_size=schedule.batch_size // processes,
        gradient_accumulation_steps=engine.gradient_accumulation,
        learning_rate=optimizer.learning_rate,
        weight_decay=optimizer.weight_decay,
        warmup_steps=round(optimizer.warmup * schedule.steps),
        lr_scheduler_type=_SCHEDULERS[optimizer.decay],
        max_grad_norm=optimizer.max_gradient_norm,
        bf16=engine.bf16,
        fp16=engine.fp16,
        run_name=Path(config.output).name,
        seed=schedule.seed,
        eval_strategy="steps" if validation else "no",
        eval_steps=validation.every if validation else None,
        eval_on_start=bool(validation) and not resuming,
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=_CHECKPOINTS_KEPT,
        load_best_model_at_end=bool(validation and validation.choose_best),
        metric_for_best_model=f"eval_{validation.select_by}" if validation else None,
        greater_is_better=CRITERIA[validation.select_by].greater_is_better if validation else None,
        restore_callback_states_from_checkpoint=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        use_cpu=engine.device == "cpu",
        dataloader_num_workers=engine.workers,
        dataloader_pin_memory=engine.device != "cpu" and torch.cuda.is_available(),
        accelerator_config={"split_batches": True, "even_batches": False},
        remove_unused_columns=False,
        ddp_find_unused_parameters=True,  # such as an unused pooler
    )


def early_stopping(config: TrainingConfig) -> list[TrainerCallback]:
    """Return the callback that stops a run when validation no longer improves, if configured."""
    if config.validation is None or config.validation.patience is None:
        return []
    return [EarlyStopping(early_stopping_patience=config.validation.patience)]


def last_checkpoint(folder: Path) -> Path | None:
    """Return the latest complete checkpoint in a folder."""
    complete = {}
    for marker in folder.glob(f"checkpoint-*/{_COMPLETE}"):
        with suppress(ValueError):
            complete[int(marker.parent.name.rpartition("-")[2])] = marker.parent
    return complete[max(complete)] if complete else None


def remove_incomplete_checkpoints(folder: Path) -> None:
    """Remove incomplete checkpoints: nothing reads them, and they fill the disk."""
    for checkpoint in folder.glob("checkpoint-*"):
        if not (checkpoint / _COMPLETE).exists():
            shutil.rmtree(checkpoint, ignore_errors=True)


def trackers(config: TrainingConfig, folder: Path) -> list[TrainerCallback]:
    """Return the callbacks of the configured trackers; TensorBoard's logs go into `folder`."""
    found: list[TrainerCallback] = []
    for name in config.engine.report_to:
        if name == "tensorboard":
            from torch.utils.tensorboard import SummaryWriter

            found.append(TensorBoardCallback(SummaryWriter(str(folder))))
        else:
            found.append(INTEGRATION_TO_CALLBACK[name]())
    return found
