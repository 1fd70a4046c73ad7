"""The file that `craft init` writes: valid as it is, and with sizes that fit the text."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from craft.config.definition import settings_of
from craft.config.experiments import ExperimentsFile, load_experiments
from craft.config.scaffold import SMALLEST, Sizes, own_text, python_stdlib, scaffold
from craft.data import TrainBatches, prepare
from craft.errors import DataError


def words(characters: int) -> str:
    """A text of this many characters."""
    rng = random.Random(characters)
    text = " ".join("".join(rng.choices("etaoinshr", k=rng.randint(1, 7))) for _ in range(characters // 2))
    return text[:characters]


def written(folder: Path, path: str) -> ExperimentsFile:
    """The file for a text, loaded."""
    file = folder / "experiments.toml"
    file.write_text(scaffold(own_text(path, folder), file.name))
    return load_experiments(file)


def test_the_file_without_a_text_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    file.write_text(scaffold(python_stdlib(), file.name))
    loaded = load_experiments(file)
    assert loaded.names == ("small", "deeper")
    config = loaded.plan(["deeper"])[0].config
    assert (config.data.type, config.model.num_layers, config.generation.prompts) == ("python_stdlib", 4, ["def "])
    assert [one.type for one in config.callbacks.values()] == ["sample_text", "system"], "no tab of the demo is empty"


def test_the_sweep_that_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    text = scaffold(python_stdlib(), file.name)
    file.write_text(re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE))
    assert load_experiments(file).names == ("small", "deeper", "lr")
    assert len(load_experiments(file).plan(["lr"])) == 6


@pytest.mark.parametrize("characters", [SMALLEST, 201, 517, 1_000, 1_024, 3_000, 8_192, 30_000, 120_000])
def test_any_text_that_is_long_enough_has_batches_and_a_few_windows_to_measure_on(
    tmp_path: Path, characters: int
) -> None:
    (tmp_path / "mine.txt").write_text(words(characters))
    for run in written(tmp_path, str(tmp_path / "mine.txt")).plan():
        splits = prepare(run.config).splits
        training = run.config.training
        batches = TrainBatches(splits["train"], batch_size=training.batch_size, shuffle=True, seed=1)
        assert batches.batch(1)[0].shape == (training.batch_size, run.config.data.context_length)
        assert splits["val"].num_eval_windows >= 4
        assert training.max_steps <= 20 * batches.steps_per_epoch() or training.max_steps == 50


def test_sizes_fit_from_the_smallest_text_to_a_huge_one() -> None:
    for tokens in [*range(SMALLEST, 3_000), 10**5, 10**6, 10**7, 10**9]:
        sizes = Sizes.fitted(tokens)
        held_out = tokens - int(tokens * (1 - sizes.val_fraction))
        assert held_out > 4 * sizes.context_length
        windows = int(tokens * (1 - sizes.val_fraction)) // sizes.context_length - 1
        assert windows >= sizes.batch_size
        assert sizes.max_steps >= 50
        assert held_out <= max(110_000, 0.2 * tokens)


def test_a_text_that_is_too_short_says_how_much_is_needed(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(words(SMALLEST - 1))
    with pytest.raises(DataError, match=f"{SMALLEST - 1} characters are too short .* {SMALLEST} are the least"):
        own_text(str(tmp_path / "mine.txt"), tmp_path)


def test_a_folder_and_a_glob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text(words(400))
    with pytest.raises(DataError, match=r"no \.txt file lies in this folder; name others by a glob"):
        own_text("texts", tmp_path)
    assert own_text("texts/*.md", tmp_path).table == {"type": "text", "path": "texts/*.md"}
    (tmp_path / "texts" / "a.txt").write_text(words(500))
    assert own_text("texts", tmp_path).tokens == 500


@pytest.mark.parametrize("name", ["plain.txt", 'a "b".txt', "Büro\\#.txt", "tab\there\nline.txt"])
def test_the_path_is_written_from_the_file_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / name).write_text(words(300))
    monkeypatch.chdir(tmp_path)
    loaded = written(tmp_path / "project", f"project/{name}")
    assert settings_of(loaded.plan()[0].config)["data"]["path"] == str(tmp_path / "project" / name)
    text = own_text(f"project/{name}", tmp_path / "project")
    assert text.table["path"] == name
    assert own_text(f"project/{name}", tmp_path / "elsewhere").table["path"] == str(tmp_path / "project" / name)
    file = tmp_path / "project" / "other.toml"
    file.write_text(scaffold(text, f"{name}.toml"))
    assert load_experiments(file).names == ("small", "deeper")


def test_the_first_word_is_the_prompt_whatever_it_holds(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text('"\\Quote"\t' + words(300))
    loaded = written(tmp_path, str(tmp_path / "mine.txt"))
    assert loaded.plan()[0].config.generation.prompts == ['"\\Quote" ']


def test_a_text_of_very_many_characters_is_read_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("".join(map(chr, range(0x4E00, 0x4E00 + 600))))
    text = own_text(str(tmp_path / "mine.txt"), tmp_path)
    assert (text.tokenizer, text.tokens) == ("byte", 1800)
    assert written(tmp_path, str(tmp_path / "mine.txt")).plan()[0].config.tokenizer.type == "byte"
