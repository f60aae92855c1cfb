"""The text put before queries and passages: as given, else from the model, else from the model's family."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from babelrank.encoding.protocol import EncoderOptions, Role
from babelrank.errors import EncoderError, unknown_choice

# Names of prompts in models, by role. The first that is not empty is used.
_NAMES = {
    Role.QUERY: ("query", "retrieval.query", "search_query"),
    Role.DOCUMENT: ("document", "passage", "corpus", "retrieval.passage", "search_document"),
}


class PromptSource(StrEnum):
    """The source of a prompt."""

    GIVEN = "given"  # the user
    MODEL = "model"  # the model's configuration
    FAMILY = "family"  # the table below
    NONE = "none"  # no source; there is no prompt


@dataclass(frozen=True)
class Prompts:
    """A prompt for each role (may be empty), the source of each, and unused prompts of the model."""

    query: str
    document: str
    sources: Mapping[Role, PromptSource]
    unused: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings for an encoder's `info.settings`."""
        return {"query_prompt": self.query, "document_prompt": self.document}

    @property
    def notes(self) -> dict[str, str]:
        """Notes for an encoder's `info.notes`."""
        sources = ", ".join(dict.fromkeys(source.value for source in self.sources.values()))
        return {"prompts from": sources, **({"own prompts": self.unused} if self.unused else {})}

    def of(self, role: Role) -> str:
        """Return the prompt of one role."""
        return {Role.QUERY: self.query, Role.DOCUMENT: self.document}[role]


@dataclass(frozen=True)
class Family:
    """Models that were trained with the same prompts.

    Attributes
    ----------
    pattern
        Pattern in the names of members, in lower case and with hyphens for underscores and spaces.
    source
        Source of the prompts: the model card, or the code that evaluates the model for MTEB.
    """

    pattern: re.Pattern[str]
    query: str
    document: str
    source: str


_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_REPRESENT = "Represent this sentence for searching relevant passages: "
_HUB = "https://huggingface.co/"
_MTEB = "https://github.com/embeddings-benchmark/mteb/blob/a905523d0/mteb/models/model_implementations/"


def _family(pattern: str, query: str, document: str, card: str, site: str = _HUB) -> Family:
    return Family(re.compile(pattern), query, document, site + card)


# The first match is used. Servers shorten names: Ollama's bge-large is bge-large-en-v1.5.
FAMILIES = (
    _family(
        r"\be5-.*instruct", f"Instruct: {_SEARCH}\nQuery: ", "", "intfloat/multilingual-e5-large-instruct#faq"
    ),  # also e5-mistral-7b-instruct
    _family(r"\bm?e5-(small|base|large)\b", "query: ", "passage: ", "intfloat/multilingual-e5-large#faq"),
    _family(r"\bbge-(small|base|large)(-en\b|$)", _REPRESENT, "", "BAAI/bge-large-en-v1.5#model-list"),
    _family(
        r"\bbge-(small|base|large)-zh\b",
        "为这个句子生成表示以用于检索相关文章：",
        "",
        "BAAI/bge-large-zh-v1.5#model-list",
    ),
    _family(
        r"\bbge-multilingual-gemma2\b",
        f"<instruct>{_SEARCH}.\n<query>",
        "",
        "BAAI/bge-multilingual-gemma2#using-sentence-transformers",
    ),
    _family(r"\bsnowflake-arctic-embed(2|-\w+-v2)", "query: ", "", "Snowflake/snowflake-arctic-embed-l-v2.0#usage"),
    _family(r"\bsnowflake-arctic-embed\b", _REPRESENT, "", "Snowflake/snowflake-arctic-embed-m-v1.5#usage"),
    _family(r"\bmxbai-embed-large\b", _REPRESENT, "", "mixedbread-ai/mxbai-embed-large-v1#quickstart"),
    _family(r"\bnomic-embed-text\b", "search_query: ", "search_document: ", "nomic-ai/nomic-embed-text-v1.5#usage"),
    _family(r"\bmodernbert-embed\b", "search_query: ", "search_document: ", "nomic-ai/modernbert-embed-base#usage"),
    _family(
        r"\bembeddinggemma\b",
        "task: search result | query: ",
        "title: none | text: ",
        "google/embeddinggemma-300m#prompt-instructions",
    ),
    _family(
        r"\bqwen3-embedding\b", f"Instruct: {_SEARCH}\nQuery:", "", "Qwen/Qwen3-Embedding-0.6B#usage"
    ),  # no space after "Query:"
    _family(r"\bgte-qwen.*instruct", f"Instruct: {_SEARCH}\nQuery: ", "", "Alibaba-NLP/gte-Qwen2-7B-instruct#usage"),
    _family(
        r"\bstella-en\b", f"Instruct: {_SEARCH}.\nQuery: ", "", "NovaSearch/stella_en_1.5B_v5#introduction"
    ),  # a full stop, as in its s2p_query
    _family(
        r"\bsfr-embedding-(2-r|mistral)\b",
        f"Instruct: {_SEARCH}\nQuery: ",
        "",
        "Salesforce/SFR-Embedding-2_R#how-to-run",
    ),
    _family(r"\bharrier-oss\b", f"Instruct: {_SEARCH}\nQuery:", "", "harrier_models.py", _MTEB),
    _family(
        r"\bllama-embed-nemotron\b",
        "Instruct: Given a question, retrieve passages that answer the question\nQuery: ",
        "",
        "nvidia_models.py",
        _MTEB,
    ),
    _family(
        r"\bkalm-embedding-.*(instruct|gemma)",
        "Instruct: Given a query, retrieve documents that answer the query \n Query: ",
        "",
        "kalm_models.py",
        _MTEB,
    ),
    _family(r"\bjina-embeddings-v5\b", "Query: ", "Document: ", "jina_models.py", _MTEB),
)


def find_family(name: str) -> Family | None:
    """Return the family of a model by its name on the Hub or on a server (without tag), or its folder's name."""
    plain = re.sub(r"[_\s]+", "-", name.lower().partition(":")[0])
    return next((family for family in FAMILIES if family.pattern.search(plain)), None)


def choose_prompts(options: EncoderOptions, name: str, own: Mapping[str, str], default: str | None = None) -> Prompts:
    """Choose the prompts of a model.

    If a model has a prompt for one role, the other role has none. The table of families is used only for models with
    neither. A default prompt with another name is for other tasks; sentence-transformers uses it for neither role.

    Parameters
    ----------
    name
        Name of the model, for the table of families; empty to skip the table.
    own
        The model's prompts by their names in its configuration.
    default
        Name of the prompt that the model uses without a role.

    Raises
    ------
    EncoderError
        A prompt is not a text, a prompt's name is unknown, or both a prompt and a name are given.
    """
    require_texts(own, name)
    said = {role: next((own[key] for key in _NAMES[role] if own.get(key)), "") for role in Role}
    family = find_family(name)
    if any(said.values()):
        known, source = said, PromptSource.MODEL
    elif family:
        known, source = {Role.QUERY: family.query, Role.DOCUMENT: family.document}, PromptSource.FAMILY
    else:
        known, source = said, PromptSource.NONE
    given = {role: _given(options, role, own) for role in Role}
    prompts = {role: known[role] if given[role] is None else str(given[role]) for role in Role}
    sources = {role: source if given[role] is None else PromptSource.GIVEN for role in Role}
    unused = _unused(own, default, prompts)
    return Prompts(prompts[Role.QUERY], prompts[Role.DOCUMENT], sources, unused)


def require_texts(own: object, name: str) -> None:
    """Refuse prompts of a model that are no texts by their names; null is none.

    Raises
    ------
    EncoderError
        They are something else.
    """
    if not isinstance(own, Mapping):
        raise EncoderError(
            f"{name}: the model's prompts are of type {type(own).__name__}, expected texts by their names."
        )
    if wrong := next((key for key, text in own.items() if not isinstance(text, str | None)), None):
        raise EncoderError(
            f"{name}: the model's prompt {wrong!r} is of type {type(own[wrong]).__name__}, expected a text."
        )


def _given(options: EncoderOptions, role: Role, own: Mapping[str, str]) -> str | None:
    """Return the prompt of a role that the user gave as text, or by its name in the model's configuration."""
    text: str | None = getattr(options, f"{role}_prompt")
    name: str | None = getattr(options, f"{role}_prompt_name")
    if name is None:
        return text
    if text is not None:
        raise EncoderError(f"give --{role}-prompt or --{role}-prompt-name, not both.")
    if name not in own:
        raise EncoderError(f"--{role}-prompt-name: " + unknown_choice("prompt", name, own))
    return own[name]


def _unused(own: Mapping[str, str], default: str | None, prompts: Mapping[Role, str]) -> str:
    """Return a note on the model's prompts if none of them is used, or if its default is not used."""
    used = set(prompts.values())
    names = [key for key, text in own.items() if text]
    if names and not any(own[key] in used for key in names):
        return f"{', '.join(names)} (none is used; choose with --query-prompt-name or --document-prompt-name)"
    return f"the default, {default}, is not used" if default and own.get(default) and own[default] not in used else ""
