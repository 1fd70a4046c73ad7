"""What a worker leaves behind when it dies by itself keeps nobody from going on with its run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from craft import platform
from craft.runs.liveness import observe
from craft.runs.lock import MARK, left_behind, load_owner
from tests.children import child, says, wait_until
from tests.launch.project import Project
from tests.runs.test_traps import WORK_WITH_A_STRAY

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells whose child is whose")


@needs_proc
def test_a_run_whose_lock_a_stray_keeps_is_resumed_by_the_command(fake_project: Project) -> None:
    assert fake_project.craft("run", "experiments.toml", "tiny", "training.max_steps=3").returncode == 0
    folder = fake_project.run("tiny-001")
    folder.lock.touch()
    with child(WORK_WITH_A_STRAY, folder.path, new_session=True) as process:
        stray = int(says(process))
        try:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert platform.is_locked(folder.lock)
            done = fake_project.craft("resume", "tiny-001", "training.max_steps=6")
            assert done.returncode == 0, done.stderr
            assert observe(folder).phase == "finished"
            assert platform.start_ticks(stray) is None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)


@needs_proc
def test_helpers_of_a_crashed_worker_are_known_by_its_mark_and_ended_by_a_resume(fake_project: Project) -> None:
    fake, site = fake_project.environment["PYTHONPATH"], fake_project.folder / "site"
    site.mkdir()
    helper = "import subprocess; subprocess.Popen(['sleep', '300'], stdin=-3, stdout=-3, stderr=-3)"
    of_workers = f"import sys\nif 'fake_standby' in sys.orig_argv: {helper}\n"
    (site / "sitecustomize.py").write_text((Path(fake) / "sitecustomize.py").read_text() + of_workers)
    file = fake_project.folder / "experiments.toml"
    file.write_text(file.read_text() + "[experiment.crashes]\n")
    fake_project.environment["PYTHONPATH"] = f"{site}:{fake}"
    fake_project.craft("run", "experiments.toml", "crashes", "training.max_steps=6")
    fake_project.environment["PYTHONPATH"] = fake
    folder = fake_project.run("crashes-001")
    assert observe(folder).phase == "interrupted"
    owner, helpers = load_owner(folder), left_behind(folder)
    try:
        assert len(helpers) == 1
        assert owner is not None
        assert platform.was_started_with(helpers[0].pid, MARK, owner.mark)
        folder.definition.write_text(folder.definition.read_text().replace("experiment.crashes", "experiment.tiny"))
        resumed = fake_project.craft("resume", "crashes-001")
        assert resumed.returncode == 0, resumed.stderr
        wait_until(lambda: not helpers[0].is_alive())
    finally:
        for one in helpers:
            one.send(signal.SIGKILL)
