"""What the commands share: consoles, options that several take, and where reports stand."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from babelrank.errors import SearchError

LEADERBOARD = "leaderboard.md"
INTERRUPTED = 130  # exit code, as shells have it: 128 + SIGINT

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder with xquad-r/ and mlqa-r/ in LAReQA's layout [BABELRANK_DATA]."),
]
ReportsOption = Annotated[
    Path | None, typer.Option("--reports", metavar="DIR", help="Folder of the reports, in place of reports/.")
]

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Where representations are kept [default: the user's cache]."),
]

QueryPromptOption = Annotated[str | None, typer.Option(help="Put before each query [default: the model's own].")]
DocumentPromptOption = Annotated[str | None, typer.Option(help="Put before each passage [default: the model's own].")]

MemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Hold no more than this, such as 4GB; beir:, miracl: and local: are then streamed, and their vectors kept "
        "in files.",
    ),
]

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT])(i?)B?", re.IGNORECASE)

# What users' data say is printed as it is: ":id:" is Indonesian and no emoji.
console = Console(markup=False, emoji=False)
errors = Console(stderr=True, markup=False, emoji=False)


def parse_size(text: str | None) -> int | None:
    """Read a size in bytes as people write it, such as ``4GB`` (10⁹ bytes each) or ``512MiB``; None stays None.

    Raises
    ------
    SearchError
        It is none.
    """
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise SearchError(f"--memory {text}: expected a size such as 4GB, 1.5GB or 512MiB.")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** (1 + "KMGT".index(found[2].upper())))


def tell(line: object) -> None:
    """Print a line as it is: no markup, no colours, no wrapping."""
    console.print(str(line), markup=False, highlight=False, soft_wrap=True)


def project_root() -> Path:
    """Return the nearest folder from here upwards that holds a leaderboard.md, or the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / LEADERBOARD).is_file()), here)


def reports_folder(given: Path | None) -> Path:
    """Return the folder of the reports: the one given, or the project's; the leaderboard goes into its parent."""
    return given.resolve() if given else project_root() / "reports"
