"""What a user is told of a configuration that does not hold: where, what was given, and what would be valid."""

from functools import partial

import pytest

from babelrank.errors import TrainingError
from babelrank.training.config_file import load_config
from run_configs import RUN, SCHEDULE, TEACHER, TOP, UNITS, VALIDATION, complaints_of, load_text


@pytest.fixture
def complaints(tmp_path):
    return partial(complaints_of, tmp_path)


# --- files that are none ---


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TrainingError) as caught:
        load_config(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path / 'none.toml'}: cannot be read (No such file or directory)."


@pytest.mark.parametrize(
    ("content", "where"),
    [(b"steps = 1\nsteps 2\n", "line 2"), (b'output = "\xff"\n', "codec"), (b"a = 1\na = 2\n", "overwrite")],
)
def test_a_file_that_is_not_toml_is_named_with_the_place(tmp_path, content, where):
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(TrainingError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: not TOML (")
    assert where in str(caught.value)


# --- keys ---


@pytest.mark.parametrize(
    ("text", "place", "given", "meant", "known"),
    [
        (
            RUN + "[optimiser]\n",
            "",
            "optimiser",
            "optimizer",
            "contamination, curves, engine, examples, hub, lora, matryoshka, model, objectives",
        ),
        (RUN + "stpes = 3\n", "schedule: ", "stpes", "steps", "alpha, batch_size, batches, languages, seed, steps"),
        (RUN + "[engine]\nbf_16 = true\n", "engine: ", "bf_16", "bf16", "bf16, device"),
        (
            TOP + UNITS + UNITS + "weigth = 1\n" + SCHEDULE,
            "examples[1]: ",
            "weigth",
            "weight",
            "configs, hub, languages",
        ),
        (RUN + "[objectives.infonce]\n", "objectives: ", "infonce", "info_nce", "embedding_distillation, info_nce"),
        (
            RUN + "[objectives.info_nce]\ntemprature = 1\n",
            "objectives.info_nce: ",
            "temprature",
            "temperature",
            "hard_negatives, symmetric, temperature, weight",
        ),
    ],
)
def test_an_unknown_key_is_told_with_its_table_and_what_may_have_been_meant(
    complaints, text, place, given, meant, known
):
    said = [line for line in complaints(text) if "unknown" in line]
    assert len(said) == 1
    assert said[0].startswith(f"{place}unknown key {given!r}. Did you mean {meant!r}? Known: {known}")


def test_missing_keys_are_told_with_their_table(complaints):
    assert complaints("[model]\n[schedule]\nseed = 1\n") == [
        "output is missing.",
        "model.base_model is missing.",
        "examples is missing.",
        "schedule.steps is missing.",
    ]
    assert complaints(RUN + '[validation]\npath = "v"\n[curves]\ncollection = "xquad-r"\n') == [
        "validation.every is missing.",
        "curves.every is missing.",
    ]


def test_all_that_is_wrong_is_told_at_once(complaints):
    text = TOP + 'revison = "x"\n' + UNITS + "weight = 0\n" + "[schedule]\nbatch_size = 1\n[engine]\nworkers = -1\n"
    assert complaints(text) == [
        "model: unknown key 'revison'. Did you mean 'revision'? Known: average_with_base_model, base_model, "
        "document_max_length, document_prompt, dropout, freeze, layers, max_length, pooling, query_max_length, "
        "query_prompt, revision.",
        "examples[0].weight: must be greater than 0, got 0.",
        "schedule.batch_size: must be greater than or equal to 2, got 1.",
        "schedule.steps is missing.",
        "engine.workers: must be greater than or equal to 0, got -1.",
    ]


# --- values ---


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (RUN.replace('"out"', '"$UNSET/x"'), "output"),
        (RUN.replace("org/base", "$UNSET/x"), "model.base_model"),
        (TOP + UNITS + '[[examples]]\npath = "$UNSET/x"\n' + SCHEDULE, "examples[1].path"),
        (TOP + '[[examples]]\nhub = "$UNSET/x"\nlanguages = ["de"]\n' + SCHEDULE, "examples[0].hub"),
        (RUN + VALIDATION.replace("valid.jsonl", "$UNSET/x"), "validation.path"),
        (RUN + TEACHER.format("$UNSET/x"), "teacher.model"),
    ],
)
def test_an_environment_variable_that_is_not_set_is_reported_with_its_key(complaints, monkeypatch, text, key):
    monkeypatch.delenv("UNSET", raising=False)
    assert complaints(text) == [f"{key}: '$UNSET/x' names an environment variable that is not set."]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (RUN.replace('"out"', "3"), "output: must be a text, got 3."),
        (RUN.replace("steps = 40", 'steps = "40"'), "schedule.steps: must be a whole number, got '40'."),
        (RUN.replace("steps = 40", "steps = 1.5"), "schedule.steps: must be a whole number, got 1.5."),
        (RUN.replace("steps = 40", "steps = 40.0"), "schedule.steps: must be a whole number, got 40.0."),
        (RUN.replace("steps = 40", "steps = true"), "schedule.steps: must be a whole number, got True."),
        (RUN.replace("steps = 40", "steps = 0"), "schedule.steps: must be greater than or equal to 1, got 0."),
        (RUN + "batch_size = 1\n", "schedule.batch_size: must be greater than or equal to 2, got 1."),
        (RUN + "seed = -1\n", "schedule.seed: must be greater than or equal to 0, got -1."),
        (RUN + "alpha = 1.5\n", "schedule.alpha: must be less than or equal to 1, got 1.5."),
        (RUN + "alpha = -1\n", "schedule.alpha: must be greater than or equal to 0, got -1."),
        (RUN + "alpha = nan\n", "schedule.alpha: must be a finite number, got nan."),
        (RUN + 'alpha = "half"\n', "schedule.alpha: must be a number, got 'half'."),
        (
            RUN + 'batches = "XX"\n',
            "schedule.batches: must be 'hybrid', 'X-X', 'X-Y', 'X-X mixed' or 'english', got 'XX'.",
        ),
        (RUN + 'languages = "de"\n', "schedule.languages: must be a list, got 'de'."),
        (
            RUN + 'languages = ["de", "German"]\n',
            "schedule.languages[1]: must be a language code such as 'en' or 'zh-Hant', got 'German'.",
        ),
        (RUN + 'languages = ["de", 3]\n', "schedule.languages[1]: must be a text, got 3."),
        (RUN + 'languages = ["de", "de"]\n', "schedule: 'languages' should name each language once."),
        (RUN + "[optimizer]\nlearning_rate = inf\n", "optimizer.learning_rate: must be a finite number, got inf."),
        (RUN + "[optimizer]\nlearning_rate = 0\n", "optimizer.learning_rate: must be greater than 0, got 0."),
        (RUN + "[optimizer]\nlearning_rate = true\n", "optimizer.learning_rate: must be a number, got True."),
        (RUN + "[engine]\nbf16 = 1\n", "engine.bf16: must be true or false, got 1."),
        (RUN + '[engine]\ndevice = "gpu"\n', "engine.device: must be 'cpu', got 'gpu'."),
        ("engine = 3\n" + RUN, "engine: must be a table, got 3."),
        (
            RUN.replace("org/base", "s").replace("[[examples]]", "[examples]"),
            "examples: must be a list of tables, each under [[examples]], got one table.",
        ),
        ("examples = []\n" + TOP + SCHEDULE, "examples: must not be empty, got []."),
        ('examples = ["u.jsonl"]\n' + TOP + SCHEDULE, "examples[0]: must be a table, got 'u.jsonl'."),
        (
            TOP + '[[examples]]\nhub = "org/set"\nconfigs = {German = "german"}\n' + SCHEDULE,
            "examples[0].configs.German: must be a language code such as 'en' or 'zh-Hant', got 'German'.",
        ),
        (
            TOP + '[[examples]]\nhub = "org/set"\nconfigs = {de = 1}\n' + SCHEDULE,
            "examples[0].configs.de: must be a text, got 1.",
        ),
    ],
)
def test_a_value_that_a_key_does_not_take_is_told_with_what_it_takes(complaints, text, complaint):
    assert complaints(text) == [complaint]


# --- keys that do not go together ---


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            TOP + UNITS + 'hub = "org/set"\nlanguages = ["de"]\n' + SCHEDULE,
            "examples[0]: one of 'path' and 'hub' should be given, and only one.",
        ),
        (
            TOP + UNITS + "[[examples]]\nweight = 2\n" + SCHEDULE,
            "examples[1]: one of 'path' and 'hub' should be given, and only one.",
        ),
        (
            TOP + '[[examples]]\nhub = "org/set"\n' + SCHEDULE,
            "examples[0]: 'languages' (or 'configs') should name the languages of a Hub data set.",
        ),
        *(
            (
                TOP + f'[[examples]]\nhub = "org/set"\nlanguages = ["en", "de"]\n{columns}\n' + SCHEDULE,
                f"examples[0]: {key!r} names one column, {column!r}, for en, de: it should hold {{lang}}, or 'configs' "
                "should be given.",
            )
            for key, column, columns in (
                ("query", "query", ""),
                ("passage", "p", 'query = "q_{lang}"\npassage = "p"'),
                ("negatives", "n", 'query = "q_{lang}"\npassage = "p_{lang}"\nnegatives = ["n_{lang}", "n"]'),
            )
        ),
        (RUN + 'batches = "X-X"\nalpha = 0.5\n', "schedule: 'alpha' is for hybrid batches, these are 'X-X'."),
        *(
            (
                RUN + f'batches = "{batches}"\nlanguages = ["de"]\n',
                f"schedule: 'languages' is for X-X and hybrid batches, these are {batches!r}.",
            )
            for batches in ("english", "X-Y", "X-X mixed")
        ),
        (
            TOP + UNITS + 'split = "test"\nnegatives = ["n"]\n' + SCHEDULE,
            "examples[0]: 'negatives', 'split': for a data set of the Hub, this is a file, '{folder}/examples.jsonl'.",
        ),
        (
            RUN + '[objectives.embedding_distillation]\n[teacher]\nrevision = "main"\n',
            "teacher: 'revision' is that of 'model', which is not given.",
        ),
        (
            TOP + 'freeze = ["*b*"]\n' + UNITS + SCHEDULE + "[lora]\n",
            "model.freeze cannot be combined with [lora], which trains only its adapters.",
        ),
        (
            RUN + "[objectives]\n",
            "objectives: at least one objective should be given: info_nce, embedding_distillation, "
            "score_distillation, semantic_contrast, language_contrast.",
        ),
        (RUN + '[teacher]\nlanguage = "en"\n', "[teacher] is given, but there is no distillation objective."),
        (
            RUN + VALIDATION + "[engine]\nsave_every = 3\n",
            "engine.save_every cannot be combined with [validation], which saves checkpoints.",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_told(complaints, tmp_path, text, complaint):
    assert complaints(text) == [complaint.replace("{folder}", str(tmp_path))]


@pytest.mark.parametrize("batches", ["X-X", "X-Y", "X-X mixed", "english"])
def test_alpha_is_for_hybrid_batches_only(complaints, tmp_path, batches):
    assert complaints(RUN + f'batches = "{batches}"\nalpha = 0.5\n') == [
        f"schedule: 'alpha' is for hybrid batches, these are {batches!r}."
    ]
    assert load_text(tmp_path, RUN + f'batches = "{batches}"\n').schedule.batches == batches


@pytest.mark.parametrize(
    "text", ['extends = "a\\u0000"\n', 'output = "a\\u0000"\n', '[[examples]]\npath = "a\\u0000"\n']
)
def test_a_path_with_a_null_character_is_refused(tmp_path, text):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(TrainingError, match=r"'a\\x00' holds a null character, which no path can"):
        load_config(tmp_path / "run.toml")
