"""Where the server listens, and that nobody waits at the door while others are answered."""

import asyncio
import socket

import pytest

from spoolq.server.listen import Taken, bind

ASK = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BUSY, NEW = 100, 60


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask once and read the whole answer."""
    writer.write(ASK)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200")
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


async def crowd(port: int) -> int:
    """How many answers those who were there first get while the last of those who come later waits for his first."""
    answered, over = 0, False

    async def ask_on() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not over:
            await answer(reader, writer)
            answered += 1
        writer.close()
        await writer.wait_closed()

    async def ask_once() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await answer(reader, writer)
        writer.close()
        await writer.wait_closed()

    busy = [asyncio.create_task(ask_on()) for _ in range(BUSY)]
    while answered < 10 * BUSY:
        await asyncio.sleep(0.01)
    before = answered
    await asyncio.gather(*(ask_once() for _ in range(NEW)))
    meanwhile, over = answered - before, True
    await asyncio.gather(*busy)
    return meanwhile


def test_who_comes_while_others_are_answered_does_not_wait_for_all_their_turns(served):
    # Given a hundred clients that ask again and again
    port = int(served.base.rpartition(":")[2])
    # When sixty more come, Then the last of them is answered long before the hundred have had sixty turns each
    assert asyncio.run(crowd(port)) < BUSY * NEW / 2


def test_an_address_that_is_taken_says_so():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Taken, match="Address already in use"):
            bind("127.0.0.1", port)


def test_an_address_that_is_not_ours_says_so():
    with pytest.raises(Taken, match="cannot serve on 192"):
        bind("192.0.2.1", 0)
