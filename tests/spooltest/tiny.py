"""A small harness that takes a while to import, with its recipe, for the fork server; all real modules in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

#: Runs the Python text that it is given; `python -m tiny TEXT`.
MAIN = """
import sys
import tiny.heavy

def main():
    exec(sys.argv[1], {"__name__": "job", "heavy": tiny.heavy})

if __name__ == "__main__":
    sys.exit(main())
"""
#: What is imported once: its number differs from process to process, but not in forks of one.
HEAVY = """
import os
IMPORTED_BY = os.getpid()
SEEN = os.environ.get("READ_AT_IMPORT")
"""
RECIPE = """
import signal, sys
from spoolq.recipes import Findings, Plan

class Tiny:
    name, stop_signal, grace = "tiny", signal.SIGTERM, None

    def __init__(self, settings):
        pass

    def check(self, request):
        return dict(request)

    def plan(self, request, place):
        argv = [place.python, "-m", "tiny", request["text"]]
        return Plan(argv=argv, cwd=place.run, preload=("tiny.heavy",), entry="tiny.__main__:main")

    def collect(self, request, output, since):
        return Findings({}, {})

    def progress(self, tail):
        return None

make = Tiny
"""


def install(folder: Path) -> str:
    """Make the harness and the distribution that names its recipe in *folder*; returns the folder for PYTHONPATH."""
    package, info = folder / "tiny", folder / "tiny-1.dist-info"
    for made in (package, info):
        made.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(MAIN)
    (package / "heavy.py").write_text(HEAVY)
    (folder / "tiny_recipe.py").write_text(RECIPE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[spoolq.recipes]\ntiny = tiny_recipe:make\n")
    return str(folder)


def command(text: str) -> list[str]:
    """The command line that runs *text*."""
    return [sys.executable, "-m", "tiny", text]
