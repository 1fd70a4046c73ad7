"""Runs as processes: made, queued, started, followed, stopped, gone on with, deleted.

start.py      a plan to queued runs, by command and workbench alike
costs.py      what a plan will cost here        dry_run.py    a few real steps of it, measured
create.py     a plan to folders            queue/       who waits for what, slots, and the one way to a worker
workers.py    the processes that train     going_on/    resume, fork, change: what an edited definition means
standby.py    a worker's head start        groups/      several stopped, asked, retried, summed up
follow.py     what a run is doing          doctor/      what is wrong with machine and runs, and what can be mended
remove.py     deleting and tidying up       doomed.py    what that would take, before anybody is asked
"""
