"""What a run leaves: the model, an account of how it came about, its log, its curves and its card."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from babelrank.environment import machine, package_versions
from babelrank.errors import TrainingError
from babelrank.files import atomic_write
from babelrank.training.config import TrainingConfig
from babelrank.training.schedule import languages_of

if TYPE_CHECKING:
    from babelrank.training.engine import ScheduledTrainer
    from babelrank.training.run import Preparation

ACCOUNT = "babelrank_training.json"
LOG = "log.jsonl"
CURVES = "curves.svg"
CARD = "README.md"
CENTERED = "centered"  # in an account: the share of the mean that was taken off the trained model's vectors
_START = "start"  # in an account: that of the start, if the start was trained, too


def write_checkpoint(
    folder: Path, config: TrainingConfig, prepared: "Preparation", trainer: "ScheduledTrainer", seconds: float
) -> None:
    """Write a trained model to a folder.

    Parameters
    ----------
    seconds
        Wall-clock time of the training, of this call.
    """
    trainer.model.save_pretrained(str(folder), create_model_card=False)
    history = [entry for entry in trainer.state.log_history if "train_runtime" not in entry]
    name = folder.parent.name.removesuffix(".training")
    write_account(folder, name, make_account(config, prepared, trainer, seconds), history)


def write_account(folder: Path, name: str, account: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> None:
    """Write what a checkpoint holds beside the model: its account, log, curves, and the card that calls it `name`."""
    from babelrank.reporting.curves import draw_curves

    atomic_write(folder / ACCOUNT, json.dumps(account, indent=2, ensure_ascii=False))
    atomic_write(folder / LOG, "".join(f"{json.dumps(entry)}\n" for entry in history))
    atomic_write(folder / CURVES, draw_curves(history))
    atomic_write(folder / CARD, _render_card(name, account))


def read_account(folder: Path) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Return the account and the log of a checkpoint.

    Raises
    ------
    TrainingError
        The folder is no checkpoint of this trainer.
    """
    try:
        account = json.loads((folder / ACCOUNT).read_text(encoding="utf-8"))
        history = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder}: is no checkpoint that `babelrank train` wrote ({error}).") from error
    return account, history


def trained_languages(folder: Path) -> list[str] | None:
    """Return the languages that a checkpoint was trained on; None if the folder holds no account of it.

    They are those of the checkpoints that it was averaged with and of its start, too.
    """
    try:
        return _all_languages(json.loads((folder / ACCOUNT).read_text(encoding="utf-8")))
    # Whoever wrote it, the model can be evaluated all the same.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def averaged_with(account: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the accounts of the checkpoints that one was averaged with."""
    others = account.get("averaged_with", [])
    return list(others.values() if isinstance(others, dict) else others)  # formerly by name


def _all_languages(account: Mapping[str, Any]) -> list[str]:
    before = [*averaged_with(account), *([account[_START]] if _START in account else [])]
    return sorted({*map(str, account["languages"]), *(lang for part in before for lang in _all_languages(part))})


def make_account(
    config: TrainingConfig, prepared: "Preparation", trainer: "ScheduledTrainer", seconds: float
) -> dict[str, Any]:
    """Return how a checkpoint came about, as JSON has it."""
    state = trainer.state
    best = state.best_global_step if trainer.args.load_best_model_at_end else None
    sources, drawn = prepared.schedule.sources, prepared.schedule.drawn
    counts: dict[str, int] = {}
    for (kind, _, _), count in prepared.schedule.count_batches().items():
        counts[kind] = counts.get(kind, 0) + count
    return {
        "babelrank": version("babelrank"),
        "config": config.model_dump(mode="json", exclude={"output"}),
        "languages": list(languages_of(sources[i] for i in drawn)),
        "units": [
            {
                "name": sources[i].name,
                "fingerprint": prepared.units[i].fingerprint,
                "units": len(prepared.units[i]),
                "dropped": len(prepared.contaminations[i].rows),
                "shared": dict(prepared.contaminations[i].by_collection),
            }
            for i in drawn
        ],
        "batches_planned": counts,
        "steps": state.global_step,
        "step_of_checkpoint": best or state.global_step,
        # What was measured is the loss of the weights as trained.
        "validation_loss": None if config.model.average_with_start else state.best_metric,
        "seconds": round(seconds, 1),
        "device": str(trainer.args.device),
        "processes": trainer.args.world_size,
        "machine": machine(),
        "packages": package_versions(),
        **_account_of_start(Path(config.model.start)),
    }


def _account_of_start(start: Path) -> dict[str, Any]:
    """Return the start's own account under its key; nothing if it has none that can be read."""
    try:
        account = json.loads((start / ACCOUNT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {_START: account} if summarise_training(account) else {}


def summarise_training(account: Any) -> str:
    """Say in a sentence how a checkpoint was trained, for the report of it; empty if the account says nothing."""
    if not isinstance(account, dict) or "units" not in account:
        return ""
    summary = "; averaged with: ".join(map(_summarise_one, [account, *averaged_with(account)]))
    return f"{summary}; its start: {summarise_training(account[_START])}" if _START in account else summary


def _summarise_one(account: Mapping[str, Any]) -> str:
    schedule = account["config"]["schedule"]
    kind = f"hybrid, α = {schedule['alpha']}" if schedule["batches"] == "hybrid" else schedule["batches"]
    units = sum(entry["units"] - entry["dropped"] for entry in account["units"])
    dropped = sum(entry["dropped"] for entry in account["units"])
    start = _label(account["config"]["model"]["start"])
    tested = ", ".join(account["config"]["contamination"]["collections"]) or "no collection"
    share = account["config"]["model"].get("average_with_start", 0.0)
    then = f", weights averaged with the start's ({share:.0%} start)" if share else ""
    then += f", {account[CENTERED]:.0%} of the mean taken off its vectors" if CENTERED in account else ""
    objectives = ", ".join(name.replace("_", " ") for name, given in account["config"]["objectives"].items() if given)
    return (
        f"{kind} batches of {schedule['batch_size']}, {account['steps']} steps from {start} ({objectives}){then}; "
        f"{units:,} units in {', '.join(account['languages'])}; {dropped} units dropped for texts of {tested}"
    )


def _label(start: str) -> str:
    """Return the name of a model: of a folder, without the way to it on this machine."""
    return Path(start).name if Path(start).is_absolute() else start


def _render_card(name: str, account: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("babelrank.training", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=select_autoescape(),  # which is for HTML; this is Markdown, of the user's own configuration
    )
    objectives = {key: value for key, value in account["config"]["objectives"].items() if value}
    return environment.get_template("card.md.j2").render(
        name=name,
        start=_label(account["config"]["model"]["start"]),
        account=account,
        languages=_all_languages(account),
        objectives=objectives,
        summary=summarise_training(account),
    )
