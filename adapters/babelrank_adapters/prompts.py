"""The text put before queries and passages: as given, else as the model says, else as its family was trained."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from babelrank.encoding.protocol import EncoderOptions, Role

# Names under which models keep the prompt of a role; the first that is not empty counts.
_NAMES = {
    Role.QUERY: ("query", "retrieval.query", "search_query"),
    Role.DOCUMENT: ("document", "passage", "corpus", "retrieval.passage", "search_document"),
}


class PromptSource(StrEnum):
    """Who said what a prompt is."""

    GIVEN = "given"  # the user
    MODEL = "model"  # the model's own configuration
    FAMILY = "family"  # the table below
    NONE = "none"  # nobody; there is none


@dataclass(frozen=True)
class Prompts:
    """A prompt for each role, empty for none, and where each comes from."""

    query: str
    document: str
    sources: Mapping[Role, PromptSource]

    @property
    def settings(self) -> dict[str, Any]:
        """What an encoder's `info.settings` says of them."""
        return {"query_prompt": self.query, "document_prompt": self.document}

    @property
    def notes(self) -> dict[str, str]:
        """What an encoder's `info.notes` says of them."""
        return {"prompts from": ", ".join(dict.fromkeys(source.value for source in self.sources.values()))}

    def of(self, role: Role) -> str:
        """Return the prompt of one role."""
        return {Role.QUERY: self.query, Role.DOCUMENT: self.document}[role]


@dataclass(frozen=True)
class Family:
    """Models that were trained with the same prompts.

    Attributes
    ----------
    pattern
        Found in the lower-case name of every member.
    source
        Model card that states the prompts.
    """

    pattern: re.Pattern[str]
    query: str
    document: str
    source: str


_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_REPRESENT = "Represent this sentence for searching relevant passages: "
_HUB = "https://huggingface.co/"


def _family(pattern: str, query: str, document: str, card: str) -> Family:
    return Family(re.compile(pattern), query, document, _HUB + card)


# The first that matches counts.
FAMILIES = (
    _family(
        r"\be5-.*instruct", f"Instruct: {_SEARCH}\nQuery: ", "", "intfloat/multilingual-e5-large-instruct#faq"
    ),  # also e5-mistral-7b-instruct
    _family(r"\be5-(small|base|large)\b", "query: ", "passage: ", "intfloat/multilingual-e5-large#faq"),
    _family(r"\bbge-(small|base|large)-en\b", _REPRESENT, "", "BAAI/bge-large-en-v1.5#model-list"),
    _family(
        r"\bbge-(small|base|large)-zh\b",
        "为这个句子生成表示以用于检索相关文章：",
        "",
        "BAAI/bge-large-zh-v1.5#model-list",
    ),
    _family(r"\bsnowflake-arctic-embed-\w+-v2", "query: ", "", "Snowflake/snowflake-arctic-embed-l-v2.0#usage"),
    _family(r"\bsnowflake-arctic-embed\b", _REPRESENT, "", "Snowflake/snowflake-arctic-embed-m-v1.5#usage"),
    _family(r"\bmxbai-embed-large-v1\b", _REPRESENT, "", "mixedbread-ai/mxbai-embed-large-v1#quickstart"),
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
)


def choose_prompts(options: EncoderOptions, name: str, own: Mapping[str, str], default: str | None = None) -> Prompts:
    """Decide on the prompts of a model.

    A model that has a prompt for one role has decided on the other, too; the table of families is for those that have
    neither.

    Parameters
    ----------
    name
        Of the model, for the table of families; empty if that is not for such models.
    own
        The model's prompts by their names in its configuration.
    default
        Name of the prompt that the model uses for any text.
    """
    said = {role: _own_prompt(role, own, default) for role in Role}
    family = next((family for family in FAMILIES if family.pattern.search(name.lower())), None)
    if any(said.values()):
        known, source = said, PromptSource.MODEL
    elif family:
        known, source = {Role.QUERY: family.query, Role.DOCUMENT: family.document}, PromptSource.FAMILY
    else:
        known, source = said, PromptSource.NONE
    given = {Role.QUERY: options.query_prompt, Role.DOCUMENT: options.document_prompt}
    prompts = {role: known[role] if given[role] is None else str(given[role]) for role in Role}
    sources = {role: source if given[role] is None else PromptSource.GIVEN for role in Role}
    return Prompts(prompts[Role.QUERY], prompts[Role.DOCUMENT], sources)


def _own_prompt(role: Role, own: Mapping[str, str], default: str | None) -> str:
    """Return the model's prompt of a role; its default, if that is not the prompt of a role."""
    names = [*_NAMES[role]]
    if default and not any(default in others for others in _NAMES.values()):
        names.append(default)
    return next((prompt for name in names if (prompt := own.get(name))), "")
