"""`submit`, `adapters` and `cache`: from a model to its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from babelrank.cli.common import (
    INTERRUPTED,
    DataOption,
    DocumentPromptOption,
    MemoryOption,
    QueryPromptOption,
    StoreOption,
    console,
    errors,
    parse_size,
    project_root,
    tell,
)
from babelrank.errors import EncoderError

DEFAULT_COLLECTIONS = ("xquad-r", "mlqa-r")
_GIB = 2**30
_SPARE_MINUTES = 10  # what another process may be writing is not pruned

EngineOption = Annotated[str | None, typer.Option(help="Who encodes what is streamed: local or ray [default: local].")]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="How many at a time [default: this process; with ray: one for each core]."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="A Ray cluster's; by default one is started on this machine."),
]


def submit(
    model: Annotated[str, typer.Argument(help="use-multilingual-v3, a model's name on the Hub, or its folder.")],
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection",
            "-c",
            metavar="NAME[:CANDIDATES][:LANG,…]",
            help="xquad-r, mlqa-r or sample, as xquad-r:paragraph or mlqa-r:sentence+context:de,en; miracl:sw,te or "
            "miracl:DIR:sw; beir:NAME_OR_DIR[:SPLIT][@LANG]; local:DIR; may be repeated [default: xquad-r and mlqa-r].",
        ),
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="Adapter; by default the one that knows the model.")] = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the report here, and leave reports/ and the leaderboard alone."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name in reports and leaderboard.")] = None,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    query_prompt_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this one of the model's own prompts for queries.")
    ] = None,
    document_prompt_name: Annotated[str | None, typer.Option(metavar="NAME", help="The same for passages.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts after so many tokens.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the weights: auto, float32, bfloat16 or float16.")] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine, dot or euclidean [default: the model's own].")] = None,
    device: Annotated[str | None, typer.Option(help="Such as cpu, cuda or cuda:1.")] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Texts that the model sees at once, if it takes batches.")
    ] = 32,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the adapter, see adapters/README.md; may be repeated."),
    ] = None,
    transform: Annotated[
        list[str] | None,
        typer.Option(
            help="Applied to the vectors: center, center-roles, whiten[:k], abtt:k, truncate:k, int8 or binary; may be "
            "repeated."
        ),
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Let code that comes with the model run.")] = False,
    seen: Annotated[
        str | None,
        typer.Option(
            metavar="LANG,…", help="Languages it was trained on [default: as a checkpoint of `babelrank train` says]."
        ),
    ] = None,
    texts: Annotated[
        bool, typer.Option(help="Put the texts of the worst questions into the report, where the licence is known.")
    ] = True,
    store: StoreOption = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the multilingual setting's top 100 here, as TREC runs with qrels."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace figures of other files by the same collection's name.")
    ] = False,
    memory: MemoryOption = None,
    engine: EngineOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
) -> None:
    """Evaluate a model and write its report."""
    from babelrank.data.language_facts import parse_languages
    from babelrank.encoding.protocol import EncoderOptions, parse_similarity
    from babelrank.pipelines.modes import Streaming
    from babelrank.pipelines.submission import submit as run_submission
    from babelrank.reporting.leaderboard import write_leaderboard
    from babelrank.reporting.names import slug
    from babelrank.reporting.terminal import ProgressBars, summary_tables

    options = EncoderOptions(
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        max_length=max_length,
        dtype=dtype,
        similarity=parse_similarity(similarity),
        device=device,
        batch_size=batch_size,
        revision=revision,
        trust_remote_code=trust_remote_code,
        options=read_pairs(option or ()),
        query_prompt_name=query_prompt_name,
        document_prompt_name=document_prompt_name,
    )
    streaming = Streaming(parse_size(memory), engine, workers, address)
    reports = out or project_root() / "reports"
    try:
        with ProgressBars(errors) as bars:
            submission = run_submission(
                model,
                collection or DEFAULT_COLLECTIONS,
                reports,
                bars,
                options=options,
                adapter=adapter,
                transforms=transform or (),
                name=name,
                data=data,
                store=store,
                runs=run,
                streaming=streaming,
                seen=None if seen is None else parse_languages(seen),
                texts=texts,
                with_leaderboard=out is None,
                replace_figures=replace,
            )
    except KeyboardInterrupt:
        errors.print("interrupted; what was encoded is kept, and the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    for table in summary_tables(submission.results):
        console.print(table)
    tell(f"report: {reports / slug(submission.name) / 'report.html'}")
    if out is None:
        write_leaderboard(reports, project_root())


def adapters() -> None:
    """List the adapters: how each names a model, and what it needs installed."""
    from babelrank.encoding.registry import adapter_names, load_adapter

    for name in adapter_names():
        try:
            adapter = load_adapter(name)
        except EncoderError as error:
            tell(f"{name}: {error}")
            continue
        needs = f" (needs {adapter.requires})" if adapter.requires else ""
        tell(f"{name}: {adapter.models}{needs}")


def cache(
    store: StoreOption = None,
    limit: Annotated[
        float | None,
        typer.Option(
            "--prune",
            metavar="GIB",
            min=0,
            help=f"Delete what was used longest ago, but not in the last {_SPARE_MINUTES} minutes, down to this.",
        ),
    ] = None,
) -> None:
    """Show the stored representations by model and role, or prune them."""
    from datetime import datetime

    from babelrank.encoding.store import default_store, list_shelves, prune

    root = store or default_store()
    if limit is not None:
        for shelf in prune(root, limit * _GIB, spare_seconds=60.0 * _SPARE_MINUTES):
            tell(f"deleted {shelf.model} ({shelf.role}), {shelf.size / _GIB:.3f} GiB")
    shelves = list_shelves(root)
    for shelf in shelves:
        used = datetime.fromtimestamp(shelf.used).astimezone().strftime("%Y-%m-%d %H:%M")
        line = f"{shelf.size / _GIB:8.3f} GiB  {used}  {shelf.role:8}  {shelf.model} ({shelf.adapter})"
        tell(line)
    tell(f"{sum(shelf.size for shelf in shelves) / _GIB:8.3f} GiB  in {root}")


def read_pairs(texts: Sequence[str]) -> dict[str, str]:
    """Read texts such as NAME=VALUE."""
    for text in texts:
        if "=" not in text:
            raise EncoderError(f"--option {text}: expected NAME=VALUE.")
    return dict(text.split("=", 1) for text in texts)
