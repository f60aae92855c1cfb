"""Load the encoder for a model's name or object, with the description that reports show."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from babelrank.data.collection import Collection
from babelrank.data.download import fetch_if_ours
from babelrank.data.loading import load_collection
from babelrank.encoding.corpus import EncoderSource
from babelrank.encoding.known_models import KnownEncoder, load_known, loaded
from babelrank.encoding.model_files import look_for_model
from babelrank.encoding.objects import name_of, wrap_encoder
from babelrank.encoding.protocol import Encoder, EncoderInfo, EncoderOptions, check_comparable
from babelrank.encoding.store import default_store
from babelrank.encoding.transforms import Transform, parse_transform
from babelrank.errors import EncoderError
from babelrank.observer import Observer
from babelrank.pipelines.modes import Streaming, choose_mode
from babelrank.reporting.make_results import model_results
from babelrank.reporting.names import default_name, public_label
from babelrank.reporting.results import LICENCE, ModelResults, is_digest

_IDENTIFYING = ("revision", "similarity")  # options that distinguish submissions but are not settings of the encoder


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to encode.

    Attributes
    ----------
    encoder
        The encoder.
    described
        Name and settings, as results store them.
    transforms
        Transforms of its representations, applied in this order.
    source
        How other processes load it; None for an object.
    opening_seconds
        Time that opening it took, with loading unless that waits until it must encode.
    """

    encoder: Encoder
    described: ModelResults
    transforms: tuple[Transform, ...]
    source: EncoderSource | None
    opening_seconds: float

    def load_seconds(self) -> float:
        """Return the time that loading took so far."""
        return self.opening_seconds + (self.encoder.seconds if isinstance(self.encoder, KnownEncoder) else 0.0)

    def streams(self, collection: Collection, streaming: Streaming, observer: Observer) -> bool:
        """Return whether a collection is streamed, and log the reason.

        Raises
        ------
        BabelrankError
            It cannot be streamed as requested, or a transform is fitted on a collection that lacks its languages.
        """
        for transform in self.transforms:
            transform.check_languages(collection)
        if not collection.passages.in_memory:
            loaded(self.encoder)  # what it takes is not free for the collection
        streamed, reason = choose_mode(collection, self.encoder.info, streaming, self.transforms)
        if reason:
            observer.log(f"{collection.name}: {reason}")
        return streamed


def load_model(
    model: object,
    observer: Observer,
    *,
    options: EncoderOptions | None = None,
    adapter: str | None = None,
    transforms: Sequence[Transform] = (),
    name: str | None = None,
    store: Path | None = None,
) -> LoadedModel:
    """Load a model; see `babelrank.evaluate` for the parameters.

    A model that was loaded before is loaded when it must encode; see `load_known`.

    Raises
    ------
    BabelrankError
        The model cannot be loaded, or its representations do not support the similarity or a transform.
    """
    options = options or EncoderOptions()
    label = public_label(model) if isinstance(model, str) else None
    began = time.perf_counter()

    def on_load() -> None:
        observer.log(f"loading {label or name_of(model)}")

    encoder: Encoder
    if isinstance(model, str):
        encoder = load_known(model, options, store or default_store(), adapter=adapter, on_load=on_load)
    else:
        on_load()
        encoder = wrap_encoder(model, options, name=name, adapter=adapter)
    seconds = time.perf_counter() - began
    info = encoder.info
    check_comparable(info.kind, info.similarity)
    dimension = info.dimension
    for transform in transforms:
        dimension = transform.check(info.kind, dimension)
    if isinstance(model, str) and is_digest(info.fingerprint):
        files = look_for_model(model, options.revision)
        info = replace(info, notes={**info.notes, LICENCE: files.licence}) if files and files.licence else info
    described = _describe(label or info.name, info, options, transforms, name)
    source = EncoderSource(model, options, adapter, info.fingerprint, Path.cwd()) if isinstance(model, str) else None
    return LoadedModel(encoder, described, tuple(transforms), source, seconds)


def open_transforms(texts: Sequence[str], data: Path | None, observer: Observer) -> list[Transform]:
    """Return transforms as a user names them, with the collections that they learn from.

    Raises
    ------
    BabelrankError
        A transform or its collection is not valid.
    """

    def opened(transform: Transform) -> Transform:
        if not isinstance(transform.source, str):
            return transform
        fetch_if_ours(transform.source, data, observer.log)
        collection = load_collection(transform.source, data, judged=False)
        return replace(transform, source=collection.with_passages_in_memory())

    transforms = [parse_transform(text) for text in texts]
    for later in transforms[1:]:
        if later.source:
            raise EncoderError(f"transform {later.name!r}: what learns from another collection comes first.")
    return [opened(transform) for transform in transforms]


def _describe(
    label: str, info: EncoderInfo, options: EncoderOptions, transforms: Sequence[Transform], name: str | None
) -> ModelResults:
    applied: dict[str, object] = {"transforms": [transform.name for transform in transforms]} if transforms else {}
    info = replace(info, settings={**info.settings, **applied})
    asked = {**options.overrides, **applied}
    # Options that do not change the vectors, such as a time-out, are not part of the name.
    telling = {key: value for key, value in asked.items() if key in info.settings or key in _IDENTIFYING}
    return model_results(info, name=name or default_name(info.name, telling), submitted_as=label, options=asked)
