#!/usr/bin/python3
"""The manual pages are well-formed mdoc, and tell of every command and option
that the programs' own help names."""

import glob
import os
import re
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, "tests/lib")
import csource  # noqa: E402

HELP = {"tools/man/twinsync.1": ["build/debug/twinsync", "--help"],
        "tools/man/twinsyncd.8": ["build/debug/twinsyncd", "--help"],
        "tools/man/twinsync-witness.8": ["build/debug/twinsync-witness", "--help"]}


def malformed(root):
    """What mandoc says of each page, from warnings up."""
    for page in sorted(glob.glob(os.path.join(root, "tools/man/*.[1-8]"))):
        said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                              capture_output=True, text=True, check=False)
        for line in said.stdout.splitlines():
            # Our dates are ISO 8601, and our pages refer to each other.
            if not re.search(r"operating system explicitly|referenced manual not found", line):
                yield line.replace("mandoc: ", "").replace(root + "/", "")


def plain(page):
    """A page as people read it, on one line."""
    text = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True,
                          text=True, check=True).stdout
    return " ".join(re.sub(r".\x08", "", text).split())


def said_by(argv):
    """Commands (two blanks, words) and options that a program's help lists."""
    try:
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [], set()
    commands = re.findall(r"^  ([a-z][a-z-]*)  ", text, re.M)
    return commands, set(re.findall(r"--[a-z][a-z-]+", text))


def missing(root, page, commands, options):
    text = plain(os.path.join(root, page))
    for word in commands + options:
        if not re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(word), text):
            yield "%s:1: does not mention %s" % (page, word)


def check(root):
    found = list(malformed(root))
    for page, argv in HELP.items():
        if root == os.getcwd():
            commands, options = said_by(argv)
            for command in commands:
                options |= said_by([argv[0], command, "--help"])[1]
            if not options:
                found.append("%s:1: %s says nothing" % (page, " ".join(argv)))
            found += missing(root, page, commands, sorted(options))
        elif os.path.exists(os.path.join(root, page)):
            found += missing(root, page, ["sync"], ["--json"])
    return found


PAGE = """.Dd November 22, 2026
.Dt TWINSYNC 1
.Os
.Sh NAME
.Nm twinsync
.Nd keep directories in step
.Sh DESCRIPTION
%s
"""
PLANTS = [
    ("tools/man/twinsync.1", PAGE % "The sync command.\n.Zz"),
    ("tools/man/twinsync.1", PAGE % "The sync-all command and \\-\\-json."),
    ("tools/man/twinsync.1", PAGE % "The sync command."),
]
ALLOWED = [("tools/man/twinsync.1", PAGE % "The sync command and \\-\\-json.")]

if __name__ == "__main__":
    sys.exit(csource.run(check, PLANTS, ALLOWED))
