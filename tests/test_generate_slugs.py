"""Slugs: a team's name as resources, results and workers spell it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.generate.refusals import Refused
from spoolq.generate.slugs import slugify


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Comet", "comet"),
        ("comet_2", "comet_2"),
        ("Robot Learning Collective", "robot_learning_collective"),
        ("  The North-Star!  ", "the_north_star"),
        ("__a--b..c__", "a_b_c"),
        ("Łódź Robotics", "lodz_robotics"),
        ("Ångström & Söhne", "angstrom_sohne"),
        ("Straße Ærø Þór œuvre", "strasse_aero_thor_oeuvre"),
        ("O'Brien\u2019s", "o_briens"),
        ("R&amp;D &#233;", "r_d_e"),
        ("1,000 robots, 2", "1000_robots_2"),
        ("x² ﬁnal №1", "x2_final_no1"),
        ("\uff26\uff55\uff4c\uff4c", "full"),
    ],
)
def test_a_name_becomes_what_python_slugify_makes_of_it(name, slug):
    # Given a name whose slug python-slugify was asked for, When ours is made, Then it is the same
    assert slugify(name) == slug


@pytest.mark.parametrize(
    ("name", "cause"),
    [("清华 Robotics", "'清' has no Latin form"), ("Жук", "'Ж' has"), ("!?", "no letter or digit")],
)
def test_a_name_that_would_lose_letters_is_refused(name, cause):
    # Given a name of which a part would be lost, When its slug is asked for, Then that is refused, and the part named
    with pytest.raises(Refused, match=re.escape(cause)):
        slugify(name)


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=20))
def test_a_slug_is_plain_and_its_own_slug(name):
    # Given any Latin name that has a slug
    try:
        slug = slugify(name)
    except Refused:
        return
    # Then it is of plain letters, digits and single underscores, and a slug of it is the same
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", slug)
    assert slugify(slug) == slug
