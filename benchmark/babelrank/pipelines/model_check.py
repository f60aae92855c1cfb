"""A first look at a model: what it will be used as, and whether translations lie near one another."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.encoding.checks import check_order, check_vectors
from babelrank.encoding.objects import wrap_encoder
from babelrank.encoding.protocol import EncoderInfo, EncoderOptions, Role, Truncating
from babelrank.encoding.representations import encode
from babelrank.encoding.vectors import Kind
from babelrank.errors import EncoderError
from babelrank.ranking.rank import rank

_LANGUAGES = ("de", "en", "es")
_TEXTS = 10  # in each language
_FEW = 0.5  # share of translations that lie nearest; fewer is no multilingual encoder
_SHORT = 32  # tokens, fewer than most passages have


@dataclass(frozen=True)
class ModelCheck:
    """What a model turned out to be.

    Attributes
    ----------
    info
        Identity and settings.
    nearest
        Texts in one language of which the translation into another lies nearer than all other texts there.
    pairs
        How many there are of such texts and languages.
    seconds
        Time that the encoder took for all texts.
    problems
        What looks wrong, a sentence each.
    """

    info: EncoderInfo
    nearest: int
    pairs: int
    seconds: float
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say it in words, a line for each thing."""
        info, settings = self.info, dict(self.info.settings)
        titles = {"query_prompt": "query prompt", "document_prompt": "passage prompt"}
        prompts = {title: repr(settings.pop(name)) for name, title in titles.items() if name in settings}
        facts = {
            "model": info.name,
            "adapter": info.adapter,
            "representation": f"{info.kind}, {info.dimension:,} dimensions",
            "similarity": info.similarity.value,
            "parameters": "unknown" if info.parameters is None else f"{info.parameters:,}",
            **prompts,
            **{name.replace("_", " "): str(value) for name, value in settings.items()},
            **info.notes,
            "device": info.device,
            "fingerprint": info.fingerprint or "none: its vectors are not kept",
            "translations": f"nearest in {self.nearest} of {self.pairs} cases, by chance in {self.pairs // _TEXTS}",
            "speed": f"{len(_LANGUAGES) * _TEXTS * len(Role) / max(self.seconds, 1e-9):.3g} texts per second",
        }
        width = max(map(len, facts))
        return [
            *(f"{name:<{width}}  {value}" for name, value in facts.items()),
            *(f"looks wrong: {problem}" for problem in self.problems),
        ]


def check_model(model: object, options: EncoderOptions | None = None, *, adapter: str | None = None) -> ModelCheck:
    """Load a model, encode ten texts in three languages in both roles, and say what was used and found.

    Parameters
    ----------
    model, options, adapter
        See `wrap_encoder`.

    Raises
    ------
    EncoderError
        It cannot be loaded, or what it returns is no representation of its texts.

    Examples
    --------
    >>> check = check_model("use-multilingual-v3")
    >>> check.nearest, check.pairs, check.problems
    (60, 60, ())
    """
    encoder = wrap_encoder(model, options, adapter=adapter)
    collection = _translations()
    with TemporaryDirectory() as store:
        vectors = encode(encoder, collection, store=Path(store))
    found = rank(collection, vectors).ranks
    ranks = found.table
    nearest, pairs = int((ranks["rank_in_language"] == 1).sum()), len(ranks)
    problems = []
    if nearest < _FEW * pairs:
        problems.append(f"only {nearest} of {pairs} translations lie nearest; the model may not know these languages.")
    if encoder.info.kind is Kind.DENSE and found.tied:
        problems.append(f"{found.tied} of {pairs} translations have the same score as another text.")
    if unused := encoder.info.notes.get("own prompts"):
        problems.append(f"the model has prompts of its own: {unused}.")
    try:
        check_order(lambda some: check_vectors(encoder.encode_query(some), some, encoder.info), encoder.info.name)
    except EncoderError as error:
        problems.append(str(error))
    lengths = encoder.info.settings.get("max_length")
    shortest = min(lengths.values(), default=None) if isinstance(lengths, dict) else lengths
    if shortest is not None and shortest < _SHORT:
        problems.append(f"texts are cut after {shortest} tokens; --max-length sets another length.")
    elif isinstance(encoder, Truncating):
        texts = collection.queries["text"].tolist()
        if cut := max(encoder.count_truncated(texts, role) for role in Role):
            problems.append(f"{cut} of {len(texts)} short questions are cut.")
    return ModelCheck(encoder.info, nearest, pairs, sum(vectors.seconds.values()), tuple(problems))


def _translations() -> Collection:
    """Return questions of the sample and, as their relevant passages, their translations."""
    texts = load_collection(f"sample:{','.join(_LANGUAGES)}").queries
    texts = texts[texts["question"].isin(texts["question"].unique()[:_TEXTS])]
    texts = pd.DataFrame({"id": texts["lang"] + "/" + texts["question"], **texts[["lang", "question", "text"]]})
    pairs = texts.merge(texts, on="question", suffixes=("_query", "_passage"))
    pairs = pairs[pairs["lang_query"] != pairs["lang_passage"]]
    qrels = pairs.rename(columns={"id_query": "query_id", "id_passage": "passage_id"})[["query_id", "passage_id"]]
    qrels["passage_id"] = "to " + qrels["passage_id"]
    return Collection.from_frames(texts, texts.assign(id="to " + texts["id"]), qrels, name="translations")
