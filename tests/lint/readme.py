#!/usr/bin/python3
"""What the README names is there: files, tests (`FILE` `name`), make targets,
and commands of twinsync. A guarantee that names a test names one that exists."""

import os
import re
import subprocess
import sys
import tempfile

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, "tests/lib")
import csource  # noqa: E402

PATH = re.compile(r"`((?:tests|tools|node|proto|replication|\.ci)/[\w./-]*)(?:[:]{2}(\w+))?`")


def bad_paths(root, number, line):
    for path, name in PATH.findall(line):
        if not os.path.exists(os.path.join(root, path)):
            yield "README.md:%d: there is no %s" % (number, path)
        elif name and not re.search(r"\b%s\b" % name, csource.read(root, path)):
            yield "README.md:%d: there is no %s in %s" % (number, name, path)


def bad_targets(root, number, line):
    makefile = csource.read(root, "Makefile")
    for target in re.findall(r"`make ([a-z][a-z-]*)", line):
        if not re.search(r"^%s:" % target, makefile, re.M):
            yield "README.md:%d: there is no make %s" % (number, target)


def commands():
    """The first words of twinsync's commands."""
    try:
        text = subprocess.run(["build/debug/twinsync", "--help"], capture_output=True,
                              text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return set(re.findall(r"^  ([a-z][a-z-]*)", text, re.M))


def check(root):
    found, known = [], commands() if root == os.getcwd() else {"sync"}
    if known is None:
        return ["README.md:1: build/debug/twinsync says nothing"]
    for number, line in enumerate(csource.read(root, "README.md").split("\n"), 1):
        found += bad_paths(root, number, line)
        found += bad_targets(root, number, line)
        found += ["README.md:%d: twinsync has no command %s" % (number, word)
                  for word in re.findall(r"(?:`|^\$ )twinsync (?:-c \S+ )?([a-z][a-z-]*)", line)
                  if word not in known]
    return found


def judge_planted(line):
    """What is found in a tree with a Makefile, a test and this README."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "tests", "unit"))
        for path, text in (("Makefile", "all: x\ncheck:\n"), ("README.md", line),
                           ("tests/unit/test_x.c", "static void holds(void **s)\n")):
            with open(os.path.join(root, path), "w") as file:
                file.write(text)
        return check(root)


REFUSED = ["`tests/unit/test_y.c`", "`tests/unit/test_x.c::breaks`", "`make install`",
           "`twinsync fly`", "$ twinsync fly"]
GOOD = "`tests/unit/test_x.c::holds` `make check` `twinsync sync`"


def main():
    if "--self-test" not in sys.argv[1:]:
        return csource.run(check, [], [])
    faults = ["misjudged: " + line for line in REFUSED + [GOOD]
              if bool(judge_planted(line)) != (line in REFUSED)]
    print("\n".join(faults) or "%d planted, all refused" % len(REFUSED))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
