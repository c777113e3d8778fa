"""`python tiny_model.py FOLDER`: a small model, random but always the same, and questions for lm-eval, made here.

Needs torch, transformers and tokenizers in the Python that runs it. The answers are worth nothing: what matters is
that the real harness loads a real model with a real tokenizer, and that equal runs give equal scores.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

QUESTIONS = 40
TASK = "sums"
_YAML = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}} ="
doc_to_target: label
doc_to_choice: choices
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""


def questions(folder: Path) -> list[str]:
    """Write the task and its questions; returns them as text."""
    draw = random.Random(11)
    rows = []
    for _ in range(QUESTIONS):
        left, right = draw.randint(2, 60), draw.randint(2, 60)
        choices = [str(left + right + off) for off in draw.sample([0, 1, -1, 10], 4)]
        rows.append({"question": f"{left} + {right}", "choices": choices, "label": choices.index(str(left + right))})
    data = folder / "sums.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / f"{TASK}.yaml").write_text(_YAML.format(name=TASK, data=data), encoding="utf-8")
    return [f"{row['question']} = {row['choices']}" for row in rows]


def model(folder: Path, corpus: list[str]) -> None:
    """Write a GPT-2 of two layers with a tokenizer trained on *corpus*."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.manual_seed(11)
    letters = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>"], initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    special = dict.fromkeys(("eos_token", "bos_token", "pad_token"), "<end>")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **special)
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), fast.eos_token_id)
    shape = GPT2Config(vocab_size=len(fast), n_positions=128, n_embd=48, n_layer=2, n_head=4, **ids)
    GPT2LMHeadModel(shape).save_pretrained(folder)
    fast.save_pretrained(folder)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    model(place / "model", questions(place))
