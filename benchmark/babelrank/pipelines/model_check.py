"""Check a model: its settings, and whether translations get similar vectors."""

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
_FEW = 0.5  # share of translations found; a multilingual encoder finds more
_HASHES = 2**32  # dimensions of a sparse encoder; with more, terms are hashed, and there is no vocabulary
_SHORT = 32  # tokens; most passages are longer


@dataclass(frozen=True)
class ModelCheck:
    """The settings of a model, and what looks wrong.

    Attributes
    ----------
    info
        Identity and settings.
    nearest
        Number of translations found: the text in the other language with the highest score is the translation.
    pairs
        Number of translations that were looked for.
    seconds
        Time that the encoder took for all texts.
    problems
        What looks wrong, one sentence each.
    """

    info: EncoderInfo
    nearest: int
    pairs: int
    seconds: float
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the check as text, one line per fact."""
        info, settings = self.info, dict(self.info.settings)
        titles = {"query_prompt": "query prompt", "document_prompt": "passage prompt"}
        prompts = {title: repr(settings.pop(name)) for name, title in titles.items() if name in settings}
        facts = {
            "model": info.name,
            "adapter": info.adapter,
            "representation": _representation(info),
            "similarity": info.similarity.value,
            "parameters": "unknown" if info.parameters is None else f"{info.parameters:,}",
            **prompts,
            **{name.replace("_", " "): str(value) for name, value in settings.items()},
            **info.notes,
            "device": info.device,
            "fingerprint": info.fingerprint or "none, so its vectors are not stored",
            "translations": f"{self.nearest} of {self.pairs} found ({self.pairs // _TEXTS} by chance)",
            "speed": f"{len(_LANGUAGES) * _TEXTS * len(Role) / max(self.seconds, 1e-9):.3g} texts per second",
        }
        width = max(map(len, facts))
        return [
            *(f"{name:<{width}}  {value}" for name, value in facts.items()),
            *(f"looks wrong: {problem}" for problem in self.problems),
        ]


def check_model(model: object, options: EncoderOptions | None = None, *, adapter: str | None = None) -> ModelCheck:
    """Load a model, encode ten texts in three languages in both roles, and report its settings and problems.

    Parameters
    ----------
    model, options, adapter
        See `wrap_encoder`.

    Raises
    ------
    EncoderError
        The model cannot be loaded, or its output is not a valid representation of its texts.

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
        problems.append(
            f"only {nearest} of {pairs} translations are found; the model may not know these languages, or only "
            "compares words."
        )
    if encoder.info.kind is Kind.DENSE and found.tied:
        problems.append(f"{found.tied} of {pairs} translations have the same score as another text.")
    if unused := encoder.info.notes.get("own prompts"):
        problems.append(f"the model has other prompts: {unused}.")
    try:
        check_order(lambda some: check_vectors(encoder.encode_query(some), some, encoder.info), encoder.info.name)
    except EncoderError as error:
        problems.append(str(error))
    lengths = encoder.info.settings.get("max_length")
    shortest = min(lengths.values(), default=None) if isinstance(lengths, dict) else lengths
    if shortest is not None and shortest < _SHORT:
        problems.append(f"texts are cut after {shortest} tokens; set --max-length for longer texts.")
    elif isinstance(encoder, Truncating):
        texts = collection.queries["text"].tolist()
        if cut := max(encoder.count_truncated(texts, role) for role in Role):
            problems.append(f"{cut} of {len(texts)} short questions are cut.")
    return ModelCheck(encoder.info, nearest, pairs, sum(vectors.seconds.values()), tuple(problems))


def _representation(info: EncoderInfo) -> str:
    """Say what a text becomes, and of which size."""
    if info.kind is Kind.SPARSE:
        return "sparse, any terms" if info.dimension >= _HASHES else f"sparse, {info.dimension:,} terms"
    return f"{info.kind}, {info.dimension:,} dimensions{' for each token' if info.kind is Kind.MULTI_VECTOR else ''}"


def _translations() -> Collection:
    """Return questions of the sample, with their translations as relevant passages."""
    texts = load_collection(f"sample:{','.join(_LANGUAGES)}").queries
    texts = texts[texts["question"].isin(texts["question"].unique()[:_TEXTS])]
    texts = pd.DataFrame({"id": texts["lang"] + "/" + texts["question"], **texts[["lang", "question", "text"]]})
    pairs = texts.merge(texts, on="question", suffixes=("_query", "_passage"))
    pairs = pairs[pairs["lang_query"] != pairs["lang_passage"]]
    qrels = pairs.rename(columns={"id_query": "query_id", "id_passage": "passage_id"})[["query_id", "passage_id"]]
    qrels["passage_id"] = "to " + qrels["passage_id"]
    return Collection.from_frames(texts, texts.assign(id="to " + texts["id"]), qrels, name="translations")
