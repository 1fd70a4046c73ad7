"""The columns in which runs are listed, by `craft runs` and at the end of several."""

from __future__ import annotations

import time
from collections.abc import Sequence

from craft.analysis.numbers import NOTHING, format_age, format_count, format_duration, format_loss
from craft.cli.table import Column
from craft.runs.liveness import Observed


def run_columns(runs: Sequence[tuple[str, Observed, float | None]]) -> list[Column]:
    """Columns for runs given as (name, what was seen, seconds since 1970 when it was made)."""
    names, looks, made = [r[0] for r in runs], [r[1] for r in runs], [r[2] for r in runs]
    claims = [look.status for look in looks]
    now = time.time()
    live = [look.is_live for look in looks]
    return [
        Column("RUN", names, align="left"),
        Column("PHASE", [look.phase for look in looks], align="left"),
        Column("STEP", [f"{c.step}/{c.max_steps}" if c.max_steps else NOTHING for c in claims], rank=1),
        Column("TRAIN", [format_loss(c.train_loss) for c in claims], rank=3),
        Column("VAL", [format_loss(c.val_loss) for c in claims], rank=2),
        Column("BEST", [format_loss(c.best) for c in claims], rank=7),
        Column("TOK/S", [format_count(c.tokens_per_second) for c in claims], rank=6),
        Column(
            "ETA", [format_duration(c.eta_seconds if on else None) for c, on in zip(claims, live, strict=True)], rank=4
        ),
        Column("AGE", [format_age(now - m if m else None) for m in made], rank=5),
    ]
