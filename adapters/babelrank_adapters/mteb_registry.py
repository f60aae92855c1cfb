"""Text encoders of the mteb registry, used as in MTEB: with mteb's wrapper, prompts, roles and revision.

Muennighoff et al. 2023, arXiv 2210.07316; Enevoldsen et al. 2025, arXiv 2502.13595. Prompts of instruct models depend
on a task: XQuADRetrieval, or `--option task=NAME`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, partialmethod
from importlib.metadata import version
from inspect import signature
from typing import TYPE_CHECKING, Any

from babelrank.encoding.checks import PROBES, OrderWatch, check_order, check_vectors
from babelrank.encoding.model_files import HubUnreachableError, ModelFiles, find_model
from babelrank.encoding.objects import dimension_of, kind_of, to_vectors
from babelrank.encoding.protocol import (
    PROMPT_NAMES,
    Adapter,
    Encoder,
    EncoderInfo,
    EncoderOptions,
    Role,
    Similarity,
    parse_similarity,
)
from babelrank.encoding.vectors import Kind, Vectors
from babelrank.errors import EncoderError, described, requires
from babelrank_adapters.mteb_bm25 import bm25_encoder, is_bm25
from babelrank_adapters.option_types import boolean, positive_integer

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.model_meta import ModelMeta

NAME = "mteb"
_PREFIX = "mteb:"
_TASK = "XQuADRetrieval"
_OPTIONS: dict[str, Callable[[str], Any]] = {"task": str, "embed_dim": positive_integer, "allow_pickle": boolean}
# mteb's names of scoring functions, in addition to babelrank's. MaxSim sums dot products of tokens.
_SIMILARITIES = {"max_sim": Similarity.DOT, "MaxSim": Similarity.DOT, "dot_product": Similarity.DOT}
_NO_ENCODER = "does not encode single texts"


class MtebEncoder:
    """A model loaded by mteb."""

    def __init__(
        self,
        model: Any,
        encode: Callable[..., Any],
        meta: "ModelMeta",
        task: "TaskMetadata",
        options: EncoderOptions,
    ) -> None:
        self._encode_by_mteb, self._task = encode, task
        self._batch_size = options.batch_size
        self._name = f"{_PREFIX}{meta.name}"
        self._watches = {role: OrderWatch(options.batch_size, self._name) for role in Role}
        first = self._call(PROBES, Role.QUERY)
        length = options.options.get("embed_dim")
        self.info = EncoderInfo(
            name=str(meta.name),
            adapter=NAME,
            fingerprint=f"mteb=={version('mteb')} {meta.name} {meta.revision}",
            dimension=dimension_of(first),
            parameters=meta.n_parameters,
            similarity=options.similarity or _similarity(meta, first),
            settings={
                "task": task.name,
                **({"embed_dim": int(length)} if length else {}),
            },
            notes={"prompts from": f"mteb, for {task.name}", **_prompts(model, task)},
            kind=kind_of(first),
            device=str(getattr(getattr(model, "model", None), "device", "") or options.device or "cpu"),
        )
        for role in Role:
            check_order(partial(self._checked, role=role), self._name)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Return mteb's representations of queries."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Return mteb's representations of passages."""
        return self._encode(texts, Role.DOCUMENT)

    def _encode(self, texts: Sequence[str], role: Role) -> Vectors:
        vectors = self._checked(texts, role)
        self._watches[role].check(partial(self._checked, role=role), texts, vectors)
        return vectors

    def _checked(self, texts: Sequence[str], role: Role) -> Vectors:
        return check_vectors(self._call(texts, role), texts, self.info)

    def _call(self, texts: Sequence[str], role: Role) -> Vectors:
        from datasets import Dataset
        from mteb._create_dataloaders import create_dataloader
        from mteb.types import PromptType

        rows = Dataset.from_dict({"id": [str(row) for row in range(len(texts))], "text": list(texts)})
        prompt_type = PromptType(role.value)
        with _no_progress_bars():
            answer = self._encode_by_mteb(
                create_dataloader(rows, task_metadata=self._task, prompt_type=prompt_type, batch_size=self._batch_size),
                task_metadata=self._task,
                hf_split=self._task.eval_splits[0],
                hf_subset=self._task.hf_subsets[0],
                prompt_type=prompt_type,
                batch_size=self._batch_size,
                show_progress_bar=False,
            )
        return to_vectors(answer, self._name, len(texts))


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Hide tqdm's progress bars, one for each call; some wrappers of mteb ignore `show_progress_bar`."""
    from tqdm import tqdm

    original = tqdm.__init__
    tqdm.__init__ = partialmethod(original, disable=True)
    try:
        yield
    finally:
        tqdm.__init__ = original


def _prompts(model: Any, task: "TaskMetadata") -> dict[str, str]:
    """Return mteb's prompts by role; empty for wrappers that choose prompts in their code."""
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from mteb.types import PromptType

    def prompt(role: Role) -> str | None:
        kind = PromptType(role.value)
        if type(model) is SentenceTransformerEncoderWrapper:
            return (model.model_prompts or {}).get(model.get_prompt_name(task, kind) or "")
        instructs = role is Role.QUERY or model.apply_instruction_to_passages
        return str(model.get_task_instruction(task, kind)) if instructs else None

    if type(model) not in (SentenceTransformerEncoderWrapper, InstructSentenceTransformerModel):
        return {}
    return {f"{role} prompt": repr(prompt(role) or "") for role in Role}


def _similarity(meta: "ModelMeta", vectors: Vectors) -> Similarity:
    """Return mteb's similarity; by default cosine, and dot product for tokens."""
    if meta.similarity_fn_name is None:
        return Similarity.DOT if kind_of(vectors) == Kind.MULTI_VECTOR else Similarity.COSINE
    name = str(getattr(meta.similarity_fn_name, "value", meta.similarity_fn_name))
    return _SIMILARITIES.get(name) or parse_similarity(name) or Similarity.COSINE


def _find_files(meta: "ModelMeta") -> ModelFiles | None:
    """Return the files of a model on the Hub; None for baselines, servers, and other names than the Hub's.

    Raises
    ------
    EncoderError
        The Hub cannot be reached. The libraries would try for minutes, file by file.
    """
    if not (meta.open_weights and meta.framework):
        return None
    try:
        return find_model(str(meta.name), meta.revision)
    except HubUnreachableError:
        raise
    except EncoderError:
        return None


def _load(model: str, options: EncoderOptions) -> Encoder:
    options.reject_unsupported(NAME, "query_prompt", "document_prompt", *PROMPT_NAMES, "max_length", "dtype")
    given = options.read_options(NAME, _OPTIONS)
    name = model.removeprefix(_PREFIX)
    with requires("mteb", EncoderError):
        import mteb
    from datasets import disable_progress_bars

    disable_progress_bars()  # one bar per batch would be shown
    try:
        meta = mteb.get_model_meta(name, options.revision)
        task = mteb.get_task(given.get("task", _TASK)).metadata
    except (KeyError, ValueError) as error:  # unknown, of another revision
        raise EncoderError(f"{model}: {error.args[0] if error.args else error}") from error
    _require_encoder(meta, options)

    def load() -> Any:
        try:
            return mteb.get_model(name, options.revision, options.device, embed_dim=given.get("embed_dim"))
        except Exception as error:  # any of several libraries' own errors
            raise EncoderError(f"{model}: mteb cannot load it ({described(error)}).") from error

    if files := _find_files(meta):
        from babelrank.encoding.loading import load_checked

        trust, pickles = options.trust_remote_code, given.get("allow_pickle", False)
        loaded = load_checked(load, files, trust_remote_code=trust, allow_pickle=pickles)
    else:
        loaded = load()
    if encode := _encode_function(loaded, meta):
        return MtebEncoder(loaded, encode, meta, task, options)
    if is_bm25(loaded):
        return bm25_encoder(loaded, meta, task, options)
    raise EncoderError(f"{model}: {_NO_ENCODER}; it searches a corpus by itself, and its scores are mteb's alone.")


def _encode_function(model: Any, meta: "ModelMeta") -> Callable[..., Any] | None:
    """Return the function that encodes texts; None if there is none.

    In mteb's late-interaction models it is private, since they compare tokens without mteb.
    """
    function: Callable[..., Any] | None = getattr(model, "encode", None)
    if function is None and "late-interaction" in (meta.model_type or []):
        function = getattr(model, "_encode", None)
    if function and not any(each.kind is each.VAR_KEYWORD for each in signature(function).parameters.values()):
        return partial(_encode_inputs, function)
    return function


def _encode_inputs(function: Callable[..., Any], inputs: object, **_: object) -> Any:
    return function(inputs)


def _require_encoder(meta: "ModelMeta", options: EncoderOptions) -> None:
    """Refuse a model that is not a text encoder, or that would run untrusted code."""
    name = f"{_PREFIX}{meta.name}"
    if "cross-encoder" in (meta.model_type or []):
        raise EncoderError(f"{name}: a cross-encoder, which {_NO_ENCODER}. Use it with `babelrank rerank`.")
    if "text" not in (meta.modalities or ["text"]):
        raise EncoderError(f"{name}: reads {', '.join(meta.modalities)}, not text.")
    if (meta.loader_kwargs or {}).get("trust_remote_code") and not options.trust_remote_code:
        raise EncoderError(
            f"{name}: mteb runs code of the model to load it. If you trust it, allow it with --trust-remote-code."
        )


ADAPTER = Adapter(
    name=NAME,
    models=f"{_PREFIX}NAME, a text encoder in the mteb registry",
    load=_load,
    recognises=lambda model, _: model.startswith(_PREFIX),
    requires="babelrank[mteb]",
)
