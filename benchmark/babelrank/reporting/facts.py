"""Tables on the model, the evaluation and the environment, and the command that reproduces a report."""

import json
import re
import shlex
from dataclasses import fields
from itertools import chain
from urllib.parse import quote

from babelrank.data.catalog import source_of
from babelrank.encoding.protocol import EncoderOptions
from babelrank.reporting.formatting import NO_VALUE, show_count, show_dimension, show_seconds, show_significant
from babelrank.reporting.languages import language_name
from babelrank.reporting.names import default_name
from babelrank.reporting.provenance import Environment
from babelrank.reporting.results import CollectionResults, ModelResults, Results
from babelrank.reporting.tables import Code, Column, Entry, Link, Table

_SUBMIT_OPTIONS = frozenset(field.name for field in fields(EncoderOptions))
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FOLDER_DIGEST = re.compile(r"[0-9a-f]{64}")


def model_facts(model: ModelResults) -> Table:
    """Return the model's settings."""
    seen = (
        {} if model.seen is None else {"languages in training": ", ".join(map(language_name, model.seen)) or NO_VALUE}
    )
    return _facts(
        {
            "submitted as": Code(model.submitted_as),
            "adapter": Code(model.adapter),
            "fingerprint": Code(model.fingerprint),
            "parameters": show_count(model.parameters),
            "representation": model.kind,
            "dimension": show_dimension(model.dimension),
            "similarity": model.similarity,
            **seen,
            **{key: Code(json.dumps(value, ensure_ascii=False)) for key, value in model.settings.items()},
            **model.notes,
        }
    )


def environment_facts(environment: Environment) -> Table:
    """Return the software and hardware of an evaluation."""
    machine = environment.machine
    return _facts(
        {
            "babelrank": environment.babelrank,
            "Python": environment.python,
            "platform": environment.platform,
            "processor": f"{machine.cpu}, {machine.cores} cores",
            "memory": NO_VALUE if machine.memory_gib is None else f"{machine.memory_gib:.1f} GiB",
            "encoder ran on": machine.device,
            **environment.packages,
        }
    )


def evaluation_facts(collection: CollectionResults) -> Table:
    """Return how a collection was evaluated."""
    texts, truncated, seconds = collection.texts_encoded, collection.texts_truncated, collection.seconds
    facts: dict[str, Entry] = {
        "when": f"{collection.evaluated:%Y-%m-%d %H:%M} UTC",
        "texts encoded": f"{texts.query:,} queries and {texts.document:,} passages; repeated and stored texts are not "
        "encoded again",
    }
    if truncated.query is not None and truncated.document is not None:
        facts["texts truncated"] = (
            f"{truncated.query:.2%} of the queries and {truncated.document:.2%} of the passages are longer than the "
            "model reads"
        )
    facts["time"] = (
        f"{show_seconds(seconds.load)} to load the model, {show_seconds(seconds.encode_query)} to encode queries, "
        f"{show_seconds(seconds.encode_document)} to encode passages, {show_seconds(seconds.rank)} to rank, "
        f"{show_seconds(seconds.analyse)} to analyse"
    )
    if cost := collection.cost:
        speed = "all vectors came from the store"
        if cost.texts_per_second is not None:
            speed = f"{show_significant(cost.texts_per_second)} texts per second on {cost.hardware}"
        facts["cost"] = f"{speed}; {show_count(cost.bytes_per_vector)} bytes per vector"
    if collection.ranks:
        facts["tied ranks"] = (
            f"{collection.ranks.tied:,} of {collection.ranks.rows:,}; passages with the same score all get the mean of "
            "their ranks"
        )
        facts["all ranks"] = Link(collection.ranks.file, collection.ranks.file)
    if collection.top:
        facts["top passages"] = Link(collection.top.file, collection.top.file)
    if collection.notes:
        facts["the collection"] = "; ".join(collection.notes)
    facts["SHA-256 of the collection"] = Code(collection.sha256)
    if collection.environment:
        other = collection.environment
        packages = ", ".join(f"{package} {version}" for package, version in other.packages.items())
        facts["environment (differs from the one below)"] = (
            f"babelrank {other.babelrank}, Python {other.python}, {other.platform}, {other.machine.cpu}, "
            f"{other.machine.device}; {packages}"
        )
    return _facts(facts)


def describe_collection(name: str, collection: CollectionResults) -> str:
    """Describe the collection and its size."""
    source, size = source_of(name), len(collection.languages)
    told = f"{source.description} ({source.citation}; licence: {source.licence}). " if source else ""
    return (
        f"{told}{sum(collection.queries.values()):,} queries and a pool of {sum(collection.passages.values()):,} "
        f"passages (candidates: {collection.candidates}) in {size} language{'s' if size > 1 else ''}: "
        f"{', '.join(map(language_name, collection.languages))}."
    )


def hub_page(model: ModelResults) -> str | None:
    """Return the address of the model's page on the Hub; None if it was not loaded from there."""
    name = model.submitted_as.removeprefix("mteb:")
    return f"https://huggingface.co/{quote(name)}" if _COMMIT.fullmatch(model.fingerprint) else None


def is_folder(model: ModelResults) -> bool:
    """Return whether a model was submitted from a folder. Its fingerprint is then the folder's digest."""
    return _FOLDER_DIGEST.fullmatch(model.fingerprint) is not None


def reproducing_command(results: Results) -> str:
    """Return the command that reproduces these results, on as many lines as needed."""
    model = results.model
    options = dict(model.options)
    if _COMMIT.fullmatch(model.fingerprint):
        options["revision"] = model.fingerprint  # a branch may have moved on
    parts = [
        ["babelrank", "submit", f"./{model.submitted_as}" if is_folder(model) else model.submitted_as],
        ["--adapter", model.adapter],
        *(["--collection", name] for name in results.collections),
        *chain.from_iterable(_as_arguments(key, value) for key, value in options.items()),
    ]
    if model.seen is not None:
        parts.append(["--seen", ",".join(model.seen)])
    if any(_leaves_out_texts(name, collection) for name, collection in results.collections.items()):
        parts.append(["--no-texts"])
    if default_name(model.submitted_as, options) != model.name:
        parts.append(["--name", model.name])
    return " \\\n  ".join(map(shlex.join, parts))


def _facts(facts: dict[str, Entry]) -> Table:
    return Table("", [Column(""), Column("")], [[name, value] for name, value in facts.items()])


def _leaves_out_texts(name: str, collection: CollectionResults) -> bool:
    """Return whether the user declined to keep texts that the report could hold."""
    return source_of(name) is not None and collection.top is not None and collection.texts is None


def _as_arguments(key: str, value: object) -> list[list[str]]:
    """Return the arguments that set an option of `babelrank submit` or of an adapter."""
    if isinstance(value, list):
        return [[f"--{key.removesuffix('s')}", str(item)] for item in value]
    if key in _SUBMIT_OPTIONS:
        return [[f"--{key.replace('_', '-')}", str(value)]]
    return [["--option", f"{key}={value}"]]
