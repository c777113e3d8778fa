"""Pictures of scores."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import pytest

from spoolq.errors import PlotUnavailable
from spoolq.scores import chart
from spoolq.scores.cards import Card
from tests.spooltest.scored import job_id

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
SVG = "{http://www.w3.org/2000/svg}"


def card(number, model="org/small", metrics=None, ended="2026-11-20T12:00:00+00:00"):
    found = {"arc": {"acc": 0.5 + number / 100, "acc_stderr": 0.02}} if metrics is None else metrics
    return Card(job_id(number), (model,), "lm-eval", None, {}, ended, found)


def texts(path):
    """All that is written in a picture."""
    return ["".join(node.itertext()) for node in ElementTree.parse(path).iter(f"{SVG}text")]


@needs_matplotlib
def test_bars_have_a_panel_a_metric_and_a_name_a_job(tmp_path):
    # Given two jobs with two metrics
    both = {"arc": {"acc": 0.5, "acc_stderr": 0.02}, "wiki": {"word_perplexity": 20.0}}
    cards = [card(1, "org/small", both), card(2, "org/large", both)]
    # When they are drawn
    notes = chart.draw(cards, tmp_path / "a.svg")
    # Then titles tell the directions and legends the jobs, and nothing was left out
    shown = texts(tmp_path / "a.svg")
    assert "acc (higher is better; whiskers: standard error)" in shown
    assert "word_perplexity (lower is better)" in shown
    assert shown.count("org/small (00000001)") == shown.count("org/large (00000002)") == 2
    assert "arc" in shown and "wiki" in shown and "0.5" in shown and notes == []


@needs_matplotlib
def test_a_trend_is_a_line_a_model_and_task_over_time(tmp_path):
    # Given a model over three days
    cards = [card(n, ended=f"2026-11-{10 + n}T12:00:00+00:00") for n in (1, 2, 3)]
    # When the trend is drawn
    chart.draw(cards, tmp_path / "a.svg", trend=True)
    # Then the axis has the days, and the legend one line
    shown = texts(tmp_path / "a.svg")
    assert "ended (UTC)" in shown and any("Nov" in text for text in shown)
    assert shown.count("org/small: arc") == 1


@needs_matplotlib
@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("suffix", chart.SUFFIXES)
def test_the_same_scores_give_the_same_bytes(tmp_path, trend, suffix):
    # Given scores, and another process with another seed of its hashes, another day and settings of the user's own
    cards = [card(n, ended=f"2026-11-{10 + n}T12:00:00+00:00") for n in (1, 2, 3)]
    ours, theirs = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    chart.draw(cards, ours, trend=trend)
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: path\naxes.facecolor: red\n")
    code = (
        "import sys; from pathlib import Path; from tests.test_scores_chart import card, chart\n"
        "cards = [card(n, ended=f'2026-11-{10 + n}T12:00:00+00:00') for n in (1, 2, 3)]\n"
        "chart.draw(cards, Path(sys.argv[1]), trend=sys.argv[2] == 'True')\n"
    )
    env = {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1", "MATPLOTLIBRC": str(tmp_path), "HOME": str(tmp_path)}
    root = Path(__file__).parent.parent
    # When both draw, Then the pictures are the same, byte for byte
    subprocess.run([sys.executable, "-c", code, str(theirs), str(trend)], cwd=root, env=env, timeout=100, check=True)
    assert ours.read_bytes() == theirs.read_bytes()


@needs_matplotlib
def test_names_from_strangers_are_only_text(tmp_path):
    # Given names with markup, formulas, escape sequences, another script, and of any length
    names = ["<script>alert(1)</script>", "$\\frac{1}", "\x1b[31mred\n", "评测 任务", "x" * 500, "_hidden"]
    cards = [card(n, name, {name: {"acc": 0.5}, "$m$": {"$a$": n}}) for n, name in enumerate(names)]
    # When they are drawn, Then the picture is well formed and has them as they are
    for trend in (False, True):
        chart.draw(cards, tmp_path / "a.svg", trend=trend)
        shown = " ".join(texts(tmp_path / "a.svg"))
        assert "<script>alert(1)</script>" in shown and "$\\frac{1}" in shown and "评测 任务" in shown
        assert "x" * 41 not in shown and "$a$" in shown and "\x1b" not in shown
        # A label that begins with an underscore would be left out of a legend.
        assert shown.count("_hidden") >= 2


@needs_matplotlib
def test_what_is_left_out_is_said(tmp_path):
    # Given more jobs, metrics and lines than can be told apart
    many = [card(n, f"m{n}") for n in range(14)]
    wide = [card(1, metrics={"t": {f"metric{n}": n for n in range(20)}})]
    # When they are drawn, Then each picture says what it lacks
    assert chart.draw(many, tmp_path / "a.svg") == [
        "drawn are the 10 newest of 14 jobs: choose with --limit, or take --trend"
    ]
    assert "m13 (0000000d)" in texts(tmp_path / "a.svg") and "m3 (00000003)" not in texts(tmp_path / "a.svg")
    assert chart.draw(wide, tmp_path / "a.svg") == ["drawn are the first 12 of 20 metrics: choose with --task"]
    (note,) = chart.draw(many, tmp_path / "a.svg", trend=True)
    assert note == "drawn are 10 of 14 models and tasks: choose with --model and --task"


@needs_matplotlib
def test_without_numbers_there_is_no_picture(tmp_path):
    # Given jobs without scores, or with texts only, When they are drawn, Then that is refused and no file is made
    for cards in ([], [card(1, metrics={})], [card(1, metrics={"t": {"name": "x", "none": None, "ok": True}})]):
        with pytest.raises(PlotUnavailable, match="have no numbers"):
            chart.draw(cards, tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    # Given a Python without matplotlib
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    # When something is drawn, Then the message says what to install
    with pytest.raises(PlotUnavailable, match=r"pip install 'spoolq\[plot\]'"):
        chart.draw([card(1)], tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []
