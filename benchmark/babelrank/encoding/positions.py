"""The maximum text length of a PyTorch model."""

from torch import nn

_TABLES = ("position_embeddings", "wpe")  # names in models like BERT and like GPT-2


def most_tokens(model: nn.Module) -> int | None:
    """Return the maximum number of tokens that a model has position embeddings for; None if it needs none."""
    tables = [
        module for name, module in model.named_modules() if name.endswith(_TABLES) and isinstance(module, nn.Embedding)
    ]
    # In models like RoBERTa, padding has a position, and texts begin after it.
    return min((len(t.weight) - (0 if t.padding_idx is None else t.padding_idx + 1) for t in tables), default=None)
