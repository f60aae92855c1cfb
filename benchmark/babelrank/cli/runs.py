"""`evaluate`, `fuse` and `rerank`: score runs and make new ones."""

from pathlib import Path
from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import show
from babelrank.cli.option_groups import DeviceOption, output_options, run_options, takes

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", metavar="NAME", help="Collection of the run, as for `submit`."),
]
RunOutOption = Annotated[Path, typer.Option("--run", metavar="FILE", dir_okay=False, help="File for the new run.")]
_RUN_HELP = (
    "TREC run (query Q0 passage rank score tag), JSON ({query: {passage: score}}), or mteb predictions; may be "
    "compressed."
)


@takes(reading=run_options, output=output_options)
def evaluate(
    run: Annotated[Path, typer.Argument(help=_RUN_HELP)],
    collection: CollectionOption,
    reading: dict[str, Any],
    output: dict[str, Any],
) -> None:
    """Score a run of any tool with trec_eval's measures."""
    show(babelrank.score_run(run, collection, **reading, **output))


@takes(reading=run_options, output=output_options)
def fuse(
    runs: Annotated[list[Path], typer.Argument(help="Two or more run files, as for `evaluate`.", metavar="RUN…")],
    collection: CollectionOption,
    reading: dict[str, Any],
    output: dict[str, Any],
    method: Annotated[
        str, typer.Option(help="rrf (reciprocal rank fusion) or weighted (sum of scores, scaled to 0 to 1).")
    ] = "rrf",
    weights: Annotated[
        str | None, typer.Option(metavar="W,W…", help="One weight per run, such as 0.3,0.7 [default: equal].")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Passages kept per query.")] = 1000,
    run_out: RunOutOption = Path("fused.run"),
) -> None:
    """Fuse runs into one and score it."""
    found = babelrank.fuse_runs(
        runs,
        collection,
        method=method,
        weights=None if weights is None else _read_weights(weights),
        depth=depth,
        run_out=run_out,
        **reading,
        **output,
    )
    show(found, f"run: {run_out}")


@takes(reading=run_options, output=output_options)
def rerank(
    run: Annotated[Path, typer.Argument(help=_RUN_HELP)],
    model: Annotated[str, typer.Option(help="CrossEncoder of sentence-transformers: name on the Hub, or folder.")],
    collection: CollectionOption,
    reading: dict[str, Any],
    output: dict[str, Any],
    top: Annotated[int, typer.Option(min=1, help="Passages per query to re-rank.")] = 100,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of tokens per pair; longer pairs are cut.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs per batch.")] = 32,
    device: DeviceOption = None,
    run_out: RunOutOption = Path("reranked.run"),
) -> None:
    """Re-rank a run with a cross-encoder and score the result."""
    found = babelrank.rerank_run(
        run,
        model,
        collection,
        top=top,
        max_length=max_length,
        batch_size=batch_size,
        device=device,
        run_out=run_out,
        **reading,
        **output,
    )
    show(found, f"run: {run_out}")


def _read_weights(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise babelrank.BabelrankError(f"--weights {text}: expected a number for each run, such as 0.3,0.7.") from error
