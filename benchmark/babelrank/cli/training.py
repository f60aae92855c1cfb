"""`train`, `experiment`, `mine`, `average` and `center`: make checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import DataOption, ReportsOption, StoreOption, show
from babelrank.cli.option_groups import AdapterOption, DeviceOption, DocumentPromptOption, QueryPromptOption

OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the new checkpoint.")]
TrustOption = Annotated[bool, typer.Option("--trust-remote-code", help="Run Python code that comes with the models.")]


def train(
    config: Annotated[
        Path, typer.Argument(help="Configuration of the run (see experiments/README.md).", metavar="CONFIG.toml")
    ],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Read all inputs, and show the batches and the expected time without training."),
    ] = False,
    data: DataOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Train a checkpoint, or continue an interrupted run."""
    if dry_run:
        show(babelrank.preview_training(config, data=data, trust_remote_code=trust_remote_code))
    else:
        show(f"checkpoint: {babelrank.train(config, data=data, trust_remote_code=trust_remote_code)}")


def experiment(
    folder: Annotated[
        Path, typer.Argument(help="Folder with an experiment.toml (see experiments/README.md).", metavar="DIR")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the remaining runs and the expected time without training.")
    ] = False,
    reports: ReportsOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Train and evaluate all runs of an experiment. Write its page. Finished runs are skipped."""
    if dry_run:
        show(babelrank.preview_experiment(folder, reports=reports, data=data, trust_remote_code=trust_remote_code))
    else:
        show(
            *babelrank.run_experiment(
                folder, reports=reports, data=data, store=store, trust_remote_code=trust_remote_code
            )
        )


def mine(
    examples: Annotated[Path, typer.Argument(help="Parallel examples, as JSONL.", metavar="EXAMPLES")],
    model: Annotated[str, typer.Option(help="Model that finds the negatives, as for `submit`.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File for the examples with hard negatives.")],
    count: Annotated[
        int,
        typer.Option(
            help="Negatives per example and language: this many for questions in it, and this many for others."
        ),
    ] = 4,
    margin: Annotated[
        float, typer.Option(help="Keep negatives below this share of the true passage's cosine with the question.")
    ] = 0.95,
    depth: Annotated[int, typer.Option(help="Number of nearest passages per language to choose from.")] = 64,
    across: Annotated[bool, typer.Option(help="Also mine with questions in other languages than the passages.")] = True,
    adapter: AdapterOption = None,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    device: DeviceOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Find hard negatives within and across languages."""
    summary = babelrank.mine_negatives(
        examples,
        model,
        out,
        count=count,
        margin=margin,
        depth=depth,
        across=across,
        adapter=adapter,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        device=device,
        trust_remote_code=trust_remote_code,
    )
    show(summary, f"examples: {out}")


def average(
    checkpoints: Annotated[
        list[Path], typer.Argument(help="Checkpoints of `babelrank train` that share one base model.")
    ],
    out: OutOption,
    share: Annotated[
        float,
        typer.Option("--base-model", "--start", metavar="SHARE", help="Weight of the base model, from 0 to below 1."),
    ] = 0.0,
    trust_remote_code: TrustOption = False,
) -> None:
    """Average the weights of checkpoints. One of them may be the base model."""
    folder = babelrank.average_checkpoints(checkpoints, out, base_share=share, trust_remote_code=trust_remote_code)
    show(f"checkpoint: {folder}")


def center(
    model: Annotated[str, typer.Argument(help="sentence-transformers model: name on the Hub, or folder.")],
    examples: Annotated[list[Path], typer.Argument(help="Parallel examples as JSONL; the mean is estimated on them.")],
    out: OutOption,
    share: Annotated[float, typer.Option(help="Share of the mean to subtract, above 0 and at most 1.")] = 0.5,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Write a checkpoint that subtracts the model's mean embedding. Nothing is trained."""
    folder = babelrank.center_model(
        model,
        examples,
        out,
        share=share,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        trust_remote_code=trust_remote_code,
    )
    show(f"checkpoint: {folder}")
