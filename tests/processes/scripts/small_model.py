"""Builds a GPT-2 with random weights and a tokenizer of its own: `small_model.py FOLDER LAYERS WIDTH`. Offline."""

import random
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END = "<|end|>"


def tokenizer() -> PreTrainedTokenizerFast:
    numbers = random.Random(3)
    text = [f"Question: What is {numbers.randint(1, 60)} + {numbers.randint(1, 60)}?\nAnswer: 7" for _ in range(300)]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(text, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END, bos_token=END, pad_token=END, model_max_length=128
    )


def main() -> None:
    folder, layers, width = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(3)
    words = tokenizer()
    end = words.eos_token_id
    config = GPT2Config(
        vocab_size=len(words),
        n_positions=128,
        n_embd=width,
        n_layer=layers,
        n_head=4,
        bos_token_id=end,
        eos_token_id=end,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    words.save_pretrained(folder)


if __name__ == "__main__":
    main()
