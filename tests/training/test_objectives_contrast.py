"""Contrastive objectives: worked by hand, against their formulas and sentence-transformers' own losses."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.testing import assert_allclose
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.nn import Identity

from babelrank.training.objectives import (
    are_same,
    cosines,
    info_nce,
    known_positives,
    language_contrast,
    semantic_contrast,
)
from objective_formulas import (
    COUNTS,
    SEEDS,
    TEMPERATURES,
    assert_gradient,
    expect_info_nce,
    expect_language_contrast,
    nothing,
    random_known,
    random_vectors,
    tensor,
)

LOG_2 = np.log(2)


class TestCosines:
    def test_worked_by_hand(self):
        found = cosines(tensor([[3, 4], [0, 2]]), tensor([[1, 0], [0, -1], [30, 40]]))
        assert_allclose(found, [[0.6, -0.8, 1], [0, -1, 0.8]], atol=1e-6)

    def test_are_float32_of_vectors_in_half_precision(self):
        a = tensor([[1.0, 3.0], [2.0, -5.0]]).to(torch.bfloat16)
        assert cosines(a, a).dtype == torch.float32
        assert_allclose(cosines(a, a), cosines(a.float(), a.float()), atol=1e-6)


class TestInfoNCE:
    def test_worked_by_hand(self):
        # Cosines [[1, 0], [0.6, 0.8]], over a temperature of 0.2: [[5, 0], [3, 4]].
        queries, passages = tensor([[2, 0], [3, 4]]), tensor([[7, 0], [0, 1]])
        expected = (np.log1p(np.exp(-5)) + np.log1p(np.exp(-1))) / 2
        assert info_nce(queries, passages, nothing(2), temperature=0.2).item() == pytest.approx(expected, rel=1e-5)
        # The other way, columns [5, 3] and [0, 4].
        backward = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-4))) / 2
        both = info_nce(queries, passages, nothing(2), temperature=0.2, symmetric=True)
        assert both.item() == pytest.approx((expected + backward) / 2, rel=1e-5)

    @pytest.mark.parametrize("n", [1, 2, 7])
    def test_of_passages_that_are_all_the_same_is_log_n(self, n):
        queries = tensor(random_vectors(0, n)[0])
        loss = info_nce(queries, torch.ones(n, 4), nothing(n), temperature=0.05)
        assert loss.item() == pytest.approx(np.log(n), abs=1e-5)

    @given(SEEDS, COUNTS, st.integers(0, 5), TEMPERATURES)
    @settings(max_examples=30)
    def test_is_its_formula(self, seed, n, m, temperature):
        queries, passages, negatives = random_vectors(seed, n, n, m)
        known = random_known(seed, n)
        arguments = tensor(queries), tensor(passages), torch.tensor(known)
        forward = expect_info_nce(queries, passages, known, temperature)
        backward = expect_info_nce(passages, queries, known.T, temperature)
        wider = expect_info_nce(queries, passages, known, temperature, negatives)
        close = {"rtol": 1e-4, "atol": 1e-4}
        assert_allclose(info_nce(*arguments, temperature=temperature), forward, **close)
        both = info_nce(*arguments, temperature=temperature, symmetric=True)
        assert_allclose(both, (forward + backward) / 2, **close)
        loss = info_nce(*arguments, temperature=temperature, negatives=tensor(negatives))
        assert_allclose(loss, wider, **close)
        # Negatives are passages: among queries there are none of them.
        both = info_nce(*arguments, temperature=temperature, negatives=tensor(negatives), symmetric=True)
        assert_allclose(both, (wider + backward) / 2, **close)

    @given(SEEDS, COUNTS, TEMPERATURES)
    @settings(max_examples=20)
    def test_is_that_of_sentence_transformers(self, seed, n, temperature):
        queries, passages, negatives = map(tensor, random_vectors(seed, n, n, n))
        theirs = MultipleNegativesRankingLoss(Identity(), scale=1 / temperature)
        two_ways = MultipleNegativesRankingLoss(
            Identity(),
            scale=1 / temperature,
            directions=("query_to_doc", "doc_to_query"),
            partition_mode="per_direction",
        )
        close = {"rtol": 1e-4, "atol": 1e-4}
        for columns, options in (([], {}), ([negatives], {"negatives": negatives})):
            assert_allclose(
                info_nce(queries, passages, nothing(n), temperature=temperature, **options),
                theirs.compute_loss_from_embeddings([queries, passages, *columns], None),
                **close,
            )
        assert_allclose(
            info_nce(queries, passages, nothing(n), temperature=temperature, symmetric=True),
            two_ways.compute_loss_from_embeddings([queries, passages], None),
            **close,
        )

    def test_a_passage_that_stands_twice_counts_once_if_it_is_known(self):
        queries, passages = map(tensor, random_vectors(1, 4, 4))
        queries[0] = passages[3] = passages[0]
        known = nothing(4)
        known[0, 3] = known[3, 0] = True
        # For queries 1 and 2 the passage is a negative, as often as it stands there.
        alone = [
            expect_info_nce(queries[[i]], passages[[i]], [[False]], 0.1, passages[others])
            for i, others in ((0, [1, 2]), (1, [0, 2, 3]), (2, [0, 1, 3]), (3, [1, 2]))
        ]
        assert info_nce(queries, passages, known, temperature=0.1).item() == pytest.approx(np.mean(alone), rel=1e-5)
        assert info_nce(queries, passages, nothing(4), temperature=0.1).item() > np.mean(alone) + 0.01

    def test_with_all_others_known_is_zero(self):
        queries, passages = map(tensor, random_vectors(2, 3, 3))
        known = ~torch.eye(3, dtype=torch.bool)
        assert info_nce(queries, passages, known, temperature=0.05, symmetric=True).item() == pytest.approx(0, abs=1e-6)

    def test_grows_with_every_negative(self):
        queries, passages, negatives = map(tensor, random_vectors(3, 4, 4, 6))
        losses = [
            info_nce(queries, passages, nothing(4), temperature=0.5, negatives=negatives[:m]).item() for m in range(7)
        ]
        assert losses[0] == info_nce(queries, passages, nothing(4), temperature=0.5).item()
        assert np.all(np.diff(losses) > 0)

    @pytest.mark.parametrize("symmetric", [False, True])
    def test_does_not_depend_on_lengths(self, symmetric):
        queries, passages, negatives = map(tensor, random_vectors(4, 4, 4, 2))
        one, other = (
            info_nce(q, p, nothing(4), temperature=0.1, negatives=n, symmetric=symmetric)
            for q, p, n in ((queries, passages, negatives), (queries * 3, passages / 5, negatives * 7))
        )
        assert_allclose(one, other, rtol=1e-5)

    def test_has_the_gradient_of_its_formula(self):
        queries, passages, negatives = random_vectors(5, 3, 3, 2)
        known = np.zeros((3, 3), dtype=bool)
        known[0, 2] = known[2, 0] = True

        def loss(q, p, n):
            return info_nce(q, p, torch.tensor(known), temperature=0.5, negatives=n, symmetric=True)

        def expected(q, p, n):
            return (expect_info_nce(q, p, known, 0.5, n) + expect_info_nce(p, q, known.T, 0.5)) / 2

        assert_gradient(loss, expected, queries, passages, negatives)


class TestSemanticContrast:
    @given(SEEDS, COUNTS, TEMPERATURES)
    @settings(max_examples=30)
    def test_is_info_nce_both_ways(self, seed, n, temperature):
        passages, translations = random_vectors(seed, n, n)
        known = random_known(seed, n)
        known |= known.T
        expected = [
            expect_info_nce(passages, translations, known, temperature),
            expect_info_nce(translations, passages, known, temperature),
        ]
        loss, swapped = (
            semantic_contrast(tensor(a), tensor(b), torch.tensor(known), temperature=temperature)
            for a, b in ((passages, translations), (translations, passages))
        )
        assert_allclose(loss, np.mean(expected), rtol=1e-4, atol=1e-4)
        assert_allclose(swapped, loss, rtol=1e-5, atol=1e-6)

    def test_is_least_where_translations_coincide_and_others_are_opposite(self):
        vectors = tensor([[1, 0], [-1, 0]])
        loss = semantic_contrast(vectors, vectors, nothing(2), temperature=0.5)
        assert loss.item() == pytest.approx(np.log1p(np.exp(-4)), rel=1e-5)


class TestLanguageContrast:
    def test_worked_by_hand(self):
        # Cosines of the anchor: 1 with the passage, 0.6 with its translation. Over a temperature of 0.2 a gap of 2.
        loss = language_contrast(tensor([[1, 0]]), tensor([[2, 0]]), tensor([[3, 4]]), nothing(1), temperature=0.2)
        assert loss.item() == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(2))) / 2)

    @given(SEEDS, COUNTS, COUNTS, TEMPERATURES)
    @settings(max_examples=15)
    def test_is_log_2_where_passage_and_translation_are_as_near(self, seed, m, n, temperature):
        anchors, passages = map(tensor, random_vectors(seed, m, n))
        loss = language_contrast(anchors, passages, passages * 3, nothing(m, n), temperature=temperature)
        assert loss.item() == pytest.approx(LOG_2, abs=1e-5)

    @given(SEEDS, COUNTS, COUNTS, TEMPERATURES)
    @settings(max_examples=30)
    def test_is_its_formula_and_more_than_log_2_elsewhere(self, seed, m, n, temperature):
        vectors = random_vectors(seed, m, n, n)
        own = np.random.default_rng(seed).random((m, n)) < 0.4
        own[0, 0] = False
        loss = language_contrast(*map(tensor, vectors), torch.tensor(own), temperature=temperature)
        assert_allclose(loss, expect_language_contrast(*vectors, own, temperature), rtol=1e-4)
        assert loss.item() > LOG_2 - 1e-6

    def test_grows_with_the_gap_whichever_is_nearer(self):
        near = tensor([[1, 0]])
        losses = []
        for angle in (0, 1, 2, 3):
            far = tensor([[np.cos(angle), np.sin(angle)]])
            pairs = (near, far), (far, near)
            losses.append([language_contrast(near, *pair, nothing(1), temperature=0.5).item() for pair in pairs])
        assert losses[0] == pytest.approx([LOG_2] * 2)
        assert np.all(np.diff(losses, axis=0) > 0.05)
        assert_allclose(*np.transpose(losses), rtol=1e-6)

    def test_does_not_see_pairs_that_are_an_anchors_own(self):
        anchors, passages, translations = map(tensor, random_vectors(10, 2, 2, 2))
        own = torch.tensor([[True, False], [False, True]])
        loss = language_contrast(anchors, passages, translations, own, temperature=0.5)
        alone = [
            language_contrast(anchors[[i]], passages[[j]], translations[[j]], nothing(1), temperature=0.5).item()
            for i, j in ((0, 1), (1, 0))
        ]
        assert loss.item() == pytest.approx(np.mean(alone))

    def test_without_any_pair_is_zero_and_flat(self):
        inputs = [tensor(vectors).requires_grad_() for vectors in random_vectors(11, 2, 3, 3)]
        loss = language_contrast(*inputs, ~nothing(2, 3), temperature=0.05)
        loss.backward()
        assert loss.item() == 0
        assert all((given_.grad == 0).all() for given_ in inputs)

    def test_has_the_gradient_of_its_formula(self):
        vectors = random_vectors(12, 2, 3, 3)
        own = np.array([[True, False, False], [False, False, True]])
        assert_gradient(
            lambda *given_: language_contrast(*given_, torch.tensor(own), temperature=0.5),
            lambda *arrays: expect_language_contrast(*arrays, own, 0.5),
            *vectors,
        )


class TestKnownPositives:
    def test_worked_by_hand(self):
        # Rows 0 and 1 share the query, rows 0 and 3 the passage; 2 is alone, though its query has a passage's number.
        known = known_positives(torch.tensor([[5], [5], [6], [7]]), torch.tensor([[6], [8], [9], [6]]))
        expected = [[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
        assert known.dtype == torch.bool
        assert known.int().tolist() == expected

    @given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=12))
    @settings(max_examples=30)
    def test_are_pairs_of_two_rows_that_share_a_text(self, rows):
        queries, passages = torch.tensor(rows).T[..., None]
        expected = [
            [i != j and (one[0] == other[0] or one[1] == other[1]) for j, other in enumerate(rows)]
            for i, one in enumerate(rows)
        ]
        assert known_positives(queries, passages).tolist() == expected

    def test_equal_numbers_in_any_columns_suffice_and_zero_is_none(self):
        texts, others = torch.tensor([[1, 7, 0], [2, 0, 0]]), torch.tensor([[7, 3], [0, 4], [9, 2]])
        assert are_same(texts, others).tolist() == [[True, False, False], [False, False, True]]

    def test_one_equal_number_of_several_suffices(self):
        passages = torch.tensor([[1, 7], [2, 7], [2, 8], [3, 9]])
        assert known_positives(torch.arange(1, 5)[:, None], passages).nonzero().tolist() == [
            [0, 1],
            [1, 0],
            [1, 2],
            [2, 1],
        ]

    def test_numbers_may_be_any_int64(self):
        ends = torch.tensor([2**63 - 1, -(2**63), 2**63 - 1])[:, None]
        assert known_positives(ends, torch.arange(1, 4)[:, None]).nonzero().tolist() == [[0, 2], [2, 0]]
