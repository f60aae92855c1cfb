"""From the steps of a schedule to what the model reads: texts, their places, columns and targets."""

import pickle
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.utils.data import DataLoader

from babelrank.training.batches import Collator, ScheduledTexts, StepSampler, Triplet, draw_negatives
from babelrank.training.examples import Example
from babelrank.training.membership import RowSet
from babelrank.training.objectives import are_same, known_positives
from babelrank.training.schedule import BatchKind, Schedule, ScheduleSettings, Source

LANGUAGES = ("de", "en", "th")
PROMPTS = {"query": "ask: ", "passage": "read: "}


class Listed:
    """Examples in a list."""

    def __init__(self, *examples):
        self._units = examples
        self.queries, self.passages = (
            {lang: RowSet.of(np.array([lang in texts for texts in side])) for lang in LANGUAGES}
            for side in ([example.query for example in examples], [example.passage for example in examples])
        )

    def __len__(self):
        return len(self._units)

    def __getitem__(self, row):
        return self._units[row]


def listed(name, size, query=LANGUAGES, passage=LANGUAGES) -> Listed:
    return Listed(
        *(
            Example(
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
        {"query": max_length, "passage": max_length},
        seed=seed,
        translations=translations,
        negatives=negatives,
        teacher_language=teacher_language,
    )


def collate(triplets, **settings):
    return collator_of(Preprocess(), **settings)(triplets)


PARALLEL = Example(
    "u1",
    {"de": "wer?", "en": "who?", "th": "ใคร"},
    {"de": "er", "en": "he", "es": "él", "th": "เขา"},
    ({"de": "es", "en": "it"}, {"en": "they"}, {"de": "wir"}),
)
CROSS = Triplet("wer?", "he", "de", "en", PARALLEL, 3)
MONO = Triplet("ใคร", "เขา", "th", "th", PARALLEL, 3)
ALONE = Triplet("was?", "das", "de", "de", Example("u2", {"de": "was?"}, {"de": "das"}), 3)


# --- texts of a schedule ---


def test_every_place_of_a_schedule_holds_the_unit_and_the_languages_it_says():
    sources = [listed("a", 30), listed("b", 20, query=("de", "th"), passage=("de", "en", "th"))]
    schedule = schedule_of(sources, steps=30)
    texts = ScheduledTexts(schedule, sources)
    assert len(texts) == 30 * 4
    for batch in schedule:
        for position in range(4):
            triplet = texts[batch.step, position]
            query, passage = (
                schedule.languages[of[position]] for of in (batch.query_languages, batch.passage_languages)
            )
            example = sources[batch.source][int(batch.examples[position])]
            assert triplet == Triplet(
                example.query[query], example.passage[passage], query, passage, example, batch.step
            )
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
    assert replace(copy[7, 2], example=before.example) == before
    assert (copy[7, 2].example.id, copy[0, 0].query) == (before.example.id, texts[0, 0].query)


def test_a_passage_is_drawn_by_seed_step_and_example_among_those_in_the_language():
    passages = [{"en": "p0"}, {"th": "p1"}, {"en": "p2", "th": "p2 th"}]
    source = Listed(*(Example(f"u{i}", {"en": f"q{i}"}, passages[0], (), tuple(passages[1:])) for i in range(4)))
    schedule = Schedule(
        [Source("s", 4, {"en": source.queries["en"]}, {"en": source.queries["en"]})],
        ScheduleSettings({BatchKind.MONOLINGUAL: 1.0}, 4, 0),
        40,
    )
    texts = ScheduledTexts(schedule, [source])
    drawn = [texts[step, 0].passage for step in range(40)]
    assert set(drawn) == {"p0", "p2"}
    assert drawn == [texts[step, 0].passage for step in range(40)]


def test_a_loader_gives_the_batches_of_the_schedule():
    sources = [listed("a", 30)]
    schedule = schedule_of(sources, steps=6)
    loader = DataLoader(ScheduledTexts(schedule, sources), batch_sampler=StepSampler(6, 4), collate_fn=list)
    assert [[int(e.example.id[1:]) for e in batch] for batch in loader] == [
        batch.examples.tolist() for batch in schedule
    ]


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
    german = Triplet("who?", "er", "en", "de", PARALLEL, 0)
    drawn = collate([CROSS, german], negatives=2)["negative_input_ids"]
    assert [set(drawn[:2]), set(drawn[2:])] == [{"it", "they"}, {"es", "wir"}]
    drawn = collate([CROSS, german], negatives=1)["negative_input_ids"]
    assert drawn[0] in {"it", "they"}
    assert drawn[1] in {"es", "wir"}


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 3))
def test_all_negatives_have_their_turn(size, wanted, seed):
    example = Example("a", {"en": "q"}, {"en": "p"}, tuple({"en": f"n{i}"} for i in range(size)))
    drawn = [
        [texts["en"] for texts in draw_negatives(Triplet("q", "p", "en", "en", example, step), wanted, seed)]
        for step in range(-(-size // wanted))
    ]
    assert all(len(set(some)) == min(wanted, size) + (wanted > size) for some in drawn)
    assert {text for some in drawn for text in some} - {"p"} == {f"n{i}" for i in range(size)}


def test_the_order_of_negatives_depends_on_seed_and_example():
    def order(seed, name):
        example = Example(name, {"en": "q"}, {"en": "p"}, tuple({"en": f"n{i}"} for i in range(30)))
        return [draw_negatives(Triplet("q", "p", "en", "en", example, s), 1, seed)[0]["en"] for s in range(30)]

    assert order(0, "a") == order(0, "a")
    assert len({tuple(order(seed, name)) for seed in range(2) for name in "ab"}) == 4


def test_a_passage_stands_for_the_negatives_that_an_example_lacks():
    drawn = collate([ALONE, CROSS, MONO], negatives=1)["negative_input_ids"]
    assert (drawn[0], drawn[2]) == ("das", "เขา")
    batch = collate([CROSS, ALONE], negatives=3)
    assert set(batch["negative_input_ids"][:2]) == {"it", "they"}
    assert batch["negative_input_ids"][2:] == ["he", "das", "das", "das"]
    assert (
        are_same(batch["label"]["negative"], batch["label"]["passage"]).any(dim=1).tolist() == [False] * 2 + [True] * 4
    )


def test_there_is_no_column_of_negatives_if_none_are_wanted():
    assert "negative_input_ids" not in collate([CROSS], negatives=0)


# --- translations ---


@given(st.integers(0, 1000), st.integers(0, 1000), st.sampled_from(sorted(PARALLEL.passage)))
def test_a_translation_is_the_same_passage_in_another_language(seed, step, language):
    triplet = Triplet("who?", PARALLEL.passage[language], "en", language, PARALLEL, step)
    (found,) = collate([triplet], seed=seed, translations=True)["translation_input_ids"]
    assert found in set(PARALLEL.passage.values()) - {PARALLEL.passage[language]}


def test_translations_are_drawn_anew_by_seed_step_and_unit_and_reach_every_language():
    def draw(step=0, seed=0, name="u1"):
        triplet = replace(CROSS, step=step, example=replace(PARALLEL, id=name))
        return collate([triplet], seed=seed, translations=True)["translation_input_ids"][0]

    by_step, by_seed = [draw(step=i) for i in range(60)], [draw(seed=i) for i in range(60)]
    by_unit = [draw(name=f"u{i}") for i in range(60)]
    assert set(by_step) == set(by_seed) == set(by_unit) == {"er", "él", "เขา"}
    assert by_step == [draw(step=i) for i in range(60)]
    assert len({tuple(drawn) for drawn in (by_step, by_seed, by_unit)}) == 3


def test_a_translation_depends_neither_on_the_rest_of_the_batch_nor_on_the_process():
    other = Triplet("who?", "er", "en", "de", replace(PARALLEL, id="u9"), 3)
    whole = collate([CROSS, other, MONO], translations=True)["translation_input_ids"]
    parts = [collate([triplet], translations=True)["translation_input_ids"][0] for triplet in (CROSS, other, MONO)]
    assert whole == parts


def test_a_passage_without_a_translation_stands_for_it():
    assert collate([ALONE], translations=True)["translation_input_ids"] == ["das"]


# --- targets ---


def known_of(*examples):
    """Return which pairs of a batch are no negatives, the first example in English and the others in German."""
    languages = ["en", *["de"] * (len(examples) - 1)]
    triplets = [
        Triplet(e.query["en"], e.passage[lang], "en", lang, e, 3) for e, lang in zip(examples, languages, strict=True)
    ]
    label = collate(triplets)["label"]
    assert label["query"].dtype == label["passage"].dtype == torch.int64
    return known_positives(label["query"], label["passage"])


RIVER = {"de": "Der Fluss ist lang.", "en": "The river is long."}


@pytest.mark.parametrize(
    ("passage", "same"),
    [
        (RIVER, True),
        (RIVER | {"ar": "another wording"}, True),
        ({"de": "Der  Fluss ist LANG.", "fr": "Le fleuve"}, True),
        ({"de": "Der Fluss ist la\u0308nger.", "en": "Another"}, False),
        ({"de": "Der Berg ist hoch."}, False),
    ],
)
def test_passages_that_are_equal_in_any_language_are_no_negatives_of_one_another(passage, same):
    first = Example("a", {"en": "How long?"}, RIVER | {"ar": "one wording"})
    second = Example("b", {"en": "What is long?"}, passage)
    assert known_of(first, second).tolist() == [[False, same], [same, False]]


def test_composed_and_decomposed_texts_are_the_same():
    first, second = (Example(t, {"en": t}, {"en": f"{t} en", "de": t}) for t in ("lu\u0308gen", "l\u00fcgen"))
    assert known_of(first, second)[0, 1]


def test_every_passage_of_an_example_counts():
    first = Example("a", {"en": "Which?"}, {"en": "one", "de": "eins"}, (), (RIVER,))
    second = Example("b", {"en": "What is long?"}, {"de": RIVER["de"]})
    assert known_of(first, second)[0, 1]


def test_texts_of_punctuation_alone_are_the_same_only_if_they_are_equal():
    first, second, third = (
        Example(f"{i}", {"en": f"q{i}"}, {"en": t, "de": t}) for i, t in enumerate(("?", "?!", "?"))
    )
    assert known_of(first, second, third).int().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_a_text_has_the_same_number_in_another_batch_and_process():
    numbers = collate([CROSS, MONO])["label"]["passage"][1]
    assert numbers.tolist() == collate([MONO])["label"]["passage"][0].tolist()
    # xxh64 of "a", as its specification has it.
    letter = Example("a", {"en": "A"}, {"en": "p"})
    label = collate([Triplet("A", "p", "en", "en", letter, 0)])["label"]
    assert label["query"].numpy().view(np.uint64).tolist() == [[0xD24EC4F1A98C6E5B]]


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
