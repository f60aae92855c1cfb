"""Schedules: what every batch must keep to, over examples with any texts missing; and what many batches add up to."""

from collections import Counter
from itertools import product
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_array_equal

from babelrank.errors import TrainingError
from babelrank.training.membership import RowSet
from babelrank.training.schedule import BatchKind, Schedule, ScheduleSettings, Source

XX, XY, MIXED = BatchKind.MONOLINGUAL, BatchKind.CROSS_LINGUAL, BatchKind.MIXED


def make_source(examples, name: str = "examples", weight: float = 1.0) -> Source:
    """Make a source of examples such as ("ab", "c"): one-letter languages of the queries, and of the passages."""
    sides = []
    for side in (0, 1):
        languages = sorted({lang for example in examples for lang in example[side]})
        sides.append({lang: RowSet.of(np.array([lang in example[side] for example in examples])) for lang in languages})
    return Source(name, len(examples), *sides, weight)


def make_schedule(sources, kinds, steps: int, batch_size: int = 4, seed: int = 0, languages: str = "") -> Schedule:
    if isinstance(kinds, BatchKind):
        kinds = {kinds: 1.0}
    return Schedule(sources, ScheduleSettings(kinds, batch_size, seed, tuple(languages)), steps)


def hybrid(alpha: float) -> dict[BatchKind, float]:
    return {XX: alpha, XY: 1 - alpha}


def spell(schedule: Schedule) -> list[SimpleNamespace]:
    """List the batches, with names for positions."""
    return [
        SimpleNamespace(
            kind=batch.kind,
            source=schedule.sources[batch.source].name,
            examples=batch.examples.tolist(),
            queries=[schedule.languages[i] for i in batch.query_languages],
            passages=[schedule.languages[i] for i in batch.passage_languages],
        )
        for batch in schedule
    ]


def content(batch) -> tuple:
    sides = (batch.query_languages.tolist(), batch.passage_languages.tolist())
    return batch.step, batch.kind, batch.source, batch.examples.tolist(), *sides


def contents(schedule: Schedule) -> list[tuple]:
    return [content(batch) for batch in schedule]


def pairs_of(example, kind: BatchKind, lang: str | None = None) -> set[tuple[str, str]]:
    """List the languages that query and passage of a example may have in a batch of one kind."""
    return {
        (query, passage)
        for query, passage in product(*example)
        if (query != passage if kind is XY else query == passage) and lang in (None, query)
    }


def count_eligible(examples, kind: BatchKind, lang: str | None = None) -> int:
    return sum(bool(pairs_of(example, kind, lang)) for example in examples)


COMPLETE = [("abc", "abc")] * 40
SIDE = st.sets(st.sampled_from("abc")).map(lambda chosen: "".join(sorted(chosen)))
UNITS = st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=40).filter(
    lambda examples: any(query or passage for query, passage in examples)
)
SEEDS = st.integers(0, 2**64)


class TestEveryBatch:
    @given(UNITS, st.sampled_from([XY, MIXED]), st.integers(2, 6), SEEDS)
    @settings(max_examples=80)
    def test_over_several_languages_holds_different_units_with_the_texts_it_takes(self, examples, kind, size, seed):
        if count_eligible(examples, kind) < size:
            with pytest.raises(TrainingError, match=f"no {kind} batch of {size} can be made"):
                make_schedule([make_source(examples)], kind, 3, size, seed)
            return
        schedule = make_schedule([make_source(examples)], kind, 25, size, seed)
        for batch in spell(schedule):
            assert (batch.kind, batch.source) == (kind, "examples")
            assert len(set(batch.examples)) == size
            for example, *pair in zip(batch.examples, batch.queries, batch.passages, strict=True):
                assert tuple(pair) in pairs_of(examples[example], kind)

    @given(UNITS, st.integers(2, 6), SEEDS)
    @settings(max_examples=80)
    def test_in_one_language_holds_different_units_with_both_texts_in_it(self, examples, size, seed):
        languages = {lang for example in examples for side in example for lang in side}
        usable = sorted(lang for lang in languages if count_eligible(examples, XX, lang) >= size)
        if languages.difference(usable):
            with pytest.raises(TrainingError, match=f"no X-X batch of {size} in [abc] can be made"):
                make_schedule([make_source(examples)], XX, 3, size, seed)
        if not usable:
            return
        schedule = make_schedule([make_source(examples)], XX, 25, size, seed, "".join(usable))
        for batch in spell(schedule):
            assert batch.kind is XX
            assert len(set(batch.examples)) == size
            assert batch.queries == batch.passages == [batch.queries[0]] * size
            assert batch.queries[0] in usable
            assert all(pairs_of(examples[example], XX, batch.queries[0]) for example in batch.examples)

    @given(st.lists(UNITS, min_size=1, max_size=3), st.floats(0, 1), st.integers(2, 4), SEEDS)
    @settings(max_examples=60)
    def test_of_a_hybrid_schedule_keeps_to_its_kind_and_source(self, sets, alpha, size, seed):
        sets = [[*examples, *[("ab", "ab")] * size] for examples in sets]
        sources = [make_source(examples, i, 1 + i) for i, examples in enumerate(sets)]
        schedule = make_schedule(sources, hybrid(alpha), 25, size, seed, "ab")
        for batch in spell(schedule):
            assert len(set(batch.examples)) == size
            assert batch.kind is XY or len({*batch.queries, *batch.passages}) == 1
            for example, *pair in zip(batch.examples, batch.queries, batch.passages, strict=True):
                assert tuple(pair) in pairs_of(sets[batch.source][example], batch.kind)

    def test_is_made_of_int64_and_numbered(self):
        schedule = make_schedule([make_source(COMPLETE)], hybrid(0.5), 20, 6)
        assert [batch.step for batch in schedule] == list(range(20))
        for batch in schedule:
            for rows in (batch.examples, batch.query_languages, batch.passage_languages):
                assert (rows.dtype, rows.shape) == (np.int64, (6,))

    def test_of_mixed_languages_has_several_of_them(self):
        schedule = make_schedule([make_source(COMPLETE)], MIXED, 30, 20)
        assert all(set(batch.queries) == set("abc") for batch in spell(schedule))

    @pytest.mark.parametrize(
        ("example", "pairs"),
        [
            (("ab", "a"), {("b", "a")}),
            (("a", "ab"), {("a", "b")}),
            (("a", "b"), {("a", "b")}),
            (("ab", "ab"), {("a", "b"), ("b", "a")}),
            (("ab", "c"), {("a", "c"), ("b", "c")}),
            (("abc", "bc"), {("a", "b"), ("a", "c"), ("b", "c"), ("c", "b")}),
        ],
    )
    def test_across_languages_takes_every_pair_that_a_unit_has(self, example, pairs):
        schedule = make_schedule([make_source([example] * 8)], XY, 20, 8)
        drawn = {pair for batch in spell(schedule) for pair in zip(batch.queries, batch.passages, strict=True)}
        assert drawn == pairs


class TestPurity:
    @pytest.mark.parametrize("kinds", [XX, XY, MIXED, hybrid(0.4)], ids=["X-X", "X-Y", "X-X mixed", "hybrid"])
    def test_the_same_arguments_give_the_same_batches_and_another_seed_others(self, kinds):
        one, same, other = (contents(make_schedule([make_source(COMPLETE)], kinds, 30, seed=s)) for s in (7, 7, 8))
        assert one == same
        assert all(a[3:] != b[3:] for a, b in zip(one, other, strict=True))

    @pytest.mark.parametrize("seed", [0, 2**32, 2**63, 2**100])
    def test_any_seed_will_do(self, seed):
        sources = [make_source(COMPLETE)]
        assert contents(make_schedule(sources, hybrid(0.5), 5, seed=seed)) != contents(
            make_schedule(sources, hybrid(0.5), 5, seed=seed + 1)
        )

    @given(st.integers(0, 40), st.integers(0, 40), st.floats(0, 1), SEEDS)
    @settings(max_examples=40)
    def test_a_longer_plan_begins_with_the_shorter_one(self, steps, more, alpha, seed):
        sources = [make_source(COMPLETE, "large", 3), make_source([("ab", "bc")] * 9, "small")]
        short, long = (
            make_schedule(sources, hybrid(alpha), n, seed=seed, languages="abc") for n in (steps, steps + more)
        )
        assert (len(short), len(long)) == (steps, steps + more)
        assert contents(long)[:steps] == contents(short)

    def test_a_step_is_the_same_whenever_it_is_asked_for(self):
        sources = [make_source(COMPLETE), make_source([("a", "a")] * 30, "English")]
        walked = contents(make_schedule(sources, hybrid(0.5), 60))
        entered = make_schedule(sources, hybrid(0.5), 60)
        for step in np.random.default_rng(0).permutation(60):
            assert content(entered[int(step)]) == walked[step]

    def test_batches_handed_out_do_not_hang_together(self):
        schedule = make_schedule([make_source(COMPLETE)], hybrid(0.5), 10)
        before = contents(schedule)
        for batch in schedule:
            batch.examples[:] = 0
        assert contents(schedule) == before

    def test_steps_beyond_the_plan_are_refused(self):
        schedule = make_schedule([make_source(COMPLETE)], XX, 5)
        for step in (5, -1, 100):
            with pytest.raises(IndexError):
                schedule[step]
        assert len(make_schedule([make_source(COMPLETE)], XX, 0)) == 0
        assert contents(make_schedule([make_source(COMPLETE)], XX, 0)) == []


def shares(schedule: Schedule, *fields: int) -> dict:
    """Return the share of batches by fields of what `count` tells apart: kind 0, source 1, language 2."""
    found = Counter()
    for key, count in schedule.count_batches().items():
        found[tuple(key[field] for field in fields)] += count
    return {key: count / len(schedule) for key, count in found.items()}


class TestManyBatches:
    @pytest.mark.parametrize("alpha", [0.1, 0.5, 0.75])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_of_a_hybrid_schedule_are_in_one_language_as_often_as_alpha_says(self, alpha, seed):
        schedule = make_schedule([make_source(COMPLETE)], hybrid(alpha), 10_000, seed=seed)
        assert shares(schedule, 0)[XX,] == pytest.approx(alpha, abs=0.02)  # four standard deviations

    def test_of_a_hybrid_schedule_are_of_one_kind_only_at_either_end(self):
        sources = [make_source(COMPLETE)]
        for alpha, kind in ((0.0, XY), (1.0, XX)):
            schedule = make_schedule(sources, hybrid(alpha), 200)
            assert {batch.kind for batch in schedule} == {kind}
            assert {found for found, _, _ in schedule.count_batches()} == {kind}
            assert contents(schedule) == contents(make_schedule(sources, kind, 200))

    def test_in_one_language_share_the_languages_evenly_however_many_units_each_has(self):
        examples = [("a", "a")] * 2000 + [("b", "b")] * 20 + [("c", "c")] * 5
        schedule = make_schedule([make_source(examples)], XX, 6000)
        assert {lang for _, _, lang in schedule.count_batches()} == set("abc")
        for share in shares(schedule, 2).values():
            assert share == pytest.approx(1 / 3, abs=0.025)

    def test_in_one_language_keep_to_those_that_are_asked_for(self):
        schedule = make_schedule([make_source(COMPLETE)], hybrid(0.5), 100, languages="ca")
        languages = {kind: set() for kind in BatchKind}
        for batch in spell(schedule):
            languages[batch.kind] |= set(batch.queries)
        assert languages == {XX: set("ac"), XY: set("abc"), MIXED: set()}

    @pytest.mark.parametrize("kind", [XY, MIXED])
    def test_over_several_languages_take_all_pairs_equally_often(self, kind):
        schedule = make_schedule([make_source(COMPLETE)], kind, 200, 20)
        counts = Counter()
        for batch in spell(schedule):
            counts.update(zip(batch.queries, batch.passages, strict=True))
        assert set(counts) == pairs_of(("abc", "abc"), kind)
        for count in counts.values():
            assert count / 4000 == pytest.approx(1 / len(counts), abs=0.03)

    def test_draw_sources_in_proportion_to_their_weights(self):
        sources = [make_source(COMPLETE, "heavy", 300.0), make_source(COMPLETE * 5, "light", 100.0)]
        schedule = make_schedule(sources, {XX: 0.4, XY: 0.4, MIXED: 0.2}, 12_000)
        found = shares(schedule, 0, 1)
        for kind, share in ((XX, 0.4), (XY, 0.4), (MIXED, 0.2)):
            assert found[kind, "heavy"] == pytest.approx(0.75 * share, abs=0.02)
            assert found[kind, "light"] == pytest.approx(0.25 * share, abs=0.02)

    def test_take_a_source_in_english_for_english_batches_only(self):
        english = [("e", "e")] * 50
        sources = [make_source(english, "English", 2.0), make_source([("def", "def")] * 30, "parallel", 1.0)]
        schedule = make_schedule(sources, {XX: 0.5, XY: 0.4, MIXED: 0.1}, 6000)
        found = schedule.count_batches()
        assert {key[0] for key in found if key[1] == "English"} == {XX, MIXED}  # X-X mixed, with one language to mix
        assert {lang for kind, name, lang in found if (kind, name) == (XX, "English")} == {"e"}
        assert {lang for kind, name, lang in found if (kind, name) == (XX, "parallel")} == set("def")
        # A third of X-X batches is in English, and two thirds of these from the heavier source.
        assert found[XX, "English", "e"] / 6000 == pytest.approx(0.5 * 1 / 3 * 2 / 3, abs=0.02)
        assert found[XX, "parallel", "e"] / 6000 == pytest.approx(0.5 * 1 / 3 * 1 / 3, abs=0.02)
        assert found[XX, "parallel", "d"] / 6000 == pytest.approx(0.5 * 1 / 3, abs=0.02)
        named = spell(make_schedule(sources, {XX: 0.5, XY: 0.4, MIXED: 0.1}, 300))
        assert {b.source for b in named if b.kind is XY} == {"parallel"}
        assert {(*b.queries, *b.passages) for b in named if (b.kind, b.source) == (XX, "English")} == {("e",) * 8}

    def test_leave_out_a_source_that_cannot_fill_a_batch(self):
        sources = [make_source(COMPLETE, "enough"), make_source(COMPLETE[:9], "too few", 100.0)]
        schedule = make_schedule(sources, hybrid(0.5), 50, batch_size=10)
        assert {name for _, name, _ in schedule.count_batches()} == {"enough"}
        assert {batch.source for batch in schedule} == {0}

    @given(st.floats(0, 1), st.integers(0, 60), SEEDS)
    @settings(max_examples=30)
    def test_are_counted(self, alpha, steps, seed):
        sources = [make_source(COMPLETE, "one"), make_source([("ab", "ab")] * 9, "other", 2.0)]
        schedule = make_schedule(sources, {XX: alpha, XY: (1 - alpha) / 2, MIXED: (1 - alpha) / 2}, steps, seed=seed)
        expected = Counter()
        for batch in spell(schedule):
            expected[batch.kind, batch.source, batch.queries[0] if batch.kind is XX else ""] += 1
        counted = schedule.count_batches()
        assert sum(counted.values()) == len(schedule) == steps
        assert {key: count for key, count in counted.items() if count} == expected


class TestPasses:
    @given(
        st.lists(st.sampled_from([("abc", "abc"), ("a", "b"), ("ab", "c"), ("b", "b"), ("a", "")]), min_size=12),
        st.sampled_from([XY, MIXED]),
        st.integers(2, 5),
        SEEDS,
    )
    @settings(max_examples=40)
    def test_draw_every_unit_once(self, examples, kind, size, seed):
        examples = [*examples, *[("abc", "abc")] * size]
        eligible = {i for i, example in enumerate(examples) if pairs_of(example, kind)}
        batches = len(eligible) // size
        schedule = make_schedule([make_source(examples)], kind, 3 * batches, size, seed)
        for first in range(0, 3 * batches, batches):
            drawn = [example for step in range(first, first + batches) for example in schedule[step].examples.tolist()]
            assert len(drawn) == len(set(drawn)) == batches * size
            assert set(drawn) <= eligible

    def test_come_in_another_order_each_and_leave_out_other_units(self):
        examples = [("ab", "ab")] * 43
        schedule = make_schedule([make_source(examples)], XY, 40, 4)
        passes = [np.concatenate([schedule[step].examples for step in range(i, i + 10)]) for i in range(0, 40, 10)]
        assert len({tuple(order) for order in passes}) == 4
        left_out = [frozenset(range(43)) - set(order.tolist()) for order in passes]
        assert {len(rest) for rest in left_out} == {3}
        assert len(set(left_out)) == 4
        assert not any(np.array_equal(order, np.sort(order)) for order in passes)

    def test_are_kept_apart_by_kind_source_and_language(self):
        # 8 batches are a pass over either source in either language, and over either across languages.
        sources = [make_source([("ab", "ab")] * 32, name) for name in ("one", "other")]
        schedule = make_schedule(sources, hybrid(0.5), 200)
        drawn: dict[tuple, list[int]] = {}
        for batch in spell(schedule):
            key = (batch.kind, batch.source, batch.queries[0] if batch.kind is XX else "")
            drawn.setdefault(key, []).extend(batch.examples)
        assert len(drawn) == 6
        assert len({tuple(examples[:32]) for examples in drawn.values()}) == 6
        for examples in drawn.values():
            assert_array_equal(np.sort(examples[:32]), np.arange(32))

    def test_reach_far_into_a_large_source(self):
        size = 1_000_003
        complete = {lang: RowSet.all(size) for lang in "ab"}
        schedule = make_schedule([Source("large", size, complete, complete, 1.0)], XX, 400, 500)
        examples = np.concatenate([batch.examples for batch in schedule if batch.query_languages[0] == 0])
        assert len(np.unique(examples)) == len(examples) > 50_000
        counts, _ = np.histogram(examples, bins=10, range=(0, size))
        assert (np.abs(counts / len(examples) - 0.1) < 0.01).all()


class TestErrors:
    def test_more_triplets_than_units_of_a_language(self):
        examples = [("ab", "ab")] * 10 + [("a", "a")] * 10
        with pytest.raises(TrainingError, match=r"no X-X batch of 11 in b can be made: .* more than 10 that") as told:
            make_schedule([make_source(examples)], hybrid(0.5), 5, 11)
        assert "Lower schedule.batch_size, or name the languages in schedule.languages." in str(told.value)
        # Either remedy helps.
        assert len(make_schedule([make_source(examples)], XX, 5, 11, languages="a")) == 5
        assert len(make_schedule([make_source(examples)], hybrid(0.5), 5, 10)) == 5

    def test_the_largest_of_several_sets_of_units_is_named(self):
        sources = [make_source(COMPLETE[:n], f"{n}") for n in (3, 7, 5)]
        with pytest.raises(
            TrainingError, match="no X-Y batch of 8 can be made: no set of examples has more than 7 that"
        ):
            make_schedule(sources, XY, 5, 8)

    def test_a_language_with_texts_on_one_side_only(self):
        with pytest.raises(TrainingError, match=r"no X-X batch of 2 in b can be made: .* more than 0 that fit"):
            make_schedule([make_source([("ab", "a")] * 10)], XX, 5, 2)

    def test_units_in_one_language_across_languages(self):
        with pytest.raises(TrainingError, match=r"no X-Y batch of 4 can be made: .* more than 0 that fit") as told:
            make_schedule([make_source([("a", "a")] * 10 + [("b", "b")] * 10)], hybrid(0.5), 5)
        assert str(told.value).endswith("Lower schedule.batch_size.")

    def test_units_in_one_language_do_where_nothing_is_across_languages(self):
        examples = [("a", "a")] * 10 + [("b", "b")] * 10
        assert len(make_schedule([make_source(examples)], hybrid(1.0), 5)) == 5

    @pytest.mark.parametrize("batch_size", [1, 0])
    def test_a_batch_without_negatives(self, batch_size):
        with pytest.raises(TrainingError, match=rf"schedule\.batch_size: {batch_size}: .* at least 2 triplets"):
            make_schedule([make_source(COMPLETE)], XX, 5, batch_size)

    def test_a_language_that_no_unit_has(self):
        with pytest.raises(TrainingError, match=r"schedule\.languages: no example has 'x'; there are a, b, c"):
            make_schedule([make_source(COMPLETE)], XX, 5, languages="ax")

    @pytest.mark.parametrize("kind", list(BatchKind))
    def test_units_without_any_text(self, kind):
        # Such as a file of examples of which only a language is wanted that none of them has.
        with pytest.raises(TrainingError, match="none has a text in the configured languages"):
            make_schedule([make_source([("", "")] * 10)], kind, 5)
