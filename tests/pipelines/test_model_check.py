"""`babelrank check`: what is said of a model, and what looks wrong."""

import doctest
import shutil
from zlib import crc32

import numpy as np
import pytest
from typer.testing import CliRunner

import babelrank
from babelrank.cli import app
from babelrank.encoding.objects import wrap_encoder
from babelrank.encoding.protocol import EncoderOptions
from babelrank.errors import EncoderError
from babelrank.pipelines import model_check
from babelrank.pipelines.evaluation import evaluate_collection
from babelrank.pipelines.model_check import check_model
from observers import RecordingObserver


def test_the_example_runs():
    assert doctest.testmod(model_check).failed == 0


def test_what_is_used_is_said(tiny_model):
    lines = "\n".join(check_model(tiny_model).lines())
    for said in (
        "adapter         sentence-transformers",
        "query prompt    'query: '",
        "passage prompt  'passage: '",
        "max length      64",
        "dtype           float32",
        "pooling         mean",
        "similarity      cosine",
        "dense, 16 dimensions",
    ):
        assert said in lines


def test_a_model_that_knows_no_translations_looks_wrong(tiny_model):
    (problem,) = [each for each in check_model(tiny_model).problems if "translations" in each]
    assert "of 60 translations are found" in problem


def test_a_function_is_checked_as_well():
    def lengths(texts):
        return np.array([[np.cos(len(text)), np.sin(len(text))] for text in texts])

    check = check_model(lengths)
    assert (check.info.name, check.pairs) == ("lengths", 60)
    assert "fingerprint     none, so its vectors are not stored" in check.lines()


def test_prompts_that_are_not_used_and_texts_that_are_cut_look_wrong(tiny_model, tmp_path, json_file):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    json_file(folder / "config_sentence_transformers.json", {"prompts": {"s2p_query": "ask: "}})
    problems = " ".join(check_model(folder, EncoderOptions(max_length=12)).problems)
    assert "the model has other prompts: s2p_query (none is used" in problems
    assert "texts are cut after 12 tokens" in problems


def test_vectors_that_depend_on_the_other_texts_look_wrong(tiny_model):
    encoder = wrap_encoder(str(tiny_model))
    encode = encoder.encode_query
    encoder.encode_query = lambda texts: encode(texts)[::-1]
    (problem,) = [each for each in check_model(encoder).problems if "alone" in each]
    assert "'Where do bees sleep?' gets different vectors alone and in a batch" in problem


def test_one_vector_for_all_texts_in_a_language_looks_wrong(tmp_path):
    collection = babelrank.load_collection("sample:de,en,es")
    passages = collection.passages.frame
    spanish = {*collection.queries.query("lang == 'es'")["text"], *passages[passages["lang"] == "es"]["text"]}

    def trigrams(texts):
        rows = np.zeros((len(texts), 512))
        for row, text in zip(rows, texts, strict=True):
            known = "?!?" if text in spanish else text
            for start in range(len(known) - 2):
                row[crc32(known[start : start + 3].encode()) % 512] += 1
        return rows

    problems = " ".join(check_model(trigrams).problems)
    assert "of 60 translations have the same score as another text." in problems
    observer = RecordingObserver()
    evaluate_collection(collection, wrap_encoder(trigrams), observer, store=tmp_path)
    assert any("The model gives different texts the same vector" in message for message in observer.messages)


def test_the_exit_status_says_whether_anything_looks_wrong(tiny_model):
    runner = CliRunner()
    fine = runner.invoke(app, ["check", "use-multilingual-v3"])
    assert fine.exit_code == 0
    assert "60 of 60 found" in fine.output
    wrong = runner.invoke(app, ["check", str(tiny_model)])
    assert wrong.exit_code == 1
    assert "looks wrong: only" in wrong.output


def test_a_broken_model_is_an_error():
    with pytest.raises(EncoderError, match="NaN"):
        check_model(lambda texts: np.full((len(texts), 2), np.nan))
