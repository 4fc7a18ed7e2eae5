#!/usr/bin/env python3
"""Runs the ProVerif models and compares every result with what is expected.

usage: run.py PROVERIF FOLDER [NAME ...]      FOLDER is for the written models; names choose some of them

The exit status is 0 only if every query came out as expected. "Cannot be proved" counts as false only with a trace that has no
hypothesis."""
import pathlib
import re
import subprocess
import sys
import time

import gen

LONGEST = 900  # seconds for one model; the slowest took 23


def verdicts(output):
    """What ProVerif said of each query."""
    found, traced = [], False
    for line in output.splitlines():
        if line.startswith("A trace has been found."):  # not "... assuming the following hypothesis"
            traced = True
        if line.startswith("RESULT (") or not line.startswith("RESULT"):
            continue
        if line.endswith(" is true."):
            found.append("true")
        elif line.endswith(" is false.") or (line.endswith("cannot be proved.") and traced):
            found.append("false")
        else:
            found.append("unknown")
        traced = False
    return found


def main(prover, folder, names):
    written = gen.write(folder)
    wrong = queries = twins = 0
    for name in names or written:
        file = pathlib.Path(folder) / f"{name}.pv"
        wanted = re.findall(r"^\(\* EXPECT \d+ (\w+) \*\)", file.read_text(), re.M)
        start = time.time()
        try:
            output = subprocess.run([prover, str(file)], capture_output=True, text=True, timeout=LONGEST).stdout
        except subprocess.TimeoutExpired:
            output = ""
        got = verdicts(output)
        word = "ok  " if got == wanted else "FAIL"
        print(f"{word} {name:18} {time.time() - start:7.1f} s  expected {' '.join(wanted)}, got {' '.join(got) or '-'}", flush=True)
        wrong += got != wanted
        queries += len(wanted)
        twins += name.startswith("x")
    if wrong or not queries:
        sys.exit(f"ProVerif: {wrong} models are not as expected")
    print(f"evidence: T75 cases={queries} seed=0 ProVerif: queries for any number of sessions as expected, {twins} broken twins and controls among the models")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
