"""Run sentence-transformers models with ONNX Runtime or OpenVINO instead of PyTorch, on the CPU, in float32.

sentence-transformers uses Optimum for this, which cannot be installed with transformers 5
(https://github.com/huggingface/optimum-onnx/issues/114).
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer

from babelrank.encoding.model_files import ModelFiles
from babelrank.environment import available_cores
from babelrank.errors import EncoderError, described, requires

_TOKENS = ("last_hidden_state", "token_embeddings")  # names of the tokens' vectors in graphs
_EXPORTED = "exported"
_OUT_OF_MEMORY = ("Failed to allocate", "bad_alloc")  # in errors of either runtime, of several types
# Paths of graphs in models, by runtime. The first that exists is used. OpenVINO also reads ONNX.
_ONNX_FILES = ("onnx/model.onnx", "model.onnx")
_FILES = {
    "onnx": _ONNX_FILES,
    "openvino": ("openvino/openvino_model.xml", "openvino_model.xml", *_ONNX_FILES),
}

Arrays: TypeAlias = Mapping[str, np.ndarray]
Run: TypeAlias = Callable[[Arrays], np.ndarray]
Inputs: TypeAlias = Mapping[str, np.dtype]  # inputs of a graph, with the type of each


class Graph(torch.nn.Module):
    """A replacement for a transformers model that computes the vectors of tokens with another runtime.

    Attributes
    ----------
    config
        Configuration of the replaced model.
    device
        Device of the results.
    """

    def __init__(self, run: Run, inputs: Inputs, config: Any) -> None:
        super().__init__()
        self.config = config
        self.device = torch.device("cpu")
        self._run = run
        self._inputs = inputs

    def forward(self, **features: Any) -> dict[str, torch.Tensor]:
        """Return ``last_hidden_state``, shape (texts, tokens, dimension).

        Raises
        ------
        MemoryError
            There is not enough memory for this number of tokens.
        """
        arrays = {name: features[name].numpy().astype(dtype, copy=False) for name, dtype in self._inputs.items()}
        try:
            return {_TOKENS[0]: torch.from_numpy(self._run(arrays))}
        except Exception as error:  # the runtimes' own
            if any(words in str(error) for words in _OUT_OF_MEMORY):
                raise MemoryError(str(error)) from error
            raise


def replace_torch(model: SentenceTransformer, files: ModelFiles, backend: str) -> dict[str, Any]:
    """Run `model` on another runtime, with the graph that comes with it or with a newly exported one.

    Returns
    -------
    settings
        The runtime and the graph.

    Raises
    ------
    EncoderError
        The runtime is not installed, or the model cannot run on it.
    """
    first = model[0]
    where = f"{files.name}: --option backend={backend}"
    if not isinstance(first, Transformer):
        raise EncoderError(f"{where}: the model has no transformer.")
    stored = next((name for name in _FILES[backend] if name in files.names), None)
    with requires(backend, EncoderError), TemporaryDirectory() as scratch:
        if stored:
            # A graph's weights are next to it: model.onnx.data, model.onnx_data, openvino_model.bin.
            path = files.folder([f"{stored.rpartition('.')[0]}.*"]) / stored
        else:
            path = Path(scratch, "model.onnx")
            _export(model, first, path, where)
        run, inputs = _open(path, backend, where)
    example = _features(first, ["an example"])
    if missing := inputs.keys() - example.keys():
        raise EncoderError(
            f"{where}: the graph needs {', '.join(sorted(missing))}, which the tokenizer does not provide."
        )
    graph = Graph(run, inputs, first.config)
    _require_tokens(graph, example, where)
    first.model = graph
    return {"backend": backend, "graph": stored or _EXPORTED}


def _require_tokens(graph: Graph, example: Mapping[str, torch.Tensor], where: str) -> None:
    """Refuse a graph that cannot read texts, or does not return a vector for each token."""
    try:
        shape = tuple(graph(**example)[_TOKENS[0]].shape)
    except Exception as error:  # any of the runtime's own errors
        raise EncoderError(f"{where}: the graph cannot read texts ({described(error)}).") from error
    tokens = example["input_ids"].shape[1]
    if len(shape) != 3 or shape[:2] != (1, tokens):
        raise EncoderError(
            f"{where}: the graph returns shape {shape} for a text of {tokens} tokens, expected (1, {tokens}, "
            "dimension). A graph that pools tokens cannot be used. Leave out this option to run the model with PyTorch."
        )


def _export(model: SentenceTransformer, first: Transformer, path: Path, where: str) -> None:
    """Write the transformer as an ONNX graph for any number of texts and tokens."""
    import_module("onnxscript")  # needed by PyTorch's exporter; if it is missing, the error names the extra

    # Two texts, and more tokens than texts: equal or single lengths would be exported as constants.
    inputs = _features(first, ["an example", "and a longer example to be read"])
    dynamic = torch.export.Dim.DYNAMIC
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # PyTorch's warnings about its own code
            torch.onnx.export(
                model.eval()[0].model,
                kwargs=inputs,
                f=str(path),
                dynamo=True,
                verbose=False,
                input_names=list(inputs),
                output_names=[_TOKENS[0]],
                dynamic_shapes={name: {0: dynamic, 1: dynamic} for name in inputs},
            )
    except Exception as error:  # any of the exporter's own errors
        raise EncoderError(f"{where}: the model cannot be exported ({type(error).__name__}).") from error
    finally:
        logger.setLevel(level)


def _features(first: Transformer, texts: list[str]) -> dict[str, torch.Tensor]:
    """Return the tokenizer's output for texts, as the model receives it."""
    return {name: value for name, value in first.preprocess(texts).items() if isinstance(value, torch.Tensor)}


def _open(path: Path, backend: str, where: str) -> tuple[Run, Inputs]:
    """Return a function that computes the tokens' vectors with the graph in a file, and the inputs that it needs."""
    try:
        return _OPEN[backend](path)
    except ImportError:
        raise
    except Exception as error:  # any of the runtime's own errors
        raise EncoderError(f"{where}: {path} is not a readable graph ({described(error)}).") from error


def _open_onnx(path: Path) -> tuple[Run, Inputs]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = available_cores()
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    output = _tokens_output([output.name for output in session.get_outputs()])

    def run(arrays: Arrays) -> np.ndarray:
        return np.asarray(session.run([output], arrays)[0])

    # As in tensor(int64).
    return run, {given.name: np.dtype(given.type[7:-1]) for given in session.get_inputs()}


def _open_openvino(path: Path) -> tuple[Run, Inputs]:
    import openvino

    # By default it computes in bfloat16 if the processor supports it.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": available_cores()}
    model = openvino.Core().compile_model(path, "CPU", settings)
    output = _tokens_output([output.any_name for output in model.outputs])

    def run(arrays: Arrays) -> np.ndarray:
        return np.array(model(arrays)[output])

    return run, {given.any_name: np.dtype(given.element_type.to_dtype()) for given in model.inputs}


_OPEN = {"onnx": _open_onnx, "openvino": _open_openvino}


def _tokens_output(names: Sequence[str]) -> str:
    return next((name for name in _TOKENS if name in names), names[0])
