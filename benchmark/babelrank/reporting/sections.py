"""The parts of a page: a heading, an explanation, and matrices, tables and queries."""

from collections.abc import Sequence
from dataclasses import dataclass

from babelrank.reporting.maps import LanguageMap
from babelrank.reporting.matrices import MatrixView
from babelrank.reporting.tables import Table


@dataclass(frozen=True)
class RankedPassage:
    """A passage in a ranking.

    Attributes
    ----------
    rank
        As text.
    what
        What it is, in a few words: ``the answer``.
    lang
        Its language.
    name
        Its id.
    text
        What it says; None if that is not known.
    """

    rank: str
    what: str
    lang: str
    name: str
    text: str | None


@dataclass(frozen=True)
class RankedQuery:
    """A query with the passages that are shown of its ranking.

    Attributes
    ----------
    lang, name, text
        As a passage's.
    passages
        Best first, the answer last.
    """

    lang: str
    name: str
    text: str | None
    passages: Sequence[RankedPassage]


@dataclass(frozen=True)
class QueryList:
    """Queries by setting, folded by default.

    Attributes
    ----------
    title
        What they are.
    settings
        Name of a setting, such as ``de→en``, and its queries.
    """

    title: str
    settings: Sequence[tuple[str, Sequence[RankedQuery]]]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes
    ----------
    title
        Its heading; unique among the sections of a collection.
    caption
        Explanation of the values.
    matrices
        Shown one at a time.
    tables
        Below the matrices.
    queries
        Below the tables.
    maps
        Below the caption.
    folded
        Whether a page shows only the heading at first.
    """

    title: str
    caption: str
    matrices: Sequence[MatrixView] = ()
    tables: Sequence[Table] = ()
    queries: Sequence[QueryList] = ()
    maps: Sequence[LanguageMap] = ()
    folded: bool = False
