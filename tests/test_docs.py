"""The documentation says what the code does: names, keys, settings and links."""

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

import spoolq
from benchmarks.kill9 import HEAD
from benchmarks.kill9_queues import QUEUES, Spoolq
from spoolq.claims import MAX_CLAIMED
from spoolq.documents import MAX_BYTES
from spoolq.layout import RunDir
from spoolq.models import Envelope, JobInfo, Outcome
from spoolq.names import RESERVED_SLOTS
from spoolq.orders import End
from spoolq.settings import Settings
from spoolq.transitions import State

ROOT = Path(__file__).parent.parent
SOURCES = sorted(Path(spoolq.__file__).parent.rglob("*.py"))
_HIDDEN = {".venv", "node_modules", "dist", "build"}
DOCS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part in _HIDDEN or part.startswith(".") for part in path.relative_to(ROOT).parts)
)
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
#: Where somebody's files lie on one machine; what a reader has never has these beginnings.
_BUILD_PATHS = re.compile(r"/(?:work|root|Users|builds|workspace|tmp/[a-z]{1,2}/|home/[a-z]+)(?:/|\b)")
_ALLOWED = ("/tmp/spoolq-locks",)


def name_of(path):
    return str(path.relative_to(ROOT))


def prose(text):
    """A document without its code: fences, indented blocks and spans."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def links(text):
    """The targets of inline links and of link definitions."""
    return re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", text) + re.findall(r"^\[[^\]]+\]:\s+(\S+)", text, re.M)


def anchors(text):
    """The anchors that a renderer makes of the headings: lower case, spaces to dashes, no punctuation."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def events_in(sources):
    """The names of the history events that code writes: the third argument of ``history.record``."""
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "record"
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "history"
            ):
                assert len(node.args) >= 3, f"{source}:{node.lineno} names its event by keyword"
                event = node.args[2]
                assert isinstance(event, ast.Constant), f"{source}:{node.lineno} writes an event that is no literal"
                found.add(event.value)
    return found


def section(heading):
    """One second-level section of the protocol."""
    match = re.search(rf"^## {heading}.*?(?=^## |\Z)", PROTOCOL, re.DOTALL | re.MULTILINE)
    assert match, f"docs/protocol.md has no section {heading!r}"
    return match[0]


@pytest.mark.parametrize("document", DOCS, ids=name_of)
def test_relative_links_lead_somewhere(document):
    # Given the links of a document that lead into the repository
    text = document.read_text(encoding="utf-8")
    inside = [link for link in links(prose(text)) if not re.match(r"[a-z]+:", link)]
    for link in inside:
        path, _, anchor = link.partition("#")
        # When one is followed
        target = (document.parent / path).resolve() if path else document
        # Then a file is there, inside the repository, and has the heading
        assert target.exists(), f"{name_of(document)}: {link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{name_of(document)}: {link} leads out of the repository"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{name_of(document)}: no heading {link}"


@pytest.mark.parametrize("document", DOCS, ids=name_of)
def test_no_document_names_a_path_of_a_build_machine(document):
    # Given a document
    text = document.read_text(encoding="utf-8")
    # When it is searched for paths that only one machine has
    found = [match[0] for match in _BUILD_PATHS.finditer(text) if not text.startswith(_ALLOWED, match.start())]
    # Then there are none
    assert found == []


@pytest.mark.parametrize("key", sorted(JobInfo.model_fields))
def test_the_protocol_explains_every_key_of_a_record(key):
    # Given a key of JobInfo, When the table of the record is read, Then it has a row
    assert f"\n| `{key}` |" in section("Job files")


def test_the_protocol_names_no_key_that_a_record_does_not_have():
    # Given the table of the record
    table = section("Job files").partition("### The record: `JobInfo`")[2].partition("###")[0]
    # When its keys are read
    keys = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    # Then they are those of JobInfo, each once
    assert sorted(keys) == sorted(JobInfo.model_fields)


@pytest.mark.parametrize("key", sorted(Envelope.model_fields))
def test_the_protocol_explains_every_key_of_an_envelope(key):
    # Given a key of the envelope, When its table is read, Then it has a row
    table = section("Job files").partition("**Envelope.**")[2].partition("**Record.**")[0]
    assert f"\n| `{key}` |" in table


def test_the_protocol_lists_the_outcomes():
    # Given the outcomes that a record may have
    outcomes = list(get_args(Outcome))
    # When the table of outcomes is read
    table = section("Job files").partition("### Outcomes")[2]
    # Then it has them, in their order, and no others
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == outcomes


def test_the_protocol_lists_the_history_events():
    # Given the events that the code writes
    written = events_in(SOURCES)
    assert {"claimed", "started", "finished"} <= written
    # When the table of the history is read
    listed = re.findall(r"^\| `(\w+)` \|", section("History"), re.MULTILINE)
    # Then it has them, each once, and no others
    assert sorted(listed) == sorted(written)


@pytest.mark.parametrize("place", ["output.N", "output.partial.N", "log.N.txt", "displaced.NONCE", "submitted.NONCE"])
def test_the_tree_has_what_a_run_folder_may_hold(place):
    # Given the names that the layout gives to files of a run folder
    run = RunDir(Path("KEY"))
    made = {run.old_output(7), run.old_partial(7), run.old_log(7), run.displaced("ab"), run.submitted("ab")}
    names = {path.name.replace("7", "N").replace(".ab", ".NONCE") for path in made}
    # When the tree is read, Then each is there under its pattern
    assert place in names
    assert f"── {place}" in section("The tree")


@pytest.mark.parametrize("limit", [MAX_BYTES, MAX_CLAIMED])
def test_the_protocol_names_the_limits_of_a_job_file(limit):
    # Given a limit, When the section about job files is read, Then it names the limit in bytes
    assert f"{limit:,} bytes".replace(",", " ") in section("Job files")


@pytest.mark.parametrize("slot", RESERVED_SLOTS)
def test_the_protocol_names_the_slots_that_no_runner_has(slot):
    # Given a reserved slot, When the section about names is read, Then it names the slot
    assert f"`{slot}`" in section("Names")


@pytest.mark.parametrize("setting", [setting.name for setting in fields(Settings)])
def test_the_protocol_has_a_row_for_every_setting(setting):
    # Given a setting, When the table of settings is read, Then it has a row
    assert f"\n| `{setting}` |" in section("Settings")


@pytest.mark.parametrize("field", [field.name for field in fields(End)])
def test_the_protocol_explains_every_field_of_an_end_record(field):
    # Given a field of the end record, When the step that writes it is read, Then the field is in the table
    table = section("Transitions").partition("**end record**")[2].partition("### Finish")[0]
    assert f"`{field}`" in table


@pytest.mark.parametrize("state", list(State))
def test_the_folders_of_a_spool_are_explained_where_they_are(state):
    # Given a state, When the page in the spool is read, Then its folder has a row
    page = (ROOT / "spool" / "README.md").read_text(encoding="utf-8")
    assert f"\n| `{state}/`" in page


def test_the_changelog_has_the_version():
    # Given the package's version, When the changelog is read, Then it has an entry, and a place for what comes next
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{spoolq.__version__}]" in changelog
    assert "\n## [Unreleased]" in changelog


def test_the_readme_is_short():
    # Given the first page
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README.md yet")
    # When its lines are counted, Then they are at most 150
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 150


RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
TESTS = list((ROOT / "tests").rglob("*.py"))


def functions_of(paths):
    return {node.name for path in paths for node in ast.walk(ast.parse(path.read_text())) if hasattr(node, "name")}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", RELIABILITY))))
def test_every_test_that_the_page_about_reliability_names_exists(name):
    # Given a test that holds a row, When the tests are read, Then it is there
    assert name in functions_of(TESTS)


def test_every_row_about_kills_of_ours_names_its_test():
    # Given the tables of kills
    kills = RELIABILITY.partition("## kill -9")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in kills.splitlines() if row.startswith("| ")]
    measured = [row for row in rows if len(row) == len(HEAD)]
    others = [row for row in rows if len(row) == 5][2:]
    # Then the first has the benchmark's columns and queues, and each row of ours in either names a test
    assert tuple(measured[0]) == HEAD
    assert {row[0] for row in measured[2:]} == {kind.name for kind in QUEUES}
    ours = [row for row in measured if row[0] == "spoolq"] + others
    assert len(ours) == len(Spoolq.victims) + 1 + len(others) and len(others) > 10
    assert all(re.fullmatch(r"`test_\w+`", row[-1]) for row in ours)


def test_every_row_of_the_kill_table_is_in_the_page():
    # Given the tests of the table, When the page is read, Then it has each of them
    written = functions_of([ROOT / "tests" / "processes" / "test_kill_table.py"])
    assert {name for name in written if name.startswith("test_")} <= set(re.findall(r"`(test_\w+)`", RELIABILITY))


def test_the_marks_that_the_page_about_reliability_names_are_registered(pytestconfig):
    # Given the marks in its commands, When pytest is asked, Then it knows them
    marks = set(re.findall(r"-m (\w+)`", RELIABILITY))
    registered = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert marks and marks <= registered


def named_tests():
    """Every test that the page about security names, as ``tests/FILE.py::NAME``, and every file of tests."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", page)))


@pytest.mark.parametrize("test", named_tests())
def test_a_test_that_the_page_about_security_names_is_there(test):
    # Given a test that a row promises, When its file is read, Then it defines it
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert not name or name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_attempt_on_the_page_about_security_has_a_test():
    # Given the table of attempts, When its rows are read, Then each ends with a test
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = []
    for heading in ("## What a member can and cannot do", "## Over HTTP"):
        table = page.partition(heading)[2].partition("\n## ")[0]
        rows += re.findall(r"^\|(.*)\|(.*)\|(.*)\|$", table, re.MULTILINE)[2:]
    assert len(rows) > 40
    assert [row[0] for row in rows if not re.search(r"::test_\w+`", row[2])] == []
