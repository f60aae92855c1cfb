"""`evaluate`, `fuse` and `rerank`: TREC runs in, TREC runs and their figures out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babelrank.cli.common import DataOption, console, errors, tell
from babelrank.errors import SearchError

if TYPE_CHECKING:
    from babelrank.reporting.run_evaluation import RunEvaluation

CollectionOption = Annotated[
    str,
    typer.Option("--collection", "-c", metavar="NAME", help="The collection that the run is of, as for `submit`."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="Write the figures here, as JSON.")
]
RunOutOption = Annotated[Path, typer.Option("--run", metavar="FILE", dir_okay=False, help="Write the new run here.")]
MissingOption = Annotated[
    str,
    typer.Option(
        metavar="count|ignore",
        help="Relevant passages that the corpus lacks, and judged queries with nothing relevant: count them as not "
        "retrieved, as trec_eval and published figures do, or ignore them, as `submit` does.",
    ),
]
NameOption = Annotated[str | None, typer.Option("--name", help="What the system is called.")]
_RUN_HELP = "A TREC run (query Q0 passage rank score tag); may be gzipped."


def evaluate(
    run: Annotated[Path, typer.Argument(help=_RUN_HELP)],
    collection: CollectionOption,
    name: NameOption = None,
    missing: MissingOption = "count",
    data: DataOption = None,
    out: OutOption = None,
) -> None:
    """Score a TREC run, whoever made it, as trec_eval does."""
    from babelrank.pipelines.runs import evaluate_file, open_collection

    _show(evaluate_file(run, open_collection(collection, data, tell, missing), name), out)


def fuse(
    runs: Annotated[list[Path], typer.Argument(help="Two TREC runs or more; each may be gzipped.", metavar="RUN…")],
    collection: CollectionOption,
    method: Annotated[str, typer.Option(help="rrf (reciprocal ranks) or weighted (scores from 0 to 1).")] = "rrf",
    weights: Annotated[
        str | None, typer.Option(metavar="W,W…", help="One for each run, such as 0.3,0.7 [default: all alike].")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Passages kept for each query; TREC's runs have 1000.")] = 1000,
    run_out: RunOutOption = Path("fused.run"),
    name: NameOption = None,
    missing: MissingOption = "count",
    data: DataOption = None,
    out: OutOption = None,
) -> None:
    """Fuse runs into one, and score it."""
    from babelrank.pipelines.runs import fuse_files, open_collection

    loaded = open_collection(collection, data, tell, missing)
    chosen = None if weights is None else _read_weights(weights)
    evaluation = fuse_files(runs, loaded, method=method, weights=chosen, out=run_out, name=name, depth=depth)
    _show(evaluation, out)
    tell(f"run: {run_out}")


def rerank(
    run: Annotated[Path, typer.Argument(help=_RUN_HELP)],
    model: Annotated[str, typer.Option(help="A CrossEncoder of sentence-transformers: its folder, or its name.")],
    collection: CollectionOption,
    top: Annotated[int, typer.Option(min=1, help="Passages of each query that are scored anew.")] = 100,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut pairs after so many tokens.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs that the model sees at once.")] = 32,
    device: Annotated[str | None, typer.Option(help="Such as cpu, cuda or cuda:1.")] = None,
    run_out: RunOutOption = Path("reranked.run"),
    name: NameOption = None,
    missing: MissingOption = "count",
    data: DataOption = None,
    out: OutOption = None,
) -> None:
    """Sort a run's best passages anew with a cross-encoder, and score what comes out."""
    from babelrank.pipelines.runs import open_collection, rerank_file
    from babelrank.ranking.reranking import load_cross_encoder
    from babelrank.reporting.names import public_label
    from babelrank.reporting.terminal import ProgressBars

    loaded = open_collection(collection, data, tell, missing)
    score = load_cross_encoder(model, device=device, max_length=max_length, batch_size=batch_size)
    with ProgressBars(errors) as bars:
        evaluation = rerank_file(
            run,
            loaded,
            score,
            top=top,
            out=run_out,
            name=name or f"{public_label(model)} on the top {top}",
            on_progress=bars.counting("pairs scored", unit="pairs"),
        )
    _show(evaluation, out)
    tell(f"run: {run_out}")


def _show(evaluation: "RunEvaluation", out: Path | None) -> None:
    from babelrank.files import atomic_write
    from babelrank.reporting.run_evaluation import as_json, evaluation_tables

    for table in evaluation_tables(evaluation):
        console.print(table)
    for note in evaluation.notes:
        tell(note)
    if out is not None:
        atomic_write(out, as_json(evaluation))


def _read_weights(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise SearchError(f"--weights {text}: expected a number for each run, such as 0.3,0.7.") from error
