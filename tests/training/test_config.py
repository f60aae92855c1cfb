"""Configurations of training runs: what a file says, what it extends and leaves out, and what is made of it."""

from functools import partial
from pathlib import Path

import pytest

from babelrank.errors import TrainingError
from babelrank.training.config_file import load_config
from babelrank.training.schedule import BatchKind
from paths import EXPERIMENTS
from run_configs import RUN, SCHEDULE, TEACHER, TOP, UNITS, VALIDATION, load_text

# An experiment.toml says what is made of the runs, the other files are one run each.
RUNS = sorted(path for path in EXPERIMENTS.glob("*/*.toml") if path.name != "experiment.toml")


@pytest.fixture
def load(tmp_path):
    return partial(load_text, tmp_path)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_runs_of_the_committed_experiments_load(path, monkeypatch):
    monkeypatch.setenv("ME5_SMALL", "/models/me5-small")
    monkeypatch.setenv("ME5_CENTERED", "/models/me5-small-centred")
    monkeypatch.setenv("BABELRANK_DATA", "/data")
    config = load_config(path)
    assert Path(config.output).is_relative_to(path.parent)
    assert "$" not in config.model_dump_json()
    assert sum(config.schedule.kinds.values()) == 1


def test_the_runs_of_hybrid_batches_differ_in_their_batches(monkeypatch):
    monkeypatch.setenv("ME5_SMALL", "/models/me5-small")
    monkeypatch.setenv("BABELRANK_DATA", "/data")
    folder = EXPERIMENTS / "hybrid-batches"
    configs = {name: load_config(folder / f"{name}.toml") for name in ("hybrid", "x-x", "x-y")}
    assert {config.model.base_model for config in configs.values()} == {"/models/me5-small"}
    assert {config.examples[0].path for config in configs.values()} == {"/data/train/parallel.jsonl"}
    assert {Path(config.output) for config in configs.values()} == {folder / "checkpoints" / name for name in configs}
    assert [(c.schedule.batches, c.schedule.alpha) for c in configs.values()] == [
        ("hybrid", 0.5),
        ("X-X", 0.5),
        ("X-Y", 0.5),
    ]
    assert not any(config.objectives.needs_translation for config in configs.values())
    assert load_config(EXPERIMENTS / "language-families" / "both.toml").objectives.needs_translation


def test_what_a_file_leaves_out_has_the_papers_values(load):
    config = load(RUN)
    assert (config.schedule.batches, config.schedule.alpha, config.schedule.batch_size) == ("hybrid", 0.5, 100)
    assert (config.optimizer.learning_rate, config.optimizer.weight_decay) == (3e-5, 1e-2)
    assert config.objectives.info_nce is not None
    assert config.contamination.collections == ("xquad-r", "mlqa-r")
    assert config.teacher is config.validation is config.curves is config.lora is None
    assert not config.objectives.needs_teacher
    assert not config.objectives.needs_translation


def test_lists_and_arrays_of_tables_keep_their_order(load):
    more = '[[examples]]\nhub = "org/set"\nquery = "q.{lang}"\npassage = "p.{lang}"\nlanguages = ["th", "de"]\n'
    config = load(TOP + 'freeze = ["*b*", "*a*"]\n' + UNITS + more + SCHEDULE)
    assert config.model.freeze == ("*b*", "*a*")
    assert [entry.path is None for entry in config.examples] == [False, True]
    assert config.examples[1].languages == ("th", "de")


def test_a_configuration_cannot_be_changed(load):
    config = load(RUN)
    with pytest.raises(ValueError, match="frozen"):
        config.schedule.steps = 1


# --- extends, and what is put over a file ---


def test_a_file_is_put_over_the_one_it_extends_table_by_table(load, tmp_path):
    base = TOP + 'query_prompt = "q: "\nmax_length = 96\n' + UNITS + SCHEDULE + "seed = 3\n"
    (tmp_path / "base.toml").write_text(base)
    config = load('extends = "base.toml"\noutput = "other"\n[model]\nmax_length = 32\n[schedule]\nalpha = 0.25\n')
    assert config.output == str(tmp_path / "other")
    assert (config.model.base_model, config.model.query_prompt, config.model.max_length) == ("org/base", "q: ", 32)
    assert (config.schedule.steps, config.schedule.seed, config.schedule.alpha) == (40, 3, 0.25)
    assert len(config.examples) == 1


def test_units_are_replaced_not_added_to(load, tmp_path):
    (tmp_path / "base.toml").write_text(TOP + UNITS + UNITS + SCHEDULE)
    config = load('extends = "base.toml"\n[[examples]]\npath = "other.jsonl"\n')
    assert [entry.path for entry in config.examples] == [str(tmp_path / "other.jsonl")]


def test_the_nearest_of_a_chain_of_files_decides(load, tmp_path):
    (tmp_path / "oldest.toml").write_text(RUN + "seed = 1\nbatch_size = 10\n")
    (tmp_path / "older.toml").write_text('extends = "oldest.toml"\n[schedule]\nseed = 2\nbatch_size = 20\n')
    config = load('extends = "older.toml"\n[schedule]\nseed = 3\n')
    assert (config.schedule.steps, config.schedule.batch_size, config.schedule.seed) == (40, 20, 3)


def test_an_objective_is_added_to_those_of_the_file_that_is_extended(load, tmp_path):
    (tmp_path / "base.toml").write_text(RUN + "[objectives.info_nce]\ntemperature = 0.1\n")
    objectives = load('extends = "base.toml"\n[objectives.semantic_contrast]\nweight = 0.5\n').objectives
    assert objectives.info_nce.temperature == 0.1
    assert objectives.semantic_contrast.weight == 0.5
    assert objectives.needs_translation


def test_paths_start_at_the_folder_of_the_file_that_says_them(load, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "base.toml").write_text(RUN + VALIDATION)
    config = load('extends = "shared/base.toml"\noutput = "../out"\n')
    assert config.output == str(tmp_path / ".." / "out")
    assert config.examples[0].path == str(tmp_path / "shared" / "examples.jsonl")
    assert config.validation.path == str(tmp_path / "shared" / "valid.jsonl")


def test_files_that_extend_one_another_are_named(tmp_path):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('extends = "second.toml"\n')
    second.write_text('extends = "first.toml"\n')
    with pytest.raises(TrainingError) as caught:
        load_config(first)
    assert str(caught.value) == f"{first}: extends itself, by way of {first}, {second}."


def test_a_file_that_extends_itself_by_another_name_is_found_out(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "run.toml").write_text('extends = "folder/../run.toml"\n')
    with pytest.raises(TrainingError, match=r"run\.toml: extends itself"):
        load_config(tmp_path / "run.toml")


@pytest.mark.parametrize("extended", ["missing.toml", ""])
def test_what_is_extended_should_be_a_file(load, tmp_path, extended):
    with pytest.raises(TrainingError) as caught:
        load(f'extends = "{extended}"\n' + RUN)
    assert str(caught.value).startswith(f"{tmp_path / extended}: cannot be read (")


def test_extends_names_one_file(load):
    with pytest.raises(TrainingError, match=r"run\.toml: extends must name a file, got \['a', 'b'\]\."):
        load('extends = ["a", "b"]\n' + RUN)


def test_overrides_are_put_over_the_file(load):
    config = load(RUN + "seed = 1\n", schedule={"seed": 5}, engine={"device": "cpu"})
    assert (config.schedule.seed, config.schedule.steps, config.engine.device) == (5, 40, "cpu")


# --- paths, names and environment variables ---


def test_environment_variables_and_the_home_folder_are_filled_in(load, tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "/somewhere")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("ORG", "org")
    config = load(
        'output = "$WHERE/out"\n[model]\nstart = "${ORG}/base"\n[[examples]]\npath = "~/examples.jsonl"\n'
        '[[examples]]\nhub = "$ORG/set"\nlanguages = ["de"]\n'
        + SCHEDULE
        + '[validation]\npath = "${WHERE}/v.jsonl"\nevery = 1\n'
    )
    assert config.output == "/somewhere/out"
    assert config.model.base_model == "org/base"
    assert (config.examples[0].path, config.examples[1].hub) == ("/home/someone/examples.jsonl", "org/set")
    assert config.validation.path == "/somewhere/v.jsonl"


def test_names_of_the_hub_stay_as_they_are_and_folders_are_told_by_their_dot(load, tmp_path):
    config = load(
        TOP + '[[examples]]\nhub = "org/set"\nlanguages = ["de"]\n[[examples]]\nhub = "./set"\nlanguages = ["de"]\n'
        "[schedule]\nsteps = 1\n" + TEACHER.format("../teacher")
    )
    assert config.model.base_model == "org/base"
    assert [entry.hub for entry in config.examples] == ["org/set", str(tmp_path / "set")]
    assert config.teacher.model == str(tmp_path / ".." / "teacher")


def test_an_absolute_path_stays_as_it_is(load):
    assert load(RUN.replace('"out"', '"/absolute/out"')).output == "/absolute/out"


# --- values and objectives ---


def test_a_whole_number_will_do_for_a_number(load):
    config = load(RUN + "alpha = 1\n[optimizer]\nlearning_rate = 1\nweight_decay = 0\n")
    assert (config.schedule.alpha, config.optimizer.learning_rate, config.optimizer.weight_decay) == (1.0, 1.0, 0.0)
    assert isinstance(config.optimizer.learning_rate, float)


@pytest.mark.parametrize("alpha", [0, 0.0, 1.0])
def test_a_hybrid_schedule_may_be_of_one_kind_only(load, alpha):
    assert load(RUN + f"alpha = {alpha}\n").schedule.alpha == alpha


@pytest.mark.parametrize("objective", ["embedding_distillation", "score_distillation"])
def test_a_teacher_goes_with_either_distilling_objective(load, objective):
    config = load(RUN + f'[objectives.{objective}]\n[teacher]\nmodel = "org/teacher"\n')
    assert config.teacher.model == "org/teacher"
    assert config.objectives.needs_teacher
    assert not config.objectives.needs_translation


@pytest.mark.parametrize("objective", ["semantic_contrast", "language_contrast"])
def test_contrasts_of_languages_need_translations_but_no_teacher(load, objective):
    objectives = load(RUN + f"[objectives.{objective}]\n").objectives
    assert objectives.needs_translation
    assert not objectives.needs_teacher


def test_objectives_that_are_given_leave_out_the_default_one(load):
    assert load(RUN + "[objectives.score_distillation]\n").objectives.info_nce is None


# --- what is made of it ---


@pytest.mark.parametrize(
    ("keys", "kinds"),
    [
        ("alpha = 0.25\n", {BatchKind.MONOLINGUAL: 0.25, BatchKind.CROSS_LINGUAL: 0.75}),
        ("", {BatchKind.MONOLINGUAL: 0.5, BatchKind.CROSS_LINGUAL: 0.5}),
        ('batches = "X-X"\n', {BatchKind.MONOLINGUAL: 1}),
        ('batches = "X-Y"\n', {BatchKind.CROSS_LINGUAL: 1}),
        ('batches = "X-X mixed"\n', {BatchKind.MIXED: 1}),
        ('batches = "english"\n', {BatchKind.MONOLINGUAL: 1}),
    ],
)
def test_batches_are_of_the_kinds_asked_for(load, keys, kinds):
    assert load(RUN + keys).schedule.kinds == kinds


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (RUN, 4),
        (RUN.replace("40", "9"), 1),
        (RUN + "[engine]\nsave_every = 3\n", 3),
        (RUN + VALIDATION, 7),
    ],
)
def test_checkpoints_are_saved_with_each_validation_or_as_asked_or_ten_times(load, text, steps):
    assert load(text).save_every == steps


def test_old_names_of_keys_are_accepted(load):
    new = load(RUN)
    old = load(RUN.replace("base_model", "start").replace("[[examples]]", "[[units]]"))
    assert old == new
    averaged = RUN.replace("[[examples]]", "average_with_start = 0.3\n[[units]]")
    assert load(averaged).model.average_with_base_model == 0.3


def test_an_old_and_a_new_name_together_are_refused(load):
    with pytest.raises(TrainingError, match=r"'start' is the old name of 'base_model'; give one of them\."):
        load(RUN.replace("[[examples]]", 'start = "x"\n[[examples]]'))
