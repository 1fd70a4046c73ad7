"""Two thousand broken files: each is read, or gives one ConfigError whose problems have places."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from craft.config.definition import dump_definition, load_definition, settings_of
from craft.config.experiments import load_experiments
from craft.errors import ConfigError
from tests.config.files import RICH

FILES = 2_000
BATCHES = 20

# Pieces that a person, an editor or a broken disk might leave behind.
TOKENS = [
    *("[", "]", "[[", "]]", "{", "}", "=", ".", ",", '"', "'", '"""', "'''", "#", "\n", "\r", "\t", " "),
    *("0", "-1", "1e999", "nan", "inf", "-inf", "1_0", "0x_", "9" * 30, "9" * 5000, "1.5", "true", "false"),
    *("2026-11-21", "2026-13-41", "25:61:61", "1979-05-27T07:32:00Z", '"x"', '"\\u001b]0;x\\u0007"', '"\\ud800"'),
    *("[]", "{}", "[[1, [2]]]", "{ a = 1 }", "{ low = 1, high = 2 }", "{ choices = [] }", "a.b.c = 1\n", "= 3\n"),
    *("extends", "unset", "sweep", "type", "seed", "model", "callbacks", "data", "craft", "project", "include"),
    *("[experiment]\n", "[experiment.wide]\n", "[experiment.lr.sweep]\n", "[defaults]\n", '[template."a b"]\n'),
    *('extends = ["lr", "wide"]\n', 'unset = ["model"]\n', "seeds = []\n", 'strategy = "random"\n', "trials = 9\n"),
    *("\x00", "\x1b[2J", "\x7f", "\u202e", "\ufeff", "é", "𝄞", "[" * 2_000, "{a=" * 500, "a." * 5_000 + "a = 1\n"),
    *("b" * 500 + " = 1\n", '"' + "c" * 3_000 + '" = 1\n', "x = " + "[" * 40 + "]" * 40 + "\n"),
]


def mutate(original: bytes, chance: random.Random) -> bytes:
    """A few changes: of bytes and bits, of tokens, of whole lines."""
    raw = bytearray(original)
    lines = original.splitlines(keepends=True)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(9):
            case 0:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                raw[at : at + 1] = bytes(byte ^ (1 << chance.randrange(8)) for byte in raw[at : at + 1])
            case 2:
                del raw[at : at + chance.choice([1, 3, 30, 300])]
            case 3:
                raw[at:at] = chance.choice(TOKENS).encode("utf-8", "surrogatepass")
            case 4:
                token = chance.choice(TOKENS).encode("utf-8", "surrogatepass")
                places = [i for i, byte in enumerate(raw) if byte == 0x3D] or [0]
                equals = chance.choice(places) + 1
                stop = raw.find(b"\n", equals)
                raw[equals : stop if stop > 0 else len(raw)] = b" " + token
            case 5:
                line = chance.choice(lines)
                raw[at:at] = line
            case 6:
                line = chance.choice(lines)
                raw[:] = raw.replace(line, chance.choice(lines), 1)
            case 7:
                words = raw.split(b" ")
                i, j = chance.randrange(len(words)), chance.randrange(len(words))
                words[i], words[j] = words[j], words[i]
                raw[:] = b" ".join(words)
            case 8:
                del raw[at:]
    return bytes(raw)


def outcome(path: Path) -> ConfigError | None:
    """What reading a file gives, and that it is what it should be."""
    try:
        for run in load_experiments(path).plan():
            settings_of(run.config)
        return None
    except ConfigError as error:
        text = path.read_bytes().decode(errors="replace")
        lines = text.removeprefix("\ufeff").split("\n")
        assert error.problems, f"no problem in: {error}"
        for problem in error.problems:
            assert problem.message, problem
            assert problem.file == path, problem
            whole = "empty" in problem.message
            assert whole or 1 <= problem.line <= len(lines), problem
            assert whole or 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
            assert len(str(problem)) < 2_000, problem
            assert not {"\x1b", "\x00", "\u202e", "\n"} & set(problem.source_line), problem
        return error


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_broken_file_gives_one_clear_error(batch: int, tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    refused = 0
    for number in range(batch, FILES, BATCHES):
        path.write_bytes(mutate(RICH.encode(), random.Random(number)))
        begun = time.process_time()
        refused += outcome(path) is not None
        taken = time.process_time() - begun
        assert taken < 2.0, f"file {number} took {taken:.1f} s"
    # Neither all nor none: the mutations reach what is behind the reader.
    assert FILES // BATCHES // 2 < refused < FILES // BATCHES


def test_any_override_gives_a_definition_that_reads_back_or_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(RICH)
    file = load_experiments(path)
    own_text, lr = file.plan(["own-text"])[0], file.plan(["lr"])[0]
    settings = [
        *own_text.origins,
        *lr.origins,
        "model",
        "callbacks.x",
        "data",
        "data.arguments.q",
        "sweep.seeds",
        "a..b",
    ]
    values = [
        *TOKENS,
        "",
        "\udcff",
        "x" * 100_000,
        "0x" + "f" * 5_000,
        "~nobody/x",
        "-0.0",
        '{ type = "muon" }',
        "True",
    ]
    chance = random.Random(0)
    planned = 0
    for _ in range(1_500):
        overrides = [f"{chance.choice(settings)}={chance.choice(values)}" for _ in range(chance.choice([1, 1, 2]))]
        begun = time.process_time()
        try:
            runs = file.plan([chance.choice(["own-text", "lr"])], overrides)
        except ConfigError as error:
            assert error.problems, overrides
            assert all(problem.file is None and len(str(problem)) < 2_000 for problem in error.problems), overrides
        else:
            planned += 1
            definition = tmp_path / "experiment.toml"
            definition.write_text(dump_definition("x", runs[0].config, runs_dir=None))
            assert load_definition(definition) == ("x", runs[0].config), overrides
        assert time.process_time() - begun < 2.0, overrides
    assert planned > 50
