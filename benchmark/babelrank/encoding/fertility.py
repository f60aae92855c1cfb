"""Count the tokens that a model makes of each language's passages.

In: an encoder that knows its tokens, and a collection. Out: tokens per word, and tokens relative to English over
passages that answer the same questions. Languages without spaces between words have no tokens per word.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection
from babelrank.data.language_facts import language_facts
from babelrank.encoding.protocol import Encoder, Tokenizing

REFERENCE = "en"  # the language that others are compared with
SAMPLE = 100  # passages of each language
# Scripts without spaces between words. Tibetan separates syllables, by another character.
_UNSPACED = frozenset(("Hans", "Hant", "Hani", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"))


@dataclass(frozen=True)
class Fertility:
    """Tokens that the model's tokenizer makes of each language, in a sample of passages.

    Texts are not cut, and prompts and special tokens do not count. Lists are in the order of the languages.

    Attributes
    ----------
    passages
        Number of passages in the sample.
    tokens_per_word
        Mean number of tokens per word, where words are separated by spaces; null in scripts without them.
    characters_per_token
        Mean number of characters per token.
    relative_to_english
        Number of tokens divided by that of the English passages that answer the same questions; null without such
        passages. If these are translations, it is the premium of Petrov et al. 2023, arXiv 2305.15425.
    unknown
        Share of tokens that stand for text outside the vocabulary; null if the tokenizer does not show them.
    """

    passages: list[int]
    tokens_per_word: list[float | None]
    characters_per_token: list[float | None]
    relative_to_english: list[float | None]
    unknown: list[float | None]


def measure_fertility(encoder: Encoder, collection: Collection, *, seed: int = 0) -> Fertility | None:
    """Count tokens in `SAMPLE` passages of each language.

    The sample has the same questions in all languages, as far as possible: passages that answer a question of which
    English has an answer, too. Of a language without any, passages are drawn from all.

    Returns
    -------
    Fertility or None
        None if the encoder has no tokenizer, or if passages are on disk.

    Examples
    --------
    >>> from babelrank import load_collection
    >>> from babelrank.encoding.registry import load_encoder
    >>> found = measure_fertility(load_encoder("use-multilingual-v3"), load_collection("sample:de,en"))
    >>> found.relative_to_english[1]
    1.0
    """
    if not isinstance(encoder, Tokenizing) or not collection.passages.in_memory:
        return None
    drawn = _draw(collection, seed)
    texts = collection.passages["text"]
    rows = np.union1d(drawn["passage"], drawn["english"].dropna()).astype(int)
    counts = encoder.count_tokens(texts.iloc[rows].tolist())
    if counts is None:
        return None
    tokens = pd.Series(counts.tokens, index=rows)
    unknown = None if counts.unknown is None else pd.Series(counts.unknown, index=rows)

    def rate(passages: pd.Series, numerator: pd.Series, denominator: int) -> float | None:
        return float(numerator[passages].sum() / denominator) if denominator else None

    found: dict[str, list[float | None]] = {name: [] for name in ("word", "character", "english", "unknown")}
    sizes = []
    for lang in collection.languages:
        here = drawn[drawn["lang"] == lang]
        passages, chosen = here["passage"], texts.iloc[here["passage"]]
        total = int(tokens[passages].sum())
        spaced = language_facts(lang).script not in _UNSPACED
        found["word"].append(rate(passages, tokens, int(chosen.str.split().str.len().sum())) if spaced else None)
        found["character"].append(int(chosen.str.len().sum()) / total if total else None)
        found["english"].append(rate(passages, tokens, int(tokens[here["english"].dropna().astype(int)].sum())))
        found["unknown"].append(None if unknown is None else rate(passages, unknown, total))
        sizes.append(len(here))
    return Fertility(sizes, found["word"], found["character"], found["english"], found["unknown"])


def _draw(collection: Collection, seed: int) -> pd.DataFrame:
    """Return positions of passages by language, with that of the English passage for the same question, if any."""
    questions = collection.queries["question"].to_numpy()[collection.qrels["query"]]
    relevant = collection.qrels[["passage_lang", "passage"]].assign(question=questions)
    relevant = relevant.drop_duplicates().drop_duplicates(["question", "passage_lang"], keep=False)
    english = relevant[relevant["passage_lang"] == REFERENCE].set_index("question")["passage"]
    pairs = relevant.assign(english=relevant["question"].map(english)).dropna(subset="english")
    order = pd.Series(english.index).sample(frac=1, random_state=seed).tolist()
    place = {question: number for number, question in enumerate(order)}
    pairs = pairs.sort_values("question", key=lambda column: column.map(place), kind="stable")
    pairs = pairs.drop_duplicates("passage").rename(columns={"passage_lang": "lang"})
    parts = [pairs.groupby("lang").head(SAMPLE)[["lang", "passage", "english"]]]
    drawn = set(pairs["lang"])
    for code, lang in enumerate(collection.languages):
        if lang not in drawn:
            positions = np.flatnonzero(collection.passages.lang_codes == code)
            chosen = pd.Series(positions).sample(min(SAMPLE, len(positions)), random_state=seed)
            parts.append(pd.DataFrame({"lang": lang, "passage": chosen, "english": np.nan}))
    return pd.concat(parts, ignore_index=True)
