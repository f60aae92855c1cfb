"""README.md for a model on the Hub, with a ``model-index`` as its model cards take it.

In: results. Out: ``<model>.md`` for each model: YAML front matter with the macro figures, and the same as tables. It is
laid out as https://github.com/huggingface/hub-docs/blob/main/modelcard.md says, by `huggingface_hub`, which also merges
it into a card that exists (`huggingface_hub.metadata_update`).

- Task: ``text-retrieval``, the Hub's name for retrieval. (``sentence-similarity`` is what such a model's pipeline is
  called, and the scoring of pairs of sentences.)
- Dataset: type is the collection's own name, which is no identifier of the Hub: its xquad_r has no sentences, and
  MLQA-R is not there. config is the kind of setting, behind the variant if it is one; args say what the candidates are,
  in which languages, and the SHA-256 of the files.
- Metrics: means over settings. mAP is uncut; rank distances (lower is better) stand with the multilingual setting.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from babelrank.reporting.export.mteb import MEASURE_NAMES
from babelrank.reporting.export.protocol import File, Options, RanksReader
from babelrank.reporting.markdown import table_markdown
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import slug
from babelrank.reporting.results import BIAS_MEASURES, TASKS, CollectionResults, Results, catalog_order
from babelrank.reporting.summary import MEANING, summary_table

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "text-retrieval"
_WORDS = dict(zip(TASKS, ("monolingual", "cross-lingual", "multilingual"), strict=True))


def render(results: Sequence[Results], _read_ranks: RanksReader, _options: Options) -> Iterator[File]:
    """Yield a card for each model."""
    from huggingface_hub import ModelCardData

    for each in results:
        collections = {name: each.collections[name] for name in sorted(each.collections, key=catalog_order)}
        metadata = ModelCardData(model_name=each.model.name, eval_results=evaluation_results(each))
        texts = [
            "## Retrieval within, across and over languages",
            *(f"### {name}\n\n{_summary(name, collection)}" for name, collection in collections.items()),
            MEANING if any(len(collection.languages) > 1 for collection in collections.values()) else "",
            f"Measured with babelrank {each.environment.babelrank}.",
        ]
        text = "\n\n".join(filter(None, texts))
        yield f"{slug(each.model.name)}.md", f"---\n{metadata.to_yaml()}\n---\n\n{text}\n"


def evaluation_results(results: Results) -> "list[EvalResult]":
    """Return the macro figures of a model, as a card's ``model-index`` takes them."""
    from huggingface_hub import EvalResult

    names = sorted(results.collections, key=catalog_order)
    return [EvalResult(**fields) for name in names for fields in _fields(name, results.collections[name])]


def _summary(name: str, collection: CollectionResults) -> str:
    table = summary_table(name, collection)
    return "\n\n".join(filter(None, [table_markdown(table), table.note]))


def _fields(name: str, collection: CollectionResults) -> Iterator[dict[str, Any]]:
    """Yield what an `EvalResult` takes, for every macro figure that there is."""
    base, _, variant = name.partition(":")
    shown = measures_of(name, collection)
    for kind in shown.tasks:
        for measure, value in collection.macro[kind].items():
            if value is not None and (shown.has_bias or measure not in BIAS_MEASURES):
                yield {
                    "task_type": TASK,
                    "task_name": f"{_WORDS[kind]} retrieval",
                    "dataset_type": base,
                    "dataset_name": f"{name}, {_WORDS[kind]}",
                    "dataset_config": f"{variant}:{kind}" if variant else kind,
                    "dataset_split": "test",
                    "dataset_args": {
                        "candidates": collection.candidates,
                        "languages": collection.languages,
                        "sha256": collection.sha256,
                    },
                    "metric_type": MEASURE_NAMES.get(measure, measure),
                    "metric_name": measure.replace("_", " "),
                    "metric_value": value,
                }
