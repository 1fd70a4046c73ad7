"""The `craft` command as a whole: what help costs, how mistakes are said, what a closed pipe does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from craft import cli
from craft.cli.common import json_line

CRAFT = str(Path(sys.executable).with_name("craft"))


def craft(*arguments: str, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CRAFT, *arguments], cwd=cwd, env={**os.environ, **changes}, capture_output=True, text=True, timeout=60
    )


def test_help_lists_every_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['craft', '--help']\n"
        "from craft.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules), sep=',', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    for name, (_, line) in cli.LAZY.items():
        assert f"  {name} " in done.stdout
        assert line.split()[0] in done.stdout
    loaded = {name.partition(".")[0] for name in done.stderr.strip().split(",")}
    assert not loaded & {"torch", "numpy", "pydantic", "rich", "textual", "plotext", "tomllib"}
    assert "craft.cli.run" not in done.stderr


def test_every_command_is_described() -> None:
    text = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    missing = [name for name in cli.LAZY if f"craft {name}" not in text]
    assert missing == []


def test_every_command_loads_without_torch_and_has_help() -> None:
    code = (
        "import sys, importlib\n"
        "from craft.cli import LAZY, craft\n"
        "import click\n"
        "for name in LAZY:\n"
        "    with click.Context(craft) as ctx:\n"
        "        command = craft.get_command(ctx, name)\n"
        "    assert command.help and command.name == name, name\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "no command 'rnu' (did you mean 'run'?)"),
        (["xyzzy"], "no command 'xyzzy'; 'craft --help' lists them"),
        (["status"], "Missing argument 'RUN'"),
        (["run", "absent.toml"], "absent.toml"),
        (["run", "experiments.toml", "--slots", "0"], "0 is not in the range"),
        (["status", "absent-001"], "no run 'absent-001'"),
        (["logs", "."], "not a run"),
        (["--nope"], "No such option"),
    ],
)
def test_a_mistake_is_one_message_and_status_two(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = craft(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_escapes_in_a_message_are_made_visible(tmp_path: Path) -> None:
    done = craft("status", "a\x1b]52;c;eA==\x07b", cwd=tmp_path)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\u241b" in done.stderr


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    (tmp_path / "text.txt").write_text("abcdefgh" * 500)
    (tmp_path / "e.toml").write_text(
        'craft = 1\n[experiment.a]\ndata = { type = "text", path = "text.txt" }\nmodel = { type = "transformer" }\n'
    )
    done = craft("run", "e.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "runs") in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["runs"], ["runs", "--json"]])
def test_a_reader_that_leaves_early_is_no_error(arguments: list[str], tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / "runs" / f"a-{number:03d}").mkdir(parents=True)
        (tmp_path / "runs" / f"a-{number:03d}" / "run.json").write_text('{"experiment": "a"}')
    read, write = os.pipe()
    os.close(read)  # nobody will ever read: the first write fails
    done = subprocess.run([CRAFT, *arguments], stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, timeout=60)
    os.close(write)
    assert done.returncode == 0
    assert done.stderr == b""


def test_a_terminal_without_unicode_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abcdefgh" * 500)
    (tmp_path / "e.toml").write_text(
        'craft = 1\n[experiment.a]\ndescription = "gr\u00f6\u00dfer"\n'
        'data = { type = "text", path = "text.txt" }\nmodel = { type = "transformer" }\n'
    )
    done = craft("run", "e.toml", "--dry-run", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfer" in done.stdout


def test_without_arguments_it_shows_help_on_standard_error(tmp_path: Path) -> None:
    done = craft(cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: craft")


def test_json_lines_hold_no_escape_and_no_nan() -> None:
    line = json_line({"text": "\x1b[2J\u202e", "loss": float("nan"), "list": [float("inf"), 1.5], "path": Path("/a")})
    assert json.loads(line) == {"text": "\x1b[2J\u202e", "loss": None, "list": [None, 1.5], "path": "/a"}
    assert line.isascii()
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("craft ru", {"run", "runs"}),
        ("craft status sm", {"small-001", "small-002"}),
        ("craft resume small-002", {"small-002"}),
        ("craft run e.toml w", {"wide"}),
        ("craft run e.toml w optimizer.lr=", set()),
    ],
)
def test_the_shell_completes_commands_runs_and_experiments(words: str, expected: set[str], tmp_path: Path) -> None:
    for name in ("small-001", "small-002", "other-001"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    (tmp_path / "e.toml").write_text("[experiment.wide]\n[experiment.small]\n")
    done = craft(
        cwd=tmp_path, _CRAFT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1)
    )
    assert done.returncode == 0, done.stderr
    found = {line.partition(",")[2] for line in done.stdout.split()}
    assert found == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_gets_a_completion_script(shell: str, tmp_path: Path) -> None:
    done = craft(cwd=tmp_path, _CRAFT_COMPLETE=f"{shell}_source")
    assert done.returncode == 0
    assert "_CRAFT_COMPLETE" in done.stdout


def test_interrupted_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, ctx, name: interrupted)
    monkeypatch.setitem(cli.LAZY, "interrupted", ("", ""))
    monkeypatch.setattr(sys, "argv", ["craft", "interrupted"])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 130
