"""Gives the harness the 40 questions beside this file, from wherever it was started."""

from pathlib import Path
from typing import Any


def load(**_: Any) -> Any:
    """The data set, as the `datasets` package has it."""
    import datasets

    questions = Path(__file__).resolve().with_name("questions.jsonl")
    return datasets.load_dataset("json", data_files={"test": str(questions)})
