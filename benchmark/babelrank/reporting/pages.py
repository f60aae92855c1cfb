"""Make the pages and heatmaps of a report from its results and tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babelrank.environment import one_blas_thread
from babelrank.reporting.bias_section import bias_table, effect_table
from babelrank.reporting.estimates import CollectionEstimates, Estimates
from babelrank.reporting.facts import (
    describe_collection,
    environment_facts,
    evaluation_facts,
    is_folder,
    model_facts,
    reproducing_command,
)
from babelrank.reporting.heatmaps import PAIRS, heatmaps_of, render_svg
from babelrank.reporting.html_report import REPORT_PAGE, render_report_html
from babelrank.reporting.key_figures import key_table
from babelrank.reporting.large import by_family, shorten
from babelrank.reporting.maps import CAPTION as MAP_CAPTION
from babelrank.reporting.maps import has_map, language_maps, map_file, render_map
from babelrank.reporting.markdown import Markdown, fence, render_template
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import LEADERBOARD, LEADERBOARD_PAGE
from babelrank.reporting.results import CollectionResults, Results
from babelrank.reporting.stored_tables import StoredRanks
from babelrank.reporting.summary import MEANING, certainty, distance_table, recall_note, summary_table, verdict
from babelrank.reporting.variant_section import find_versions, variant_section

if TYPE_CHECKING:
    from babelrank.reporting.content import Tables

REPORT_NAME = "report.md"


@one_blas_thread
def render_report(
    results: Results, folder: Path, tables: "Tables | None" = None, *, with_leaderboard: bool = False
) -> dict[str, str]:
    """Return the pages and heatmaps of a report by file name.

    Without a table of top passages there is no section on errors, and without a measured space no section on it. The
    page says so.

    Parameters
    ----------
    tables
        Tables of `folder` that are in memory already.
    with_leaderboard
        Whether a leaderboard will be written. Pages link to it, as they do to an existing one.

    Raises
    ------
    ReportError
        A table cannot be read.
    """
    from babelrank.reporting.content import make_content  # with all that analyses; most reports are current

    contents = {name: make_content(results, name, folder, (tables or {}).get(name)) for name in results.collections}
    estimates = {name: content.estimates for name, content in contents.items()}
    sections = {name: content.sections for name, content in contents.items()}
    linked = with_leaderboard or has_leaderboard(folder)
    return {
        REPORT_NAME: render_markdown(results, estimates, f"../../{LEADERBOARD}" if linked else None),
        REPORT_PAGE: render_report_html(
            results,
            estimates,
            sections,
            f"../../{LEADERBOARD_PAGE}" if linked else None,
            {name: content.cells for name, content in contents.items()},
        ),
        **render_figures(results),
    }


def render_figures(results: Results) -> dict[str, str]:
    """Return the heatmaps and maps of a report by file name."""
    maps = {
        map_file(name): render_map(language_maps(name, collection), [results.model.name, f"{name}: languages on a map"])
        for name, collection in results.collections.items()
        if has_map(name, collection)
    }
    return maps | {
        heatmap.file_name(name): render_svg(
            by_family(heatmap.view(collection)), [results.model.name, f"{name}: {heatmap.title}"]
        )
        for name, collection in results.collections.items()
        for heatmap in heatmaps_of(name, collection)
    }


def read_estimates(results: Results, folder: Path, estimates: Estimates) -> dict[str, CollectionEstimates]:
    """Return the estimates from the rank tables in a report's folder, by collection.

    Raises
    ------
    ReportError
        A rank table cannot be read.
    """
    found = {}
    for name, collection in results.collections.items():
        if collection.ranks:
            shown = measures_of(name, collection)
            found[name] = estimates.of(
                StoredRanks(folder, collection.ranks, shown.headline[0]),
                shown,
                {other: StoredRanks(folder, file) for other, file in find_versions(results, name).items()},
            )
    return found


def render_markdown_of(results: Results, folder: Path, estimates: Estimates) -> str:
    """Return the content of report.md with the estimates from its rank tables; errors as for `read_estimates`."""
    leaderboard = f"../../{LEADERBOARD}" if has_leaderboard(folder) else None
    return render_markdown(results, read_estimates(results, folder, estimates), leaderboard)


def render_markdown(
    results: Results, estimates: Mapping[str, CollectionEstimates] | None = None, leaderboard: str | None = None
) -> str:
    """Return the content of report.md, which depends on the arguments alone.

    Parameters
    ----------
    estimates
        By collection.
    leaderboard
        Address of leaderboard.md, seen from the report; no link by default.
    """
    known = {name: (estimates or {}).get(name, CollectionEstimates()) for name in results.collections}
    return render_template(
        "report.md.j2",
        model=results.model,
        collections={name: _shown(name, collection, known[name]) for name, collection in results.collections.items()},
        figures=key_table(results.collections, known),
        meaning=Markdown(MEANING),
        map_caption=MAP_CAPTION,
        model_facts=model_facts(results.model),
        environment=environment_facts(results.environment),
        command=fence(reproducing_command(results), "sh"),
        is_folder=is_folder(results.model),
        leaderboard=leaderboard and Markdown(leaderboard),
    )


def has_leaderboard(folder: Path) -> bool:
    """Return whether there is a leaderboard that a report's pages can link to."""
    return (folder.absolute().parent.parent / LEADERBOARD).is_file()


def _shown(name: str, collection: CollectionResults, estimates: CollectionEstimates) -> dict[str, Any]:
    """Return the content of report.md for a collection."""
    shown = measures_of(name, collection)
    numbers = {n for row in (*collection.pairs.n, collection.pool.n) for n in row}
    return {
        "verdict": verdict(name, collection, estimates.bias),
        "description": describe_collection(name, collection),
        "summary": summary_table(name, collection, estimates.intervals),
        "certainty": certainty(estimates),
        "recall": recall_note(estimates.recall),
        "pairs": by_family(PAIRS.view(collection)) if shown.has_pool else None,
        "n": f"{numbers.pop():,}" if len(numbers) == 1 else "",
        "variant": variant_section(name, estimates.gains, shown.headline[0]) if estimates.gains else None,
        "bias": [bias_table(estimates.bias), shorten(effect_table(estimates.bias))] if estimates.bias else [],
        "distance": shorten(distance_table(collection)) if shown.has_bias else None,
        "heatmaps": heatmaps_of(name, collection),
        "map": map_file(name) if has_map(name, collection) else "",
        "facts": evaluation_facts(collection),
    }
