"""The page's modules by themselves, in the browser that runs them: what goes in, and what comes out."""

import pytest

JOB = {"job_id": "1b4e28ba-2fa1-4d2b-883f-0016d3cca427", "status": "queued", "recipe": "lm-eval", "request": {}}


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("m.duration(0)", "0s"),
        ("m.duration(61)", "1m 1s"),
        ("m.duration(7205)", "2h 5s"),
        ("m.duration(200000)", "2d 7h"),
        ("m.duration(null)", ""),
        ("m.bytes(1023)", "1023 B"),
        ("m.bytes(1536)", "1.5 KiB"),
        ("m.bytes(5e9)", "4.7 GiB"),
        ("m.number(0.5)", "0.5000"),
        ("m.number(12)", "12"),
        ("m.number(1234.56)", "1234.6"),
        ("m.number(0.00001)", "1.00e-5"),
        ("m.number('N/A')", "N/A"),
        ("m.signed(-0.25)", "\u22120.2500"),
        ("m.signed(3)", "+3"),
        ("m.signed(0)", "0"),
        ("m.plural(1, 'job')", "1 job"),
        ("m.plural(1200, 'job')", "1,200 jobs"),
        ("m.lessIsBetter('word_perplexity,none')", True),
        ("m.lessIsBetter('acc,none')", False),
        ("m.lessIsBetter('wer')", True),
        ("m.lessIsBetter('answer')", False),
        ("m.between(null, '2026-11-20T12:00:00Z')", None),
    ],
)
def test_numbers_and_times_in_words(module, call, wanted):
    assert module("format", f"(m) => {call}") == wanted


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ({"model": "hf", "model_args": {"pretrained": "org/tiny"}, "tasks": ["a", "b"]}, "org/tiny: a, b"),
        ({"model": "vllm", "tasks": ["a"]}, "vllm: a"),
        ({"command": ["/usr/bin/python3", "eval.py", "--seed", "1"]}, "python3 eval.py --seed 1"),
        ({"steps": 3, "where": {"a": 1}}, 'lm-eval steps=3 where={"a":1}'),
        ({}, "lm-eval"),
    ],
)
def test_what_a_job_is_in_a_few_words(module, request_, wanted):
    assert module("format", "(m, job) => m.subject(job)", {**JOB, "request": request_}) == wanted


NOW = "2026-11-20T12:00:00+00:00"


def expected(module, running, queued, slots=1, known=(("lm-eval", 600),)):
    """When queued jobs may start, in minutes from now."""
    code = """(m, given, known) => {
      const now = Date.parse(given.now);
      const starts = m.expectedStarts({ ...given, known: new Map(known), standard: "lmms-eval", now });
      return given.queued.map((job) => (starts.has(job.job_id) ? (starts.get(job.job_id) - now) / 60000 : null));
    }"""
    jobs = [{**JOB, "job_id": str(place), **job} for place, job in enumerate(queued)]
    return module(
        "estimate",
        code,
        {"running": running, "queued": jobs, "slots": slots, "now": NOW},
        [list(pair) for pair in known],
    )


def test_the_start_of_what_waits_is_guessed_from_run_times_and_progress(module):
    # Given a job that runs for 4 minutes, of a recipe that takes 10
    running = {**JOB, "status": "running", "started_at": "2026-11-20T11:56:00+00:00", "progress": None}
    # When three wait, Then each starts when the one before it may have ended
    assert expected(module, [running], [{}, {}, {}]) == [6, 16, 26]
    # When it says that it is half done, Then it takes as long again
    assert expected(module, [{**running, "progress": {"percent": 50}}], [{}]) == [4]
    # When there are two slots, of which one is free, Then the first starts now, and they take turns
    assert expected(module, [running], [{}, {}, {}], slots=2) == [0, 6, 10]
    # When it has run longer than such jobs do, Then nobody can tell
    assert expected(module, [running], [{}], known=(("lm-eval", 60),)) == [None]
    # When nothing is known of a recipe, Then nothing is said of what waits behind it
    assert expected(module, [running], [{"recipe": "new"}, {}]) == [6, None]
    assert expected(module, [{**running, "recipe": "new"}], [{}]) == [None]
    # When nobody runs jobs, Then nothing is said; and a remote worker's job is no runner's
    assert expected(module, [], [{}], slots=0) == [None]
    assert expected(module, [running], [{"resource_type": "sim"}, {}]) == [None, 6]


def test_run_times_are_medians_by_recipe(module):
    # Given run times of two recipes, When their medians are taken, Then an outlier does not count
    ended = [
        {**JOB, "recipe": recipe, "started_at": NOW, "completed_at": f"2026-11-20T12:{minutes:02d}:00+00:00"}
        for recipe, minutes in (("a", 1), ("a", 2), ("a", 50), ("b", 9))
    ]
    assert module("estimate", "(m, jobs) => [...m.medians(jobs, 'a')]", ended) == [["a", 120], ["b", 540]]


def test_results_are_put_side_by_side(module):
    # Given rows of two jobs of which one lacks a metric, When they are put side by side, Then it has a gap
    rows = [
        {"job_id": "1", "model": "x", "task": "t", "metric": "acc", "value": 0.5, "stderr": 0.1},
        {"job_id": "2", "model": "y", "task": "t", "metric": "acc", "value": 0.6, "stderr": None},
        {"job_id": "2", "model": "y", "task": "t", "metric": "f1", "value": 0.7, "stderr": None},
    ]
    found = module("pivot", "(m, rows) => m.pivot(rows)", rows)
    assert [job["job_id"] for job in found["jobs"]] == ["1", "2"]
    assert [(row["metric"], [each and each["value"] for each in row["values"]]) for row in found["rows"]] == [
        ("acc", [0.5, 0.6]),
        ("f1", [None, 0.7]),
    ]


@pytest.mark.parametrize(
    ("values", "less", "wanted"),
    [
        ([0.1, 0.3, 0.3], False, [1, 2]),
        ([0.1, 0.3], True, [0]),
        ([0.3, 0.3], False, []),
        ([0.3, None], False, []),
        ([None, "x", 1, 2], False, [3]),
    ],
)
def test_the_best_of_a_row(module, values, less, wanted):
    each = [None if value is None else {"value": value, "stderr": None} for value in values]
    assert module("pivot", "(m, values, less) => m.best(values, less)", each, less) == wanted


@pytest.mark.parametrize(
    ("pair", "wanted"),
    [
        ([(0.5, 0.03), (0.7, 0.04)], {"value": 0.2, "margin": 0.098, "clear": True}),
        ([(0.5, 0.03), (0.55, 0.04)], {"value": 0.05, "margin": 0.098, "clear": False}),
        ([(0.5, None), (0.4, 0.04)], {"value": -0.1, "margin": None, "clear": None}),
        ([(0.5, None), ("n/a", None)], None),
    ],
)
def test_the_difference_of_two_and_whether_it_may_be_chance(module, pair, wanted):
    values = [{"value": value, "stderr": stderr} for value, stderr in pair]
    found = module("pivot", "(m, values) => m.difference(values)", values)
    assert found == (
        wanted and {key: pytest.approx(value) if isinstance(value, float) else value for key, value in wanted.items()}
    )


INT = {"name": "n", "type": "int", "required": True, "min": 1, "max": 9}


@pytest.mark.parametrize(
    ("parameter", "text", "wanted"),
    [
        (INT, "3", 3),
        (INT, "0", "must be at least 1"),
        (INT, "10", "must be at most 9"),
        (INT, "1.5", "must be a whole number"),
        (INT, "x", "must be a whole number"),
        (INT, " ", "is needed"),
        ({**INT, "required": False}, "", None),
        ({"name": "x", "type": "float"}, "0.5", 0.5),
        ({"name": "x", "type": "float"}, "x", "must be a number"),
        ({"name": "s", "type": "str"}, "007", "007"),
        ({"name": "x", "type": "any"}, "auto", "auto"),
        ({"name": "x", "type": "any"}, "8", 8),
        ({"name": "x", "type": "any"}, "0.5", 0.5),
        ({"name": "x", "type": "any"}, "true", True),
        ({"name": "x", "type": "any"}, "007", "007"),
        ({"name": "l", "type": "list"}, "a, b\nc", ["a", "b", "c"]),
        ({"name": "command", "type": "list"}, "sh\n-c\na, b", ["sh", "-c", "a, b"]),
        ({"name": "o", "type": "object"}, "a=1\nb = x=y\nc=true", {"a": 1, "b": "x=y", "c": True}),
        ({"name": "env", "type": "object"}, "A=1", {"A": "1"}),
        ({"name": "o", "type": "object"}, '{"a": {"b": 1}}', {"a": {"b": 1}}),
        ({"name": "o", "type": "object"}, "a", "needs a `=` in each line; `a` has none"),
        ({"name": "c", "type": "choice", "choices": [1, 2]}, "2", 2),
    ],
)
def test_what_a_field_means(module, parameter, text, wanted):
    code = """(m, parameter, text) => {
      try {
        const value = m.parseValue(parameter, text);
        return value === m.ABSENT ? null : value;
      } catch (error) {
        if (!(error instanceof m.Unfit)) throw error;
        return error.message;
      }
    }"""
    assert module("fields", code, parameter, text) == wanted


@pytest.mark.parametrize("value", [3, "x", ["a", "b"], {"a": 1, "b": "x"}, {"a": {"b": [1]}}])
def test_what_is_written_into_a_field_is_read_back(module, value):
    kinds = {int: "int", str: "str", list: "list", dict: "object"}
    parameter = {"name": "p", "type": kinds[type(value)]}
    assert module("fields", "(m, p, value) => m.parseValue(p, m.writeValue(p, value))", parameter, value) == value


def test_a_key_is_for_one_text_until_there_is_an_answer(module):
    # Given a filling of the form
    code = """(m) => {
      const filling = new m.Filling();
      const first = filling.keyFor("a"), again = filling.keyFor("a"), other = filling.keyFor("b");
      const unsure = filling.unsure;
      filling.refused();
      const mended = filling.keyFor("c");
      return { same: first === again, apart: other !== first, unsure, kept: mended === other, sure: !filling.unsure };
    }"""
    # When a text is sent again, Then its key is the same; another text has another, unless the first was refused
    assert module("submitting", code) == {"same": True, "apart": True, "unsure": True, "kept": True, "sure": True}


@pytest.mark.parametrize(
    ("detail", "field", "wanted"),
    [
        (
            "cannot submit: field `steps`: is out of range; write a whole number from 1 to 9",
            "steps",
            [["steps", "is out of range; write a whole number from 1 to 9"]],
        ),
        ("field `a.b`: no; field `c`: a; b; and 2 more", "a.b", [["a.b", "no"], ["c", "a; b"]]),
        ("cannot read the request: it is empty.", "limit", [["limit", "cannot read the request: it is empty."]]),
        ("the queue is gone", None, []),
    ],
)
def test_what_the_server_says_of_each_field(module, detail, field, wanted):
    assert module("submitting", "(m, detail, field) => m.faultsOf(detail, field)", detail, field) == wanted


@pytest.mark.parametrize(
    "text", ["#/job/1b4e", "#/history?state=failed&state=cancelled&q=a%26b", "#/", "#/job/%E0%A4%A"]
)
def test_an_address_survives_being_read_and_written(module, text):
    code = """(m, text) => {
      const { name, id, query } = m.parseRoute(text);
      return [name, m.hashOf(id ? `${name}/${id}` : name, query)];
    }"""
    found = module("routes", code, text)
    assert found[1] == text
    assert found[0] == text[2:].partition("/")[0].partition("?")[0] or found[0] == "queue"


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 7, [0, 2, 4, 6]),
        (-0.3, 0.3, [-0.2, 0, 0.2]),
        (0, 0.031, [0, 0.01, 0.02, 0.03]),
    ],
)
def test_the_ticks_of_an_axis_are_round(module, low, high, wanted):
    assert module("chart", "(m, low, high) => m.ticks(low, high)", low, high) == pytest.approx(wanted)


def test_what_differs_in_requests(module):
    # Given two requests, When they are held against each other, Then only what differs is told, keys of keys too
    jobs = [
        {
            "recipe": "lm-eval",
            "request": {"model": "hf", "model_args": {"pretrained": name}, "tasks": ["a"], "limit": limit},
        }
        for name, limit in (("x", None), ("y", 5))
    ]
    assert module("differs", "(m, jobs) => m.differences(jobs)", jobs) == [
        ["model_args.pretrained", ["x", "y"]],
        ["limit", ["", "5"]],
    ]
