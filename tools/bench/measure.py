"""measure -- what all figures have in common: rows with a limit, the places of a run."""

import json
import os
import statistics
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "demo"))
sys.dont_write_bytecode = True

from stage import BINARIES, Failed, run  # noqa: E402

PLACE = os.path.join("build", "bench")
PROGRAMS = os.path.join(BINARIES, "tools", "bench")
SEED = 7
# What is measured is no accident, however much it is.
LAX_GUARD = ("guard: {deletes: 1000000, deactivations: 1000000, creates: 1000000, key-changes: 1000000,\n"
             "        percent: 100, attribute-loss-percent: 100, member-loss-percent: 100, always-allowed: 1000000}\n")

VERDICTS = {True: "met", False: "NOT MET", None: "stated"}

median = statistics.median


def say(text):
    print("  %s" % text, file=sys.stderr, flush=True)


def program(name, *words, seconds=600):
    """What one of the benchmarks in C prints."""
    return json.loads(run([os.path.join(PROGRAMS, name), *words], seconds))


def figure(name, value, wanted, what):
    """A row of the report. wanted: as "<= 1.5", or None: stated only."""
    if wanted is None:
        return {"figure": name, "value": round(value, 3), "wanted": None, "met": None, "what": what}
    sign, limit = wanted.split()
    met = {"<=": value <= float(limit), ">=": value >= float(limit), "<": value < float(limit)}[sign]
    return {"figure": name, "value": round(value, 3), "wanted": wanted, "met": met, "what": what}


def creation_rate(lab, since):
    """Creations of users a second, by the provider's own log."""
    begun, ended, count = None, None, 0
    for line in lab.rows(since):
        rows = [row for row in line.get("bulk") or [line]
                if row["method"] == "POST" and "/Users" in row["path"] and int(row["status"]) == 201]
        if rows:
            begun = min(begun or line["received_us"], line["received_us"])
            ended = max(ended or 0, line["answered_us"])
            count += len(rows)
    if not count:
        raise Failed("no user was created")
    return count / ((ended - begun) / 1e6)


def table(rows):
    """The report for people."""
    cells = [("figure", "measured", "wanted", "", "what")]
    cells += [(row["figure"], "%g" % row["value"], row["wanted"] or "-", VERDICTS[row["met"]], row["what"])
              for row in rows]
    widths = [max(len(each[column]) for each in cells) for column in range(4)]
    return "\n".join("  ".join([text.ljust(width) for text, width in zip(each, widths)] + [each[4]]).rstrip()
                     for each in cells)
