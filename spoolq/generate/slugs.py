"""The slug of a team's name: `Łódź Robotics!` is `lodz_robotics`, as python-slugify has it with separator `_`."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

from spoolq.generate.refusals import Refused

#: Letters of Latin alphabets that Unicode does not take apart, and the apostrophes that are dropped.
_PLAIN = str.maketrans({
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H", "\u0131": "i",
    "\u2018": "", "\u2019": "", "\u02bc": "",
})  # fmt: skip


def slugify(name: str) -> str:
    """Lower case, accents gone, every run of anything but ``a-z`` and ``0-9`` one ``_``, none at the ends.

    Raises Refused for a letter or digit that has no plain form (Chinese, Cyrillic, …): python-slugify has tables of how
    they sound, and half a slug would be another team's.
    """
    text = re.sub(r"&#?\w+;", lambda entity: unescape(entity[0]), name).replace("'", "_")
    text = unicodedata.normalize("NFKD", text).translate(_PLAIN)
    text = "".join(sign for sign in text if not unicodedata.combining(sign))
    for sign in text:
        if sign.isalnum() and not sign.isascii():
            raise Refused(f"no slug can be made of the team {name!r}: {sign!r} has no Latin form. Write the name so.")
    slug = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=\d),(?=\d)", "", text.lower())).strip("_")
    if not slug:
        raise Refused(f"no slug can be made of the team {name!r}: it has no letter or digit. Give the team a name.")
    return slug
