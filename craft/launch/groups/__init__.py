"""Several runs at once: stopped or retried together (several.py), and summed up (summary.py)."""
