"""From the steps of a schedule to what the model reads: texts, their places, columns and targets."""

import pickle
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.utils.data import DataLoader

from babelrank.training.batches import Collator, Example, FixedTexts, ScheduledTexts, StepSampler
from babelrank.training.membership import RowSet
from babelrank.training.objectives import are_same, known_positives
from babelrank.training.schedule import BatchKind, Schedule, ScheduleSettings, Source
from babelrank.training.units import Unit

LANGUAGES = ("de", "en", "th")
PROMPTS = {"query": "ask: ", "passage": "read: "}


class Listed:
    """Units in a list."""

    def __init__(self, *units):
        self._units = units
        self.queries, self.passages = (
            {lang: RowSet.of(np.array([lang in texts for texts in side])) for lang in LANGUAGES}
            for side in ([unit.query for unit in units], [unit.passage for unit in units])
        )

    def __len__(self):
        return len(self._units)

    def __getitem__(self, row):
        return self._units[row]


def listed(name, size, query=LANGUAGES, passage=LANGUAGES) -> Listed:
    return Listed(
        *(
            Unit(
                f"{name}{i}",
                {lang: f"{lang} question {name}{i}" for lang in query},
                {lang: f"{lang} passage {name}{i}" for lang in passage},
            )
            for i in range(size)
        )
    )


def schedule_of(sources, *, alpha=0.5, batch_size=4, steps=12, seed=0) -> Schedule:
    return Schedule(
        [Source(f"s{i}", len(s), s.queries, s.passages, float(len(s))) for i, s in enumerate(sources)],
        ScheduleSettings({BatchKind.MONOLINGUAL: alpha, BatchKind.CROSS_LINGUAL: 1 - alpha}, batch_size, seed),
        steps,
    )


class Preprocess:
    """Stands for a model's preprocessing; keeps what it is called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, texts, **arguments):
        self.calls.append((list(texts), arguments))
        return {"input_ids": list(texts), "attention_mask": [1] * len(texts)}


def collator_of(
    preprocess, *, max_length=8, seed=0, translations=False, negatives=0, teacher_language=None
) -> Collator:
    return Collator(
        preprocess,
        PROMPTS,
        max_length,
        seed=seed,
        translations=translations,
        negatives=negatives,
        teacher_language=teacher_language,
    )


def collate(examples, **settings):
    return collator_of(Preprocess(), **settings)(examples)


PARALLEL = Unit(
    "u1",
    {"de": "wer?", "en": "who?", "th": "ใคร"},
    {"de": "er", "en": "he", "es": "él", "th": "เขา"},
    ({"de": "es", "en": "it"}, {"en": "they"}, {"de": "wir"}),
)
CROSS = Example("wer?", "he", "de", "en", PARALLEL, 3)
MONO = Example("ใคร", "เขา", "th", "th", PARALLEL, 3)
ALONE = Example("was?", "das", "de", "de", Unit("u2", {"de": "was?"}, {"de": "das"}), 3)


# --- texts of a schedule ---


def test_every_place_of_a_schedule_holds_the_unit_and_the_languages_it_says():
    sources = [listed("a", 30), listed("b", 20, query=("de", "th"), passage=("de", "en", "th"))]
    schedule = schedule_of(sources, steps=30)
    texts = ScheduledTexts(schedule, sources)
    assert len(texts) == 30 * 4
    for batch in schedule:
        for position in range(4):
            example = texts[batch.step, position]
            query, passage = (
                schedule.languages[of[position]] for of in (batch.query_languages, batch.passage_languages)
            )
            unit = sources[batch.source][int(batch.units[position])]
            assert example == Example(unit.query[query], unit.passage[passage], query, passage, unit, batch.step)
            assert (query == passage) == (batch.kind is BatchKind.MONOLINGUAL)


@given(st.integers(0, 5), st.permutations([(step, position) for step in range(12) for position in range(4)]))
@settings(max_examples=15)
def test_the_order_of_reading_does_not_matter(seed, places):
    sources = [listed("a", 9), listed("b", 15)]
    in_order, in_disorder = (ScheduledTexts(schedule_of(sources, seed=seed), sources) for _ in range(2))
    expected = {place: in_order[place] for place in sorted(places)}
    assert {place: in_disorder[place] for place in places} == expected


def test_texts_of_a_schedule_can_be_sent_to_another_process():
    sources = [listed("a", 9)]
    texts = ScheduledTexts(schedule_of(sources), sources)
    before = texts[7, 2]
    copy = pickle.loads(pickle.dumps(texts))
    assert replace(copy[7, 2], unit=before.unit) == before
    assert (copy[7, 2].unit.id, copy[0, 0].query) == (before.unit.id, texts[0, 0].query)


# --- texts for validation ---


def test_validation_takes_each_unit_in_the_first_language_that_both_sides_have():
    shared = Unit("u1", {"th": "q th", "de": "q de"}, {"de": "p de", "th": "p th"})
    parted = Unit("u2", {"de": "q"}, {"en": "p"})
    without_passage = Unit("u3", {"de": "q"}, {})
    second = Unit("u4", {"es": "q es", "en": "q en"}, {"en": "p en"})
    texts = FixedTexts(Listed(shared, parted, without_passage, second))
    assert len(texts) == 2
    assert texts[0, 0] == Example("q th", "p th", "th", "th", shared, 0)
    assert texts[5, 1] == Example("q en", "p en", "en", "en", second, 5)


def test_units_without_a_shared_language_leave_no_gap_in_the_places():
    units = Listed(*(Unit(f"u{i}", {"de": f"q{i}"}, {"en" if i % 3 == 0 else "de": f"p{i}"}) for i in range(10)))
    texts = FixedTexts(units)
    sampler = StepSampler([2, 2, 2], [0, 2, 4])
    assert [texts[place].unit.id for places in sampler for place in places] == ["u1", "u2", "u4", "u5", "u7", "u8"]
    assert len(texts) == 6


# --- places ---


def test_places_of_a_schedule_are_counted_from_0_in_every_step():
    sampler = StepSampler([3, 3])
    assert list(sampler) == [[(0, 0), (0, 1), (0, 2)], [(1, 0), (1, 1), (1, 2)]]
    assert len(sampler) == 2
    assert list(sampler) == list(sampler)


def test_places_of_validation_run_on_from_batch_to_batch():
    assert list(StepSampler([2, 2, 1], [0, 2, 4])) == [[(0, 0), (0, 1)], [(1, 2), (1, 3)], [(2, 4)]]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_all_places_are_yielded_once(sizes):
    sampler = StepSampler(sizes)
    places = [place for batch in sampler for place in batch]
    assert places == [(step, position) for step, size in enumerate(sizes) for position in range(size)]
    assert len(sampler) == len(sizes)
    assert sampler.batch_size == max(sizes)


def test_sizes_and_beginnings_go_together():
    with pytest.raises(ValueError, match="longer"):
        list(StepSampler([2, 2], [0]))


def test_a_loader_gives_the_batches_of_the_schedule():
    sources = [listed("a", 30)]
    schedule = schedule_of(sources, steps=6)
    loader = DataLoader(ScheduledTexts(schedule, sources), batch_sampler=StepSampler([4] * 6), collate_fn=list)
    assert [[int(e.unit.id[1:]) for e in batch] for batch in loader] == [batch.units.tolist() for batch in schedule]


# --- columns ---


def test_columns_are_the_query_and_the_passage():
    batch = collate([CROSS, MONO])
    assert list(batch) == [
        "query_input_ids",
        "query_attention_mask",
        "passage_input_ids",
        "passage_attention_mask",
        "label",
    ]
    assert batch["query_input_ids"] == ["wer?", "ใคร"]
    assert batch["passage_input_ids"] == ["he", "เขา"]
    assert set(batch["label"]) == {"query", "passage"}


def test_translations_and_negatives_follow_in_this_order():
    batch = collate([CROSS, MONO], translations=True, negatives=1)
    assert [column for column in batch if column.endswith("input_ids")] == [
        f"{side}_input_ids" for side in ("query", "passage", "translation", "negative")
    ]
    assert list(batch)[-1] == "label"


def test_each_side_is_read_with_its_prompt_and_cut_at_the_same_length():
    preprocess = Preprocess()
    collator_of(preprocess, max_length=17, translations=True, negatives=2)([CROSS])
    (_, query), *others = preprocess.calls
    assert query == {"prompt": "ask: ", "max_length": 17}
    assert [arguments for _, arguments in others] == [{"prompt": "read: ", "max_length": 17}] * 3


def test_every_column_is_read_in_one_call():
    preprocess = Preprocess()
    collator_of(preprocess)([CROSS, MONO, ALONE])
    assert [texts for texts, _ in preprocess.calls] == [["wer?", "ใคร", "was?"], ["he", "เขา", "das"]]


# --- negatives ---


def test_negatives_are_in_the_language_of_the_passage_and_no_more_than_asked_for():
    german = Example("who?", "er", "en", "de", PARALLEL, 0)
    assert collate([CROSS, german], negatives=2)["negative_input_ids"] == ["it", "they", "es", "wir"]
    assert collate([CROSS, german], negatives=1)["negative_input_ids"] == ["it", "es"]


def test_a_passage_stands_for_the_negatives_that_a_unit_lacks():
    assert collate([ALONE, CROSS, MONO], negatives=1)["negative_input_ids"] == ["das", "it", "เขา"]
    batch = collate([CROSS, ALONE], negatives=3)
    assert batch["negative_input_ids"] == ["it", "they", "he", "das", "das", "das"]
    assert (
        are_same(batch["label"]["negative"], batch["label"]["passage"]).any(dim=1).tolist() == [False] * 2 + [True] * 4
    )


def test_there_is_no_column_of_negatives_if_none_are_wanted():
    assert "negative_input_ids" not in collate([CROSS], negatives=0)


# --- translations ---


@given(st.integers(0, 1000), st.integers(0, 1000), st.sampled_from(sorted(PARALLEL.passage)))
def test_a_translation_is_the_same_passage_in_another_language(seed, step, language):
    example = Example("who?", PARALLEL.passage[language], "en", language, PARALLEL, step)
    (found,) = collate([example], seed=seed, translations=True)["translation_input_ids"]
    assert found in set(PARALLEL.passage.values()) - {PARALLEL.passage[language]}


def test_translations_are_drawn_anew_by_seed_step_and_unit_and_reach_every_language():
    def draw(step=0, seed=0, name="u1"):
        example = replace(CROSS, step=step, unit=replace(PARALLEL, id=name))
        return collate([example], seed=seed, translations=True)["translation_input_ids"][0]

    by_step, by_seed = [draw(step=i) for i in range(60)], [draw(seed=i) for i in range(60)]
    by_unit = [draw(name=f"u{i}") for i in range(60)]
    assert set(by_step) == set(by_seed) == set(by_unit) == {"er", "él", "เขา"}
    assert by_step == [draw(step=i) for i in range(60)]
    assert len({tuple(drawn) for drawn in (by_step, by_seed, by_unit)}) == 3


def test_a_translation_depends_neither_on_the_rest_of_the_batch_nor_on_the_process():
    other = Example("who?", "er", "en", "de", replace(PARALLEL, id="u9"), 3)
    whole = collate([CROSS, other, MONO], translations=True)["translation_input_ids"]
    parts = [collate([example], translations=True)["translation_input_ids"][0] for example in (CROSS, other, MONO)]
    assert whole == parts


def test_a_passage_without_a_translation_stands_for_it():
    assert collate([ALONE], translations=True)["translation_input_ids"] == ["das"]


# --- targets ---


def test_equal_texts_have_equal_numbers_on_each_side():
    examples = [replace(CROSS, query=q, passage=p) for q, p in ("ax", "by", "ay", "bx", "cz")]
    targets = collate(examples)["label"]
    for side, texts in (("query", "ababc"), ("passage", "xyyxz")):
        assert targets[side].dtype == torch.int64
        assert targets[side].shape == (5, 2)
        numbers = targets[side][:, 0]
        assert [[a == b for b in texts] for a in texts] == (numbers[:, None] == numbers[None, :]).tolist()


def test_units_that_share_a_passage_are_told_in_any_two_languages():
    other = replace(PARALLEL, id="u3", query={"de": "wo?", "th": "ไหน"})
    examples = [CROSS, Example("ไหน", "เขา", "th", "th", other, 3), ALONE]
    label = collate(examples)["label"]
    known = known_positives(label["query"], label["passage"])
    assert known.nonzero().tolist() == [[0, 1], [1, 0]]


def test_a_text_has_the_same_number_in_another_batch_and_process():
    numbers = collate([CROSS, MONO])["label"]["passage"][1]
    assert numbers.tolist() == collate([MONO])["label"]["passage"][0].tolist()
    # xxh64 of the empty input, as its specification has it.
    empty = collate([replace(CROSS, query="")])["label"]["query"][:, 0]
    assert empty.numpy().view(np.uint64).tolist() == [0xEF46DB3751D8E999]


# --- what a teacher reads ---


def test_a_teacher_reads_its_own_language_whatever_the_student_reads():
    assert collate([CROSS, MONO], teacher_language="en")["label"]["teacher"] == {
        "query": [{"en": "who?"}, {"en": "who?"}],
        "passage": [{"en": "he"}, {"en": "he"}],
    }


def test_a_teacher_reads_the_students_text_where_its_language_is_lacking():
    assert collate([ALONE, MONO], teacher_language="es")["label"]["teacher"] == {
        "query": [{"de": "was?"}, {"th": "ใคร"}],
        "passage": [{"de": "das"}, {"es": "él"}],
    }


def test_a_teacher_may_read_as_the_student_does():
    assert collate([CROSS, MONO], teacher_language="own")["label"]["teacher"] == {
        "query": [{"de": "wer?"}, {"th": "ใคร"}],
        "passage": [{"en": "he"}, {"th": "เขา"}],
    }


def test_a_teacher_may_read_all_translations():
    assert collate([CROSS, ALONE], teacher_language="all")["label"]["teacher"] == {
        "query": [PARALLEL.query, {"de": "was?"}],
        "passage": [PARALLEL.passage, {"de": "das"}],
    }


def test_a_teacher_may_read_the_students_text_and_another():
    read = collate([CROSS, ALONE], teacher_language="own+en")["label"]["teacher"]
    assert read["query"] == [{"de": "wer?", "en": "who?"}, {"de": "was?"}]
    assert read["passage"] == [{"en": "he"}, {"de": "das"}]


def test_without_a_teacher_there_is_nothing_for_it_to_read():
    assert "teacher" not in collate([CROSS])["label"]


def test_a_collator_can_be_sent_to_another_process():
    collator = collator_of(Preprocess(), translations=True, negatives=2, teacher_language="en")
    copy = pickle.loads(pickle.dumps(collator))
    first, second = collator([CROSS]), copy([CROSS])
    assert {key: value for key, value in first.items() if key != "label"} == {
        key: value for key, value in second.items() if key != "label"
    }
    assert first["label"]["teacher"] == second["label"]["teacher"]
