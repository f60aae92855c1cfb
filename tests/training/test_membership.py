"""Sets of rows against boolean masks, and orders without a table against what a permutation is."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from numpy.testing import assert_array_equal

from babelrank.training.membership import RowSet, in_any, in_several
from babelrank.training.permutation import permute

# Ends of bytes, and of the directory's blocks of 512 rows.
EDGES = [0, 1, 7, 8, 9, 15, 16, 17, 511, 512, 513, 519, 520, 521, 1023, 1024, 1025, 1536, 1999, 2000]
SIZES = st.one_of(st.sampled_from(EDGES), st.integers(0, 2000))


@st.composite
def masks(draw, count: int = 1) -> list[np.ndarray]:
    """Draw boolean arrays of one length, from empty to full, some with long runs of one value."""
    size, seed = draw(SIZES), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    runs = draw(st.sampled_from([1, 5, 700]))
    shares = [draw(st.sampled_from([0, 0.01, 0.5, 0.99, 1])) for _ in range(count)]
    return [np.repeat(rng.random(size // runs + 1) < share, runs)[:size] for share in shares]


def members(rows: RowSet) -> list[int]:
    return rows.select(np.arange(len(rows))).tolist()


class TestRowSet:
    def test_worked_by_hand(self):
        rows = RowSet.of(np.array([0, 1, 1, 0, 0, 0, 0, 0, 0, 1], dtype=bool))
        assert (rows.size, len(rows)) == (10, 3)
        assert members(rows) == [1, 2, 9]
        assert rows.select(np.array([2, 0, 2])).tolist() == [9, 1, 9]
        assert rows.contains(np.array([[0, 1], [9, 8]])).tolist() == [[False, True], [True, False]]

    def test_takes_bits_from_the_lowest_of_the_first_byte(self):
        assert members(RowSet(np.array([0b00000101, 0b00000010], dtype=np.uint8), 10)) == [0, 2, 9]

    @given(masks())
    @example([np.zeros(0, dtype=bool)])
    @example([np.r_[np.zeros(1024, dtype=bool), True]])  # whole blocks without a member come first
    @settings(max_examples=60)
    def test_knows_its_members_as_a_mask_does(self, drawn):
        (mask,) = drawn
        rows = RowSet.of(mask)
        every = np.arange(len(mask))
        assert (rows.size, len(rows)) == (len(mask), mask.sum())
        assert_array_equal(rows.contains(every), mask)
        assert rows.contains(every).dtype == bool
        assert_array_equal(rows.select(np.arange(mask.sum())), np.flatnonzero(mask))
        assert rows.select(np.arange(mask.sum())).dtype == np.int64

    @given(masks(), st.randoms(use_true_random=False))
    @settings(max_examples=40)
    def test_selects_in_any_order_and_more_than_once(self, drawn, random):
        found = np.flatnonzero(drawn[0])
        ordinals = np.array([random.randrange(len(found)) for _ in range(20)] if len(found) else [], dtype=np.int64)
        assert_array_equal(RowSet.of(drawn[0]).select(ordinals), found[ordinals])

    @given(masks(2))
    @settings(max_examples=60)
    def test_is_combined_as_masks_are(self, drawn):
        one, other = drawn
        a, b = RowSet.of(one), RowSet.of(other)
        for rows, expected in ((a & b, one & other), (a | b, one | other), (a - b, one & ~other)):
            assert rows.size == len(one)
            assert len(rows) == expected.sum()
            assert members(rows) == np.flatnonzero(expected).tolist()
        assert members(a) == np.flatnonzero(one).tolist()  # as before

    @pytest.mark.parametrize("size", EDGES)
    def test_of_all_rows_has_no_row_beyond_them(self, size):
        rows = RowSet.all(size)
        assert (rows.size, len(rows)) == (size, size)
        assert members(rows) == list(range(size))
        assert len(rows - rows) == 0
        assert members(rows & RowSet.all(size)) == members(rows)

    @pytest.mark.parametrize(("size", "length"), [(0, 1), (1, 0), (8, 2), (9, 1), (16, 3), (513, 64)])
    def test_of_too_few_or_too_many_bits_is_refused(self, size, length):
        with pytest.raises(ValueError, match=f"{length} bytes cannot hold {size} rows"):
            RowSet(np.zeros(length, dtype=np.uint8), size)


class TestUnions:
    def test_worked_by_hand(self):
        sets = [RowSet.of(np.array(mask, dtype=bool)) for mask in ([1, 1, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 0, 1])]
        assert members(in_any(sets, 5)) == [0, 1, 2, 4]
        assert members(in_several(sets, 5)) == [1, 4]

    @given(masks(4), st.integers(0, 4))
    @settings(max_examples=40)
    def test_count_in_how_many_sets_a_row_is(self, drawn, count):
        size = len(drawn[0])
        times = sum((mask.astype(int) for mask in drawn[:count]), np.zeros(size, dtype=int))
        sets = [RowSet.of(mask) for mask in drawn[:count]]
        # Any iterable will do, also one that can be walked only once.
        assert members(in_any(iter(sets), size)) == np.flatnonzero(times >= 1).tolist()
        assert members(in_several(iter(sets), size)) == np.flatnonzero(times >= 2).tolist()
        assert in_any(sets, size).size == in_several(sets, size).size == size


KEYS = st.integers(0, 2**130)


class TestPermute:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 16, 17, 63, 64, 65, 100, 1000, 4095, 4096, 4097])
    @pytest.mark.parametrize("key", [0, 1, 2**128 - 1])
    def test_reaches_every_row_once(self, size, key):
        images = permute(np.arange(size), size, key)
        assert images.dtype == np.int64
        assert_array_equal(np.sort(images), np.arange(size))

    @given(st.integers(1, 3000), KEYS)
    @settings(max_examples=40)
    def test_is_a_bijection_for_any_size_and_key(self, size, key):
        assert_array_equal(np.sort(permute(np.arange(size), size, key)), np.arange(size))

    @given(st.integers(1, 2**40), KEYS, st.lists(st.integers(0, 2**40), min_size=1, max_size=20, unique=True))
    @settings(max_examples=40)
    def test_tells_the_image_of_any_position_by_itself(self, size, key, positions):
        positions = np.unique(np.array(positions, dtype=np.int64) % size)
        images = permute(positions, size, key)
        assert ((images >= 0) & (images < size)).all()
        assert len(np.unique(images)) == len(positions)
        assert images.tolist() == [permute(np.array([position]), size, key).item() for position in positions]

    def test_keeps_the_shape_and_leaves_its_input(self):
        positions = np.arange(12).reshape(3, 4)
        assert permute(positions, 12, 5).shape == (3, 4)
        assert_array_equal(positions, np.arange(12).reshape(3, 4))
        assert permute(np.zeros(0, dtype=np.int64), 12, 5).shape == (0,)

    def test_is_the_same_for_the_same_key_and_another_for_another(self):
        orders = {tuple(permute(np.arange(100), 100, key)) for key in range(50)}
        assert len(orders) == 50
        assert tuple(range(100)) not in orders
        assert {tuple(permute(np.arange(100), 100, key)) for key in range(50)} == orders

    def test_tells_keys_apart_in_all_of_their_bits(self):
        keys = [0, *(1 << bit for bit in range(128))]
        assert len({tuple(permute(np.arange(100), 100, key)) for key in keys}) == len(keys)

    @pytest.mark.parametrize("size", [16, 100])
    def test_sends_a_position_anywhere_with_about_the_same_chance(self, size):
        keys = 2000
        images = np.stack([permute(np.array([0, size - 1]), size, key) for key in range(keys)], axis=1)
        for image in images:
            counts = np.bincount(image, minlength=size)
            statistic = np.sum((counts - keys / size) ** 2 / (keys / size))
            freedom = size - 1  # mean of the statistic; its variance is twice that
            assert statistic < freedom + 6 * np.sqrt(2 * freedom)

    @pytest.mark.parametrize("size", [2, 3, 5, 7])
    def test_has_no_favourite_in_small_ranges_either(self, size):
        # Four rounds over few bits are only roughly uniform: to within half of the expected share.
        images = np.stack([permute(np.arange(size), size, key) for key in range(1500)])
        for position in range(size):
            share = np.bincount(images[:, position], minlength=size) / len(images)
            assert (np.abs(share * size - 1) < 0.5).all()

    def test_neighbours_do_not_stay_neighbours(self):
        size, keys = 1000, 20
        gaps = np.concatenate([np.diff(permute(np.arange(size), size, key)) for key in range(keys)])
        # |i − j| = 1 for 2/n of all pairs: 40 of 19980 are expected.
        assert (np.abs(gaps) == 1).sum() < 80
        assert 300 < np.abs(gaps).mean() < 367  # a third of the size
