"""Groups of options that several commands take: a command receives each group as one value.

A group is a function: its parameters are the options, and what it returns is what the command receives.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import DataOption, parse_size

AdapterOption = Annotated[str | None, typer.Option(help="Adapter [default: the one that knows the model].")]
DeviceOption = Annotated[str | None, typer.Option(help="Such as cpu, cuda or cuda:1.")]
QueryPromptOption = Annotated[str | None, typer.Option(help="Put before each query [default: the model's own].")]
DocumentPromptOption = Annotated[str | None, typer.Option(help="Put before each passage [default: the model's own].")]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Hold at most this much in memory, such as 4GB. Collections whose passages are in files are then "
        "streamed, and their vectors kept in files, too.",
    ),
]
MissingOption = Annotated[
    str,
    typer.Option(
        metavar="count|ignore",
        help="Relevant passages that the corpus lacks, and judged queries with nothing relevant: count them as not "
        "retrieved, as trec_eval and published results do, or ignore them.",
    ),
]


def takes(**groups: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of groups to a command, which receives what each returns under the group's name."""

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
        str | None, typer.Option(metavar="NAME", help="Use this one of the model's own prompts for queries.")
    ] = None,
    document_prompt_name: Annotated[str | None, typer.Option(metavar="NAME", help="The same for passages.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts after this many tokens.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Type of the weights: auto, float32, bfloat16 or float16.")] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine, dot or euclidean [default: the model's own].")] = None,
    device: DeviceOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts that the model encodes at once.")] = 32,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the adapter, see adapters/README.md; may be repeated."),
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run the model's own code, if you trust it.")] = False,
) -> dict[str, Any]:
    """Say how a model is loaded and used."""
    given = dict(locals())
    pairs = given.pop("option") or []
    for pair in pairs:
        if "=" not in pair:
            raise babelrank.BabelrankError(f"--option {pair}: expected NAME=VALUE.")
    return {**given, "options": dict(pair.split("=", 1) for pair in pairs)}


def streaming_options(
    memory: MemoryOption = None,
    engine: Annotated[
        str | None, typer.Option(help="What encodes streamed texts: local or ray [default: local].")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of worker processes [default: this process; with ray: one for each core]."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Ray cluster to use [default: one is started on this machine]."),
    ] = None,
) -> "babelrank.Streaming":
    """Say how collections are streamed that do not fit into memory."""
    return babelrank.Streaming(parse_size(memory), engine, workers, address)


def run_options(
    missing: MissingOption = "count",
    subset: Annotated[
        str | None, typer.Option(help="Subset in a file of mteb's predictions [default: the only one].")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split in a file of mteb's predictions [default: the only one].")
    ] = None,
    data: DataOption = None,
) -> dict[str, Any]:
    """Say how runs are read and scored."""
    return dict(locals())


def output_options(
    name: Annotated[str | None, typer.Option(help="Name of the run in the result.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write the measures here, as JSON.")
    ] = None,
) -> dict[str, Any]:
    """Say what a run is called, and where its measures go."""
    return dict(locals())
