"""What is done to a document before it becomes tokens."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from craft.data import prepare
from craft.data.processors import normalise, process
from craft.data.tokenizers import blocks
from craft.errors import CraftError
from tests.data.helpers import TEXT, definition, write_text


def processed(documents: list[str], names: list[str], search: Path | None = None) -> list[str]:
    """Each document whole; it is given in parts of two characters."""
    parts = ([document[i : i + 2] for i in range(0, len(document), 2)] for document in documents)
    return ["".join(document) for document in process(parts, names, search)]


def test_normalise_makes_one_form_of_letters_and_of_line_ends() -> None:
    assert processed(["e\u0301\r\nb\rc\n\r\n", "\u212b"], ["normalise"]) == ["é\nb\nc\n\n", "Å"]
    assert processed(["e\u0301\r\n"], []) == ["e\u0301\r\n"], "kept as it is unless asked"


def test_long_documents_are_processed_in_blocks_that_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter's sign, a pair that ends a line, or the end of a Greek word may stand where a block would end."""
    monkeypatch.setattr(blocks, "BLOCK", 16)
    monkeypatch.setattr(blocks.blocks, "__defaults__", (16,))
    drawn = random.Random(1)
    for _ in range(200):
        text = "".join(drawn.choices(["e", "\u0301", "\u0323", "\r", "\n", " ", "Σ", "A", "가", "\u11a8", "'"], k=99))
        for names, whole in ((["normalise"], normalise(text)), (["lowercase"], text.lower())):
            assert processed([text], names) == [whole]
    given = "word " * 100
    assert max(map(len, next(iter(process([[given]], ["lowercase"]))))) < 32


def test_processors_work_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "mine_in_order.py").write_text("def bang(text):\n    return text + 'É!'\n")
    assert processed(["A"], ["lowercase", "mine_in_order:bang"], tmp_path) == ["aÉ!"]
    assert processed(["A"], ["mine_in_order:bang", "lowercase"], tmp_path) == ["aé!"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lowrcase", "unknown processor 'lowrcase' (did you mean 'lowercase'?)"),
        ("normalize", "did you mean 'normalise'?"),
        ("upper", "there are 'normalise' and 'lowercase', and a function of your own as 'module:function'"),
        ("a b:c", "unknown processor 'a b:c'"),
        ("module:", "unknown processor 'module:'"),
    ],
)
def test_an_unknown_one_is_refused_with_the_definition(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as raised:
        definition(tmp_path, processors=[name])
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def f(text):\n    return 1 / 0\n",
            "given document 1 ('line 0 says that 0 is a number...'), raised ZeroDivisionError",
        ),
        ("def f(text):\n    return None\n", "gave NoneType; it has to give the text, a str"),
        ("def f(text):\n    return text.encode()\n", "gave bytes; it has to give"),
        ("def f(text):\n    return text[:5] + '\\udc80'\n", "gave half a character, '\\udc80'"),
        ("def g(text):\n    return text\n", "has no f"),
        ("f = 3\n", "is int, not a function"),
        ("def f(text) return text\n", "importing it raised SyntaxError"),
        ("raise RuntimeError('no luck')\n", "importing it raised RuntimeError: no luck"),
        ("raise SystemExit(3)\n", "importing it raised SystemExit: 3"),
        ("import there_is_no_such_thing\n", "needs the module there_is_no_such_thing, which is missing"),
        (None, "there is no module {module}, neither in {folder} nor installed"),
    ],
)
def test_what_goes_wrong_in_ones_own_function_is_named(
    code: str | None, said: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    module = f"processor_{abs(hash(code))}"
    if code is not None:
        (tmp_path / f"{module}.py").write_text(code)
    with pytest.raises(CraftError) as raised:
        prepare(definition(write_text(tmp_path), processors=[f"{module}:f"]), search=tmp_path)
    assert f"{module}:f" in str(raised.value)
    assert "data.processors" in str(raised.value)
    assert said.format(module=module, folder=tmp_path) in str(raised.value)


def test_its_code_counts_for_the_cache(tmp_path: Path) -> None:
    """Also the code that it imports from beside itself; and where the files lie plays no part."""
    text = write_text(tmp_path)
    config = definition(text, processors=["main_of_two:f"])

    def write(folder: Path, sign: str) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "main_of_two.py").write_text("import sign_of_two\ndef f(text):\n    return text + sign_of_two.SIGN\n")
        (folder / "sign_of_two.py").write_text(f"SIGN = {sign!r}\n")
        return folder

    def made(folder: Path) -> tuple[bool, str]:
        prepared = prepare(config, search=folder)
        tokens = prepared.splits["val"].tokens  # type: ignore[attr-defined]
        return prepared.made, prepared.tokenizer.decode(tokens[-1:])

    assert made(write(tmp_path / "one", "!")) == (True, "!")
    assert made(write(tmp_path / "two", "?")) == (True, "?"), "the module of the same name from elsewhere is not used"
    assert made(write(tmp_path / "copy", "!")) == (False, "!")
    assert made(write(tmp_path / "one", "#")) == (True, "#")


def test_an_installed_function_serves_too(tmp_path: Path) -> None:
    prepared = prepare(definition(write_text(tmp_path), processors=["textwrap:dedent"]))
    assert prepared.tokenizer.decode(prepared.splits["train"].tokens[:20]) == TEXT[:20]  # type: ignore[attr-defined]
