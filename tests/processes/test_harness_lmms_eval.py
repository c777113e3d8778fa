"""lmms-eval, which ends with 0 whatever happens: a stand-in everywhere, and itself where a Python here has it."""

import json
import sys
from pathlib import Path

import pytest

from tests.processes.conftest import Queue
from tests.processes.harnesses import OFFLINE, python_with

QUESTIONS = [{"question": f"What is {number} + 1?", "answer": str(number + 1)} for number in range(8)]
TASK = """
task: eight_sums
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function _ways.nothing_to_see
doc_to_text: !function _ways.question
doc_to_target: answer
generation_kwargs:
  max_new_tokens: 4
  temperature: 0
  do_sample: false
process_results: !function _ways.score
metric_list:
  - metric: exact
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""
WAYS = """
def nothing_to_see(doc):
    return []


def question(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def score(doc, results):
    return {"exact": float(results[0].strip() == doc["answer"])}
"""
#: Behaves as lmms_eval does: says what went wrong, and ends with 0.
STAND_IN = """
import sys
print("Task not found: " + sys.argv[sys.argv.index("--tasks") + 1])
"""


def test_a_harness_that_ends_with_0_and_left_nothing_has_failed(queue: Queue, tmp_path: Path):
    # Given a program in lmms-eval's place that reports an error, and exits 0
    (tmp_path / "path" / "lmms_eval").mkdir(parents=True)
    (tmp_path / "path" / "lmms_eval" / "__init__.py").touch()
    (tmp_path / "path" / "lmms_eval" / "__main__.py").write_text(STAND_IN)
    queue.start(env={"PYTHONPATH": str(tmp_path / "path")})
    # When a job has run, Then it failed, and what the program said is in the reason
    ended = queue.ended(queue.spool.submit({"model": "dummy", "tasks": ["no_such"]}).job_id)
    assert (ended.status, ended.outcome, ended.exit_code, ended.attempt) == ("failed", "no_results", 0, 1)
    assert "Task not found: no_such" in ended.error


@pytest.mark.harness
@pytest.mark.timeout(300)
def test_an_unknown_task_of_lmms_eval_itself_fails(queue: Queue):
    queue.interpreter = python_with("lmms_eval", extra="lmms-eval")
    queue.start(env=OFFLINE)
    # Given a task that nobody has, When the job has run, Then it is a failure, though the harness ended with 0
    ended = queue.ended(queue.spool.submit({"model": "dummy", "tasks": ["no_such_task"]}).job_id, timeout=200)
    assert (ended.status, ended.outcome, ended.exit_code) == ("failed", "no_results", 0), ended.error
    assert "no_such_task" in ended.error


@pytest.mark.harness
@pytest.mark.timeout(300)
def test_a_task_of_ones_own_is_evaluated_by_an_operators_recipe(queue: Queue, tmp_path: Path):
    python = python_with("lmms_eval", extra="lmms-eval")
    # Given a task beside no other, and a recipe with lmms-eval's own Python that says what success is
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    (tasks / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (tasks / "_ways.py").write_text(WAYS)
    (tasks / "eight_sums.yaml").write_text(TASK.format(data=tasks / "data.jsonl"))
    queue.settings(f"""
[recipes.own-tasks]
command = ["{python}", "-m", "lmms_eval", "--model", "dummy", "--model_args", "response=4,pretrained=org/none",
           "--tasks", "{{task}}", "--include_path", "{tasks}", "--output_path", "{{output}}", "--log_samples"]
default_env = {{ HF_HUB_OFFLINE = "1", HF_DATASETS_OFFLINE = "1" }}
results = "**/*_results.json"
success = {{ nonempty = ["results"] }}
[recipes.own-tasks.parameters.task]
type = "str"
required = true
""")
    assert queue.interpreter == sys.executable
    queue.start()
    # When a good job and one with an unknown task have run
    good, bad = (
        queue.spool.submit({"task": task}, recipe="own-tasks").job_id for task in ("eight_sums", "no_such_task")
    )
    # Then the first has the score of one right answer among eight, and the second failed
    ended = queue.ended(good, timeout=200)
    assert ended.status == "completed", ended.error
    assert ended.metrics["eight_sums"]["exact,none"] == 1 / len(QUESTIONS)
    assert queue.ended(bad, timeout=200).outcome == "no_results"
