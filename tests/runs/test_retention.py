"""What a run may lose: never the best checkpoint, never the newest whole ones, whatever is damaged or half made."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from craft import platform
from craft.errors import CheckpointError
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.retention import plan_tidying, remove_step, tidy, why_it_stays
from tests.runs.make import a_run


def save(folder: RunFolder, step: int, value: float | None = None) -> Path:
    return checkpoints.commit_checkpoint(
        folder, step, lambda place: (place / "w").write_text(f"of {step}") and None, monitor_value=value
    )


def damage(folder: RunFolder, step: int) -> None:
    (checkpoints.step_folder(folder, step) / "w").write_text("of nobody")


def steps(folder: RunFolder) -> list[int]:
    return [info.step for info in checkpoints.list_checkpoints(folder)]


def tidied(folder: RunFolder, keep: int = 1, wanted: tuple[int, ...] = ()) -> list[int]:
    """The steps that stay."""
    plan = plan_tidying(folder, keep, wanted)
    tidy(plan, keep, wanted)
    assert steps(folder) == sorted(plan.keeps)
    return steps(folder)


def test_the_best_and_the_newest_stay(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for step, value in ((0, 5.0), (10, 3.0), (20, 1.0), (30, 2.0), (40, 4.0), (50, None)):
        save(folder, step, value)
    plan = plan_tidying(folder, 2)
    assert plan.keeps == {20: "best", 40: "newest", 50: "newest"}
    assert [info.step for info in plan.goes] == [0, 10, 30]
    assert steps(folder) == [0, 10, 20, 30, 40, 50], "a plan changes nothing"
    assert tidied(folder, 2) == [20, 40, 50]
    assert plan_tidying(folder, 2).is_empty
    assert tidied(folder, 1) == [20, 50]
    assert checkpoints.resolve(folder, "best").step == 20
    assert checkpoints.resolve(folder, "latest").step == 50


def test_a_damaged_one_does_not_count_as_the_newest(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for step in range(5):
        save(folder, step)
    damage(folder, 4)
    damage(folder, 3)
    assert plan_tidying(folder, 1).keeps == {2: "newest", 3: "damaged", 4: "damaged"}
    assert tidied(folder) == [2, 3, 4]
    assert checkpoints.newest_valid(folder, lambda info, problems: None) is not None


def test_where_the_best_is_damaged_the_best_whole_one_stays_as_well(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for step, value in ((1, 1.0), (2, 1.2), (3, 1.1), (4, 2.0), (5, 3.0)):
        save(folder, step, value)
    for step in (1, 3):
        damage(folder, step)
    assert why_it_stays(folder, 2) == "it is the best whole one: 1, 3 are damaged"
    with pytest.raises(CheckpointError, match="exp-001@2 stays: it is the best whole one"):
        remove_step(folder, 2)
    assert why_it_stays(folder, 4) == ""
    assert plan_tidying(folder, 1).keeps == {1: "damaged", 2: "best", 5: "newest"}
    assert tidied(folder, 1) == [1, 2, 5]
    assert plan_tidying(folder, 1).is_empty


def test_where_all_are_damaged_all_stay(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for step in range(3):
        save(folder, step)
        damage(folder, step)
    assert tidied(folder) == [0, 1, 2]


def test_what_a_waiting_run_starts_from_stays(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for step in range(4):
        save(folder, step)
    assert plan_tidying(folder, 1, {1}).keeps == {1: "wanted", 3: "newest"}
    assert tidied(folder, 1, (1, 7)) == [1, 3]


def test_any_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the rule in other words, on fifty random runs."""
    for name in ("fsync_file", "fsync_dir"):  # no power is cut here
        monkeypatch.setattr(platform, name, lambda path: None)
    rng = random.Random(7)
    for number in range(50):
        folder, keep = a_run(tmp_path, "any", id=str(number)), rng.randint(1, 4)
        known: dict[int, float | None] = {}
        for step in sorted(rng.sample(range(100), rng.randint(0, 8))):
            known[step] = rng.choice([None, float(rng.randint(0, 9))])
            save(folder, step, known[step])
        broken = {step for step in known if rng.random() < 0.25}
        for step in broken:
            damage(folder, step)
        wanted = tuple(rng.sample(sorted(known), min(len(known), rng.choice([0, 0, 1]))))
        measured = sorted((step for step in known if known[step] is not None), key=lambda s: (known[s], s))
        best = {*measured[:1], *[step for step in measured if step not in broken][:1]}
        whole = [step for step in known if step not in broken][-keep:]
        oldest_kept = whole[0] if len(whole) == keep else -1
        expected = [step for step in known if step >= oldest_kept or step in best or step in wanted]
        assert tidied(folder, keep, wanted) == expected, (known, broken, keep)


def test_what_is_saved_between_plan_and_deed_stays(tmp_path: Path) -> None:
    """Another command resumed the run and let it train on, before the question was answered."""
    folder = a_run(tmp_path)
    for step, value in ((1, 5.0), (2, 4.0), (3, 6.0)):
        save(folder, step, value)
    plan = plan_tidying(folder, 1)
    assert [info.step for info in plan.goes] == [1]
    save(folder, 1, 0.5)  # it went back, and this time step 1 was the best of all
    save(folder, 4, 7.0)
    assert tidy(plan, 1) == []
    assert steps(folder) == [1, 2, 3, 4], "only what was shown may go"


def test_what_crashes_left_goes_and_is_counted(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for step in (1, 2):
        save(folder, step)
    half = folder.checkpoints / ".partial-step-00000003"
    half.mkdir()
    (half / "w").write_bytes(bytes(100_000))
    (folder.checkpoints / ".latest.json.tmp").touch()
    for path in (folder.path / ".status.json.4194303-0.tmp", folder.control / ".1.json.4194303-0.tmp"):
        path.touch()
        os.utime(path, (0, 0))
    checkpoints.step_folder(folder, 2).rename(folder.checkpoints / ".old-step-00000002")
    plan = plan_tidying(folder, 2)
    assert sorted(path.name[:8] for path in plan.leftovers) == [".1.json.", ".latest.", ".partial", ".status."]
    assert plan.use.freed > 100_000
    assert [info.step for info in plan.goes] == []
    tidy(plan, 2)
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == [
        "latest.json",
        "step-00000001",
        "step-00000002",
    ], "what was set aside is a checkpoint, and back in its place"
    assert plan_tidying(folder, 2).is_empty


def test_one_checkpoint_goes_alone(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for step, value in ((1, 5.0), (2, 1.0), (3, 6.0), (4, 7.0)):
        save(folder, step, value)
    assert why_it_stays(folder, 2) == "it is the best one"
    assert why_it_stays(folder, 4) == "it is the newest one, from which the run would go on"
    for step in (2, 4):
        with pytest.raises(CheckpointError, match=f"exp-001@{step} stays: it is the "):
            remove_step(folder, step)
    with pytest.raises(CheckpointError, match="no checkpoint of step 9; there are: 1, 2, 3, 4"):
        remove_step(folder, 9)
    damage(folder, 4)
    assert why_it_stays(folder, 3) == "it is the newest whole one: 4 is damaged"
    remove_step(folder, 4)  # nothing goes on from it
    assert why_it_stays(folder, 3) == "it is the newest one, from which the run would go on"
    assert json.loads((folder.checkpoints / "latest.json").read_text())["step"] == 3
    remove_step(folder, 1)
    assert steps(folder) == [2, 3]


def test_who_reads_what_goes_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_run(tmp_path)
    for step in (1, 2):
        save(folder, step)
    verify = checkpoints.verify

    def too_late(path: Path) -> list[str]:
        remove_step(folder, 1)
        return verify(path)

    monkeypatch.setattr(checkpoints, "verify", too_late)
    with pytest.raises(CheckpointError, match="exp-001: its checkpoint of step 1 was deleted while it was read"):
        checkpoints.resolve(folder, "1")
