"""ONNX Runtime and OpenVINO instead of PyTorch for models of sentence-transformers, on the CPU, in float32.

sentence-transformers' own way there, through Optimum, does not install with transformers 5
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
from babelrank.errors import EncoderError, requires

_TOKENS = ("last_hidden_state", "token_embeddings")  # names under which graphs give the tokens' vectors
_EXPORTED = "exported"
_OUT_OF_MEMORY = ("Failed to allocate", "bad_alloc")  # in errors of either runtime, of several types
# Where models keep their graphs, by runtime; the first that is there counts. OpenVINO reads ONNX, too.
_ONNX_FILES = ("onnx/model.onnx", "model.onnx")
_FILES = {
    "onnx": _ONNX_FILES,
    "openvino": ("openvino/openvino_model.xml", "openvino_model.xml", *_ONNX_FILES),
}

Arrays: TypeAlias = Mapping[str, np.ndarray]
Run: TypeAlias = Callable[[Arrays], np.ndarray]
Inputs: TypeAlias = Mapping[str, np.dtype]  # of a graph, and the type in which it takes each


class Graph(torch.nn.Module):
    """Stands in for a transformers model: gives the vectors of tokens, as another runtime computes them.

    Attributes
    ----------
    config
        That of the model it replaces.
    device
        Of what it returns.
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
            There is not enough memory for so many tokens.
        """
        arrays = {name: features[name].numpy().astype(dtype, copy=False) for name, dtype in self._inputs.items()}
        try:
            return {_TOKENS[0]: torch.from_numpy(self._run(arrays))}
        except Exception as error:  # the runtimes' own
            if any(words in str(error) for words in _OUT_OF_MEMORY):
                raise MemoryError(str(error)) from error
            raise


def replace_torch(model: SentenceTransformer, files: ModelFiles, backend: str) -> dict[str, Any]:
    """Have `model` run on another runtime, from the graph that comes with it or else from one exported now.

    Returns
    -------
    settings
        Which runtime and which graph that is.

    Raises
    ------
    EncoderError
        The runtime is not installed, or the model cannot run on it.
    """
    first = model[0]
    where = f"{files.name}: --option backend={backend}"
    if not isinstance(first, Transformer):
        raise EncoderError(f"{where}: there is no transformer in the model.")
    stored = next((name for name in _FILES[backend] if name in files.names), None)
    with requires(backend, EncoderError), TemporaryDirectory() as scratch:
        if stored:
            # Next to a graph lie its weights: model.onnx.data, model.onnx_data, openvino_model.bin.
            path = files.folder([f"{stored.rpartition('.')[0]}.*"]) / stored
        else:
            path = Path(scratch, "model.onnx")
            _export(model, first, path, where)
        run, inputs = _open(path, backend, where)
    example = _features(first, ["an example"])
    if missing := inputs.keys() - example.keys():
        raise EncoderError(f"{where}: the graph needs {', '.join(sorted(missing))}, which the tokenizer does not give.")
    graph = Graph(run, inputs, first.config)
    _require_tokens(graph, example, where)
    first.model = graph
    return {"backend": backend, "graph": stored or _EXPORTED}


def _require_tokens(graph: Graph, example: Mapping[str, torch.Tensor], where: str) -> None:
    """Refuse a graph that cannot read texts, or that does not give a vector for each of their tokens."""
    try:
        shape = tuple(graph(**example)[_TOKENS[0]].shape)
    except Exception as error:  # any of the runtime's own errors
        raise EncoderError(f"{where}: the graph does not read texts ({type(error).__name__}: {error}).") from error
    tokens = example["input_ids"].shape[1]
    if len(shape) != 3 or shape[:2] != (1, tokens):
        raise EncoderError(
            f"{where}: the graph gives shape {shape} for a text of {tokens} tokens, expected a vector of each token: "
            f"(1, {tokens}, dimension). A graph that pools tokens itself cannot be used; without this option PyTorch "
            "runs the model."
        )


def _export(model: SentenceTransformer, first: Transformer, path: Path, where: str) -> None:
    """Write the transformer as an ONNX graph for any number of texts and tokens."""
    import_module("onnxscript")  # what PyTorch's exporter needs; missing, it is an error of the extra

    # More than one text and, of tokens, more than of texts: equal or single lengths would be taken for constants.
    inputs = _features(first, ["an example", "and a longer example to be read"])
    dynamic = torch.export.Dim.DYNAMIC
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of PyTorch to itself
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
    """Return what the tokenizer gives for texts, as a model gets it."""
    return {name: value for name, value in first.preprocess(texts).items() if isinstance(value, torch.Tensor)}


def _open(path: Path, backend: str, where: str) -> tuple[Run, Inputs]:
    """Return what computes the tokens' vectors by the graph in a file, and the inputs that it needs."""
    try:
        return _OPEN[backend](path)
    except ImportError:
        raise
    except Exception as error:  # any of the runtime's own errors
        raise EncoderError(
            f"{where}: {path} holds no graph that it reads ({type(error).__name__}: {error})."
        ) from error


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

    # Left to itself it computes in bfloat16 where the processor can.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": available_cores()}
    model = openvino.Core().compile_model(path, "CPU", settings)
    output = _tokens_output([output.any_name for output in model.outputs])

    def run(arrays: Arrays) -> np.ndarray:
        return np.array(model(arrays)[output])

    return run, {given.any_name: np.dtype(given.element_type.to_dtype()) for given in model.inputs}


_OPEN = {"onnx": _open_onnx, "openvino": _open_openvino}


def _tokens_output(names: Sequence[str]) -> str:
    return next((name for name in _TOKENS if name in names), names[0])
