"""The maximum length of sentence-transformers models, and the texts that exceed it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from babelrank.encoding.protocol import Role, TokenCounts
from babelrank.errors import EncoderError
from babelrank_adapters.tokens import count_tokens, token_counts

if TYPE_CHECKING:
    from sentence_transformers.base.model import BaseModel
    from torch import nn

_NO_LIMIT = 2**31  # tokenizers without a maximum length report infinity or 10³⁰
_A_BYTE = "<0x0A>"  # a token of vocabularies that fall back to bytes
# Other names of routes for a role.
_ROUTES = {Role.QUERY: ("question",), Role.DOCUMENT: ("doc", "passage", "corpus")}
_MOST_ADDED = 8  # tokens: special tokens, and one for a space before the text


def require_routes(model: "BaseModel", name: str) -> None:
    """Check that each Router of a model has a route for queries and for documents.

    A route for documents may be named doc or passage. The router then gets a mapping to it.

    Raises
    ------
    EncoderError
        A Router has no route for one of the roles.
    """
    from sentence_transformers.base.modules import Router

    for router in [part for part in model.modules() if isinstance(part, Router)]:
        for role in Role:
            try:
                _route(router, role)
            except ValueError as error:
                other = next((route for route in _ROUTES[role] if route in router.sub_modules), None)
                if other is None:
                    raise EncoderError(
                        f"{name}: the model has no route for a {role}; its routes are {', '.join(router.sub_modules)}."
                    ) from error
                router.route_mappings[role.value, None] = other


def token_limit(model: "BaseModel", role: Role) -> int | None:
    """Return the maximum number of tokens, special tokens included; None if texts are never cut."""
    reader = _reader(model, role)
    limit = getattr(reader, f"{role}_length", None)
    expansion = getattr(reader, "query_expansion", None) if role is Role.QUERY else None
    if expansion and expansion["strategy"] == "fixed":  # ColBERT's queries are cut or padded to one length
        limit = expansion["length"]
    elif expansion and limit is not None:
        limit = max(limit, expansion["length"])
    if limit is None:
        truncation = getattr(getattr(reader, "tokenizer", None), "truncation", None)  # of static embeddings
        limit = truncation["max_length"] if truncation else getattr(reader, "max_seq_length", None)
    return int(limit) if limit is not None and limit < _NO_LIMIT else None


def limit_settings(model: "BaseModel") -> dict[str, Any]:
    """Return the limit for `info.settings`: one number, or one per role if they differ."""
    limits = {role.value: token_limit(model, role) for role in Role}
    return {"max_length": limits["query"] if len(set(limits.values())) == 1 else limits}


def set_token_limit(model: "BaseModel", name: str, max_length: int | None) -> None:
    """Make the model cut texts after `max_length` tokens, but never after more than it has positions for.

    Separate lengths for queries or documents are lowered, never raised. The length of queries that are padded to one
    length is kept.

    Raises
    ------
    EncoderError
        The model would fail at that length, or at that of its configuration; it does not cut texts, or has no route
        for a role.
    """
    require_routes(model, name)
    for reader in {id(reader): reader for role in Role if (reader := _reader(model, role))}.values():
        _require_valid(reader, name)
        positions = _positions(reader)
        if max_length is not None:
            _require_possible(reader, f"{name}: --max-length {max_length}", max_length, positions)
            _cut_after(reader, max_length)
        elif positions is not None and (getattr(reader, "max_seq_length", None) or 0) > positions:
            _cut_after(reader, positions)


def count_longer(model: "BaseModel", role: Role, prompt: str, texts: Sequence[str]) -> int:
    """Return how many texts are cut, the prompt and special tokens included.

    Tokens of a chat template are not counted.
    """
    limit = token_limit(model, role)
    if limit is None:
        return 0
    reader = _reader(model, role)
    whole = [prompt + text for text in texts]
    counts = token_counts(reader.tokenizer, longer_candidates(reader.tokenizer, whole, limit))
    special = _special_tokens_left_out(reader)
    return sum(count - special > limit for count in counts)


def count_tokens_read(model: "BaseModel", texts: Sequence[str]) -> TokenCounts | None:
    """Return the number of tokens of passages; None if the model has no tokenizer."""
    tokenizer = getattr(_reader(model, Role.DOCUMENT), "tokenizer", None)
    return None if tokenizer is None else count_tokens(tokenizer, texts)


def longer_candidates(tokenizer: Any, texts: Sequence[str], limit: int) -> list[str]:
    """Return the texts that may have more than `limit` tokens, which is much faster than counting.

    A token has at least one character of the normalised text, or at least one byte if the tokenizer splits characters.
    NFKD is the longest normal form.
    """
    whole_characters = _keeps_characters_whole(tokenizer)

    def may_be_longer(text: str) -> bool:
        normal = normalize("NFKD", text)
        return len(normal if whole_characters else normal.encode("utf-8", "surrogatepass")) + _MOST_ADDED > limit

    return [text for text in texts if may_be_longer(text)]


def _keeps_characters_whole(tokenizer: Any) -> bool:
    """Return whether tokens never split a character; False if unknown."""
    inner = getattr(tokenizer, "backend_tokenizer", tokenizer)  # transformers' tokenizers wrap those of tokenizers
    if not hasattr(inner, "pre_tokenizer"):
        return False
    by_bytes = "ByteLevel" in f"{inner.normalizer!r} {inner.pre_tokenizer!r}"
    return not by_bytes and inner.token_to_id(_A_BYTE) is None


def _reader(model: "BaseModel", role: Role) -> "nn.Module":
    """Return the module that reads the texts of a role. Models with a Router have one per role."""
    from sentence_transformers.base.modules import Router

    first = model[0]
    return first.sub_modules[_route(first, role)][0] if isinstance(first, Router) else first


def _route(router: Any, role: Role) -> str:
    """Return the route of texts of a role; ValueError if there is none."""
    route: str = router._resolve_route(task=role.value, modality="text")
    return route


def _special_tokens_left_out(reader: "nn.Module") -> int:
    """Return how many of the tokenizer's special tokens a model does not use. Tables of terms use none."""
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    return int(reader.tokenizer.num_special_tokens_to_add()) if isinstance(reader, SparseStaticEmbedding) else 0


def _positions(reader: "nn.Module") -> int | None:
    """Return the number of tokens that the model has positions for; None if there is no limit."""
    from babelrank.encoding.positions import most_tokens

    if (most := most_tokens(reader)) is not None:
        return most
    positions: int | None = getattr(getattr(reader, "config", None), "max_position_embeddings", None)
    return positions if positions and positions > 0 else None


def _require_valid(reader: "nn.Module", name: str) -> None:
    """Refuse limits of a model's configuration that are not whole numbers, or that leave no room for a text."""
    try:
        special = int(reader.tokenizer.num_special_tokens_to_add())
    except (AttributeError, TypeError):  # no tokenizer, or another library's
        special = 0
    for setting in ("max_seq_length", *(f"{role}_length" for role in Role)):
        limit = getattr(reader, setting, None)
        if limit is None or (isinstance(limit, (int, float)) and limit >= _NO_LIMIT):
            continue
        if isinstance(limit, bool) or not isinstance(limit, int) or limit <= special:
            raise EncoderError(
                f"{name}: {setting} is {limit!r} in the model's configuration (or model_max_length in that of its "
                f"tokenizer); expected a whole number above {special}, the number of special tokens."
            )


def _require_possible(reader: "nn.Module", where: str, max_length: int, positions: int | None) -> None:
    try:
        special = reader.tokenizer.num_special_tokens_to_add()
    except (AttributeError, TypeError) as error:  # no tokenizer, or another library's
        raise EncoderError(f"{where}: the model does not cut texts.") from error
    if max_length <= special:
        raise EncoderError(f"{where} leaves no room for a text; the model adds {special} special tokens.")
    if positions is not None and max_length > positions:
        raise EncoderError(f"{where} exceeds the model's maximum of {positions} tokens.")


def _cut_after(reader: "nn.Module", length: int) -> None:
    reader.max_seq_length = length
    reader.tokenizer.model_max_length = length
    for role in Role:
        own = getattr(reader, f"{role}_length", None)
        if own is not None and own > length:
            setattr(reader, f"{role}_length", length)
