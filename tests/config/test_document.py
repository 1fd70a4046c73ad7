"""Files that are no experiments files: one line each that says so, with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from craft.config.document import MAX_BYTES, MAX_DEPTH, MAX_PARTS, read_document
from craft.errors import ConfigError, Problem


def fault_of(path: Path) -> Problem:
    with pytest.raises(ConfigError) as caught:
        read_document(path)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{path}:")
    return problem


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"craft = 1\nseed = \xff\n", 2, 8, "byte 0xff is not UTF-8"),
        ("é = '\xe9'".encode() + b"\xc3", 1, 8, "byte 0xc3 is not UTF-8"),
        (b"\xef\xbb\xbfcraft = 1\n", 1, 1, "byte order mark"),
        ("craft = 1".encode("utf-16"), 1, 1, "not UTF-8"),
        (b"craft = 1\nseed == 2\n", 2, 7, "not TOML: invalid value"),
        (b"craft = 1\n[a\n", 2, 3, "not TOML: expected ']'"),
        (b"a = 1\nb = 2\n  a = 3\n", 3, 3, "this key has a value already"),
        (b"[a]\n[b]\n[a]\n", 3, 1, "this table is there already"),
        (b"a = {x = 1}\na.y = 2\n", 2, 1, "written in braces"),
        (b'a = """\nno end', 2, 7, "unterminated string"),
        (b"a = 1\nb = 2026-02-31\n", 2, 5, "invalid date"),
        (b"a = [ # here\n  1,\n  2026-02-30,\n]\n", 3, 3, "invalid date"),
        (b"a = 1\n  b = " + b"9" * 5_000, 2, 7, "a number has too many digits"),
        (b"a = 1\nb = 9223372036854775808\n", 2, 5, "TOML's have 64 bits"),
        (b"a = '" + b"8" * 5_000 + b"'\nb = [\n " + b"9" * 5_000 + b",\n1]", 3, 2, "a number has too many digits"),
        (b"# c\nx = " + b"[" * 5_000, 2, 5 + MAX_DEPTH, f"more than {MAX_DEPTH} deep"),
        (b"x = " + b"[" * 40 + b"]" * 40, 1, 4 + MAX_DEPTH, f"more than {MAX_DEPTH} deep"),
        (b"ok = 'a.b.c'\n" + b"a." * 30_000 + b"a = 1", 2, 1, f"more than {MAX_PARTS} parts"),
        (b"[" + b" 'a' . " * 20 + b"a]", 1, 3, f"more than {MAX_PARTS} parts"),
        (b"a = 1\x00\n", 1, 6, "not TOML"),
    ],
)
def test_a_broken_text_is_reported_at_its_place(
    tmp_path: Path, content: bytes, line: int, column: int, message: str
) -> None:
    path = tmp_path / "experiments.toml"
    path.write_bytes(content)
    problem = fault_of(path)
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("device = auto", 'a text stands in quotes: "auto"'),
        ("device = cuda:1 # here", 'a text stands in quotes: "cuda:1"'),
        ("on = True", "TOML writes true"),
        ("on = None", "TOML has no empty value; leave the line out, or name the setting in unset"),
        ("lr = .5", "a number begins with a digit: 0.5"),
        ("betas = (0.9, 0.95)", "an array stands in [ ]"),
        ("lr: 0.1", "TOML writes key = value"),
        ("lr = $x", ""),
        ("lr = 1 2", ""),
    ],
)
def test_the_slips_of_other_languages_are_told_what_to_write(tmp_path: Path, written: str, hint: str) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(f"craft = 1\n{written}\n")
    assert fault_of(path).hint == hint


def test_a_path_that_no_run_could_note_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    (folder / "experiments.toml").write_text("craft = 1\n")
    assert "is not Unicode text" in fault_of(folder / "experiments.toml").message


def test_dots_in_strings_and_comments_are_no_key(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    dots = "a." * 100
    path.write_text(f'a = \'{dots}\' # {dots}\nb = \'\'\'\n{dots}\n\'\'\'\nc = "\\"{dots}"\nd = """{dots}\\"""""\n')
    assert read_document(path).data["a"] == dots


def test_no_such_file_names_the_one_that_is_there(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "none.toml").hint == "'craft init' writes one"
    (tmp_path / "experiments.toml").write_text("craft = 1")
    problem = fault_of(tmp_path / "experimets.toml")
    assert problem.message == "no such file"
    assert problem.hint == f"did you mean '{tmp_path / 'experiments.toml'}'?"
    assert f"did you mean '{tmp_path / 'experiments.toml'}'?" in fault_of(tmp_path).hint


def test_what_is_not_a_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    assert "is a folder" in fault_of(tmp_path).message
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "is a device or a pipe" in fault_of(pipe).message
    assert "is a device or a pipe" in fault_of(Path("/dev/zero")).message
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in fault_of(loop).message
    assert "cannot be read" in fault_of(tmp_path / ("n" * 300)).message
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 1 MiB" in fault_of(large).message
    large.write_bytes(b" \n" * 10)
    assert "the file is empty" in fault_of(large).message


def test_a_long_line_is_cut_around_the_place_and_shows_no_control(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(f"a = '{'x' * 500}' \x1b[2J '{'y' * 500}'")
    shown = str(fault_of(path)).splitlines()
    assert len(shown) == 3
    assert len(shown[1]) < 100
    assert "\x1b" not in shown[1]
    assert shown[1][len(shown[2]) - 1] == "\N{SYMBOL FOR ESCAPE}"


def test_the_caret_stands_under_the_place_after_tabs_and_wide_letters(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text("\t'日本' = !")
    _, line, caret = str(fault_of(path)).splitlines()
    assert line.endswith("'日本' = !")
    # The two letters take two columns each.
    assert len(caret) - 1 == len(line) - 1 + 2
