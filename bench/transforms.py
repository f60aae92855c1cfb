"""What post-hoc transforms do to accuracy and to rank distance: the table in adapters/README.md.

usage: python -m bench.transforms MODEL [MODEL ...]     (each as `babelrank submit` takes it)
"""

import sys
from collections.abc import Iterator

import babelrank
from babelrank.encoding.transforms import parse_transform

COLLECTIONS = ("xquad-r", "mlqa-r")
# Single transforms, and common combinations: a change of the space, then a cheaper form of it.
TRANSFORMS: tuple[tuple[str, ...], ...] = (
    (),
    ("center",),
    ("center-roles",),
    ("whiten",),
    ("whiten:128",),
    ("abtt:1",),
    ("abtt:3",),
    ("truncate:128",),
    ("int8",),
    ("binary",),
    ("center", "whiten"),
    ("center", "abtt:3"),
    ("center-roles", "abtt:3"),
    ("center", "int8"),
    ("center", "binary"),
)


def rows(model: str) -> Iterator[list[str]]:
    """Yield the cells of one row per transform: scores by collection, computed from stored representations."""
    encoder = babelrank.load_encoder(model)
    collections = [babelrank.load_collection(name) for name in COLLECTIONS]
    encoded = [babelrank.encode(encoder, collection) for collection in collections]
    for names in TRANSFORMS:
        cells = [encoder.info.name, " + ".join(names) or "none"]
        for collection, representations in zip(collections, encoded, strict=True):
            for name in names:
                representations = parse_transform(name).apply(representations, collection)
            macro = babelrank.analyse(babelrank.rank(collection, representations).ranks).macro
            cells += [f"{macro[kind]['mAP']:.3f}" for kind in ("monolingual", "cross_lingual", "multilingual")]
            cells.append(f"{macro['multilingual']['rank_distance']:,.0f}")
        yield cells


def main(models: list[str]) -> None:
    scores = ("Mo.", "Cr.", "Mul.", "rank distance")
    header = ["model", "transform", *(f"{collection} {score}" for collection in COLLECTIONS for score in scores)]
    print(f"| {' | '.join(header)} |")
    print(f"| --- | --- |{' ---: |' * (len(header) - 2)}")
    for model in models:
        for cells in rows(model):
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
