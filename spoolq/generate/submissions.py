"""The teams' submission files: who the team is, and the scores that it reports of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.files import names_in
from spoolq.generate.refusals import Refused, as_float, read_object
from spoolq.generate.slugs import slugify


@dataclass(frozen=True, slots=True)
class Submission:
    """One submission file; *overall* and *tasks* (task -> score) are self-reported q_scores."""

    file: str
    team: str
    slug: str
    overall: float
    tasks: Mapping[str, float]

    @property
    def standard(self) -> bool:
        """Whether it is of the standard track; every other file is privileged."""
        return self.file.startswith("standard.")


def read_submissions(folder: Path) -> list[Submission]:
    """Every `*.json` of a folder that is not hidden, by file name; raises Refused when there is none, and OSError."""
    names = sorted(name for name in names_in(folder) if name.endswith(".json") and not name.startswith("."))
    paths = [path for name in names if (path := folder / name).is_file()]
    if not paths:
        raise Refused(f"there is no submission (*.json) in {folder}. Name their folder with --submissions-dir.")
    return [_read(path) for path in paths]


def _read(path: Path) -> Submission:
    document = read_object(path)
    team = document.get("team")
    if not isinstance(team, str):
        raise Refused(f"{path} lacks `team`, the team's name. Mend that file.")
    try:
        slug = slugify(team)
    except Refused as error:
        raise Refused(f"{path}: {error}") from None
    overall = as_float(_q_score(path, document, "overall_scores"))
    if overall is None or not math.isfinite(overall):
        raise Refused(f"`overall_scores.q_score` of {path} is no number. Mend that file.")
    given = _q_score(path, document, "per_task_scores")
    if not isinstance(given, dict):
        raise Refused(f"`per_task_scores.q_score` of {path} is no object of task and score. Mend that file.")
    tasks = {}
    for task, score in given.items():
        if (number := as_float(score)) is None:
            raise Refused(f"the q_score of task {task!r} in {path} is no number. Mend that file.")
        tasks[task] = number
    return Submission(path.name, team, slug, overall, tasks)


def _q_score(path: Path, document: dict[str, Any], part: str) -> Any:
    scores = document.get(part)
    if not isinstance(scores, dict) or "q_score" not in scores:
        raise Refused(f"{path} lacks `{part}.q_score`. Mend that file.")
    return scores["q_score"]
