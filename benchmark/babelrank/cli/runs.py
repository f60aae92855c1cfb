"""`evaluate`, `fuse` and `rerank`: runs in, runs and their measures out."""

from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import DataOption, MissingOption, show
from babelrank.cli.encoder_options import DeviceOption

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", metavar="NAME", help="The collection that the run is of, as for `submit`."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="Write the figures here, as JSON.")
]
RunOutOption = Annotated[Path, typer.Option("--run", metavar="FILE", dir_okay=False, help="Write the new run here.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Name of the run in the result.")]
SubsetOption = Annotated[
    str | None,
    typer.Option("--subset", help="Subset in a file of mteb's predictions [default: the only one there is]."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="Split in a file of mteb's predictions [default: the only one there is].")
]
_RUN_HELP = (
    "A TREC run (query Q0 passage rank score tag), JSON ({query: {passage: score}}), or mteb's predictions; may be "
    "compressed."
)


def evaluate(
    run: Annotated[Path, typer.Argument(help=_RUN_HELP)],
    collection: CollectionOption,
    name: NameOption = None,
    missing: MissingOption = "count",
    subset: SubsetOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    out: OutOption = None,
) -> None:
    """Score a run of any tool, as trec_eval does."""
    show(
        babelrank.score_run(run, collection, name=name, missing=missing, subset=subset, split=split, data=data, out=out)
    )


def fuse(
    runs: Annotated[list[Path], typer.Argument(help="Two runs or more, as `evaluate` takes them.", metavar="RUN…")],
    collection: CollectionOption,
    method: Annotated[str, typer.Option(help="rrf (reciprocal ranks) or weighted (scores from 0 to 1).")] = "rrf",
    weights: Annotated[
        str | None, typer.Option(metavar="W,W…", help="One for each run, such as 0.3,0.7 [default: equal].")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Passages kept for each query; TREC's runs have 1000.")] = 1000,
    run_out: RunOutOption = Path("fused.run"),
    name: NameOption = None,
    missing: MissingOption = "count",
    subset: SubsetOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    out: OutOption = None,
) -> None:
    """Fuse runs into one, and score it."""
    show(
        babelrank.fuse_runs(
            runs,
            collection,
            method=method,
            weights=None if weights is None else _read_weights(weights),
            depth=depth,
            run_out=run_out,
            name=name,
            missing=missing,
            subset=subset,
            split=split,
            data=data,
            out=out,
        ),
        f"run: {run_out}",
    )


def rerank(
    run: Annotated[Path, typer.Argument(help=_RUN_HELP)],
    model: Annotated[str, typer.Option(help="A CrossEncoder of sentence-transformers: its folder, or its name.")],
    collection: CollectionOption,
    top: Annotated[int, typer.Option(min=1, help="Passages of each query that are scored again.")] = 100,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut pairs after so many tokens.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs that the model sees at once.")] = 32,
    device: DeviceOption = None,
    run_out: RunOutOption = Path("reranked.run"),
    name: NameOption = None,
    missing: MissingOption = "count",
    subset: SubsetOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    out: OutOption = None,
) -> None:
    """Sort a run's best passages again with a cross-encoder, and score the new run."""
    show(
        babelrank.rerank_run(
            run,
            model,
            collection,
            top=top,
            max_length=max_length,
            batch_size=batch_size,
            device=device,
            run_out=run_out,
            name=name,
            missing=missing,
            subset=subset,
            split=split,
            data=data,
            out=out,
        ),
        f"run: {run_out}",
    )


def _read_weights(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise babelrank.BabelrankError(f"--weights {text}: expected a number for each run, such as 0.3,0.7.") from error
