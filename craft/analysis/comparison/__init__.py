"""Runs beside each other: who is better, in what they differ, and who got there sooner.

points.py        the values of a metric and where they lie, also of a log of a million records
runs.py          a run as it is compared: its figures, points and definition
differences.py   the settings in which definitions differ, and whether two were measured alike
seeds.py         runs that differ in their seed alone, as one line with a band
sooner.py        who reached whose best first, and by how much
statistics.py    Welch's t-test
scatter.py       whether a difference is more than the seeds scatter, in words
table.py         rows and figures: sorted, measured against the reference
compare.py       all of it together
written.py       the same as Markdown and CSV
"""
