"""Groups of options that several commands share. A command receives each group as one value.

A group is a function. Its parameters are the options; the command receives what it returns.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import DataOption, parse_size

AdapterOption = Annotated[str | None, typer.Option(help="Adapter that loads the model [default: found automatically].")]
DeviceOption = Annotated[str | None, typer.Option(help="Device, such as cpu, cuda or cuda:1.")]
QueryPromptOption = Annotated[
    str | None, typer.Option(help="Text to put before each query [default: the model's prompt].")
]
DocumentPromptOption = Annotated[
    str | None, typer.Option(help="Text to put before each passage [default: the model's prompt].")
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory limit, such as 4GB. Collections with passages on disk are then streamed, and their vectors "
        "stay on disk, too.",
    ),
]
MissingOption = Annotated[
    str | None,
    typer.Option(
        metavar="count|ignore",
        help="Count relevant passages that the corpus lacks, and judged queries without a relevant passage, as not "
        "retrieved (as trec_eval and published results do), or ignore them [default: count, unless they are more than "
        "5 %].",
    ),
]


def takes(**groups: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of groups to a command. It receives the value of each group under the group's name."""

    def extend(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for name, each in inspect.signature(command).parameters.items() if name not in groups]
        added = {name: inspect.signature(group).parameters for name, group in groups.items()}
        parameters = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for each in (*own, *(option for options in added.values() for option in options.values()))
        ]

        @wraps(command)
        def extended(**given: Any) -> None:
            values = {name: {each: given.pop(each) for each in options} for name, options in added.items()}
            command(**given, **{name: groups[name](**options) for name, options in values.items()})

        vars(extended)["__signature__"] = inspect.Signature(parameters)
        extended.__annotations__ = {each.name: each.annotation for each in parameters}
        return extended

    return extend


def encoder_options(
    adapter: AdapterOption = None,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    query_prompt_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model's prompt for queries.")
    ] = None,
    document_prompt_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model's prompt for passages.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of tokens; longer texts are cut.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="Type of the weights: auto, float32, bfloat16 or float16.")] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine, dot or euclidean [default: from the model].")] = None,
    device: DeviceOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts per batch.")] = 32,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Setting of the adapter (see adapters/README.md); may be repeated."),
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run Python code that comes with the model.")] = False,
) -> dict[str, Any]:
    """Collect how a model is loaded and used."""
    given = dict(locals())
    pairs = given.pop("option") or []
    for pair in pairs:
        if "=" not in pair:
            raise babelrank.BabelrankError(f"--option {pair}: expected NAME=VALUE.")
    return {**given, "options": dict(pair.split("=", 1) for pair in pairs)}


def streaming_options(
    memory: MemoryOption = None,
    engine: Annotated[
        str | None, typer.Option(help="Where streamed texts are encoded: local or ray [default: local].")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of worker processes [default: none, all in this process; with ray: one per core]."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Address of a Ray cluster [default: start one on this machine]."),
    ] = None,
) -> "babelrank.Streaming":
    """Collect how collections are streamed that do not fit into memory."""
    return babelrank.Streaming(parse_size(memory), engine, workers, address)


def run_options(
    missing: MissingOption = None,
    subset: Annotated[
        str | None, typer.Option(help="Subset in a file of mteb predictions [default: the only one].")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split in a file of mteb predictions [default: the only one].")
    ] = None,
    data: DataOption = None,
) -> dict[str, Any]:
    """Collect how runs are read and scored."""
    return dict(locals())


def output_options(
    name: Annotated[str | None, typer.Option(help="Name of the run in the result.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Also write the measures to this JSON file.")
    ] = None,
) -> dict[str, Any]:
    """Collect the name of a run and the file for its measures."""
    return dict(locals())
