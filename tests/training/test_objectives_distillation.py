"""Distilling objectives: worked by hand, and against their formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.testing import assert_allclose

from babelrank.training.objectives import embedding_distance, score_divergence
from objective_formulas import (
    COUNTS,
    SEEDS,
    TEMPERATURES,
    assert_gradient,
    expect_divergence,
    nothing,
    random_known,
    random_vectors,
    tensor,
    unit,
)


class TestEmbeddingDistance:
    @pytest.mark.parametrize(
        ("student", "teacher", "expected"),
        [
            ([[3, 4]], [[3, 4]], 0),
            ([[3, 4]], [[30, 40]], 0),  # lengths do not count
            ([[3, 4]], [[-3, -4]], 4),
            ([[3, 4]], [[-4, 3]], 2),
            ([[1, 0]], [[3, 4]], 2 - 2 * 0.6),
            ([[1, 0], [0, 1]], [[1, 0], [0, -5]], 2),  # the mean over rows
            ([[1, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, -1]], 2),  # and no mean over dimensions
        ],
    )
    def test_worked_by_hand(self, student, teacher, expected):
        assert embedding_distance(tensor(student), tensor(teacher)).item() == pytest.approx(expected, abs=1e-6)

    @given(SEEDS, COUNTS)
    @settings(max_examples=30)
    def test_is_two_less_twice_the_cosine(self, seed, n):
        student, teacher = random_vectors(seed, n, n)
        expected = 2 - 2 * np.mean(np.sum(unit(student) * unit(teacher), axis=1))
        assert_allclose(embedding_distance(tensor(student), tensor(teacher)), expected, atol=1e-5)

    def test_has_the_gradient_of_its_formula(self):
        student, teacher = random_vectors(6, 3, 3)
        assert_gradient(
            lambda s: embedding_distance(s, tensor(teacher)),
            lambda s: np.mean(np.sum((unit(s) - unit(teacher)) ** 2, axis=1)),
            student,
        )


class TestScoreDivergence:
    def test_worked_by_hand(self):
        # The teacher's distribution is (3/4, 1/4), the student's (1/2, 1/2).
        student, teacher = tensor([[0, 0], [1, 1]]), tensor([[np.log(3) / 2, 0], [0, -np.log(3) / 2]])
        expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
        assert score_divergence(student, teacher, nothing(2), temperature=0.5).item() == pytest.approx(expected)

    @given(SEEDS, COUNTS, TEMPERATURES)
    @settings(max_examples=30)
    def test_is_the_relative_entropy_of_what_is_left(self, seed, n, temperature):
        rng = np.random.default_rng(seed)
        student, teacher = rng.uniform(-1, 1, (2, n, n))
        known = random_known(seed, n)
        loss = score_divergence(tensor(student), tensor(teacher), torch.tensor(known), temperature=temperature)
        assert_allclose(loss, expect_divergence(student, teacher, known, temperature), rtol=1e-4, atol=1e-5)

    @given(SEEDS, COUNTS, TEMPERATURES)
    @settings(max_examples=20)
    def test_of_equal_scores_is_zero_and_flat(self, seed, n, temperature):
        scores = tensor(np.random.default_rng(seed).uniform(-1, 1, (n, n)))
        student = scores.clone().requires_grad_()
        loss = score_divergence(student, scores, torch.tensor(random_known(seed, n)), temperature=temperature)
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-5)
        assert_allclose(student.grad, 0, atol=1e-4)

    def test_does_not_see_what_is_added_to_all_scores_of_a_query(self):
        student, teacher = map(tensor, np.random.default_rng(7).uniform(-1, 1, (2, 3, 3)))
        one = score_divergence(student, teacher, nothing(3), temperature=0.5)
        other = score_divergence(student + tensor([[1], [2], [3]]), teacher, nothing(3), temperature=0.5)
        assert_allclose(one, other, rtol=1e-4)

    def test_has_the_gradient_of_its_formula_and_none_where_a_pair_is_known(self):
        student, teacher = np.random.default_rng(8).uniform(-1, 1, (2, 4, 4))
        known = random_known(9, 4)
        known[3] = [True, True, True, False]  # of this query nothing is left but its own passage
        assert known[:3].any()

        def loss(scores):
            return score_divergence(scores, tensor(teacher), torch.tensor(known), temperature=0.5)

        assert_gradient(loss, lambda scores: expect_divergence(scores, teacher, known, 0.5), student)
        given_ = tensor(student).requires_grad_()
        loss(given_).backward()
        assert (given_.grad[torch.tensor(known)] == 0).all()
        assert (given_.grad[3] == 0).all()

    def test_stays_finite_where_a_distribution_has_but_one_passage(self):
        # e^(−2 / 0.005) is no float32.
        student = tensor([[1, -1], [-1, 1]]).requires_grad_()
        loss = score_divergence(student, tensor([[-1, 1], [1, -1]]), nothing(2), temperature=0.005)
        loss.backward()
        assert loss.item() == pytest.approx(400)
        assert_allclose(student.grad, [[100, -100], [-100, 100]])
