"""Which widgets are asked for which of their lines when a screen is drawn.

Textual asks all of them for all their lines, also for those that lie behind others, whenever two lines of the screen
change that are far apart: a fifth of what watching a run costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from textual._compositor import Compositor
from textual.geometry import Region
from textual.strip import Strip


class SparingCompositor(Compositor):
    """Asks for the lines that are drawn, and of those only for what nothing in front covers."""

    def _render_chops(self, crop: Region, is_rendered_line: Callable[[int], bool]) -> Sequence[Mapping[int, Strip]]:
        cuts = self.cuts
        chops: list[dict[int, Strip | None]] = [dict.fromkeys(line[:-1]) for line in cuts]
        missing = {y: len(chops[y]) for y in crop.line_range if y < len(chops) and is_rendered_line(y)}
        for widget, (region, clip) in self.visible_widgets.items():  # from front to back
            shown = region.intersection(clip)
            left, right = shown.column_span
            rows = [
                y
                for y in shown.line_range
                if y in missing and any(strip is None and left <= cut < right for cut, strip in chops[y].items())
            ]
            if not rows:
                continue
            height = rows[-1] + 1 - rows[0]
            strips = widget.render_lines(Region(left - region.x, rows[0] - region.y, shown.width, height))
            for y in rows:
                line = chops[y]
                inside = [cut for cut in cuts[y] if left <= cut <= right]
                pieces = strips[y - rows[0]].divide([cut - left for cut in inside[1:]])
                for cut, piece in zip(inside, pieces, strict=False):  # the last cut is the end
                    if line[cut] is None:
                        line[cut] = piece
                        missing[y] -= 1
                if not missing[y]:
                    del missing[y]
            if not missing:
                break
        return cast("Sequence[Mapping[int, Strip]]", chops)
