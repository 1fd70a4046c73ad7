"""Who waits, for what, and who is next.

entries.py   the queue on disk            slots.py      what this machine trains at once
waits.py     waiting for other runs       dispatch.py   from the queue to a slot, and out of the queue
changes.py   what a person changes        runner.py     the process that starts what waits
"""
