"""`evaluate`, `fuse` and `rerank`: runs in, runs and their measures out."""

from pathlib import Path
from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import show
from babelrank.cli.option_groups import DeviceOption, output_options, run_options, takes

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", metavar="NAME", help="The collection that the run is of, as for `submit`."),
]
RunOutOption = Annotated[Path, typer.Option("--run", metavar="FILE", dir_okay=False, help="Write the new run here.")]
_RUN_HELP = (
    "A TREC run (query Q0 passage rank score tag), JSON ({query: {passage: score}}), or mteb's predictions; may be "
    "compressed."
)


@takes(reading=run_options, output=output_options)
def evaluate(
    run: Annotated[Path, typer.Argument(help=_RUN_HELP)],
    collection: CollectionOption,
    reading: dict[str, Any],
    output: dict[str, Any],
) -> None:
    """Score a run of any tool, as trec_eval does."""
    show(babelrank.score_run(run, collection, **reading, **output))


@takes(reading=run_options, output=output_options)
def fuse(
    runs: Annotated[list[Path], typer.Argument(help="Two runs or more, as `evaluate` takes them.", metavar="RUN…")],
    collection: CollectionOption,
    reading: dict[str, Any],
    output: dict[str, Any],
    method: Annotated[str, typer.Option(help="rrf (reciprocal ranks) or weighted (scores from 0 to 1).")] = "rrf",
    weights: Annotated[
        str | None, typer.Option(metavar="W,W…", help="One for each run, such as 0.3,0.7 [default: equal].")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Passages kept for each query.")] = 1000,
    run_out: RunOutOption = Path("fused.run"),
) -> None:
    """Fuse runs into one, and score it."""
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
    model: Annotated[str, typer.Option(help="A CrossEncoder of sentence-transformers: its folder, or its name.")],
    collection: CollectionOption,
    reading: dict[str, Any],
    output: dict[str, Any],
    top: Annotated[int, typer.Option(min=1, help="Passages of each query that are scored again.")] = 100,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut pairs after this many tokens.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs that the model scores at once.")] = 32,
    device: DeviceOption = None,
    run_out: RunOutOption = Path("reranked.run"),
) -> None:
    """Sort a run's best passages again with a cross-encoder, and score the new run."""
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
