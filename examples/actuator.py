#!/usr/bin/env python3
"""actuator.py - a program for weir migrate's driver `exec`, weir-actuator(5).

It owns one file, in a format of its own (hence `render` in `can`, and the verb `parse`), and a
server that reads it again when it is told to.  In the plan:

    actuators:
      switch:
        driver: exec
        command: [./actuator.py, /etc/switch/shares.csv, systemctl, reload, switch]
        can: [sticky, atomic, render]
"""
import json
import os
import subprocess
import sys
import tempfile

DONE, UNCHANGED, DRIFT = 0, 10, 20
COLUMNS = ("app", "direct", "gateway", "key", "share")


def render(ask):
    rows = [",".join(str(s[c]) for c in COLUMNS) for s in ask["shares"]]
    text = "\n".join(["# switch " + ask["marker"], ",".join(COLUMNS)] + rows) + "\n"
    return DONE, {"bytes": text}


def parse(ask):
    lines = ask["bytes"].splitlines()
    if len(lines) < 2 or not lines[0].startswith("# switch e"):
        print("this file is not mine", file=sys.stderr)
        return DRIFT, None
    rows = [dict(zip(COLUMNS, line.split(","))) for line in lines[2:]]
    for row in rows:
        row["share"] = int(row["share"])
    return DONE, {"epoch": int(lines[0][len("# switch e"):].split("-")[0]), "shares": rows}


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return None


def replace(path, text):
    """Whoever reads it has the old file or the new one, also after a crash."""
    folder = os.path.dirname(path) or "."
    fd, temp = tempfile.mkstemp(dir=folder)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.chmod(temp, 0o644)
    os.rename(temp, path)
    fd = os.open(folder, os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def apply(ask):
    if not ask["there"]:
        if read(path) is None:
            return UNCHANGED, None
        os.unlink(path)
    else:
        replace(path, ask["bytes"])
    if reload:
        subprocess.run(reload, check=True)
    return DONE, None


def probe(_):
    text = read(path)
    return DONE, {"there": text is not None, "bytes": text or ""}


def check(_):
    return (DONE if os.access(os.path.dirname(path) or ".", os.W_OK) else 1), None


path, reload = sys.argv[1], sys.argv[2:]
request = json.load(sys.stdin)
verbs = {f.__name__: f for f in (probe, render, parse, check, apply)}
status, answer = verbs[request["verb"]](request)
if answer is not None:
    json.dump(answer, sys.stdout)
sys.exit(status)
