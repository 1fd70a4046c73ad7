"""What goes wrong on real machines, done on purpose and counted: `make faults` writes docs/reliability.md from it.

Each module here brings faults of one kind. A fault is done so many times, on real processes, files and terminals, and
says how many times everything that was promised held, and the worst that was seen.

    python -m benchmarks.faults                  all of them, as often as the long form says: an hour and more
    python -m benchmarks.faults kills flips      some of them; the others' rows stay as they were
    python -m benchmarks.faults --part 0.05      a twentieth, which is what the tests do
"""
