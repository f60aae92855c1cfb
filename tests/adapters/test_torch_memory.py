"""A batch that does not fit in memory is halved, tried again, and stays that small."""

import pytest

from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.errors import EncoderError
from babelrank_adapters.batches import BatchSize

TEXTS = [f"text {'a' * i}" for i in range(20)]


def out_of_memory():
    import torch

    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Memory:
    """Fails as a device does when it gets more than `room` texts at once; remembers every attempt."""

    def __init__(self, room, error=out_of_memory):
        self.room = room
        self.error = error
        self.attempts = []

    def __call__(self, batch_size):
        self.attempts.append(batch_size)
        if batch_size > self.room:
            raise self.error()
        return "done"


@pytest.mark.parametrize(
    "error",
    [
        out_of_memory,
        lambda: RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"),
        lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        MemoryError,
    ],
)
def test_a_batch_is_halved_until_it_fits(error):
    memory, batches = Memory(5, error), BatchSize(32)
    assert batches.run(memory) == "done"
    assert memory.attempts == [32, 16, 8, 4]


def test_a_size_that_fits_is_kept():
    memory, batches = Memory(3), BatchSize(7)
    batches.run(memory)
    batches.run(memory)
    assert memory.attempts == [7, 3, 3]


def test_a_single_text_that_does_not_fit_is_an_error():
    memory = Memory(0)
    with pytest.raises(EncoderError, match=r"a single text does not fit in memory: CUDA out of memory"):
        BatchSize(4).run(memory)
    assert memory.attempts == [4, 2, 1]


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("out of memory"), OSError("disk")])
def test_other_errors_are_not_tried_again(error):
    memory = Memory(0, lambda: error)
    with pytest.raises(type(error)) as caught:
        BatchSize(4).run(memory)
    assert caught.value is error
    assert memory.attempts == [4]


@pytest.mark.parametrize("fixture", ["tiny_model", "sparse_model", "multi_vector_model", "plain_bert"])
def test_an_encoder_on_a_small_device_gives_the_same(fixture, request, monkeypatch):
    encoder = load_encoder(str(request.getfixturevalue(fixture)), EncoderOptions(batch_size=16))
    expected = encoder.encode_document(TEXTS)
    seen = []
    preprocess = type(encoder._model).preprocess

    def crowded(model, inputs, *arguments, **options):
        seen.append(len(inputs))
        if len(inputs) > 4:
            raise out_of_memory()
        return preprocess(model, inputs, *arguments, **options)

    monkeypatch.setattr(type(encoder._model), "preprocess", crowded)
    vectors = encoder.encode_document(TEXTS)
    assert seen[:3] == [16, 8, 4]
    one, other = (each.tokens if hasattr(each, "tokens") else each for each in (vectors, expected))
    assert abs(one - other).max() < 1e-5
    assert encoder.encode_query(["a"]) is not None
