"""Read what a checkpoint of `babelrank train` records about its training, for training, reports and adapters.

A checkpoint may come from anywhere. Metadata that cannot be read counts as missing, and nothing in it decides whether
code is trusted.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

METADATA_FILE = "babelrank_training.json"
LOG_FILE = "log.jsonl"
CENTERED = "centered"  # key: share of the mean embedding that was subtracted
AVERAGED_WITH = "averaged_with"  # key: metadata of the checkpoints that this one was averaged with
BASE_MODEL = "base_model"  # key: metadata of the base model, if that was trained by babelrank, too

# Keys of a configuration that had other names in earlier versions: table -> old key -> new key.
RENAMED_KEYS: Mapping[str, Mapping[str, str]] = {
    "": {"units": "examples"},
    "model": {"start": "base_model", "average_with_start": "average_with_base_model"},
}


def read_training_metadata(folder: Path) -> dict[str, Any] | None:
    """Return how a checkpoint was trained, under the current keys; None if there is no readable metadata."""
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return rename_old_keys(metadata) if summarise_training(metadata) else None


def trained_languages(folder: Path) -> list[str] | None:
    """Return the languages that a checkpoint was trained on; None if there is no readable metadata.

    They include those of its base model and of the checkpoints that it was averaged with.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return all_languages(rename_old_keys(json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))))
    return None


def base_model_of(folder: Path) -> str | None:
    """Return the name of the model that a checkpoint was trained from; None if there is no readable metadata."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        metadata = rename_old_keys(json.loads((folder / METADATA_FILE).read_text(encoding="utf-8")))
        return public_name(metadata["config"]["model"]["base_model"])
    return None


def training_cost(folder: Path) -> tuple[float, str] | None:
    """Return the processor seconds that trained a checkpoint, and the hardware; None if they were not recorded.

    An average of checkpoints has the cost of all of them. The cost of a base model is not included.
    """
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        metadata = read_training_metadata(folder) or {}
        parts = [metadata, *metadata.get(AVERAGED_WITH, ())]
        return sum(float(part["cpu_seconds"]) for part in parts), str(metadata["hardware"])
    return None


def not_compared(folder: Path, collections: Sequence[str]) -> list[str]:
    """Return the collections that a checkpoint's training texts were not compared with; empty if it is no checkpoint.

    The checkpoint may have been trained on texts of these collections. Its scores on them are then too high.
    """
    metadata = read_training_metadata(folder)
    if metadata is None:
        return []
    compared = metadata["config"]["contamination"]["collections"]
    return [
        name
        for name in collections
        if not any(name == each or name.startswith((f"{each}:", f"{each}@")) for each in compared)
    ]


def all_languages(metadata: Mapping[str, Any]) -> list[str]:
    """Return the languages in the metadata of a checkpoint and of the checkpoints that it was made from."""
    return sorted({str(lang) for part in all_parts(metadata) for lang in part["languages"]})


def all_parts(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the metadata of a checkpoint and of the checkpoints that it was made from."""
    before = [*metadata.get(AVERAGED_WITH, ()), *([metadata[BASE_MODEL]] if BASE_MODEL in metadata else [])]
    return [metadata, *(part for each in before for part in all_parts(each))]


def summarise_training(metadata: Any) -> str:
    """Summarise in one sentence how a checkpoint was trained; empty if the metadata cannot be read."""
    with suppress(KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return _summarise(rename_old_keys(metadata))
    return ""


def rename_old_keys(metadata: Any) -> Any:
    """Return metadata under the current keys. Earlier versions used other keys."""
    if not isinstance(metadata, dict):
        return metadata
    renamed = dict(metadata)
    if "units" in renamed:
        renamed["examples"] = [_rename(entry, {"units": "examples"}) for entry in renamed.pop("units")]
    if "start" in renamed:
        renamed[BASE_MODEL] = renamed.pop("start")
    if BASE_MODEL in renamed:
        renamed[BASE_MODEL] = rename_old_keys(renamed[BASE_MODEL])
    if AVERAGED_WITH in renamed:
        others = renamed[AVERAGED_WITH]
        parts: Sequence[Any] = list(others.values()) if isinstance(others, dict) else others  # once by name
        renamed[AVERAGED_WITH] = [rename_old_keys(part) for part in parts]
    if isinstance(renamed.get("config"), dict):
        renamed["config"] = rename_config_keys(renamed["config"])
    return renamed


def rename_config_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, as a dictionary, under the current keys.

    Raises
    ------
    ValueError
        A key is given under both its old and its new name.
    """
    renamed = _rename(config, RENAMED_KEYS[""])
    for table, keys in RENAMED_KEYS.items():
        if table and isinstance(renamed.get(table), dict):
            renamed[table] = _rename(renamed[table], keys)
    engine = renamed.get("engine")
    if isinstance(engine, dict) and isinstance(engine.get("tensorboard"), bool):
        given = {key: value for key, value in engine.items() if key != "tensorboard"}
        renamed["engine"] = given | ({"report_to": ["tensorboard"]} if engine["tensorboard"] else {})
    return renamed


def _rename(table: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    for old, new in keys.items():
        if old in table and new in table:
            raise ValueError(f"{old!r} is the old name of {new!r}; give one of them")
    return {keys.get(key, key): value for key, value in table.items()}


def _summarise(metadata: Mapping[str, Any]) -> str:
    others = metadata.get(AVERAGED_WITH, ())
    summary = "; averaged with: ".join(map(_summarise_one, [metadata, *others]))
    return f"{summary}; its base model: {_summarise(metadata[BASE_MODEL])}" if BASE_MODEL in metadata else summary


def _summarise_one(metadata: Mapping[str, Any]) -> str:
    config = metadata["config"]
    schedule = config["schedule"]
    kind = f"hybrid, α = {schedule['alpha']}" if schedule["batches"] == "hybrid" else schedule["batches"]
    examples = sum(entry["examples"] - entry["dropped"] for entry in metadata["examples"])
    dropped = sum(entry["dropped"] for entry in metadata["examples"])
    tested = ", ".join(config["contamination"]["collections"]) or "no collection"
    share = config["model"].get("average_with_base_model", 0.0)
    then = f", weights averaged with the base model's ({share:.0%} base model)" if share else ""
    then += f", {metadata[CENTERED]:.0%} of the mean embedding subtracted" if CENTERED in metadata else ""
    objectives = ", ".join(name.replace("_", " ") for name, given in config["objectives"].items() if given)
    return (
        f"{kind} batches of {schedule['batch_size']}, {metadata['steps']} steps from "
        f"{public_name(config['model']['base_model'])} ({objectives}){then}; {examples:,} examples in "
        f"{', '.join(metadata['languages'])}; {dropped} examples dropped for texts of {tested}"
    )


def public_name(model: str) -> str:
    """Return the name of a model. For a folder, leave out its path on this machine."""
    return Path(model).name if Path(model).is_absolute() else model
