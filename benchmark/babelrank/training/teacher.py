"""The model from which a student learns. It encodes each text once."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from babelrank.training.examples import ExampleSet
from babelrank.training.mean_vectors import mean_vectors
from babelrank.training.model import encode_role

_REMEMBERED = 262_144  # vectors: 400 MB at 384 dimensions


class Teacher:
    """A model that is not trained.

    Its parameters do not belong to the loss, so neither optimisers nor checkpoints include them.
    """

    def __init__(self, model: SentenceTransformer, prompts: Mapping[str, str], batch_size: int = 32) -> None:
        """Take a model and its prompts by role, ``query`` and ``passage``."""
        self._model = model.eval().requires_grad_(False)
        self._prompts = prompts
        self._batch_size = batch_size
        self._shifts: dict[tuple[str, str], np.ndarray] = {}
        self._known: dict[tuple[str, str], np.ndarray] = {}

    @property
    def dimension(self) -> int | None:
        """Dimension of its vectors; None if the model does not state it."""
        dimension: int | None = self._model.get_embedding_dimension()
        return dimension

    def center(self, examples: Sequence[ExampleSet]) -> None:
        """From now on, shift the vectors of each language so that their mean is the mean of all languages.

        Each role has its own means, estimated from some of the examples. So the difference between queries and passages
        does not change.
        """
        for role, means in mean_vectors(self._encode, examples).items():
            center = np.mean(list(means.values()), axis=0)
            self._shifts |= {(role, lang): center - mean for lang, mean in means.items()}

    def read(self, readings: Sequence[Mapping[str, str]], role: str) -> torch.Tensor:
        """Return one vector of unit length per reading: float32, shape (len(readings), dimension).

        Parameters
        ----------
        readings
            Language -> text; the vector of several texts is the mean of their vectors, scaled to unit length.
        role
            Role of all texts.
        """
        wanted = list(dict.fromkeys(text for reading in readings for text in reading.values()))
        missing = [text for text in wanted if (role, text) not in self._known]
        if len(self._known) + len(missing) > _REMEMBERED:
            self._known.clear()
            missing = wanted
        if missing:
            vectors = self._encode(missing, role)
            self._known.update(((role, text), vector) for text, vector in zip(missing, vectors, strict=True))
        found = [
            np.mean(
                [self._known[role, text] + self._shifts.get((role, lang), 0.0) for lang, text in reading.items()], 0
            )
            for reading in readings
        ]
        return torch.nn.functional.normalize(torch.from_numpy(np.stack(found)), dim=1)

    def _encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        return encode_role(self._model, self._prompts, texts, role, self._batch_size)
