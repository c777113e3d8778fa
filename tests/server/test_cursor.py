"""Where a page ended, as text."""

import pytest

from spoolq.errors import RequestInvalid
from spoolq.server.cursor import Cursor


def test_a_cursor_is_text_and_back():
    mark = "1-20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
    for cursor in (Cursor(), Cursor("q", mark), Cursor("e", mark[2:])):
        assert Cursor.parse(str(cursor)) == cursor
    for text in ("", "q", str(Cursor("q", "../x")), "%", "\x00"):
        with pytest.raises(RequestInvalid):
            Cursor.parse(text)
