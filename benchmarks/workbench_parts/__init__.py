"""The measurements of `python -m benchmarks.workbench [NAME ...]`, a module each.

terminal.py   a program in a pseudo terminal, its bytes, memory and processor time
start.py      process start to the first frame that names the experiments, against an empty Textual app; memory
long.py       a run of a million records on the screen, with and without its index
many.py       ten thousand runs
live.py       four live runs: share of a core, and how soon a key is answered meanwhile
keys.py       the same, while somebody types in the experiments file
slowdown.py   how much a run that trains is slowed down by being watched
"""
