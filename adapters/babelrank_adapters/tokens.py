"""The tokens of texts, by the tokenizers of transformers, tokenizers and sentence-transformers."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from babelrank.encoding.protocol import TokenCounts

_AT_ONCE = 1024  # texts


def token_counts(tokenizer: Any, texts: Sequence[str]) -> Iterator[int]:
    """Yield the number of tokens of each uncut text, with the special tokens of transformers' tokenizers."""
    return map(len, _token_ids(tokenizer, texts, special=True))


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> TokenCounts | None:
    """Count tokens without special tokens; None for a tokenizer of another library."""
    kind = next((kind for kind in _READERS if hasattr(tokenizer, kind)), None)
    if kind is None:
        return None
    ids = list(_token_ids(tokenizer, texts, special=False))
    tokens = [len(each) for each in ids]
    if kind == _LEAVES_OUT:
        return TokenCounts(tokens)
    unknown = _unknown_id(tokenizer)
    return TokenCounts(tokens, [0 if unknown is None else each.count(unknown) for each in ids])


def _token_ids(tokenizer: Any, texts: Sequence[str], *, special: bool) -> Iterator[list[int]]:
    read = next(read for kind, read in _READERS.items() if hasattr(tokenizer, kind))
    for start in range(0, len(texts), _AT_ONCE):
        yield from read(tokenizer, list(texts[start : start + _AT_ONCE]), special)


def _read_static(tokenizer: Any, texts: list[str], _special: bool) -> list[list[int]]:
    truncation = tokenizer.truncation
    tokenizer.no_truncation()
    try:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    finally:
        if truncation:
            tokenizer.enable_truncation(**truncation)


def _read_transformers(tokenizer: Any, texts: list[str], special: bool) -> list[list[int]]:
    encoded = tokenizer(
        texts,
        add_special_tokens=special,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        verbose=False,
    )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _read_words(tokenizer: Any, texts: list[str], _special: bool) -> list[list[int]]:
    return [tokenizer.tokenize(text) for text in texts]


_LEAVES_OUT = "tokenize"  # words outside the vocabulary
# In this order: tokenizers of static embeddings, of transformers, and others of sentence-transformers.
_READERS: dict[str, Callable[[Any, list[str], bool], list[list[int]]]] = {
    "no_truncation": _read_static,
    "convert_tokens_to_ids": _read_transformers,
    _LEAVES_OUT: _read_words,
}


def _unknown_id(tokenizer: Any) -> int | None:
    """Return the id of the token for unknown text; None if there is none, as with bytes."""
    if hasattr(tokenizer, "to_str"):
        model = json.loads(tokenizer.to_str())["model"]
        token = model.get("unk_token")
        found: int | None = model.get("unk_id") if token is None else tokenizer.token_to_id(token)
    else:
        found = tokenizer.unk_token_id
    return found
