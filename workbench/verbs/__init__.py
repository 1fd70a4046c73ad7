"""What is done to runs, by worker threads: no widgets here.

telling.py     what became of it, for a person         which.py       which verbs make sense for which runs
ending.py      stop, kill, leave without saving        asking.py      what a run that trains is asked for
going_on.py    resume, retry                           forking.py     a new run from a checkpoint
wish.py        what is asked of it                     removing.py    delete, tidy up
queueing.py    the order of what waits                 changing.py    settings that can be changed
noting.py      star, tags, a note                      command.py     any `craft` command, as a child
"""
