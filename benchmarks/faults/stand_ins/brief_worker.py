"""A worker that only holds its run and its slot for an instant, and writes down from when to when.

It imports nothing of Craft, so that hundreds take seconds: the locks are the kernel's, and the claim is a small file.
What it writes is a line of `held.jsonl` in the run's folder for each time that it had the run.
"""
# ruff: noqa: PTH105, PTH123
# Nothing is imported that takes time.

import fcntl
import json
import os
import sys
import time

HELD_SECONDS = 0.01 * int(os.environ.get("CRAFT_SLOTS", "1"))  # so long that as many overlap as may


def main():
    folder = sys.argv[1]
    run = os.open(f"{folder}/worker.lock", os.O_RDWR | os.O_CREAT, 0o644)
    if not held(run, 2.0) or not waits(folder):
        note(folder, "refused.jsonl", {"pid": os.getpid()})
        return 3
    claim(folder, "starting")
    slot = os.open(os.environ["CRAFT_SLOT"], os.O_RDWR | os.O_CREAT, 0o644)
    held(slot, 60.0)
    began = time.monotonic()
    time.sleep(HELD_SECONDS)
    record = {"pid": os.getpid(), "slot": os.environ["CRAFT_SLOT"], "began": began, "ended": time.monotonic()}
    note(folder, "held.jsonl", record)
    claim(folder, "finished")
    os.close(slot)
    os.close(run)
    return 0


def waits(folder):
    try:
        with open(f"{folder}/status.json") as file:
            return json.load(file)["phase"] == "queued"
    except FileNotFoundError:
        return True


def held(descriptor, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        else:
            return True


def claim(folder, phase):
    status = {"phase": phase, "updated": time.time(), "progressed": time.time(), "clock": time.monotonic()}
    with open(f"{folder}/.status-{os.getpid()}", "w") as file:
        json.dump(status, file)
    os.replace(f"{folder}/.status-{os.getpid()}", f"{folder}/status.json")


def note(folder, name, record):
    file = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, json.dumps(record).encode() + b"\n")
    os.close(file)


if __name__ == "__main__":
    os._exit(main())
