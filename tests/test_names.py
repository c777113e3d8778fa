"""File names: built, parsed, ordered; and what is no name of ours."""

from calendar import isleap
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.names import (
    PRIORITIES,
    Claim,
    Running,
    Stem,
    claim_host,
    format_stamp,
    is_candidate,
    is_drop,
    is_slot,
    key_names,
    new_claim,
    new_stem,
    parse_key,
    parse_queued,
    parse_running,
    parse_stamp,
    parse_terminal,
    stem_names,
)

STAMP = "20261120T120730.123456Z"
UUID = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
KEY = f"{STAMP}-{UUID}"
LEVELS = list(PRIORITIES)

moments = st.datetimes(datetime(2000, 1, 1), datetime(8999, 12, 31), timezones=st.just(UTC))
levels = st.sampled_from(LEVELS)


@given(moments, levels)
def test_a_stem_is_read_back_as_it_was_written(when, level):
    # Given a fresh STEM
    stem = new_stem(when, level)
    # When its file name is parsed, Then it is the same, and its stamp is that moment
    assert parse_queued(f"{stem}.json") == stem
    assert (stem.priority, parse_stamp(stem.stamp)) == (level, when)


@given(moments, levels, moments, levels)
def test_plain_string_order_is_priority_then_time(first, first_level, second, second_level):
    # Given two STEMs of whatever priorities and moments
    one, other = new_stem(first, first_level), new_stem(second, second_level)
    # When their names are compared as text
    rank = (LEVELS.index(first_level), first), (LEVELS.index(second_level), second)
    # Then that is the order of service (of two of one moment the ids decide)
    if rank[0] != rank[1]:
        assert (str(one) < str(other)) == (rank[0] < rank[1])


def test_the_example_of_the_protocol():
    # Given the names that the protocol shows
    stem = parse_queued(f"1-{KEY}.json")
    running = parse_running(f"1-{KEY}@gpu-07.gpu0.9f3c21ab.json")
    # When they are taken apart, Then every part is where it belongs
    assert stem == Stem("1-", STAMP, UUID)
    assert (stem.key, stem.priority) == (KEY, "high")
    assert running == Running(stem, Claim("gpu-07", "gpu0", "9f3c21ab"))
    assert running.claim.worker == "gpu-07.gpu0"
    assert str(running) == f"1-{KEY}@gpu-07.gpu0.9f3c21ab"


def test_a_job_keeps_its_key_whatever_its_priority():
    # Given a STEM, When it goes through all priorities, Then its KEY stays
    stem = parse_key(KEY)
    assert {stem.with_priority(level).key for level in LEVELS} == {KEY}
    with pytest.raises(KeyError):
        stem.with_priority("soon")


@pytest.mark.parametrize(
    "name",
    [
        KEY,
        f"{KEY}.json.json",
        f"{KEY}.json\n",
        f"{KEY}\n.json",
        f" {KEY}.json",
        f".{KEY}.json",
        f"{KEY}.JSON",
        f"2-{KEY}.json",
        f"0{KEY}.json",
        f"0-1-{KEY}.json",
        f"{KEY}@gpu-07.gpu0.9f3c21ab.json",
        f"../{KEY}.json",
        f"{KEY}/.json",
        f"{STAMP}-{UUID.upper()}.json",
        f"{STAMP}-{UUID[:-1]}.json",
        f"{STAMP}-1b4e28ba-2fa1-1d2b-883f-0016d3cca427.json",
        f"{STAMP}-1b4e28ba-2fa1-4d2b-c83f-0016d3cca427.json",
        f"20261120T120730.12345Z-{UUID}.json",
        f"19991120T120730.123456Z-{UUID}.json",
        f"20261120 120730.123456Z-{UUID}.json",
        f"2\u0660261120T120730.123456Z-{UUID}.json",
        "job.json",
        ".json",
        "",
    ],
)
def test_what_is_no_stem(name):
    # Given a name that is nearly one, When it is parsed, Then it is none
    assert parse_queued(name) is None


@pytest.mark.parametrize(
    "stamp",
    [
        "20261931T000000.000000Z",
        "20260001T000000.000000Z",
        "20260100T000000.000000Z",
        "20260139T000000.000000Z",
        "20260230T000000.000000Z",
        "20270229T000000.000000Z",
        "20260431T000000.000000Z",
        "20260101T290000.000000Z",
        "20260101T000069.000000Z",
        "20260101T000060.000000Z",
    ],
)
def test_a_stamp_of_a_day_or_an_hour_that_does_not_exist_is_no_stem(stamp):
    # Given a name that anybody can drop, of the right shape but with an impossible moment
    # When it is parsed as each of the kinds of name, Then it is no job: nobody could say when it was created
    assert parse_queued(f"{stamp}-{UUID}.json") is None
    assert parse_running(f"{stamp}-{UUID}@host.gpu0.9f3c21ab.json") is None
    assert parse_terminal(f"{stamp}-{UUID}.json") is None
    assert parse_key(f"{stamp}-{UUID}") is None


def test_the_last_day_of_february_counts_in_a_leap_year():
    # Given 29 February of a leap year, When it is parsed, Then it is a day
    assert parse_queued(f"20280229T235959.999999Z-{UUID}.json") is not None


def test_a_name_has_a_date_exactly_when_the_calendar_has_it():
    # Given every day of a month and two that no month has, in years of each kind of the leap rule
    for year in (2000, 2024, 2026, 2100, 2300, 2400, 8000, 8900, 8999):
        for month in range(14):
            for day in range(33):
                try:
                    there = bool(datetime(year, month, day))
                except ValueError:
                    there = False
                # When a name of that date is parsed, Then it is a job if there is such a day
                stem = parse_queued(f"{year}{month:02}{day:02}T000000.000000Z-{UUID}.json")
                assert (stem is not None) == there, (year, month, day)
                assert stem is None or parse_stamp(stem.stamp) == datetime(year, month, day, tzinfo=UTC)


def test_29_february_is_in_leap_years_only():
    # Given 29 February of every year that a stamp can have, When names of it are parsed, Then leap years have it
    days = {year: parse_key(f"{year}0229T120000.000000Z-{UUID}") for year in range(2000, 9000)}
    assert [year for year, stem in days.items() if stem] == [year for year in days if isleap(year)]


def test_a_listing_is_sifted_as_each_name_is_parsed():
    # Given a listing with jobs of every priority, drops, strangers and hidden files
    names = [f"{prefix}{KEY}.json" for prefix in ("", "0-", "1-", "9-")]
    names += ["job.json", f".{KEY}.json", f"2-{KEY}.json", f"{KEY}.txt", f"{KEY}.json.json", f"{KEY}@h.s.9f3c21ab.json"]
    names += [KEY, "", ".json", f"20260230T000000.000000Z-{UUID}.json", f"{KEY}\n.json"]
    # When it is sifted, Then what is left is what each parser takes, in the order of the listing
    assert stem_names(iter(names)) == [name for name in names if parse_queued(name)] == names[:4]
    assert key_names(names) == [name for name in names if parse_terminal(name)] == names[:1]


def test_terminal_names_carry_no_priority():
    # Given the file name of an ended job, When it is parsed, Then it is the bare KEY
    assert parse_terminal(f"{KEY}.json") == Stem("", STAMP, UUID)
    # and a STEM with a priority, or a claim, is none
    assert parse_terminal(f"1-{KEY}.json") is None
    assert parse_terminal(f"{KEY}@gpu-07.gpu0.9f3c21ab.json") is None
    assert parse_key(f"{KEY}.json") is None


@pytest.mark.parametrize("host", ["a", "gpu-07", "gpu-07.cluster.example.org", "a" * 64, "10.0.0.1"])
@pytest.mark.parametrize("slot", ["0", "gpu0", "all", "a_b-c"])
def test_a_claim_is_read_back_also_with_dots_in_the_host(host, slot):
    # Given a claim of a host whose name has dots
    running = Running(parse_key(KEY), new_claim(host, slot))
    # When the file name is parsed, Then host, slot and nonce are told apart
    assert parse_running(f"{running}.json") == running


@given(st.text(max_size=100))
def test_any_host_name_gives_a_claim_that_parses(hostname):
    # Given whatever a machine calls itself
    host = claim_host(hostname or "-")
    # When a claim carries it, Then the name is still one of ours
    running = Running(parse_key(KEY), new_claim(host, "gpu0"))
    assert parse_running(f"{running}.json") == running


def test_this_host_has_a_name():
    # Given this machine, When its name is asked for, Then there is one
    assert claim_host()


def test_no_two_claims_are_alike():
    # Given many claims of one slot, When they are compared, Then each has a nonce of its own
    assert len({str(new_claim("h", "s")) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("claim", ["gpu-07.gpu0", "gpu-07.gpu0.9F3C21AB", "gpu-07.GPU0.9f3c21ab", "-h.s.9f3c21ab", ""])
def test_what_is_no_claim(claim):
    # Given text that is nearly a claim, When it is parsed, Then it is none
    assert parse_running(f"{KEY}@{claim}.json") is None


def test_stamps_are_utc_and_of_one_width():
    # Given one moment in two zones, and one without microseconds
    utc = datetime(2026, 11, 20, 12, 7, 30, tzinfo=UTC)
    elsewhere = utc.astimezone(timezone(timedelta(hours=9)))
    # When they are written, Then they are the same text, as wide as any other
    assert format_stamp(utc) == format_stamp(elsewhere) == "20261120T120730.000000Z"
    assert len(format_stamp(utc)) == len(STAMP)


@pytest.mark.parametrize(
    ("name", "candidate", "drop"),
    [
        ("job.json", True, True),
        ("a b\n.json", True, True),
        (f"{KEY}.json", True, False),
        (f"0-{KEY}.json", True, False),
        (f"2-{KEY}.json", True, True),
        (".job.json", False, False),
        ("job.json.tmp", False, False),
        ("job.JSON", False, False),
        ("json", False, False),
        (".json", False, False),
    ],
)
def test_what_may_be_a_job_and_what_waits_for_admission(name, candidate, drop):
    # Given a file name, When it is looked at, Then it is a job, a drop, or nothing to us
    assert (is_candidate(name), is_drop(name)) == (candidate, drop)


@pytest.mark.parametrize(
    ("slot", "good"),
    [("gpu0", True), ("a" * 32, True), ("a" * 33, False), ("", False), ("a.b", False), ("../x", False)],
)
def test_slot_names(slot, good):
    # Given a slot's name, When it is checked, Then only what a claim can carry is taken
    assert is_slot(slot) is good
