"""Prompts: as given, else the model's own, else those of its family, else none."""

import json
import shutil

import numpy as np
import pytest

from babelrank.encoding.prompts import FAMILIES, PromptSource, choose_prompts, find_family
from babelrank.encoding.protocol import EncoderOptions, Role
from babelrank.encoding.registry import load_encoder
from babelrank.errors import EncoderError

E5 = "intfloat/multilingual-e5-small"
REPRESENT = "Represent this sentence for searching relevant passages: "
TASK = "Given a web search query, retrieve relevant passages that answer the query"
SEARCH = f"Instruct: {TASK}\nQuery:"


def choose(name="acme/some-model", own=None, default=None, **options):
    prompts = choose_prompts(EncoderOptions(**options), name, own or {}, default)
    return prompts.query, prompts.document, [prompts.sources[role].value for role in Role]


def test_what_was_given_comes_first_then_the_model_then_its_family_then_nothing():
    own = {"query": "q: ", "passage": "p: "}
    given = {"query_prompt": "ask: ", "document_prompt": ""}
    assert choose(E5, own, **given) == ("ask: ", "", ["given", "given"])
    assert choose(E5, own) == ("q: ", "p: ", ["model", "model"])
    assert choose(E5) == ("query: ", "passage: ", ["family", "family"])
    assert choose() == ("", "", ["none", "none"])


def test_the_prompt_of_one_role_may_be_given_alone():
    assert choose(E5, query_prompt="ask: ") == ("ask: ", "passage: ", ["given", "family"])
    prompts = choose_prompts(EncoderOptions(document_prompt="told: "), E5, {})
    assert prompts.notes == {"prompts from": "family, given"}
    assert prompts.settings == {"query_prompt": "query: ", "document_prompt": "told: "}
    assert prompts.sources == {Role.QUERY: PromptSource.FAMILY, Role.DOCUMENT: PromptSource.GIVEN}


def test_a_model_that_has_a_prompt_for_one_role_has_none_for_the_other():
    assert choose(E5, {"query": "q: ", "document": ""}) == ("q: ", "", ["model", "model"])
    assert choose(E5, {"query": "", "document": ""})[2] == ["family", "family"]


def test_a_default_prompt_of_another_name_is_used_for_neither_role_and_named():
    assert choose(own={"any": "text: "}, default="any") == ("", "", ["none", "none"])
    assert choose(own={"query": "q: "}, default="query") == ("q: ", "", ["model", "model"])
    assert choose(own={"classification": "c: "}) == ("", "", ["none", "none"])
    prompts = choose_prompts(EncoderOptions(), "acme/model", {"query": "q: ", "sts": "s: "}, "sts")
    assert prompts.notes == {"prompts from": "model", "own prompts": "the default, sts, is not used"}


@pytest.mark.parametrize(
    "names",
    [
        ("s2p_query", "s2s_query"),
        ("web_search_query", "sts_query"),
        ("Retrieval-query", "Retrieval-document"),
        ("Query", "Passage"),
    ],
)
def test_prompts_of_other_names_are_named_and_can_be_chosen(names):
    own = dict(zip(names, ("ask: ", "tell: "), strict=True))
    unused = choose_prompts(EncoderOptions(), "acme/model", own)
    assert (unused.query, unused.document) == ("", "")
    assert unused.notes["own prompts"].startswith(f"{names[0]}, {names[1]} (none is used; choose with --query")
    chosen = choose_prompts(EncoderOptions(query_prompt_name=names[0]), "acme/model", own)
    assert (chosen.query, chosen.document) == ("ask: ", "")
    assert chosen.notes == {"prompts from": "given, none"}


@pytest.mark.parametrize(
    ("own", "options", "message"),
    [
        ({"query": "q: "}, {"query_prompt_name": "quer"}, "--query-prompt-name: unknown prompt 'quer'. Did you mean"),
        ({}, {"document_prompt_name": "passage"}, "--document-prompt-name: unknown prompt 'passage'. Known: none"),
        (
            {"a": "b"},
            {"query_prompt": "", "query_prompt_name": "a"},
            "give --query-prompt or --query-prompt-name, not both",
        ),
        ({"query": ["a", "b"]}, {}, "acme/model: the model's prompt 'query' is of type list, expected a text"),
    ],
)
def test_what_cannot_be_a_prompt(own, options, message):
    with pytest.raises(EncoderError, match=message):
        choose_prompts(EncoderOptions(**options), "acme/model", own)


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/e5-base-v2", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("multilingual-e5-small", "query: ", "passage: "),
        ("me/e5-small-finetuned", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", f"{SEARCH} ", ""),
        ("intfloat/e5-mistral-7b-instruct", f"{SEARCH} ", ""),
        ("BAAI/bge-small-en-v1.5", REPRESENT, ""),
        ("BAAI/bge-base-en", REPRESENT, ""),
        ("BAAI/bge-large-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("BAAI/bge-m3", "", ""),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", REPRESENT, ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("mixedbread-ai/mxbai-embed-large-v1", REPRESENT, ""),
        ("mixedbread-ai/mxbai-edge-colbert-v0-32m", "", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("nomic-ai/nomic-embed-text-v2-moe", "search_query: ", "search_document: "),
        ("google/embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
        ("Qwen/Qwen3-Embedding-0.6B", SEARCH, ""),
        ("Alibaba-NLP/gte-Qwen2-1.5B-instruct", f"{SEARCH} ", ""),
        ("Alibaba-NLP/gte-multilingual-base", "", ""),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
        ("FacebookAI/xlm-roberta-base", "", ""),
        ("acme/see5-base", "", ""),
        ("nomic-embed-text:latest", "search_query: ", "search_document: "),
        ("snowflake-arctic-embed:335m", REPRESENT, ""),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("mxbai-embed-large", REPRESENT, ""),
        ("bge-large", REPRESENT, ""),
        ("bge-large:335m", REPRESENT, ""),
        ("multilingual_e5_small", "query: ", "passage: "),
        ("text-embedding-multilingual-e5-large-instruct-q8_0.gguf", f"{SEARCH} ", ""),
        ("me5-small", "query: ", "passage: "),
        ("qwen3-embedding:0.6b", SEARCH, ""),
        ("embeddinggemma:300m", "task: search result | query: ", "title: none | text: "),
        ("BAAI/bge-multilingual-gemma2", f"<instruct>{TASK}.\n<query>", ""),
        ("NovaSearch/stella_en_400M_v5", f"Instruct: {TASK}.\nQuery: ", ""),
        ("Salesforce/SFR-Embedding-2_R", f"{SEARCH} ", ""),
        ("Salesforce/SFR-Embedding-Code-2B_R", "", ""),
        ("microsoft/harrier-oss-v1-270m", SEARCH, ""),
        ("jinaai/jina-embeddings-v5-text-nano", "Query: ", "Document: "),
        ("HIT-TMG/KaLM-embedding-multilingual-mini-v1", "", ""),
    ],
)
def test_families_are_known_by_name(name, query, document):
    assert choose(name)[:2] == (query, document)


def test_every_family_says_where_its_prompts_are_stated():
    for family in FAMILIES:
        site, _, card = family.source.partition(".co/")
        if card:
            assert site == "https://huggingface"
            assert find_family(card.partition("#")[0]) is family, card
        else:
            assert family.source.startswith("https://github.com/embeddings-benchmark/mteb/blob/")


def test_a_checkpoint_of_a_known_family_is_encoded_with_its_prompts(plain_bert, tmp_path):
    folder = shutil.copytree(plain_bert, tmp_path / "multilingual-e5-small")
    encoder = load_encoder(str(folder))
    assert encoder.info.adapter == "transformers"
    assert encoder.info.settings["query_prompt"] == "query: "
    assert encoder.info.settings["document_prompt"] == "passage: "
    whole = encoder.info.parameters
    there = whole - (250_037 - 60) * 16
    note = f"reduced to 60 of 250,037 tokens, with {there:,} of {whole:,} parameters"
    assert encoder.info.notes == {"prompts from": "family", "vocabulary": note}
    assert there == sum(weights.numel() for weights in encoder._model.parameters())
    bare = load_encoder(str(folder), EncoderOptions(query_prompt="", document_prompt=""))
    np.testing.assert_allclose(encoder.encode_query(["who?"]), bare.encode_query(["query: who?"]), atol=1e-6)
    np.testing.assert_allclose(encoder.encode_document(["ann"]), bare.encode_document(["passage: ann"]), atol=1e-6)
    assert bare.info.notes["prompts from"] == "given"


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (None, "prompts are of type NoneType, expected texts by their names"),
        (["query: "], "prompts are of type list, expected texts by their names"),
        ({"query": 5}, "prompt 'query' is of type int, expected a text"),
        ({"query": ["ask: "]}, "prompt 'query' is of type list, expected a text"),
    ],
)
def test_prompts_that_are_no_texts_are_refused_before_the_model_is_loaded(
    multi_vector_model, tmp_path, prompts, message
):
    folder = shutil.copytree(multi_vector_model, tmp_path / "model")
    config = folder / "config_sentence_transformers.json"
    config.write_text(json.dumps({**json.loads(config.read_text("utf-8")), "prompts": prompts}), "utf-8")
    with pytest.raises(EncoderError, match=f"model: the model's {message}"):
        load_encoder(str(folder))


def test_the_table_of_families_is_for_dense_models(multi_vector_model, tmp_path):
    folder = shutil.copytree(multi_vector_model, tmp_path / "colbert-of-e5-small")
    config = folder / "config_sentence_transformers.json"
    config.write_text(
        config.read_text(encoding="utf-8").replace('"q: "', '""').replace('"d: "', '""'), encoding="utf-8"
    )
    assert load_encoder(str(folder)).info.settings["query_prompt"] == ""
