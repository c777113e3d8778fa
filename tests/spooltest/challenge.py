"""The inputs of a challenge as organisers keep them: submissions, test instances, raw resources, results."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spoolq.generate.plan import Inputs, Plan, make


class Challenge:
    """A folder with the inputs under their default names, for a test to fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.submissions = folder / "challenge_submissions"
        self.instances = folder / "test_instances"
        self.resources = folder / "resources-raw.json"
        self.results = folder / "results"
        for made in (self.submissions, self.instances, self.results):
            made.mkdir(parents=True)

    def submission(self, file: str, team: str, overall: float, tasks: Mapping[str, float]) -> Path:
        """A submission file."""
        document = {"team": team, "overall_scores": {"q_score": overall}, "per_task_scores": {"q_score": tasks}}
        path = self.submissions / file
        path.write_text(json.dumps(document))
        return path

    def task(self, name: str, numbers: Iterable[int]) -> Path:
        """A task's folder with instances of these numbers."""
        folder = self.instances / name
        folder.mkdir(exist_ok=True)
        for number in numbers:
            (folder / instance(name, number)).write_text("{}")
        return folder

    def raw(self, resources: Mapping[str, Sequence[Any]]) -> None:
        """The raw resources."""
        self.resources.write_text(json.dumps(resources))

    def metrics(self, slug: str, task: str, number: int, content: Any) -> Path:
        """A metrics file as a worker writes it; a text is written as it stands."""
        path = self.results / slug / "metrics" / f"{task}_{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def video(self, place: str) -> None:
        """A video, below the results root."""
        path = self.results / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def plan(self, **asked: Any) -> Plan:
        """What comes of it."""
        return make(Inputs(self.instances, self.submissions, self.resources, **asked))


def instance(task: str, number: int) -> str:
    """The name of an instance's file."""
    return f"house_single_floor_task_{task}_0_{number}_template-tro_state.json"


def fill(challenge: Challenge) -> Challenge:
    """A small challenge: two teams, one of which is named like a group of the other, and three tasks."""
    challenge.task("dishes", [1, 2, 10])
    challenge.task("radio", [3])
    challenge.task("trash", [4, 5])
    challenge.submission("standard.comet.json", "Comet", 0.4, {"radio": 0.5, "dishes": 0.25, "trash": 0})
    challenge.submission("privileged.comet2.json", "Comet 2", 0.6, {"trash": 0.75, "radio": 0.1})
    challenge.raw({
        "comet_2": [{"host": "d", "port": 4}],
        "comet": [
            {"host": "a", "port": 1, "compatible_task": ["radio"]},
            {"host": "b", "port": 2, "not_compatible_task": "radio"},
            {"host": "c", "port": 3, "compatible_task": "radio"},
        ],
    })  # fmt: skip
    return challenge
