"""Files of prompts, files of answers, and what is written in between: order, batches, going on after a cut."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from craft.config.schema.model import TransformerConfig
from craft.errors import CraftError, UsageError
from craft.generation.checkpoint import LoadedCheckpoint
from craft.generation.files.answers_file import AnswersFile, open_answers
from craft.generation.files.many_prompts import Answer, batches, rows_at_once, write_many
from craft.generation.writing import Writing
from craft.models import create_model_from_config
from craft.runs.prompts_file import PromptLine, PromptsFile
from craft.runs.sampling_settings import SamplingSettings
from tests.generation.models import LETTERS, VOCAB, randomise

DEFAULTS = SamplingSettings(max_new_tokens=6, seed=3)


def prompts_file(tmp_path: Path, content: bytes | str, name: str = "prompts.txt") -> PromptsFile:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return PromptsFile(path, DEFAULTS)


def test_a_line_is_a_prompt_and_an_empty_one_too(tmp_path: Path) -> None:
    file = prompts_file(tmp_path, b"\xef\xbb\xbfone\r\n\n  three \nlast")
    assert [(one.index, one.line, one.prompt) for one in file] == [
        (0, 1, "one"),
        (1, 2, ""),
        (2, 3, "  three "),
        (3, 4, "last"),
    ]
    assert file.count() == 4
    assert all(one.settings is DEFAULTS for one in file)
    assert prompts_file(tmp_path, "").count() == 0


@pytest.mark.parametrize("name", ["prompts.jsonl", "prompts.txt"])
def test_json_lines_have_settings_of_their_own(tmp_path: Path, name: str) -> None:
    lines = [
        {"prompt": "a"},
        {"prompt": "b", "id": "x", "seed": 9, "temperature": 0, "stop": "q"},
        {"prompt": "c", "id": 4, "stop": ["q", "r"], "tokens": [1, 2]},
    ]
    one, two, three = prompts_file(tmp_path, "\n\n".join(map(json.dumps, lines)), name)
    assert (one.prompt, one.line, one.id, one.settings) == ("a", 1, None, DEFAULTS)
    assert (two.line, two.index, two.id) == (3, 1, "x")
    assert two.settings == dataclasses.replace(DEFAULTS, seed=9, temperature=0.0, stop=("q",))
    assert (three.id, three.tokens, three.settings.stop) == (4, (1, 2), ("q", "r"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ('{"text": "a"}', '"prompt" is missing'),
        ('{"prompt": 1}', '"prompt" must be a text'),
        ('{"prompt": "\\ud800"}', "character 1 is no text"),
        ('{"prompt": "a", "id": [1]}', '"id" must be'),
        ('{"prompt": "a", "tokens": [-1]}', '"tokens" must be'),
        ('{"prompt": "a", "top-k": 1}', '"top-k" is no setting; there are: prompt, id, tokens, max_new_tokens'),
        ('{"prompt": "a", "top_k": 1.5}', '"top_k" must be a whole number'),
        ('{"prompt": "a", "seed": true}', '"seed" must be a whole number'),
        ('{"prompt": "a", "temperature": "1"}', '"temperature" must be a number'),
        ('{"prompt": "a", "temperature": NaN}', '"temperature" must be a number'),
        ('{"prompt": "a", "temperature": -1}', "temperature must be 0"),
        ('{"prompt": "a", "temperature": 1' + "0" * 400 + "}", "temperature must be 0"),
        ('{"prompt": "a", "stop": [1]}', '"stop" must be a text or a list of texts'),
        ('{"prompt": "a", "stop": ""}', "an empty text would end everything"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    file = prompts_file(tmp_path, f'{{"prompt": "a"}}\n{line}\n', "prompts.jsonl")
    with pytest.raises(UsageError, match=r"prompts.jsonl:2: ") as error:
        file.count()
    assert words in str(error.value)


def test_what_is_no_file_of_prompts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"prompts.txt:2: not UTF-8 at byte 2"):
        prompts_file(tmp_path, b"a\nb\xff\n").count()
    for path, words in [(tmp_path / "none", "cannot be read"), (tmp_path, "not a regular file")]:
        with pytest.raises(UsageError, match=words):
            PromptsFile(path, DEFAULTS)


# Writing -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedCheckpoint:
    model = create_model_from_config(TransformerConfig(num_layers=1, num_heads=2, hidden_size=16), VOCAB, 12)
    randomise(model)
    return LoadedCheckpoint(tmp_path, None, model.eval(), LETTERS)


def alone(loaded: LoadedCheckpoint, line: PromptLine, sample: int) -> list[int]:
    settings = dataclasses.replace(line.settings, seed=line.settings.seed + sample)
    writing = Writing(loaded.model, loaded.tokenizer, [line.prompt], settings)
    for _ in writing:
        pass
    return writing.texts[0].tokens


def test_answers_come_in_order_and_are_what_each_is_alone(loaded: LoadedCheckpoint) -> None:
    lines = [
        PromptLine(
            i, i + 1, "abcdefghijklm"[: i % 13] * (1 + i % 3), dataclasses.replace(DEFAULTS, seed=i % 5, top_k=i % 2)
        )
        for i in range(40)
    ]
    lines[7] = PromptLine(7, 8, "?", DEFAULTS)
    lines[8] = PromptLine(8, 9, "a", DEFAULTS, tokens=(99,))
    tokens = 0

    def count(_: object) -> None:
        nonlocal tokens
        tokens += 1

    found = list(write_many(loaded, iter(lines), samples=2, on_piece=count))
    assert [(one.line.index, one.sample) for one in found] == [(i, s) for i in range(40) for s in range(2)]
    assert [one.line.index for one in found if one.error] == [7, 7, 8, 8]
    assert tokens == 38 * 2 * 6
    for one in found:
        if one.written is not None:
            assert one.written.tokens == alone(loaded, one.line, one.sample)
    assert max(one.side_by_side for one in found) > 10


def test_batches_hold_every_text_once(loaded: LoadedCheckpoint) -> None:
    for samples in (1, 3, 9):
        made = list(batches(range(10), samples, 4))
        texts = [
            (prompt, batch.first_sample + sample)
            for batch in made
            for prompt in batch.prompts
            for sample in range(batch.samples)
        ]
        assert texts == [(prompt, sample) for prompt in range(10) for sample in range(samples)]
        assert all(len(batch.prompts) * batch.samples <= 4 for batch in made)
    assert rows_at_once(loaded.model) == 64


def test_only_some_prompts_are_in_memory(loaded: LoadedCheckpoint) -> None:
    read = 0

    def endless() -> Iterator[PromptLine]:
        nonlocal read
        while True:
            read += 1
            yield PromptLine(read - 1, read, "a", DEFAULTS)

    answers: Iterator[Answer] = write_many(loaded, endless())
    assert [next(answers).line.index for _ in range(300)] == list(range(300))
    assert read <= 600


# Answers -------------------------------------------------------------------------------------------------------------


def expected(count: int, **changes: Any) -> Iterator[dict[str, Any]]:
    return iter([{"index": i, "weights_sha256": "w", "seed": 1, **changes} for i in range(count)])


def append(path: Path, start: int, end: int, total: int = 5) -> None:
    answers = AnswersFile(path)
    try:
        assert answers.go_on(expected(total)) == start
        for record in list(expected(end))[start:]:
            answers.append({**record, "text": "x" * 50})
    finally:
        answers.close()


def test_a_cut_line_is_mended_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    append(path, 0, 5)
    whole = path.read_bytes()
    length = len(whole) // 5
    for cut in range(1, len(whole), 37):
        path.write_bytes(whole[:cut])
        append(path, cut // length, 5)
        assert path.read_bytes() == whole
    append(path, 5, 5)


def test_what_something_else_wrote_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    append(path, 0, 3)
    whole = path.read_bytes()
    for wanted, words in [
        (expected(5, seed=2), r"out.jsonl:1: .* seed was 1, and is now 2"),
        (expected(5, weights_sha256="v"), "another checkpoint wrote it"),
        (expected(5, top_k=2), "top_k was nothing, and is now 2"),
        (expected(2), r"out.jsonl:3: .* not so many prompts"),
    ]:
        answers = AnswersFile(path)
        with pytest.raises(UsageError, match=words):
            answers.go_on(wanted)
        answers.close()
        assert path.read_bytes() == whole
    path.write_bytes(b"notes\n" + whole)
    answers = AnswersFile(path)
    with pytest.raises(UsageError, match="no record of this command"):
        answers.go_on(expected(5))
    answers.close()
    answers = AnswersFile(path, overwrite=True)
    assert answers.go_on(expected(5)) == 0
    answers.close()
    assert path.read_bytes() == b""


def test_one_process_writes_a_file_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    answers = AnswersFile(path)
    with pytest.raises(UsageError, match="another process is writing it"):
        AnswersFile(path)
    answers.close()
    AnswersFile(path).close()


@pytest.mark.parametrize(("name", "words"), [("no/such.jsonl", "there is no folder"), ("", "is a folder")])
def test_an_output_that_cannot_be(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_answers(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_device_is_one_message() -> None:
    answers = open_answers(Path("/dev/full"))
    with pytest.raises(CraftError, match="cannot be written: No space left"):
        answers.append({"a": 1})
    answers.close()


FILL = """
import resource, sys
from pathlib import Path
from craft.errors import CraftError
from craft.generation.files.answers_file import AnswersFile
answers = AnswersFile(Path(sys.argv[1]))
answers.go_on(iter([]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    for number in range(100):
        answers.append({"number": number, "text": "x" * 80})
except CraftError as error:
    print(error)
answers.close()
"""


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk's end."""
    path = tmp_path / "out.jsonl"
    done = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True)
    assert "the disk takes no more" in done.stdout
    lines = path.read_bytes()
    assert lines.endswith(b"\n")
    assert 800 < len(lines) <= 1000
    assert [json.loads(line)["number"] for line in lines.splitlines()] == list(range(lines.count(b"\n")))
