"""The loss for selecting a checkpoint: the mean InfoNCE loss over validation examples.

Examples are split into groups, each in one language. The passages of a group are negatives of one another. The groups
do not depend on the number of processes that share the work, so neither does the loss.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor

from babelrank.errors import TrainingError
from babelrank.training.batches import Triplet, hash_parallels
from babelrank.training.config import InfoNCEConfig, ValidationConfig
from babelrank.training.contamination import Contamination, find_contamination
from babelrank.training.examples import PASSAGE, QUERY, ExampleSet, KnownTexts
from babelrank.training.indexing import index_rows
from babelrank.training.jsonl_rows import JsonlRows
from babelrank.training.length_groups import encode_by_length
from babelrank.training.objectives import info_nce, known_positives

KNOWN_AS = "[validation]"  # name of the `KnownTexts` of validation; no collection has this name
_TEMPERATURE = InfoNCEConfig().temperature  # the same for all runs, so that they can be compared


@dataclass(frozen=True)
class ValidationSet:
    """Validation examples in groups.

    Attributes
    ----------
    groups
        Pairs of a question and its passage, all of a group in one language.
    contamination
        Examples that were left out because they share texts with test collections.
    left_over
        Number of pairs that do not fill a group.
    """

    groups: tuple[tuple[Triplet, ...], ...]
    contamination: Contamination
    left_over: int

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    @property
    def texts(self) -> KnownTexts:
        """The questions and passages, to look for among the training examples."""
        return KnownTexts.of(
            KNOWN_AS, [text for group in self.groups for pair in group for text in (pair.query, pair.passage)]
        )

    def count_sharing(self, hashes: np.ndarray) -> int:
        """Return the number of pairs that have a text with one of these hashes."""
        return sum(
            bool(np.isin(KnownTexts.of("", [pair.query, pair.passage]).hashes, hashes).any())
            for group in self.groups
            for pair in group
        )


def load_validation(config: ValidationConfig, batch_size: int, collections: Sequence[KnownTexts]) -> ValidationSet:
    """Read validation examples, and leave out those that share a text with a collection.

    Raises
    ------
    TrainingError
        The examples cannot be read, or fewer than two remain in a configured language.
    """
    examples = index_rows(JsonlRows(Path(config.path or "")), collections)
    contamination = find_contamination(examples, [each.name for each in collections])
    dropped = set(contamination.examples.tolist())
    groups, left_over = [], 0
    for lang in config.languages:
        pairs = [pair for number, pair in _pairs(examples, lang) if number not in dropped]
        if len(pairs) < 2:
            available = ", ".join(sorted(set(examples.queries) & set(examples.passages))) or "none"
            raise TrainingError(
                f"validation.path: {config.path} has {len(pairs)} usable examples in {lang!r}, but needs 2. It has "
                f"{len(examples)} examples in {available}, and {len(dropped)} of them are left out, since they share "
                "a text with a test collection (see validation.languages)."
            )
        size = min(config.batch_size or batch_size, len(pairs))
        groups += [tuple(pairs[first : first + size]) for first in range(0, len(pairs) - size + 1, size)]
        left_over += len(pairs) % size
    return ValidationSet(tuple(groups), contamination, left_over)


def sum_losses(
    model: SentenceTransformer,
    prompts: Mapping[str, str],
    max_length: Mapping[str, int],
    groups: Sequence[Sequence[Triplet]],
    texts_at_once: int | None = None,
) -> float:
    """Return the sum of the InfoNCE losses of the examples in some groups.

    Parameters
    ----------
    prompts
        Prompts of ``query`` and ``passage``.
    max_length
        Maximum number of tokens of a text, by role.
    texts_at_once
        Number of texts that are encoded together; all of a group by default.
    """
    total = 0.0
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for group in groups:
            vectors = {
                role: torch.cat(
                    list(_encode(model, texts, prompts[role], max_length[role], texts_at_once or len(texts)))
                )
                for role, texts in ((QUERY, [p.query for p in group]), (PASSAGE, [p.passage for p in group]))
            }
            queries = hash_parallels([[pair.example.query] for pair in group])
            passages = hash_parallels([pair.example.passages for pair in group])
            known = known_positives(queries, passages).to(vectors[QUERY].device)
            loss = info_nce(vectors[QUERY], vectors[PASSAGE], known, temperature=_TEMPERATURE)
            total += len(group) * loss.item()
    model.train(was_training)
    return total


def _encode(
    model: SentenceTransformer, texts: Sequence[str], prompt: str, max_length: int, at_once: int
) -> Iterator[Tensor]:
    waiting = iter(texts)
    while part := list(islice(waiting, at_once)):
        features = model.preprocess(part, prompt=prompt, max_length=max_length)
        yield encode_by_length(model, batch_to_device(features, model.device))


def _pairs(examples: ExampleSet, lang: str) -> Iterator[tuple[int, Triplet]]:
    """Yield the examples with question and passage in a language, and their numbers."""
    for number in range(len(examples)):
        example = examples[number]
        passage = next((texts[lang] for texts in example.passages if lang in texts), None)
        if lang in example.query and passage is not None:
            yield number, Triplet(example.query[lang], passage, lang, lang, example, 0)
