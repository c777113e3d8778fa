"""The table `[gpus]` of the settings: what it takes, and what it says of what it does not."""

import pytest

from spoolq.errors import SettingsInvalid
from spoolq.gpus import PROVIDERS, provider
from spoolq.sections import GpusSection
from spoolq.settings import load_settings


@pytest.fixture
def load(tmp_path):
    def read(*lines):
        (tmp_path / "spoolq.toml").write_text("\n".join(["[gpus]", *lines]))
        return load_settings(tmp_path / "spoolq.toml").gpus

    return read


def test_it_may_say_nothing(load):
    assert load() == GpusSection()


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_can_be_named(load, name):
    # Given a provider's name, When it is set, Then there is such a provider
    section = load(f'provider = "{name}"', 'file = "/x.json"', 'devices = ["0"]')
    assert callable(provider(section).look)


@pytest.mark.parametrize(
    ("text", "value"), [('"40GiB"', 40960), ("512", 512), ('"50%"', "50%"), ('"0%"', "0%"), ("0", 0)]
)
def test_memory_is_a_size_or_a_share(load, text, value):
    assert load(f"min_free_memory = {text}").min_free_memory == value


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('provider = "cuda"', "one of auto, none, static, nvml, smi, file"),
        ("provider = []", "one of auto"),
        ('mode = "one"', "one of single, per-gpu"),
        ('min_free_memory = "110%"', "a share of the whole, 90%"),
        ('min_free_memory = "-1%"', "a share of the whole, 90%"),
        ("min_free_memory = true", "is no size"),
        ("probe_timeout = 0", "more than 0 s"),
        ('settle = "soon"', "no duration"),
        ("devices = [0]", "a list of texts"),
        ("file = 1", "a text in quotes"),
        ("gpu = 1", "there is no such setting"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(load, line, cause):
    # Given one fault, When the settings are read, Then key, line and cause are told
    with pytest.raises(SettingsInvalid) as caught:
        load(line)
    assert cause in str(caught.value) and "(line 2)" in str(caught.value)
