from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.workbench.runs import make_demo


def test_a_picture_of_real_runs(tmp_path: Path) -> None:
    file = make_demo(tmp_path)
    out = tmp_path / "picture.svg"
    command = [sys.executable, "-m", "workbench.picture", str(out), str(file), "--run", "wide-001"]
    subprocess.run(command, check=True, timeout=60)
    picture = out.read_text()
    ElementTree.fromstring(picture)
    words = picture.replace("&#160;", " ")
    assert "wide-001" in words and "finished" in words and "train 1.6" in words
    assert "src:" not in picture and 'url("http' not in picture, "it fetches nothing"


def test_no_such_run_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench.picture", str(tmp_path / "x.svg"), "--size", "wide"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "120x34" in done.stderr
