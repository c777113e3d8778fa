"""The page as a response: put together once, complete in itself, and allowed to run nothing else."""

import base64
import gzip
import hashlib
import itertools
import re
import zipfile
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import spoolq
from spoolq.server import page
from spoolq.server.face import Face

SOURCES = Path(page.__file__).with_name("page")
SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in SOURCES.glob("*.js")}
STYLES = {path.stem: path.read_text(encoding="utf-8") for path in SOURCES.glob("*.css")}
#: Ways to have text read as markup, or run.
MARKUP = r"(inner|outer|insertAdjacent)HTML|document\.write|DOMParser|srcdoc|\beval\(|new Function|ContextualFragment"


@pytest.fixture
def asked(store):
    app = FastAPI()
    app.include_router(page.router(Face(store, store.settings.server)))
    with TestClient(app) as client:
        yield client


def inlined(html, tag):
    """The text of the one element *tag* of the page."""
    (found,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", html, re.DOTALL)
    return found


def hash_of(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_the_page_is_one_document_with_everything_in_it(asked):
    # When the page is asked for
    answer = asked.get("/")
    # Then it is HTML with one script and one style, and names no other file or host
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert spoolq.__version__ in answer.text
    inlined(answer.text, "script"), inlined(answer.text, "style")
    assert not re.search(r"<script[^>]+src=|<link[^>]+stylesheet|@import|url\(", answer.text)
    others = set(re.findall(r"https?://[^\s'\"`)]+", answer.text)) - {"http://www.w3.org/2000/svg"}
    assert others == set()


def test_the_policy_lets_run_what_is_inlined_and_nothing_else(asked):
    # When the page is asked for
    answer = asked.get("/")
    # Then its policy names the hashes of its own script and style, and otherwise nothing but its own origin
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == hash_of(inlined(answer.text, "script"))
    assert policy["style-src"] == hash_of(inlined(answer.text, "style"))
    assert (policy["connect-src"], policy["img-src"]) == ("'self'", "data:")
    for name in ("frame-ancestors", "base-uri", "form-action"):
        assert policy[name] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"


def test_the_page_is_small_enough_for_a_slow_tunnel():
    # Given the page as it goes over the wire, When it is weighed, Then a line of 1 Mbit/s brings it in a second
    assert len(page.assemble().packed) < 100_000


def test_a_browser_that_has_the_page_is_told_so(asked):
    # Given the tag of the page
    tag = asked.get("/").headers["etag"]
    # When it is asked for with that tag, Then there is no body; with another, there is
    known = asked.get("/", headers={"If-None-Match": f'"x", {tag}'})
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == tag
    assert asked.get("/", headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize(
    ("accepts", "packed"),
    [("gzip, br", True), ("br;q=1.0, gzip;q=0.8", True), ("identity", False), ("gzip;q=0", False)],
)
def test_the_page_is_packed_for_who_can_unpack_it(asked, accepts, packed):
    # When a client says what it can unpack
    with asked.stream("GET", "/", headers={"Accept-Encoding": accepts}) as answer:
        raw = b"".join(answer.iter_raw())
    # Then it gets that, and it is the same page
    assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (gzip.decompress(raw) if packed else raw) == page.assemble().body


def test_head_and_the_icon_have_no_body(asked):
    # When only the head is asked for, or the icon that browsers ask for, Then there is no body
    assert asked.head("/").content == b""
    assert asked.get("/favicon.ico").status_code == 204


def test_every_script_is_on_the_page():
    # Given the scripts in the folder, When they are put together, Then each is there once
    script = page.bundle(SCRIPTS, "main")
    for name in SCRIPTS:
        assert script.count(f"const {name}_js = ") == 1, f"{name}.js is imported by nothing"
    assert not re.search(r"^\s*(import|export) ", script, re.MULTILINE), "an import or export of another form"


def test_every_style_is_on_the_page():
    assert sorted(STYLES) == sorted(page._STYLES)


@pytest.mark.parametrize("name", sorted(path.name for path in SOURCES.iterdir()))
def test_a_source_can_be_read_at_once(name):
    assert len((SOURCES / name).read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_no_script_takes_text_for_markup_or_code(name):
    # Given a script, When it is searched for what reads text as markup or runs it, Then there is none
    assert re.findall(MARKUP, SCRIPTS[name]) == []


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_says_what_it_is_for_and_so_does_each_export(name):
    # Given a script, When it is read, Then its purpose comes first, and a comment before all that it gives out
    lines = SCRIPTS[name].splitlines()
    assert lines[0].startswith("// ")
    bare = [
        line for before, line in itertools.pairwise(lines) if line.startswith("export ") and not before.endswith("*/")
    ]
    assert [line for line in bare if not line.startswith("export const ")] == []


def test_what_is_imported_comes_before_who_imports_it():
    # Given modules of which one imports another
    sources = {"main": 'import { a } from "./b.js";\nexport const c = a + 1;\n', "b": "export const a = 1;\n"}
    # When they are put together, Then the other comes first, in a scope of its own
    script = page.bundle(sources, "main")
    assert script.index("const b_js") < script.index("const main_js")
    assert "const { a } = b_js;" in script
    assert "return { c };" in script


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (
            {"main": 'import { a } from "./b.js";\n', "b": 'import { c } from "./main.js";\nexport const a = 1;\n'},
            "circle",
        ),
        ({"main": 'import { a } from "./b.js";\n', "b": "const a = 1;\n"}, "exports no a"),
        ({"main": 'import { a } from "./gone.js";\n'}, "not there"),
    ],
)
def test_modules_that_do_not_fit_together_are_refused(sources, says):
    with pytest.raises(ValueError, match=says):
        page.bundle(sources, "main")


def test_a_source_that_would_end_its_element_is_refused(tmp_path):
    # Given sources of which one holds what ends a script element
    for path in SOURCES.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "main.js").write_text('const a = "</script>";\n')
    # When they are put together, Then that is refused
    with pytest.raises(ValueError, match="</script"):
        page.assemble(tmp_path)


def test_the_sources_are_in_the_wheel(tmp_path):
    # Given the builder that makes the wheel
    wheel = pytest.importorskip("hatchling.builders.wheel")
    # When it makes one, Then the page's sources are in it
    (made,) = wheel.WheelBuilder(str(SOURCES.parents[2])).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(made) as found:
        assert {f"spoolq/server/page/{path.name}" for path in SOURCES.iterdir()} <= set(found.namelist())
