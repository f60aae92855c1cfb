"""Publish reports on the Hub: the site as a static Space, results and rank tables as a data set.

The data set also has each model's scores in the format of `.eval_results/` in a model's repository, which the Hub shows
on the model's page: https://huggingface.co/docs/hub/eval-results.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.reporting.measures import measures_of
from babelrank.reporting.report import read_reports
from babelrank.reporting.results import Results
from babelrank.reporting.results_file import FILE_NAME
from babelrank.reporting.site import build_site

CARD = "README.md"
_REPORTS = "reports"
_OURS = (f"{_REPORTS}/*", "eval_results/*", "*.html")  # what an earlier publication may have left


@dataclass(frozen=True)
class Repository:
    """What goes into one repository of the Hub.

    Attributes
    ----------
    kind
        ``space`` or ``dataset``.
    name
        ``ORG/NAME``.
    files
        Path in the repository -> size in bytes.
    """

    kind: str
    name: str
    files: dict[str, int]

    @property
    def url(self) -> str:
        """Where people find it."""
        return f"https://huggingface.co/{self.kind}s/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.url}: {len(self.files):,} files, {sum(self.files.values()) / 1e6:,.1f} MB"


def publish(
    name: str, reports: Path, experiments: Path, *, title: str, private: bool = False, dry_run: bool = False
) -> list[Repository]:
    """Publish the site as a Space and the results as a data set, both called `name`; see `babelrank.publish`."""
    _check_name(name)
    if not dry_run:
        _require_token()
    results = read_reports(reports)
    if not results:
        raise ReportError(f"{reports}: there are no reports to publish.")
    with TemporaryDirectory(prefix="babelrank-") as made:
        space, dataset = Path(made, "space"), Path(made, "dataset")
        build_site(reports, experiments, space)
        _write_space_card(space, title)
        _write_dataset(dataset, results, name, title)
        found = [_look(folder, kind, name) for folder, kind in ((dataset, "dataset"), (space, "space"))]
        if not dry_run:
            for folder, repository in zip((dataset, space), found, strict=True):
                _upload(folder, repository, private=private)
    return found


def evaluation_entries(results: Results, dataset: str) -> list[dict[str, object]]:
    """Return the macro scores of a model as the entries of an `.eval_results` file.

    Parameters
    ----------
    results
        Of one model.
    dataset
        Repository of the data set that holds them.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = []
    for name, collection in results.collections.items():
        shown = measures_of(name, collection)
        for task in shown.tasks:
            measure = shown.headline[0]
            value = collection.macro[task][measure]
            if value is not None:
                entries.append(
                    EvalResultEntry(
                        dataset_id=dataset,
                        task_id=f"{name}/{task}",
                        value=value,
                        date=collection.evaluated.isoformat(),
                        source_url=f"https://huggingface.co/datasets/{dataset}",
                        notes=f"{measure}, babelrank {results.environment.babelrank}",
                    )
                )
    found: list[dict[str, object]] = eval_result_entries_to_yaml(entries)
    return found


def _check_name(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ReportError(f"{name}: not a name on the Hub ({error}).") from error
    if "/" not in name:
        raise ReportError(f"{name}: expected ORG/NAME, such as my-team/leaderboard.")


def _write_space_card(folder: Path, title: str) -> None:
    from huggingface_hub import SpaceCardData

    data = SpaceCardData(title=title, sdk="static", app_file="index.html", pinned=False)
    text = "How well text encoders retrieve across languages, and which languages they favour. Made by babelrank."
    atomic_write(folder / CARD, f"---\n{data.to_yaml()}\n---\n\n{text}\n")


def _write_dataset(folder: Path, results: dict[Path, Results], name: str, title: str) -> None:
    from huggingface_hub import DatasetCardData

    for report, each in results.items():
        target = folder / _REPORTS / report.name
        target.mkdir(parents=True)
        for path in (report / FILE_NAME, *sorted(report.glob("*.parquet"))):
            shutil.copyfile(path, target / path.name)
        entries = json.dumps(evaluation_entries(each, name), indent=2, ensure_ascii=False)  # JSON is YAML
        atomic_write(folder / "eval_results" / f"{report.name}.yaml", entries + "\n")
    tables = {path.name for path in folder.rglob("*.parquet")}
    data = DatasetCardData(
        pretty_name=title,
        tags=["information-retrieval", "multilingual", "babelrank"],
        configs=[
            {"config_name": table.removesuffix(".parquet"), "data_files": f"{_REPORTS}/*/{table}"}
            for table in sorted(tables)
        ],
    )
    lines = [
        f"# {title}",
        "Results of babelrank: one folder per model in `reports/`.",
        "- `results.json`: all measures; `babelrank schema` prints its JSON Schema.\n"
        "- `*.ranks.parquet`: the rank of every relevant passage, in its language and in the pool.\n"
        "- `*.top.parquet`: the top passages of each query.\n"
        "- `eval_results/`: a model's scores, for `.eval_results/` of its repository.",
    ]
    atomic_write(folder / CARD, f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(lines) + "\n")


def _look(folder: Path, kind: str, name: str) -> Repository:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Repository(kind, name, {path.relative_to(folder).as_posix(): path.stat().st_size for path in files})


def _require_token() -> None:
    from huggingface_hub import get_token

    if get_token() is None:
        raise ReportError("publishing needs a token of the Hub: run `hf auth login`, or set HF_TOKEN.")


def _upload(folder: Path, repository: Repository, *, private: bool) -> None:
    from huggingface_hub import HfApi

    api = HfApi()
    sdk = "static" if repository.kind == "space" else None
    try:
        api.create_repo(repository.name, repo_type=repository.kind, space_sdk=sdk, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository.name,
            repo_type=repository.kind,
            folder_path=folder,
            commit_message="Publish reports of babelrank",
            delete_patterns=list(_OURS),
        )
    except Exception as error:  # of the Hub, or of the HTTP library, which differs by version of huggingface_hub
        reason = " ".join(str(error).split())
        raise ReportError(f"{repository.url}: cannot be written ({reason}).") from error
