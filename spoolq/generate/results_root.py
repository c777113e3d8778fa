"""What workers have written: ``ROOT/SLUG/metrics/TASK_NUMBER.json`` and the videos beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from spoolq.files import GONE, names_in
from spoolq.generate.refusals import Refused, as_float, read_object

_STEP = "Unless a worker is writing it now, remove it to have that instance run again."


@dataclass(frozen=True, slots=True)
class Results:
    """A team's results, by one listing of each folder; instances are called ``TASK_NUMBER``."""

    folder: Path
    metrics: frozenset[str]
    videos: frozenset[str]

    def score(self, name: str) -> float:
        """The q_score in a metrics file, ``{"q_score": {"final": X}}`` or ``{"q_score": X}``.

        Raises Refused, also for one that is half written, and OSError.
        """
        path = self.folder / "metrics" / f"{name}.json"
        score = read_object(path, _STEP).get("q_score")
        final = as_float(score.get("final") if isinstance(score, dict) else score)
        if final is None or not math.isfinite(final):
            raise Refused(f"{path} has no number as its q_score. {_STEP}")
        return final


def check_root(root: Path) -> None:
    """Raise Refused unless *root* is a folder: with a mistyped one everything would be evaluated again."""
    if not root.is_dir():
        raise Refused(f"the results root {root} is no folder. Name the right one with --results-root, or make it.")


def metrics_of(root: Path, slug: str) -> frozenset[str]:
    """``TASK_NUMBER`` of each metrics file of a team; none for a team without results."""
    return _stems(root / slug / "metrics", ".json")


def results_of(root: Path, slug: str) -> Results:
    """All that a team has; videos are in ``videos/`` or, where workers put them, in ``videos/USER/``."""
    videos = root / slug / "videos"
    users = [videos / name for name in _names(videos) if (videos / name).is_dir()]
    found = _stems(videos, ".mp4").union(*(_stems(user, ".mp4") for user in users))
    return Results(root / slug, metrics_of(root, slug), found)


def _stems(folder: Path, suffix: str) -> frozenset[str]:
    return frozenset(name.removesuffix(suffix) for name in _names(folder) if name.endswith(suffix))


def _names(folder: Path) -> list[str]:
    try:
        return names_in(folder)
    except OSError as error:
        if error.errno in GONE:
            return []
        raise
