"""The weighted sum of objectives over one batch: vectors of its texts -> one number."""

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.util.distributed import all_gather, is_dist_initialized
from torch import Tensor, nn

from babelrank.training.config import ObjectivesConfig
from babelrank.training.examples import NEGATIVE, PASSAGE, QUERY
from babelrank.training.length_groups import encode_by_length
from babelrank.training.objectives import (
    are_same,
    cosines,
    embedding_distance,
    info_nce,
    known_positives,
    language_contrast,
    score_divergence,
    semantic_contrast,
)
from babelrank.training.teacher import Teacher


class WeightedObjectives(CachedLossMixin, nn.Module):
    """The training loss.

    If several processes share a batch, each sees all of it: vectors are gathered, with gradients.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        objectives: ObjectivesConfig,
        teacher: Teacher | None = None,
        micro_batch_size: int | None = None,
        *,
        summed: bool = False,
    ) -> None:
        """Take the model and the weights.

        Parameters
        ----------
        micro_batch_size
            Number of texts in memory at once, by caching gradients (Gao et al. 2021, arXiv 2101.06983); all by default.
        summed
            Return the sum of the objectives instead of each one.
        """
        super().__init__()
        self.model = model
        self.objectives = objectives
        self.mini_batch_size = micro_batch_size or 0
        self.uses_gradient_cache = micro_batch_size is not None
        self._summed = summed
        self._teacher = [teacher]  # in a list, so that the module does not register its parameters

    def forward(self, features: Sequence[dict[str, Tensor]], targets: dict[str, Any]) -> Tensor | dict[str, Tensor]:
        """Return the weighted loss by objective; the sum if `summed` is set or gradients are cached.

        Parameters
        ----------
        features
            Token ids of queries and passages, then of translations and of hard negatives, if there are any.
        targets
            See `batches.Collator`.
        """
        if self.uses_gradient_cache:
            loss: Tensor = self.forward_cached(features, targets)
            return loss
        losses = self._combine([encode_by_length(self.model, feature) for feature in features], targets)
        return torch.stack(list(losses.values())).sum() if self._summed else losses

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: dict[str, Any], *, with_backward: bool = False
    ) -> Tensor:
        """Return the sum of the objectives over vectors of micro-batches; see `CachedLossMixin`."""
        vectors = [torch.cat(parts) for parts in reps]
        loss = torch.stack(list(self._combine(vectors, labels).values())).sum()
        if with_backward:
            # Vectors that no objective reads, such as queries with semantic contrast alone, have a gradient of 0.
            loss = loss + 0.0 * sum(column.sum() for column in vectors)
            loss.backward()
            loss = loss.detach()
        return loss

    def _combine(self, vectors: list[Tensor], targets: dict[str, Any]) -> dict[str, Tensor]:
        chosen = self.objectives
        queries, passages, *others = vectors
        queries, passages = _gather(queries), _gather(passages)
        translations = _gather(others.pop(0)) if chosen.needs_translation else None
        same_query, same_passage = (_gather_hashes(targets[side]) for side in (QUERY, PASSAGE))
        known = known_positives(same_query, same_passage)
        losses = {}
        if settings := chosen.info_nce:
            losses["info_nce"] = settings.weight * info_nce(
                queries,
                passages,
                known,
                temperature=settings.temperature,
                negatives=_find_new(others[0], targets[NEGATIVE], same_passage) if settings.hard_negatives else None,
                symmetric=settings.symmetric,
            )
        if chosen.needs_teacher:
            losses |= self._distil(chosen, queries, passages, known, targets["teacher"])
        if translations is not None:
            losses |= _be_language_agnostic(chosen, queries, passages, translations, same_query, same_passage)
        return losses

    def _distil(
        self, chosen: ObjectivesConfig, queries: Tensor, passages: Tensor, known: Tensor, texts: dict[str, Any]
    ) -> dict[str, Tensor]:
        """Return the losses that compare the student with a teacher."""
        teacher = self._teacher[0]
        if teacher is None:
            raise ValueError("objectives that distil need a teacher.")
        read = {role: _gather(teacher.read(texts[role], role).to(queries.device)) for role in (QUERY, PASSAGE)}
        losses = {}
        if embedding := chosen.embedding_distillation:
            pairs = ((queries, read[QUERY]), (passages, read[PASSAGE]))
            # A Matryoshka loss passes the first dimensions of the student's vectors.
            distances = [embedding_distance(student, vectors[:, : student.shape[1]]) for student, vectors in pairs]
            losses["embedding_distillation"] = embedding.weight * (distances[0] + distances[1]) / 2
        if score := chosen.score_distillation:
            losses["score_distillation"] = score.weight * score_divergence(
                cosines(queries, passages),
                cosines(read[QUERY], read[PASSAGE]),
                known,
                temperature=score.temperature,
            )
        return losses


def _be_language_agnostic(
    chosen: ObjectivesConfig,
    queries: Tensor,
    passages: Tensor,
    translations: Tensor,
    same_query: Tensor,
    same_passage: Tensor,
) -> dict[str, Tensor]:
    """Return the losses that compare passages with their translations; anchors are the other examples' texts."""
    losses = {}
    equal = known_positives(same_passage, same_passage)
    if semantic := chosen.semantic_contrast:
        losses["semantic_contrast"] = semantic.weight * semantic_contrast(
            passages, translations, equal, temperature=semantic.temperature
        )
    if language := chosen.language_contrast:
        own = equal | known_positives(same_query, same_passage)
        own = own | torch.eye(len(own), dtype=torch.bool, device=own.device)
        losses["language_contrast"] = language.weight * language_contrast(
            torch.cat([queries, passages]),
            passages,
            translations,
            torch.cat([own, own]),
            temperature=language.temperature,
        )
    return losses


def _gather(rows: Tensor) -> Tensor:
    """Return the rows of all processes, one process after another, with gradients if they have any."""
    if not is_dist_initialized():
        return rows
    gathered: Tensor = all_gather(rows, with_grad=rows.requires_grad)
    return gathered


def _gather_hashes(hashes: Tensor) -> Tensor:
    """Return the hashes of all processes (see `batches.hash_parallels`); their tables can differ in width."""
    if not is_dist_initialized():
        return hashes
    width = torch.tensor(hashes.shape[1], device=hashes.device)
    torch.distributed.all_reduce(width, torch.distributed.ReduceOp.MAX)
    return _gather(nn.functional.pad(hashes, (0, int(width) - hashes.shape[1])))


def _find_new(negatives: Tensor, same_negative: Tensor, same_passage: Tensor) -> Tensor:
    """Return the hard negatives that are not passages of the batch, where they count already or are true pairs."""
    there = are_same(_gather_hashes(same_negative), same_passage).any(dim=1)
    return _gather(negatives)[~there]
