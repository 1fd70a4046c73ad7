"""Going on from a checkpoint: the same run, another run, or a live one that is changed.

edited.py    the definition that goes on     meaning.py      what each changed setting does, field by field
resume.py    the same run                    length.py       how long, and what becomes of the learning rate
fork.py      a new run                       other_text.py   whether text and tokens are still the same
child.py     its folder                      live.py         what a run that trains may be asked to change
"""
