"""commands -- what `compare` and `judge` do, for the programs and for tests.

    report = compare([folder, "--contested"])
    verdict = judge([folder, "--after", "12"])

Raises Unable when they could not look. Tests that ask often call these in their
own process.
"""

import argparse
import json
import os
import sys

import ldap

from oracle import comparison, exclusive, source, target

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "tools", "lab"))

from labkit.layout import LabError, Layout  # noqa: E402

UNREADABLE = (OSError, ValueError, ldap.LDAPError, LabError, target.Unreadable)


class Unable(Exception):
    """One sentence: what could not be read, and why."""


def environment(folder):
    """Where a lab's servers and logs are: all that is taken from anybody else."""
    return Layout(folder).load().environment()


def parser_of(text):
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("lab", metavar="LAB_DIR")
    return parser


def plain(document):
    """As it is when it was printed and read again."""
    return json.loads(json.dumps(document))


def compare(words):
    """The report: {"mismatches", "details", …}."""
    parser = parser_of("is the provider what the directory says it should be?")
    parser.add_argument("--tenant", metavar="FILE")
    parser.add_argument("--contested", action="store_true")
    parser.add_argument("--flatten", action="store_true")
    parser.add_argument("--details", type=int, default=100, help="how many differences to print at most")
    options = parser.parse_args(words)
    try:
        env = environment(options.lab)
        entries = source.read(env)
        users, groups = target.read(env)
        tenant = None
        if options.tenant:
            with open(options.tenant, encoding="utf-8") as file:
                tenant = json.load(file)
    except UNREADABLE as error:
        raise Unable(f"could not read both sides: {error}") from None
    report = comparison.compare(entries, users, groups, tenant,
                                contested=options.contested, flatten=options.flatten)
    report["details"] = report["details"][:options.details]
    return plain(report)


def read_log(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def moment(text):
    epoch, _, time = text.partition("=")
    return int(epoch), int(time)


def judge(words):
    """The verdict: {"faults", "writes", "takeovers", …}."""
    parser = parser_of("did only one exporter write at the provider, ever?")
    parser.add_argument("--after", type=int, default=0, help="leave out so many lines of the provider's log")
    parser.add_argument("--confirmed", type=moment, action="append", default=[], metavar="EPOCH=US",
                        help="when the fence below an epoch was confirmed")
    options = parser.parse_args(words)
    try:
        env = environment(options.lab)
        users, groups = target.read(env)
        return plain(exclusive.judge(read_log(env["scim_log"])[options.after:], read_log(env["oauth_log"]),
                                     [*users, *groups], dict(options.confirmed)))
    except UNREADABLE as error:
        raise Unable(f"could not read the logs: {error}") from None
