"""Vocabulary sizes of well-known models, for counting the weights of a model with a reduced vocabulary."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers.base.model import BaseModel

# Part of a model's name, in lower case, and the size of the original vocabulary (vocab_size in its config.json).
_TOKENS = (
    (re.compile(r"\b(multilingual-e5|me5)-small|paraphrase-multilingual-minilm"), 250_037),
    (re.compile(r"\b(multilingual-e5|me5)-|xlm-r|bge-m3|paraphrase-multilingual-mpnet"), 250_002),
    (re.compile(r"\blabse\b"), 501_153),
    (re.compile(r"bert-base-multilingual|distiluse-base-multilingual"), 119_547),
)


def count_parameters(model: "BaseModel", name: str) -> tuple[int, dict[str, str]]:
    """Return the number of weights as in the model card, and a note if the vocabulary was reduced."""
    there = sum(weights.numel() for weights in model.parameters())
    transformer = model.transformers_model
    original = next((tokens for pattern, tokens in _TOKENS if pattern.search(name.lower())), None)
    if transformer is None or original is None or not hasattr(transformer, "get_input_embeddings"):
        return there, {}
    tokens, size = transformer.get_input_embeddings().weight.shape
    if tokens >= original:
        return there, {}
    parameters = there + (original - tokens) * size
    return parameters, {
        "vocabulary": f"reduced to {tokens:,} of {original:,} tokens, with {there:,} of {parameters:,} parameters"
    }
