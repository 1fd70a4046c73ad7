"""Several runs at once: stopped or retried together (several.py), ended (ending.py), asked for something while they
train (asking.py), and summed up (summary.py)."""
