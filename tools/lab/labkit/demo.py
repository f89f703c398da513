"""demo -- the configuration that brings a lab's directory to its provider."""

import os
import re

from .layout import LabError
from .services import HERE


def config(layout, state_directory):
    known = {**layout.environment(), "state": os.path.abspath(state_directory)}

    def fill(match):
        if match.group(1) not in known:
            raise LabError(f"cannot fill in demo.yaml.in: there is no {match.group(1)}")
        return known[match.group(1)]

    with open(os.path.join(HERE, "demo.yaml.in"), encoding="utf-8") as file:
        return re.sub(r"@(\w+)@", fill, file.read())
