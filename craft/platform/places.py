"""Where things lie that belong to this machine and not to a project."""

from __future__ import annotations

import os
import re
from pathlib import Path

from craft.platform.processes import hostname


def state_dir() -> Path:
    """Where Craft keeps slots and measurements: $CRAFT_STATE_DIR, else $XDG_STATE_HOME/craft, else ~/.local/state."""
    if own := os.environ.get("CRAFT_STATE_DIR"):
        return Path(own)
    if xdg := os.environ.get("XDG_STATE_HOME"):
        return Path(xdg) / "craft"
    return Path.home() / ".local" / "state" / "craft"


def slots_dir() -> Path:
    """Where this machine's slots lie; several machines may share one home. See craft/launch/queue/slots.py."""
    return state_dir() / "slots" / re.sub(r"[^A-Za-z0-9._-]", "_", hostname())
