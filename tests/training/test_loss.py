"""The weighted sum of objectives, over a model of one table of embeddings, against the objectives one by one."""

import copy

import pytest
import torch
from torch import nn

from babelrank.training.config import (
    DistillationConfig,
    InfoNCEConfig,
    ObjectivesConfig,
    TemperatureConfig,
)
from babelrank.training.loss import WeightedObjectives
from babelrank.training.objectives import (
    cosines,
    embedding_distance,
    info_nce,
    language_contrast,
    score_divergence,
    semantic_contrast,
)

SIZE, DIMENSION, WORDS = 7, 5, 40
# Queries 0 and 1 are the same, and so are the passages 1, 2 and 5.
QUERIES, PASSAGES = [11, 11, 13, 14, 15, 16, 17], [21, 22, 22, 24, 25, 22, 27]
# Pairs that are no negatives: of the same query or passage; pairs of equal passages.
KNOWN_PAIRS = [(0, 1), (1, 0), (1, 2), (2, 1), (1, 5), (5, 1), (2, 5), (5, 2)]
EQUAL_PASSAGES = KNOWN_PAIRS[2:]

OBJECTIVES = {
    "info_nce": InfoNCEConfig(weight=2.0, temperature=0.3),
    "symmetric": InfoNCEConfig(weight=0.7, temperature=0.2, symmetric=True),
    "hard_negatives": InfoNCEConfig(weight=1.3, temperature=0.2, hard_negatives=2),
    "embedding_distillation": DistillationConfig(weight=3.0),
    "score_distillation": TemperatureConfig(weight=0.5, temperature=0.4),
    "semantic_contrast": TemperatureConfig(weight=1.5, temperature=0.3),
    "language_contrast": TemperatureConfig(weight=0.25, temperature=0.1),
}


def choose(*names: str) -> ObjectivesConfig:
    """Return the objectives of these names; symmetric and hard_negatives are two kinds of InfoNCE."""
    fields = {name if name in ObjectivesConfig.model_fields else "info_nce": OBJECTIVES[name] for name in names}
    return ObjectivesConfig(**fields)


CHOICES = {
    **{name: choose(name) for name in OBJECTIVES},
    "distillation": choose("embedding_distillation", "score_distillation"),
    "all": choose(
        "hard_negatives", "embedding_distillation", "score_distillation", "semantic_contrast", "language_contrast"
    ),
}


class MeanOfWords(nn.Module):
    """The mean of a text's word vectors; counts its calls by number of texts."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, DIMENSION)
        self.dense = nn.Linear(DIMENSION, DIMENSION)
        self.texts_read = []

    def forward(self, features):
        self.texts_read.append(len(features["input_ids"]))
        return {"sentence_embedding": torch.tanh(self.dense(self.words(features["input_ids"]).mean(dim=1)))}


class RandomTeacher(nn.Module):
    """A vector for each role and text, and parameters of its own; remembers what it read."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.read_texts = []

    def read(self, texts, role):
        self.read_texts.append((role, texts))
        seeds = [sum(map(ord, role + lang + text)) for reading in texts for lang, text in reading.items()]
        rows = [torch.randn(DIMENSION, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(rows) * self.scale.detach()


@pytest.fixture
def model() -> MeanOfWords:
    torch.manual_seed(0)
    return MeanOfWords()


@pytest.fixture
def teacher() -> RandomTeacher:
    return RandomTeacher()


@pytest.fixture
def targets() -> dict:
    texts = {
        "query": [{"en": f"question {number}"} for number in QUERIES],
        "passage": [{"de" if i % 2 else "en": f"passage {number}"} for i, number in enumerate(PASSAGES)],
    }
    numbers = {"query": QUERIES, "passage": PASSAGES, "negative": [-1 - i for i in range(9)]}
    return {side: torch.tensor(each)[:, None] for side, each in numbers.items()} | {"teacher": texts}


def make_features(objectives: ObjectivesConfig) -> list[dict]:
    """Make token ids: queries, passages, translations and negatives, the latter two where they are read."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(SIZE, 3), (SIZE, 6)]
    if objectives.needs_translation:
        shapes.append((SIZE, 5))
    if objectives.info_nce and objectives.info_nce.hard_negatives:
        shapes.append((9, 4))
    return [{"input_ids": torch.randint(0, WORDS, shape, generator=generator)} for shape in shapes]


def mark(pairs, *, diagonal: bool = False) -> torch.Tensor:
    found = torch.eye(SIZE, dtype=torch.bool) & diagonal
    for i, j in pairs:
        found[i, j] = True
    return found


def expect(name: str, model, objectives: ObjectivesConfig, targets) -> torch.Tensor:
    """Return one weighted objective, from its function."""
    queries, passages, *others = [model(feature)["sentence_embedding"] for feature in make_features(objectives)]
    known, chosen = mark(KNOWN_PAIRS), getattr(objectives, name)
    read = {role: RandomTeacher().read(targets["teacher"][role], role) for role in ("query", "passage")}
    if name == "info_nce":
        negatives = others[-1] if chosen.hard_negatives else None
        options = {"temperature": chosen.temperature, "negatives": negatives, "symmetric": chosen.symmetric}
        return chosen.weight * info_nce(queries, passages, known, **options)
    if name == "embedding_distillation":
        # Queries and passages count alike.
        both = torch.cat([queries, passages]), torch.cat([read["query"], read["passage"]])
        return chosen.weight * embedding_distance(*both)
    if name == "score_distillation":
        scores = cosines(queries, passages), cosines(read["query"], read["passage"])
        return chosen.weight * score_divergence(*scores, known, temperature=chosen.temperature)
    if name == "semantic_contrast":
        equal = mark(EQUAL_PASSAGES)
        return chosen.weight * semantic_contrast(passages, others[0], equal, temperature=chosen.temperature)
    own = mark(KNOWN_PAIRS, diagonal=True)
    parts = [
        language_contrast(anchors, passages, others[0], own, temperature=chosen.temperature)
        for anchors in (queries, passages)
    ]
    return chosen.weight * torch.stack(parts).mean()


def names_in(objectives: ObjectivesConfig) -> list[str]:
    return [name for name in ObjectivesConfig.model_fields if getattr(objectives, name)]


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_objective_comes_with_its_weight(choice, model, teacher, targets):
    objectives = CHOICES[choice]
    losses = WeightedObjectives(model, objectives, teacher)(make_features(objectives), targets)
    assert sorted(losses) == sorted(names_in(objectives))
    for name, loss in losses.items():
        assert loss.shape == ()
        assert loss.item() == pytest.approx(expect(name, model, objectives, targets).item(), rel=1e-5)
        assert loss.item() > 0.01


@pytest.mark.parametrize("choice", CHOICES)
def test_the_sum_has_the_sum_of_gradients(choice, model, teacher, targets):
    objectives = CHOICES[choice]
    other = copy.deepcopy(model)
    sum(WeightedObjectives(model, objectives, teacher)(make_features(objectives), targets).values()).backward()
    for name in names_in(objectives):
        expect(name, other, objectives, targets).backward()
    assert gradients(model)["words.weight"].abs().max() > 1e-3
    torch.testing.assert_close(gradients(model), gradients(other), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("micro_batch_size", [1, 3, 100])
def test_caching_gradients_changes_neither_loss_nor_gradients(choice, micro_batch_size, model, teacher, targets):
    objectives = CHOICES[choice]
    other = copy.deepcopy(model)
    plain = sum(WeightedObjectives(model, objectives, teacher)(make_features(objectives), targets).values())
    plain.backward()
    loss = WeightedObjectives(other, objectives, teacher, micro_batch_size)(make_features(objectives), targets)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    torch.testing.assert_close(gradients(other), gradients(model), rtol=1e-4, atol=1e-5)
    assert max(other.texts_read) <= micro_batch_size
    # Each text is read once without gradients and once with them.
    assert sum(other.texts_read) == 2 * sum(model.texts_read)


def test_a_cached_loss_passes_on_the_factor_of_what_it_is_part_of(model, targets):
    objectives = CHOICES["info_nce"]
    other = copy.deepcopy(model)
    WeightedObjectives(model, objectives, None, 2)(make_features(objectives), targets).backward()
    (WeightedObjectives(other, objectives, None, 2)(make_features(objectives), targets) / 4).backward()
    expected = {name: gradient / 4 for name, gradient in gradients(model).items()}
    torch.testing.assert_close(gradients(other), expected)


def test_whether_gradients_are_cached_is_known_to_the_trainer(model):
    assert not WeightedObjectives(model, CHOICES["info_nce"]).uses_gradient_cache
    assert WeightedObjectives(model, CHOICES["info_nce"], None, 8).uses_gradient_cache


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_a_batch_of_one_passage_only_has_nothing_to_contrast(micro_batch_size, model, targets):
    objectives = choose("info_nce", "semantic_contrast", "language_contrast")
    targets["passage"][:] = 21
    losses = WeightedObjectives(model, objectives, None, micro_batch_size)(make_features(objectives), targets)
    loss = losses if micro_batch_size else sum(losses.values())
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert all(gradient.abs().max() < 1e-6 for gradient in gradients(model).values())


def test_hard_negatives_that_stand_in_the_batch_as_passages_are_left_out(model, targets):
    """They count already as passages of other queries, or are the query's own."""
    objectives = CHOICES["hard_negatives"]
    with_them = WeightedObjectives(model, objectives)(make_features(objectives), targets)["info_nce"]
    targets["negative"] = torch.tensor([PASSAGES[i % SIZE] for i in range(9)])[:, None]
    without = WeightedObjectives(model, objectives)(make_features(objectives), targets)["info_nce"]
    plain = InfoNCEConfig(weight=1.3, temperature=0.2)
    alone = WeightedObjectives(model, ObjectivesConfig(info_nce=plain))(make_features(CHOICES["info_nce"]), targets)
    assert without.item() == pytest.approx(alone["info_nce"].item())
    assert with_them.item() > without.item()


def test_the_teacher_reads_its_own_texts_by_role(model, teacher, targets):
    WeightedObjectives(model, CHOICES["distillation"], teacher)(make_features(CHOICES["distillation"]), targets)
    assert sorted(teacher.read_texts) == sorted(targets["teacher"].items())


def test_the_teacher_is_not_read_where_nothing_is_distilled(model, teacher, targets):
    del targets["teacher"]
    WeightedObjectives(model, CHOICES["info_nce"], teacher)(make_features(CHOICES["info_nce"]), targets)
    assert teacher.read_texts == []


@pytest.mark.parametrize("choice", ["embedding_distillation", "score_distillation"])
def test_distillation_needs_a_teacher(choice, model, targets):
    with pytest.raises(ValueError, match="need a teacher"):
        WeightedObjectives(model, CHOICES[choice])(make_features(CHOICES[choice]), targets)


def test_parameters_are_the_models_and_not_the_teachers(model, teacher):
    loss = WeightedObjectives(model, CHOICES["all"], teacher)
    assert {id(parameter) for parameter in loss.parameters()} == {id(parameter) for parameter in model.parameters()}
    assert teacher not in list(loss.modules())
    assert sorted(loss.state_dict()) == sorted(f"model.{name}" for name in model.state_dict())
    loss.eval()
    assert teacher.training
    assert not model.training
