"""The policy for relevant passages that the corpus lacks, and for judged queries without a relevant passage."""

from dataclasses import replace

from babelrank.data.collection import Collection
from babelrank.errors import DataError, unknown_choice

MISSING = ("count", "ignore")


def apply_missing(collection: Collection, missing: str | None) -> Collection:
    """Return a collection that counts or ignores what its qrels name but its files lack.

    Parameters
    ----------
    missing
        ``count``: such passages count as not retrieved and such queries score 0, as in trec_eval and published
        results (ArguAna lacks the answers of five queries, which count as 0). ``ignore``: scores are means over
        the queries and passages that exist. None is ``count``; then `load_collection` has refused collections of which
        many judgements name unknown queries or passages.

    Raises
    ------
    DataError
        `missing` is not one of `MISSING`, or the collection has no qrels.
    """
    if missing not in (None, *MISSING):
        raise DataError("--missing: " + unknown_choice("choice", str(missing), MISSING))
    collection.require_qrels()
    return replace(collection, missing=None) if missing == "ignore" else collection
