"""Runs as processes: made, queued, started, stopped, resumed, followed.

create.py     a plan to folders            slots.py      what this machine trains at once
queue.py      who waits                    dispatch.py   from the queue to a slot; stop
runner.py     the process that does so     workers.py    the processes that train: start, ask to stop, kill
resume.py     go on, also longer           follow.py     what a run is doing, and what is new
standby.py    a worker's head start        fork.py       a new run from a checkpoint; child.py makes its folder
edited.py     an edited definition         meaning.py    what each edit does; length.py, other_text.py
waits.py      runs that wait for others    queue_changes.py  what a person changes in the queue
several.py    many at once: stop, retry    group_summary.py  a sweep summed up
doctor/        what is wrong with machine and runs, and what of it can be put right
"""
