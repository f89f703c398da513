"""stock -- what takes long to make of a lab, made once for labs that are alike.

TWINSYNC_LAB_STOCK names a folder. What depends on nothing but a lab's choices
is kept there: keys, certificates and passwords, which are the same for all, and
filled databases; `lab up` takes a copy. The servers of Node are kept there in one
file each. Such labs have their secrets in common: it is for tests, which make
hundreds of them.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess

from .layout import LabError, Layout

CHOICES = ("seed", "people", "groups", "sessionlog", "certificates")


def name_of(what, choices, files=None):
    """What is made by the same code with the same choices has the same name."""
    told = hashlib.sha256(json.dumps([what, *choices]).encode())
    for path in sorted(files or glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*.py"))):
        with open(path, "rb") as file:
            told.update(file.read())
    return told.hexdigest()[:16]


@contextlib.contextmanager
def locked(path):
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill(layout, make, choices=CHOICES):
    """make(layout), or a copy of what it made for a lab with the same `choices`."""
    def make_in(folder):
        draft = Layout(folder)
        draft.settings = layout.settings
        make(draft)
    copy(name_of(make.__name__, [layout.settings[choice] for choice in choices]), layout.folder, make_in)


def copy(name, folder, make):
    """make(folder), or a copy of what make() did in a folder kept as `name`."""
    kept = keep(name, make)
    if not kept:
        make(folder)
        return
    # The databases are mostly holes.
    done = subprocess.run(["cp", "-a", "--sparse=always", kept + "/.", folder], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise LabError(f"could not copy {kept}: {done.stderr.strip()[-200:]}")


def keep(name, make):
    """The folder `name` of the stock, in which make(folder) did its work; None when there is no stock."""
    stock = os.environ.get("TWINSYNC_LAB_STOCK")
    if not stock:
        return None
    os.makedirs(stock, mode=0o700, exist_ok=True)
    kept = os.path.join(stock, name)
    with locked(kept + ".lock"):
        if not os.path.exists(kept):
            shutil.rmtree(kept + ".new", ignore_errors=True)
            os.makedirs(kept + ".new", mode=0o700)
            make(kept + ".new")
            os.rename(kept + ".new", kept)
    return kept
