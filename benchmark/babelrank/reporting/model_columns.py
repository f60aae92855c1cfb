"""The leaderboard's columns on the size, cost and origin of models."""

from babelrank.encoding.protocol import Role
from babelrank.reporting.facts import hub_page
from babelrank.reporting.formatting import HASHED, show_count, show_parameters, show_significant
from babelrank.reporting.results import LICENCE
from babelrank.reporting.standings import Standing
from babelrank.reporting.tables import Column, Entry, Link

SIZE = (
    Column("parameters", show_parameters, "size", "parameters"),
    Column("dimension", show_count, "size", "dimension"),
)
OPTIONAL = (  # columns that are shown if a report has them
    Column("texts/s", show_significant, "cost", "speed"),
    Column("bytes/vector", show_count, "cost", "bytes"),
    Column("max. length", show_count, "cost", "length"),
    Column("licence", group="model", key="licence"),
    Column("on the Hub", group="model", key="hub"),
)


def model_cells(entry: Standing) -> dict[str, Entry]:
    """Return the cells on size, cost and origin. The maximum length is that of passages."""
    model, cost = entry.model, entry.result.cost
    length = model.settings.get("max_length")
    if isinstance(length, dict):
        length = length.get(Role.DOCUMENT)
    return {
        "parameters": model.parameters,
        "dimension": model.dimension if model.dimension < HASHED else None,
        "speed": cost.texts_per_second if cost else None,
        "bytes": cost.bytes_per_vector if cost else None,
        "length": length if isinstance(length, int) else None,
        "licence": model.notes.get(LICENCE),
        "hub": Link("page", page) if (page := hub_page(model)) else None,
    }
