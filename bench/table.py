"""The table: its rows, and their Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

_COLUMNS = ("subject", "ours", "reference", "ratio", "target")


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    subject
        What was done, and by what it is compared.
    ours, reference
        The two measurements, with units.
    ratio
        One to the other: such that less is better for costs, and more for speeds.
    target
        What the ratio (or the measurement) should be; a dash if there is no target.
    met
        Whether it is.
    """

    subject: str
    ours: str
    reference: str
    ratio: str
    target: str
    met: bool = True

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as the table shows it."""
        return (self.subject, self.ours, self.reference, self.ratio, self.target + ("" if self.met else " (missed)"))


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, numbers to the right."""
    lines = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1)), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
