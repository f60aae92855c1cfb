"""What mkdocs adds to the pages in this folder: the reference of the command line, and the notebooks in `examples/`."""

from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from babelrank.cli import app

ROOT = Path(__file__).parents[1]


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for notebook in sorted((ROOT / "examples").glob("*.ipynb")):
        files.append(File(f"examples/{notebook.name}", str(ROOT), config.site_dir, config.use_directory_urls))
    command = typer.main.get_command(app)
    context = command.make_context("babelrank", [], resilient_parsing=True)
    reference = get_docs_for_click(obj=command, ctx=context, name="babelrank", title="Command line")
    files.append(File.generated(config, "cli.md", content=reference.replace("][", "]\\[")))
    return files
