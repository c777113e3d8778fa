"""lm-eval's own command line, without the index of its bundled tasks where the request needs none of them.

lm-eval reads the thousands of task files that it brings along before it looks up a name, which is half of a small
job's time. They are left out only when it makes no difference: the request names an ``include_path``, and each of its
tasks is, by lm-eval's own index of that path, a single task there (no group or tag, whose members could be bundled
ones, no pattern and no file). A name that both have is that path's either way. In every other case, and where lm-eval
is not as expected, this is ``python -m lm_eval`` unchanged.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any


def main() -> Any:
    """Run ``sys.argv`` as ``python -m lm_eval`` does."""
    from lm_eval.__main__ import cli_evaluate

    tasks, path = named(sys.argv[1:])
    if path is not None and tasks and are_all_in(path, tasks):
        leave_bundled_out()
    return cli_evaluate()


def named(argv: Sequence[str]) -> tuple[list[str], str | None]:
    """The tasks and the include path of a command line of the recipe's, which has each option in one element."""
    said = {option: value for option, found, value in (word.partition("=") for word in argv) if found}
    return [task for task in said.get("--tasks", "").split(",") if task], said.get("--include_path")


def are_all_in(path: str, tasks: Sequence[str]) -> bool:
    """Whether each of *tasks* is a single task that lm-eval finds under *path* alone."""
    from lm_eval.tasks import TaskManager

    try:
        known = set(TaskManager(include_path=path, include_defaults=False).all_subtasks)
    except Exception:  # not as expected: then the whole index, which says what is wrong
        return False
    return known.issuperset(tasks)


def leave_bundled_out() -> None:
    """Have every TaskManager of this process know the tasks under its include path only."""
    import lm_eval.evaluator
    import lm_eval.tasks

    lean = functools.partial(lm_eval.tasks.TaskManager, include_defaults=False)
    for module in (lm_eval.tasks, lm_eval.evaluator):
        module.TaskManager = lean
