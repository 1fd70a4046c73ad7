"""Runs beside each other: who is better, in what they differ, and who got there sooner.

runs.py          a run as it is compared: its figures, curves and definition
differences.py   the settings in which definitions differ
sooner.py        who reached whose best first, and by how much
seeds.py         runs that differ in their seed alone, as one line with a band
table.py         all of it as rows, Markdown and CSV
"""
