"""Run folders: names that nobody else has, an identity on disk, and folders that are no run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from pathlib import Path

import pytest

from craft.errors import RunError
from craft.runs.folder import (
    NAME_LENGTH,
    RunFolder,
    RunIdentity,
    definition_fault,
    read_identity,
    slug,
    update_identity,
)
from craft.runs.json_files import sealed
from tests.children import child
from tests.runs.make import a_run

CREATE = """
import sys
from pathlib import Path
from tests.runs.make import a_run
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    print(a_run(Path(sys.argv[1]), "same", seed=number).name, flush=True)
"""


def test_a_run_is_made_with_all_that_it_needs(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "deep" / "runs", "transformer", seed=7, axes={"optimizer.lr": 0.1}, group="g")
    assert folder.name == "transformer-001"
    assert folder.require() == folder
    assert folder.definition.read_text() == "craft = 1\n"
    assert folder.control.is_dir()
    assert folder.checkpoints.is_dir()
    identity = read_identity(folder)
    assert (identity.experiment, identity.seed, identity.group) == ("transformer", 7, "g")
    assert identity.axes == {"optimizer.lr": 0.1}
    assert a_run(folder.path.parent, "transformer").name == "transformer-002"
    assert a_run(folder.path.parent, "transformer-2").name == "transformer-2-001"


def test_the_number_after_the_highest_is_taken(tmp_path: Path) -> None:
    for name in ("a-007", "a-0012", "a-1-099", "a-x", "b-050", "a-" + "9" * 40, "aa-100"):
        (tmp_path / name).mkdir()
    assert a_run(tmp_path, "a").name == "a-013"
    (tmp_path / "a-999").mkdir()
    assert a_run(tmp_path, "a").name == "a-1000"


@pytest.mark.parametrize(
    ("experiment", "name"),
    [
        ("lr", "lr"),
        ("My Big Model", "my-big-model"),
        ("a.b_c-d", "a.b_c-d"),
        ("../../etc/passwd", "etc-passwd"),
        ("\u00e9t\u00e9", "t"),
        ("\u6a21\u578b", "run"),
        ("", "run"),
        (".", "run"),
        ("...---", "run"),
        (".hidden", "hidden"),
        ("x\x1b]52;c\x07\n", "x-52-c"),
        ("a" * 300, "a" * 56),
    ],
)
def test_odd_names_of_experiments_make_plain_folders(tmp_path: Path, experiment: str, name: str) -> None:
    assert slug(experiment) == name
    folder = a_run(tmp_path, experiment)
    assert re.fullmatch(r"[a-z0-9._-]+", folder.name)
    assert len(folder.name) <= NAME_LENGTH
    assert read_identity(folder).experiment == experiment


def test_processes_that_create_at_once_never_share_a_name(tmp_path: Path) -> None:
    each = 15
    with contextlib.ExitStack() as stack:
        makers = [stack.enter_context(child(CREATE, tmp_path, each)) for _ in range(4)]
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.write("go\n")
            maker.stdin.flush()
        names = [line for maker in makers for line in maker.communicate()[0].split()]
    assert len(names) == len(set(names)) == 4 * each
    assert set(names) == {f"same-{number:03d}" for number in range(1, 4 * each + 1)}
    assert len({read_identity(RunFolder(tmp_path / name)).id for name in names}) == len(names)


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RunError, match=r"runs: a run's folder cannot be made there: "):
        a_run(tmp_path / "runs")


def test_an_identity_is_completed_and_survives_odd_values(tmp_path: Path) -> None:
    folder = a_run(tmp_path, "exp", source="/home/\udcff/experiments.toml")
    update_identity(folder, data_hash="abc", chosen={"device": "cpu", "threads": 2, "reasons": ["as set"]})
    identity = read_identity(folder)
    assert identity.source == "/home/\udcff/experiments.toml"
    assert identity.chosen == {"device": "cpu", "threads": 2, "reasons": ["as set"]}
    data = json.loads(folder.run_json.read_bytes())
    folder.run_json.write_text(json.dumps(sealed({**data, "of_a_later_version": 1})))
    assert read_identity(folder) == identity


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "run.json is damaged: empty"),
        (b"{", "run.json is damaged: not JSON: .* line 1 column 2"),
        (b"[]", "run.json is damaged: not a JSON object"),
        (b"\xff\xfe", "run.json is damaged: not UTF-8 at byte 0"),
        (b"[" * 100_000, "run.json is damaged: nested too deeply"),
        (b"{}", "run.json is damaged: it has no experiment"),
        (b'{"experiment": "a", "created": "x"}', "run.json is damaged: created is 'x', not a number"),
        (b'{"experiment": "a", "seed": 1.5}', "run.json is damaged: seed is 1.5, not a whole number"),
        (b'{"experiment": "a", "created": true}', "run.json is damaged: created is True, not a number"),
        (b'{"experiment": "a", "created": 1e999}', "run.json is damaged: created is no sensible number"),
        (b'{"experiment": "a", "chosen": []}', "run.json is damaged: chosen is \\[\\], not a table"),
        (b" " * 5_000_000, "run.json is damaged: 5,000,000 bytes, far too large"),
    ],
    ids=lambda value: value[:12].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_damaged_identity_says_what_is_wrong(tmp_path: Path, content: bytes, words: str) -> None:
    folder = a_run(tmp_path)
    folder.run_json.write_bytes(content)
    with pytest.raises(RunError, match=words):
        read_identity(folder)


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        RunFolder(tmp_path / "none").require()
    with pytest.raises(RunError, match=r"not a run: it has no run\.json"):
        RunFolder(tmp_path).require()
    folder = a_run(tmp_path)
    folder.definition.unlink()
    with pytest.raises(RunError, match=r"its experiment\.toml is missing: it can be looked at and deleted only"):
        folder.require()
    with pytest.raises(RunError, match="no such folder"):
        RunFolder(tmp_path / ("x" * 300)).require()


def test_every_run_has_an_id_of_its_own() -> None:
    assert RunIdentity("a").id != RunIdentity("a").id
    assert {field.name for field in dataclasses.fields(RunIdentity)} >= {"parent_run", "parent_step", "git_commit"}


def test_a_digit_that_became_another_one_does_not_go_unnoticed(tmp_path: Path) -> None:
    folder = a_run(tmp_path, "exp", seed=1337, chosen={"threads": 12})
    right = folder.run_json.read_bytes()
    for old, new in ((b"1337", b"1327"), (b"12", b"13"), (b'"exp"', b'"exq"')):
        folder.run_json.write_bytes(right.replace(old, new))
        with pytest.raises(RunError, match=r"run.json is damaged: its sha256 is that of another text"):
            read_identity(folder)
    data = json.loads(right)
    del data["sha256"]  # what a person does who edits it by hand
    folder.run_json.write_text(json.dumps({**data, "seed": 5}))
    assert read_identity(folder).seed == 5


def test_a_definition_that_is_not_as_it_was_written_is_known(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    assert definition_fault(folder, read_identity(folder)) is None
    folder.definition.write_text("craft = 1 \n")
    assert "edited by hand, or damaged" in str(definition_fault(folder, read_identity(folder)))
    folder.definition.unlink()
    assert "cannot be read: No such file" in str(definition_fault(folder, read_identity(folder)))
    assert definition_fault(folder, RunIdentity("of an earlier Craft")) is None
