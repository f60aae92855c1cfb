"""Options that say how a model is loaded and used: those of every command that takes a model."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

import babelrank

AdapterOption = Annotated[str | None, typer.Option(help="Adapter [default: the one that knows the model].")]
DeviceOption = Annotated[str | None, typer.Option(help="Such as cpu, cuda or cuda:1.")]
QueryPromptOption = Annotated[str | None, typer.Option(help="Put before each query [default: the model's own].")]
DocumentPromptOption = Annotated[str | None, typer.Option(help="Put before each passage [default: the model's own].")]


def _settings(
    adapter: AdapterOption = None,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    query_prompt_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this one of the model's own prompts for queries.")
    ] = None,
    document_prompt_name: Annotated[str | None, typer.Option(metavar="NAME", help="The same for passages.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts after this many tokens.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the weights: auto, float32, bfloat16 or float16.")] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine, dot or euclidean [default: the model's own].")] = None,
    device: DeviceOption = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Texts that the model sees at once, if it takes batches.")
    ] = 32,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the adapter, see adapters/README.md; may be repeated."),
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run the model's own code, if you trust it.")] = False,
) -> None:
    """Hold the options; never called."""


def takes_encoder_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `_settings` to a command, which receives them as one dictionary, `encoder`."""
    own, added = (inspect.signature(function).parameters for function in (command, _settings))
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own.values(), *added.values())]

    @wraps(command)
    def extended(**given: Any) -> None:
        encoder = {name: given.pop(name) for name in added}
        options = _read_pairs(encoder.pop("option") or ())
        command(**given, encoder={**encoder, "options": options})

    kept = [each for each in parameters if each.name != "encoder"]
    vars(extended)["__signature__"] = inspect.Signature(kept)
    extended.__annotations__ = {each.name: each.annotation for each in kept}
    return extended


def _read_pairs(texts: list[str] | tuple[()]) -> dict[str, str]:
    """Read texts such as NAME=VALUE."""
    for text in texts:
        if "=" not in text:
            raise babelrank.BabelrankError(f"--option {text}: expected NAME=VALUE.")
    return dict(text.split("=", 1) for text in texts)
