"""What a job's file asks of GPUs, bare, in an envelope, and as a record."""

import pytest

from spoolq.gpus import Gpu
from spoolq.gpus.need import Need, floor_of, need_of, size
from spoolq.sections import GpusSection
from spoolq.settings import Settings

LM = {"model": "hf", "tasks": ["t"]}


@pytest.mark.parametrize(
    ("document", "need"),
    [
        # a job that does not say takes what its slot has, also nothing
        ({"command": ["true"]}, Need()),
        ({"request": {"command": ["true"]}}, Need()),
        (LM, Need()),
        # the envelope
        ({"request": LM, "num_gpus": 2, "min_free_memory": "40GiB"}, Need(2, 40960, "`num_gpus` is 2")),
        ({"request": LM, "num_gpus": 0}, Need(0)),
        ({"request": LM, "min_free_memory": 512}, Need(None, 512)),
        # lmms-eval's own field; 1 is what its clients send wherever they are
        ({**LM, "num_gpus": 1}, Need(1)),
        ({**LM, "num_gpus": 2}, Need(2, None, "`num_gpus` is 2")),
        ({**LM, "num_gpus": 0}, Need()),
        ({"request": {**LM, "num_gpus": 2}, "num_gpus": 3}, Need(3, None, "`num_gpus` is 3")),
        ({"request": {**LM, "num_gpus": 2}, "recipe": "lm-eval"}, Need()),
        # a device of a harness
        ({"request": {**LM, "device": "cuda:1"}, "recipe": "lm-eval"}, Need(None, None, "`device` is cuda:1")),
        ({**LM, "device": "cuda"}, Need(None, None, "`device` is cuda")),
        ({**LM, "device": "cpu"}, Need()),
        ({"request": {"command": ["x"], "device": "cuda"}}, Need()),
        # what is malformed is the recipe's to refuse
        ({"request": LM, "num_gpus": True, "min_free_memory": "much"}, Need()),
        ({"request": LM, "num_gpus": -1}, Need()),
        ({"request": LM, "num_gpus": [1], "recipe": ["lm-eval"], "min_free_memory": {}}, Need()),
        ({"request": {**LM, "num_gpus": {}, "device": 7}, "recipe": "lmms-eval"}, Need()),
        ({"request": 7, "num_gpus": 2}, Need()),
        ({}, Need()),
    ],
)
def test_a_need(document, need):
    # Given a job's file, When it is read, Then it asks for so much
    assert need_of(document, Settings()) == need


def test_the_operators_own_recipe_of_a_harness_name_has_its_own_fields():
    # Given a recipe of the operator that is called lm-eval
    settings = Settings(recipes={"lm-eval": {"command": ["x"]}})
    # When a job of it has a `device`, Then that means what the operator wants
    assert need_of({"request": {**LM, "device": "cuda"}, "recipe": "lm-eval"}, settings) == Need()


@pytest.mark.parametrize(
    ("floor", "setting", "total", "expected"),
    [
        (None, "90%", 1000, 900), (None, "90%", None, None), (None, 300, None, 300), (40, "90%", 1000, 40),
        (40, "90%", None, 40), (None, "0%", 1000, 0),
    ],
)  # fmt: skip
def test_what_must_be_free(floor, setting, total, expected):
    # Given a job and a setting, When a GPU is judged, Then the job's word goes before the setting's
    gpu = Gpu(0, "GPU-a", total_mib=total)
    assert floor_of(Need(1, floor), gpu, GpusSection(min_free_memory=setting)) == expected


@pytest.mark.parametrize(("mib", "text"), [(512, "512 MiB"), (40960, "40 GiB"), (81234, "79.3 GiB")])
def test_a_size_as_people_read_it(mib, text):
    assert size(mib) == text
