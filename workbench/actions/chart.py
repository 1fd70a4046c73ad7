"""What works in a chart that has the focus.

Arrows and h l move the crosshair, with shift they move the picture. Capitals change how it is looked at. By mouse:
moving shows the values, a click keeps the crosshair there, dragging chooses a part to zoom to, dragging with shift
moves the picture, the wheel zooms around the pointer (over the numbers of the y axis, that axis), a double click
shows everything.
"""

from workbench.actions.action import Action

PLACES: dict[str, tuple[Action, ...]] = {
    "chart": (
        Action("cross_right", ("right", "l"), "crosshair to the next point", "crosshair"),
        Action("cross_left", ("left", "h"), "crosshair to the point before"),
        Action("zoom_in", ("plus", "equals_sign"), "zoom in around the crosshair", "zoom"),
        Action("zoom_out", ("minus",), "zoom out"),
        Action("show_all", ("0",), "show everything again", "all"),
        Action("toggle_smoothing", ("S",), "smoothing: off, light, strong", "smooth"),
        Action("toggle_log_y", ("L",), "logarithmic or linear y axis", "log y"),
        Action("toggle_log_x", ("X",), "logarithmic or linear x axis"),
        Action("toggle_robust", ("R",), "leave stray points out of the range of y, or show them"),
        Action("choose_range", ("space",), "begin a range at the crosshair; again: zoom to it"),
        Action("pan_left", ("shift+left", "less_than_sign"), "move along the x axis, to the left"),
        Action("pan_right", ("shift+right", "greater_than_sign"), "move along the x axis, to the right"),
        Action("zoom_in_y", ("shift+up", "K"), "zoom in on the y axis"),
        Action("zoom_out_y", ("shift+down", "J"), "zoom out on the y axis"),
        Action("pan_up", ("up", "k"), "up, where the y axis is zoomed"),
        Action("pan_down", ("down", "j"), "down, where the y axis is zoomed"),
        Action("cross_first", ("home", "g"), "crosshair to the first point"),
        Action("cross_last", ("end", "G"), "crosshair to the last point"),
        Action("next_event", ("n",), "crosshair to the next event"),
        Action("previous_event", ("N",), "crosshair to the event before"),
        Action("copy_values", ("y",), "copy the values at the crosshair, or those on the screen"),
        Action("leave", ("escape",), "drop the range, the crosshair, the zoom, one after the other"),
    )
}
