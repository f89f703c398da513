#!/usr/bin/python3
"""Calls that the house does not make, each with what to use instead, and words
that are not committed. Comments and strings do not count as calls."""

import os
import re
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, "tests/lib")
import csource  # noqa: E402

# where (start of the path), call, instead
CALLS = [
    ("", "strcpy", "ts_slice, memcpy with a checked size"),
    ("", "strcat", "ts_slice, memcpy with a checked size"),
    ("", "sprintf", "snprintf with its result checked"),
    ("", "vsprintf", "vsnprintf with its result checked"),
    ("", "gets", "fgets"),
    ("", "strtok", "strcspn and strspn"),
    ("", "atoi", "strtol with its end checked"),
    ("", "atol", "strtol with its end checked"),
    ("", "atof", "strtod with its end checked"),
    ("", "system", "posix_spawn"),
    ("", "popen", "posix_spawn"),
    ("", "tmpnam", "mkstemp"),
    ("", "mktemp", "mkstemp"),
    ("", "alloca", "ts_arena"),
    ("", "rand", "RAND_bytes"),
    ("", "localtime", "gmtime_r: times are UTC"),
    ("", "gmtime", "gmtime_r"),
    ("", "ctime", "strftime"),
    ("", "asctime", "strftime"),
    ("", "longjmp", "an error value"),
    ("", "strerror", "strerrordesc_np: strerror shares its text between threads"),
    ("tests/unit/", "sleep", "waiting for a condition with a deadline"),
    ("tests/unit/", "usleep", "waiting for a condition with a deadline"),
    ("tests/unit/", "nanosleep", "waiting for a condition with a deadline"),
]

# Split, so that this file does not hold the words itself.
WORDS = [
    (r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", "unfinished work is not committed"),
    (r"/(home|ro" r"ot|wo" r"rk|fa" r"rm)/[\w.-]", "a path of one machine"),
    (r"\.\./sha" r"red\b", "a path outside the repository"),
]


def bad_calls(path, text):
    for number, line in enumerate(csource.strip(text).split("\n"), 1):
        for where, call, instead in CALLS:
            if path.startswith(where) and call in line and \
                    re.search(r"(?<![\w.>])%s\s*\(" % call, line):
                yield "%s:%d: %s(): use %s" % (path, number, call, instead)


def bad_words(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        for word, why in WORDS:
            if re.search(word, line):
                yield "%s:%d: %s: %s" % (path, number, why, line.strip()[:80])


def check(root):
    found = []
    for path in csource.c_files(root):
        found += bad_calls(path, csource.read(root, path))
    for path in csource.files(root):
        text = csource.read(root, path)
        if "\0" not in text and os.path.basename(path) != "package-lock.json":
            found += bad_words(path, text)
    return found


PLANTS = [("tests/unit/x.c", "int f(void) { return (%s (1)); }" % call)
          for _, call, _ in CALLS] + [
    ("node/base/x.c", "/* TO" "DO: later */"),
    ("tools/x.sh", "cd /wo" "rk/main"),
    ("tools/x.sh", "cat ../sha" "red/x"),
]
ALLOWED = [("node/base/y.c", """/* strcpy(a, b)
 * system(x) */ // gets(x)
int f(void) { puts("system(x)"); my_system(1); x->gets(1); return nosleep(2); }
""")]

if __name__ == "__main__":
    sys.exit(csource.run(check, PLANTS, ALLOWED))
