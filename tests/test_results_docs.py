"""The examples of docs/results.md, run on a spool that has what they show."""

import re
import shlex
from pathlib import Path

import pytest

from tests.spooltest.scored import lm_eval
from tests.verbs.program import spoolq

PAGE = (Path(__file__).parent.parent / "docs" / "results.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```console\n\$ spoolq (.+?)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def shown(store, monkeypatch):
    """The two jobs that the page talks of: 40 questions, 16 and 24 right, 8 of them only by the second."""
    perplexity = {"wikitext": {"word_perplexity": 24.31}}, {"wikitext": {"word_perplexity": 18.75}}
    for number, model, right, metrics, ended in (
        (0x1B4E28BA, "org/small", "1100101000", perplexity[0], "2026-11-19T22:10:00+00:00"),
        (0x9C1D22AA, "org/large", "1110101100", perplexity[1], "2026-11-20T01:45:00+00:00"),
    ):
        answers = {"arc_easy": [float(bit) for bit in right * 4]}
        lm_eval(store, number, model, answers, metrics=metrics, ended=ended, labels={"sweep": "size"})
    monkeypatch.setenv("SPOOLQ_SPOOL", str(store.root))
    monkeypatch.chdir(store.root.parent)
    return store


@pytest.mark.parametrize(("words", "output"), EXAMPLES, ids=[words for words, _ in EXAMPLES])
def test_an_example_prints_what_the_page_shows(shown, words, output):
    # Given the page's jobs, When the command is run, Then it prints that
    assert spoolq(*shlex.split(words)).out == output


def test_the_page_has_examples():
    # Given the page, When it is searched, Then the search finds what there is
    assert len(EXAMPLES) == 5 and len(PYTHON) == 1


def test_the_example_in_python_runs(shown, capsys):
    # Given the page's jobs in ./spool, When the example is run
    names = {}
    exec(PYTHON[0], names)
    # Then it finds the best score and the interval
    assert names["best"] == 0.6
    task, metric, *numbers = capsys.readouterr().out.split()
    assert (task, metric) == ("arc_easy", "acc")
    assert [float(number) for number in numbers] == pytest.approx([0.2, 0.0704441, 0.3295559], abs=1e-6)
