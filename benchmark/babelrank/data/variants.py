"""Query variants: several versions of one question, such as a translation by people or a code-switched one.

In: queries, some with the name of a variant. Out: the collection of the original queries, and for each variant a
collection with its texts instead, over the same passages and qrels. Differences are then due to the wording.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection
from babelrank.errors import DataError, unknown_choice

SEPARATOR = "@"  # between the name of a collection and that of a variant
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def split_versions(queries: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the original queries, without the column ``variant``, and the other versions.

    Parameters
    ----------
    queries
        Any columns. Without ``variant``, all queries are original.
    """
    if "variant" not in queries:
        return queries, queries.iloc[:0].assign(variant="")
    is_version = queries["variant"].fillna("") != ""
    originals = queries[~is_version].drop(columns="variant").reset_index(drop=True)
    return originals, queries[is_version].reset_index(drop=True)


def check_originals(name: str, originals: pd.DataFrame, versions: pd.DataFrame) -> None:
    """Check that each version has an original with the same language and question.

    Raises
    ------
    DataError
        A version has no original.
    """
    known = set(zip(originals["lang"], originals["question"], strict=True))
    for lang, question, variant in zip(versions["lang"], versions["question"], versions["variant"], strict=True):
        if (lang, question) not in known:
            raise DataError(
                f"{name}: variant {variant!r} of question {question!r} in {lang} has no original; add a query "
                "without a variant for it."
            )


def attach_variants(collection: Collection, versions: pd.DataFrame) -> Collection:
    """Return a collection with other versions of its queries.

    Parameters
    ----------
    versions
        Columns ``lang`` and ``question`` (of the original query), ``variant`` and ``text``. Versions of queries that
        are not in the collection, such as queries without a judgement, are left out.

    Raises
    ------
    DataError
        A version has an invalid name or no text, or occurs twice.
    """
    rows = {
        key: row for row, key in enumerate(zip(collection.queries["lang"], collection.queries["question"], strict=True))
    }
    variants: dict[str, dict[int, str]] = {}
    columns = (versions[name] for name in ("lang", "question", "variant", "text"))
    for lang, question, variant, text in zip(*columns, strict=True):
        where = f"{collection.name}: variant {variant!r} of question {question!r} in {lang}"
        if not _NAME.fullmatch(variant):
            raise DataError(
                f"{where}: its name must consist of lower-case letters, digits and hyphens, such as 'code-switched'."
            )
        if not text.strip():
            raise DataError(f"{where}: empty text.")
        row = rows.get((lang, question))
        if row is not None and variants.setdefault(variant, {}).setdefault(row, text) != text:
            raise DataError(f"{where}: occurs twice.")
    return replace(collection, variants=variants)


def select_variant(collection: Collection, variant: str) -> Collection:
    """Return the collection with one variant's texts as queries. Queries without this variant are left out.

    Raises
    ------
    DataError
        The collection has no such variant.
    """
    if variant not in collection.variants:
        problem = (
            unknown_choice("variant", variant, collection.variants) if collection.variants else "it has no variants."
        )
        raise DataError(f"{collection.name}: {problem}")
    texts = collection.variants[variant]
    rows = np.array(sorted(texts), dtype=np.int64)
    queries = collection.queries.iloc[rows].assign(text=[texts[row] for row in rows]).reset_index(drop=True)
    kept = collection.qrels[collection.qrels["query"].isin(rows)]
    qrels = kept.assign(query=np.searchsorted(rows, kept["query"])).reset_index(drop=True)
    digest = hashlib.sha256("\0".join((collection.sha256, variant, *queries["text"])).encode()).hexdigest()
    return replace(
        collection,
        name=f"{collection.name}{SEPARATOR}{variant}",
        queries=queries,
        qrels=qrels,
        sha256=digest,
        self_matches=None if collection.self_matches is None else collection.self_matches[rows],
        missing=None,
        variants={},
    )


def with_variants(collection: Collection) -> Iterator[Collection]:
    """Yield a collection, then one for each variant of its queries."""
    yield collection
    for variant in collection.variants:
        yield select_variant(collection, variant)


def split_name(name: str) -> tuple[str, str]:
    """Return the name of the original collection and that of the variant (empty for the original).

    >>> split_name("afriqa:yo@human"), split_name("afriqa"), split_name("beir:germanquad@de")
    (('afriqa:yo', 'human'), ('afriqa', ''), ('beir:germanquad@de', ''))
    """
    if name.startswith(("beir:", "hf:")):  # for these sources, @ is followed by a language
        return name, ""
    original, _, variant = name.partition(SEPARATOR)
    return original, variant
