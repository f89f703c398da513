"""What the lints share: which files are ours, C without its comments and
strings, and the harness that plants offences for a lint's self-test."""

import os
import re
import sys
import tempfile

PRUNED = {".git", "build", "node_modules", "__pycache__", "corpus"}

_TOKEN = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.S)


def files(root, folders=("",), suffixes=None):
    """Paths relative to root, sorted, of the files that belong to us."""
    found = []
    for folder in folders:
        for at, below, names in os.walk(os.path.join(root, folder)):
            below[:] = [name for name in below if name not in PRUNED]
            found += [os.path.relpath(os.path.join(at, name), root) for name in names
                      if name not in PRUNED and
                      (suffixes is None or name.endswith(suffixes))]
    return sorted(set(found))


def c_files(root):
    return files(root, ("node", "proto", "replication", "tools", "tests"), (".c", ".h"))


def read(root, path):
    with open(os.path.join(root, path), errors="replace") as file:
        return file.read()


def strip(text):
    """C with comments blank and strings empty; every line keeps its number."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] * 2
    return _TOKEN.sub(blank, text)


def run(check, plants, allowed):
    """A lint's main. check(root) lists offences "path:line: what". With
    --self-test, each plant (path, text) must be refused and named, and none of
    `allowed` may be."""
    if "--self-test" not in sys.argv[1:]:
        offences = check(os.getcwd())
        print("\n".join(offences) or "nothing found")
        return 1 if offences else 0
    faults = []
    for path, text in plants:
        if not any(offence.startswith(path) for offence in planted(check, path, text)):
            faults.append("not refused in %s: %s" % (path, text[:200]))
    for path, text in allowed:
        faults += ["refused what is allowed: " + offence
                   for offence in planted(check, path, text)]
    print("\n".join(faults) or "%d planted, all refused" % len(plants))
    return 1 if faults or not plants else 0


def planted(check, path, text):
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w") as file:
            file.write(text)
        return check(root)
