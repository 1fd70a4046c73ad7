"""Craft: a terminal workbench for training experiments.

Importing this package loads nothing heavy: torch arrives with the parts that need it.
"""

__version__ = "0.1.0"
