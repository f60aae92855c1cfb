"""The model card of a checkpoint: README.md with YAML front matter, as the Hub reads it."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from babelrank.checkpoints import all_languages, public_name, summarise_training
from babelrank.encoding.model_files import look_for_model
from babelrank.files import atomic_write
from babelrank.reporting.export.model_card import evaluation_results
from babelrank.reporting.results import Results

CARD_FILE = "README.md"
_TAGS = ("sentence-transformers", "sentence-similarity", "feature-extraction", "multilingual-retrieval", "babelrank")
_LOSSES = {  # objective -> tag
    "info_nce": "InfoNCE",
    "embedding_distillation": "EmbeddingDistillation",
    "score_distillation": "ScoreDistillation",
    "semantic_contrast": "SemanticContrast",
    "language_contrast": "LanguageContrast",
}
_UNKNOWN_LICENSE = "unknown"  # one of the Hub's identifiers
_LICENSE_KEYS = ("license", "license_name", "license_link")
_SNAPSHOT = re.compile(r"models--(.+?)--(.+?)/snapshots/")  # folder of a model in the Hub's cache


def read_card(model: str | Path, revision: str | None = None) -> ModelCard | None:
    """Return the card of a model in a folder or on the Hub; None if it has no readable card."""
    with suppress(Exception):  # errors of the Hub, of YAML, of the file: the card is optional
        files = look_for_model(str(model), revision)
        path = files.path(CARD_FILE) if files else None
        return ModelCard(path.read_text(encoding="utf-8")) if path else None
    return None


def render_card(name: str, metadata: Mapping[str, Any], parent: ModelCard | None) -> str:
    """Return the card of a trained checkpoint.

    Parameters
    ----------
    name
        Name of the checkpoint.
    metadata
        How it was trained.
    parent
        Card of the model that it was made from; its licence is kept.
    """
    config = metadata["config"]
    objectives = {key: value for key, value in config["objectives"].items() if value}
    size = sum(entry["examples"] - entry["dropped"] for entry in metadata["examples"])
    tags = [*_TAGS, f"dataset_size:{size}", *(f"loss:{_LOSSES[name]}" for name in objectives)]
    data = _card_data(name, config["model"]["base_model"], parent, tags, all_languages(metadata), metadata["examples"])
    text = _template().render(
        name=name,
        base_model=public_name(config["model"]["base_model"]),
        metadata=metadata,
        objectives=objectives,
        summary=summarise_training(metadata),
    )
    return f"---\n{data.to_yaml()}\n---\n\n{text}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("babelrank.training", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=select_autoescape(),  # for HTML; this is Markdown
    )
    return environment.get_template("card.md.j2")


def render_centered_card(name: str, model: str, share: float, parent: ModelCard | None) -> str:
    """Return the card of a model with its mean embedding subtracted; it includes the model's card."""
    known = vars(parent.data) if parent else {}
    languages = known.get("language") or []
    data = _card_data(name, model, parent, [*_TAGS], [languages] if isinstance(languages, str) else languages, ())
    text = (
        f"# {name}\n\n`{public_name(model)}` with {share:.0%} of its mean embedding subtracted, and with queries and "
        "passages moved to one mean, by a linear module at its end (`babelrank center`). Its weights are unchanged.\n"
    )
    if parent:
        text += f"\n## Card of {public_name(model)}\n\n{parent.text.strip()}\n"
    return f"---\n{data.to_yaml()}\n---\n\n{text}"


def add_results(folder: Path, results: Results) -> None:
    """Write the measures of a report to the ``model-index`` of a checkpoint's card; do nothing if it has no card."""
    card = read_card(folder)
    if card is None:
        return
    figures = evaluation_results(results)
    for each in figures:
        each.metric_value = round(each.metric_value, 6)  # as in results.json
    known = {key: value for key, value in vars(card.data).items() if key not in ("model_name", "eval_results")}
    data = ModelCardData(**known, model_name=results.model.name, eval_results=figures)
    atomic_write(folder / CARD_FILE, f"---\n{data.to_yaml()}\n---\n{card.text}")


def _card_data(
    name: str,
    model: str,
    parent: ModelCard | None,
    tags: Sequence[str],
    languages: Sequence[str],
    sources: Sequence[Mapping[str, Any]],
) -> ModelCardData:
    known = vars(parent.data) if parent else {}
    license_ = {key: known[key] for key in _LICENSE_KEYS if known.get(key)}
    return ModelCardData(
        model_name=name,
        base_model=_public_base(model, known),
        language=sorted({lang.partition("-")[0] for lang in languages}) or None,  # the Hub knows no subtags
        datasets=list(dict.fromkeys(entry["name"] for entry in sources)) or None,
        tags=list(tags),
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        **{"license": _UNKNOWN_LICENSE} | license_,
    )


def _public_base(model: str, card: Mapping[str, Any]) -> Any:
    """Return the public name of a base model; for a folder, the base model that its card names."""
    if found := _SNAPSHOT.search(f"{Path(model).as_posix()}/"):
        return f"{found[1]}/{found[2]}"
    if not Path(model).is_absolute():
        return model
    if card.get("base_model"):
        return card["base_model"]
    with suppress(HFValidationError):
        validate_repo_id(Path(model).name)
        return Path(model).name
    return None
