"""Rows of the table, and their Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

_COLUMNS = ("subject", "ours", "reference", "ratio", "target")


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    subject
        The task, and what it is compared with.
    ours, reference
        The two measurements, with units.
    ratio
        Ratio of the two: lower is better for costs, higher is better for speeds.
    target
        Target of the ratio (or of the measurement); a dash if there is none.
    met
        Whether the target is met.
    """

    subject: str
    ours: str
    reference: str
    ratio: str
    target: str
    met: bool = True

    @property
    def cells(self) -> tuple[str, ...]:
        """The row's cells in the table."""
        return (self.subject, self.ours, self.reference, self.ratio, self.target + ("" if self.met else " (missed)"))


def duration_row(
    subject: str, ours: float, reference: float, *, target: float, unit: str = "s", digits: int = 2
) -> Row:
    """Return the row of two durations: ours should take at most `target` times as long as the reference."""
    ratio = ours / reference
    return Row(
        subject,
        f"{ours:.{digits}f} {unit}",
        f"{reference:.{digits}f} {unit}",
        f"{ratio:.{digits}f}",
        f"≤ {target}",
        ratio <= target,
    )


def speed_row(subject: str, texts: int, ours: float, reference: float, *, target: float) -> Row:
    """Return the row of two durations as speeds in texts: ours should be at least `target` times as fast."""
    ratio = reference / ours
    return Row(
        subject,
        f"{texts / ours:,.0f} texts/s",
        f"{texts / reference:,.0f} texts/s",
        f"{ratio:.2f}",
        f"≥ {target}",
        ratio >= target,
    )


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, numbers right-aligned."""
    lines = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1)), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
