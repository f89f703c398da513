#!/usr/bin/python3
"""Files under 600 lines, functions of at most 70 with at most 5 parameters,
not counting the last one that says where an error goes (struct ts_err *err).
A function starts at the line of its name and ends at the brace in column 0,
where clang-format puts it; its body's lines count, its head's do not. A static
on_... is a library's callback, whose parameters are not ours to choose."""

import os
import re
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, "tests/lib")
import csource  # noqa: E402

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 5
SUFFIXES = (".c", ".h", ".py", ".mjs", ".sh")

HEAD = re.compile(r"^(?!typedef|struct \w+\s*\{|enum|union|#)[A-Za-z_][^;{}=]*?"
                  r"\b(\w+)\(([^;{}]*)\)\s*\n\{", re.M)


def parameters(text):
    """How many parameters a head has: commas outside inner parentheses."""
    if text.strip() in ("", "void"):
        return 0
    text = re.sub(r",\s*struct ts_err \*\w+\s*$", "", text)
    while True:
        inner = re.sub(r"\([^()]*\)", "", text)
        if inner == text:
            return text.count(",") + 1
        text = inner


def long_functions(path, text):
    text = csource.strip(text)
    for head in HEAD.finditer(text):
        line = text.count("\n", 0, head.start(1)) + 1
        end = text.find("\n}", head.end())
        length = text.count("\n", head.end(), end)
        if length > FUNCTION_LINES_MAX:
            yield "%s:%d: %s() has %d lines, more than %d" % (
                path, line, head.group(1), length, FUNCTION_LINES_MAX)
        count = parameters(head.group(2))
        callback = head.group(0).startswith("static") and head.group(1).startswith("on_")
        if count > PARAMETERS_MAX and not callback:
            yield "%s:%d: %s() has %d parameters, more than %d" % (
                path, line, head.group(1), count, PARAMETERS_MAX)


def check(root):
    found = []
    for path in csource.files(root, ("node", "proto", "replication", "tools", "tests"),
                              SUFFIXES):
        text = csource.read(root, path)
        if text.count("\n") > FILE_LINES_MAX:
            found.append("%s:1: has %d lines, more than %d" % (
                path, text.count("\n"), FILE_LINES_MAX))
        if path.endswith(".c"):
            found += long_functions(path, text)
    return found


BODY = "    f();\n" * 71
PLANTS = [
    ("node/base/x.c", "static int\nf(int a)\n{\n" + BODY + "}\n"),
    ("node/base/x.c", "void f(int a, int (*b)(int, int), int c, int d, int e, int f)\n{\n}\n"),
    ("node/base/x.h", "int f(void);\n" * 601),
]
ALLOWED = [
    ("node/base/x.c", "static int f(int a, int (*b)(int, int), int c, int d, int e)\n{\n"
     + "    f();\n" * 70 + "}\n" + "int g(void)\n{\n" + "    f();\n" * 69 + "}\n"),
    ("node/base/x.c", "static int on_row(int a, int b, int c, int d, int e, int f)\n{\n}\n"),
    ("node/base/x.c", "static const int x[] = {\n" + "    1,\n" * 100 + "};\n"),
]

if __name__ == "__main__":
    sys.exit(csource.run(check, PLANTS, ALLOWED))
