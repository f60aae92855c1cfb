"""Batches read in parts: the same vectors and gradients, in the order of the texts, with the least padding."""

from itertools import combinations, pairwise

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from sentence_transformers import SentenceTransformer

from babelrank.training.length_groups import encode_by_length

SEAM = 256  # tokens that a part costs by itself


class Recorder(torch.nn.Module):
    """Makes of a text the sum of its ids and how many there are, and notes the shape of what it reads."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, features):
        ids, mask = features["input_ids"], features["attention_mask"]
        self.shapes.append(tuple(ids.shape))
        return {"sentence_embedding": torch.stack([(ids * mask).sum(1), mask.sum(1)], dim=1).float()}


def batch_of(lengths, *, left=False, **others):
    """Return features of texts with so many tokens: 1, 2, 3, …"""
    width = max(lengths)
    mask = torch.tensor([[1] * n + [0] * (width - n) for n in lengths])
    mask = mask.flip(1) if left else mask
    return {"input_ids": mask.cumsum(1) * mask, "attention_mask": mask, **others}


def read(lengths, **others):
    model = Recorder()
    return encode_by_length(model, batch_of(lengths, **others)), model.shapes


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_rows_come_back_in_their_order(lengths):
    vectors, _ = read(lengths)
    assert vectors.tolist() == [[n * (n + 1) / 2, n] for n in lengths]


@settings(max_examples=50)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=9))
def test_no_other_way_to_cut_costs_less(lengths):
    _, shapes = read(lengths)
    ordered = sorted(lengths)
    inner = range(1, len(lengths))
    ways = [(0, *cut, len(lengths)) for size in range(len(lengths)) for cut in combinations(inner, size)]
    costs = [sum((end - begin) * ordered[end - 1] + SEAM for begin, end in pairwise(way)) for way in ways]
    assert sum(rows * width + SEAM for rows, width in shapes) == min(costs)


def test_texts_of_one_length_are_read_at_once():
    assert read([50] * 32)[1] == [(32, 50)]


def test_a_long_text_among_short_ones_is_read_by_itself():
    assert sorted(read([10] * 16 + [200] + [10] * 15)[1]) == [(1, 200), (31, 10)]


@pytest.mark.parametrize(
    "features",
    [
        pytest.param(batch_of([10] * 31 + [200], left=True), id="padded before the texts"),
        pytest.param(batch_of([10] * 31 + [200], pixel_values=torch.zeros(4, 3)), id="with more than texts"),
        pytest.param({"input_ids": torch.ones(9), "attention_mask": torch.ones(9)}, id="flat"),
        pytest.param(batch_of([10] * 31 + [200]) | {"attention_mask": torch.zeros(32, 200)}, id="empty texts"),
    ],
)
def test_what_cannot_be_cut_is_read_at_once(features):
    seen = []

    def model(given):
        seen.append(given)
        return {"sentence_embedding": torch.zeros(1)}

    encode_by_length(model, features)
    assert [set(given) for given in seen] == [set(features)]
    assert seen[0]["input_ids"] is features["input_ids"]


def test_processes_that_share_a_batch_read_it_at_once(monkeypatch):
    monkeypatch.setattr("babelrank.training.length_groups.is_dist_initialized", lambda: True)
    assert read([10] * 31 + [200])[1] == [(32, 200)]


def test_vectors_and_gradients_are_those_of_the_whole_batch(tiny_model):
    texts = [f"where is {'the river ' * (i % 9)}{i}" for i in range(24)] + ["a " * 60]
    gradients, vectors = [], []
    for way in (lambda model, features: model(features)["sentence_embedding"], encode_by_length):
        model = SentenceTransformer(str(tiny_model), device="cpu").eval()
        found = way(model, model.preprocess(texts))
        (found @ found[0]).sum().backward()
        vectors.append(found.detach())
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    torch.testing.assert_close(*vectors)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
