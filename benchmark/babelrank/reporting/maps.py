"""Languages of a collection on a map, coloured by a value of each: what is shown, and the map as SVG.

Places are Glottolog's (CC BY 4.0, see `data.language_facts`). There are no tiles: a grid of degrees is enough to find a
language, and the file stays small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babelrank.analysis.friedman import MOST_LANGUAGES
from babelrank.analysis.settings import mean_or_none
from babelrank.data.language_facts import language_facts
from babelrank.reporting.formatting import show_number, show_score
from babelrank.reporting.heatmaps import heatmaps_of, palette_colours
from babelrank.reporting.html_page import templates
from babelrank.reporting.matrices import STEPS, Palette
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import collection_stem
from babelrank.reporting.results import CollectionResults
from babelrank.reporting.tables import Show

WEST, EAST, SOUTH, NORTH = -168, 192, -60, 80  # degrees: the map ends in the Pacific
CAPTION = (
    "Places of languages are Glottolog's (CC BY 4.0); variants of a language share its place, and one is shown. A "
    "ratio of 2 says that the language's passages come first in the pool twice as often as without bias, over queries "
    "in other languages."
)


@dataclass(frozen=True)
class Spot:
    """A language on the map: degrees from the left and from the top, and its value."""

    lang: str
    x: float
    y: float
    value: float


@dataclass(frozen=True)
class LanguageMap:
    """A map of languages.

    Attributes
    ----------
    title
        What the colours say.
    values
        By language; those without a known place are left out.
    show
        A value as text.
    colours
        Scale.
    limits
        Bounds of the scale, if the values' own do not serve.
    """

    title: str
    values: Mapping[str, float]
    show: Show
    colours: Palette
    limits: tuple[float, float] | None = None

    @property
    def spots(self) -> list[Spot]:
        """Languages with a place, one for each place; the lowest values last, so that they are seen."""
        found: dict[tuple[float, float], Spot] = {}
        for lang, value in self.values.items():
            place = language_facts(lang).coordinates
            if place:
                latitude, longitude = place
                x = (longitude - WEST) % 360
                found.setdefault(place, Spot(lang, x, NORTH - latitude, value))
        return sorted(found.values(), key=lambda spot: -spot.value)

    @property
    def bounds(self) -> tuple[float, float]:
        """Ends of the colour scale."""
        values = [spot.value for spot in self.spots]
        return self.limits or (min(values), max(values))

    def step(self, value: float) -> int:
        """Return the number of a value's colour, from 0 to `STEPS` − 1."""
        low, high = self.bounds
        share = min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 1.0
        return round(share * (STEPS - 1))


def language_maps(name: str, collection: CollectionResults) -> list[LanguageMap]:
    """Return the maps of a collection: mAP within each language, and how often its passages come first."""
    languages = collection.languages
    within = {
        lang: score for i, lang in enumerate(languages) if (score := collection.pairs.scores["mAP"][i][i]) is not None
    }
    maps = [LanguageMap("mAP within the language", within, show_score, "viridis")]
    if measures_of(name, collection).has_bias:
        maps.append(
            LanguageMap("first places, as a ratio to no bias", _first(collection), show_number, "cividis", (0, 2))
        )
    return [each for each in maps if len(each.spots) > 1]


def map_file(name: str) -> str:
    """Return the name of the map's file, such as ``ntrex.lead.map.svg``."""
    return f"{collection_stem(name)}.map.svg"


def has_map(name: str, collection: CollectionResults) -> bool:
    """Return whether reports have a map of a collection: it has many languages, with known places."""
    return len(collection.languages) > MOST_LANGUAGES and bool(language_maps(name, collection))


def figure_files(name: str, collection: CollectionResults) -> list[str]:
    """Return the names of a collection's figures in a report: heatmaps, and the map if there is one."""
    heatmaps = [heatmap.file_name(name) for heatmap in heatmaps_of(name, collection)]
    return [*heatmaps, map_file(name)] if has_map(name, collection) else heatmaps


def render_map(maps: Sequence[LanguageMap], title: Sequence[str] = ()) -> str:
    """Return maps one below the other as SVG, with the lines of a title: the same bytes on every machine."""
    colours = {each.colours: [ground for ground, _ in palette_colours(each.colours)] for each in maps}
    bounds = {"WEST": WEST, "EAST": EAST, "SOUTH": SOUTH, "NORTH": NORTH}
    return templates().get_template("map.svg.j2").render(maps=maps, title=title, colours=colours, steps=STEPS, **bounds)


def _first(collection: CollectionResults) -> dict[str, float]:
    """Return how often passages of each language come first over queries in others, as a ratio to no bias."""
    shares = np.array(collection.favoured.share_first, dtype=float)
    np.fill_diagonal(shares, np.nan)
    means = {lang: mean_or_none(column) for lang, column in zip(collection.languages, shares.T, strict=True)}
    return {lang: mean * len(means) for lang, mean in means.items() if mean is not None}
