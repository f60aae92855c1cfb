"""How long a text may be for a model of PyTorch."""

from torch import nn

_TABLES = ("position_embeddings", "wpe")  # as BERT and its kin, and GPT-2 and its, call them


def most_tokens(model: nn.Module) -> int | None:
    """Return the length of the longest text that a model has learnt positions for; None if it needs none."""
    tables = [
        module for name, module in model.named_modules() if name.endswith(_TABLES) and isinstance(module, nn.Embedding)
    ]
    # Where padding has a position, as in RoBERTa, texts begin after it.
    return min((len(t.weight) - (0 if t.padding_idx is None else t.padding_idx + 1) for t in tables), default=None)
