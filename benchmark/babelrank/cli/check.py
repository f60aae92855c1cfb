"""The command that looks at a model."""

from typing import Annotated

import typer

from babelrank.cli.common import DocumentPromptOption, QueryPromptOption, tell
from babelrank.cli.evaluation import read_pairs


def check(
    model: Annotated[str, typer.Argument(help="As `babelrank submit` takes it.")],
    adapter: Annotated[str | None, typer.Option(help="Adapter; by default the one that knows the model.")] = None,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    query_prompt_name: Annotated[str | None, typer.Option(help="One of the model's own prompts, for queries.")] = None,
    document_prompt_name: Annotated[str | None, typer.Option(help="The same for passages.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts after so many tokens.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the weights: auto, float32, bfloat16 or float16.")] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine, dot or euclidean [default: the model's own].")] = None,
    device: Annotated[str | None, typer.Option(help="Such as cpu, cuda or cuda:1.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts that the model sees at once.")] = 32,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A setting of the adapter; may be repeated.")
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Let code that comes with the model run.")] = False,
) -> None:
    """Load a model, encode a few texts, and say what is used; the exit status is 1 if anything looks wrong."""
    from babelrank.encoding.protocol import EncoderOptions, parse_similarity
    from babelrank.pipelines.model_check import check_model

    options = EncoderOptions(
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        query_prompt_name=query_prompt_name,
        document_prompt_name=document_prompt_name,
        max_length=max_length,
        dtype=dtype,
        similarity=parse_similarity(similarity),
        device=device,
        batch_size=batch_size,
        revision=revision,
        options=read_pairs(option or ()),
        trust_remote_code=trust_remote_code,
    )
    checked = check_model(model, options, adapter=adapter)
    for line in checked.lines():
        tell(line)
    if checked.problems:
        raise typer.Exit(1)
