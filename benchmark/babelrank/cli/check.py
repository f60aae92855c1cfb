"""The command that looks at a model."""

from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import AdapterOption, DeviceOption, DocumentPromptOption, QueryPromptOption, show
from babelrank.cli.evaluation import read_pairs


def check(
    model: Annotated[str, typer.Argument(help="As `babelrank submit` takes it.")],
    adapter: AdapterOption = None,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    query_prompt_name: Annotated[str | None, typer.Option(help="One of the model's own prompts, for queries.")] = None,
    document_prompt_name: Annotated[str | None, typer.Option(help="The same for passages.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts after so many tokens.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the weights: auto, float32, bfloat16 or float16.")] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine, dot or euclidean [default: the model's own].")] = None,
    device: DeviceOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts that the model sees at once.")] = 32,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A setting of the adapter; may be repeated.")
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Let code that comes with the model run.")] = False,
) -> None:
    """Load a model, encode a few texts, and say what is used; the exit status is 1 if anything looks wrong."""
    found = babelrank.check_model(
        model,
        adapter=adapter,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        query_prompt_name=query_prompt_name,
        document_prompt_name=document_prompt_name,
        max_length=max_length,
        dtype=dtype,
        similarity=similarity,
        device=device,
        batch_size=batch_size,
        revision=revision,
        options=read_pairs(option or ()),
        trust_remote_code=trust_remote_code,
    )
    show(*found.lines())
    if found.problems:
        raise typer.Exit(1)
