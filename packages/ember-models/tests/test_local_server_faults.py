"""What goes wrong on purpose, seen byte by byte."""

from __future__ import annotations

import json
import socket
import time
import zlib
from collections.abc import Iterator

import pytest

from ember.models.testing import LocalServer

BODY = json.dumps(
    {"model": "gpt-4o", "messages": [{"role": "user", "content": "one two three"}], "stream": True}
).encode()
CHAT = "/v1/chat/completions"


def request(body: bytes = BODY, path: str = CHAT, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def wire(server: LocalServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connected:
        yield connected


def until_closed(wire: socket.socket) -> bytes:
    pieces: list[bytes] = []
    while piece := wire.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def until(wire: socket.socket, mark: bytes) -> bytes:
    read = b""
    while mark not in read:
        piece = wire.recv(65_536)
        assert piece, f"closed before {mark!r}, after {read!r}"
        read += piece
    return read


def body_of(reply: bytes) -> bytes:
    return reply.partition(b"\r\n\r\n")[2]


def read_body(wire: socket.socket, length: int) -> bytes:
    """Return the next `length` bytes of a body, past the head."""
    read = bytearray(body_of(until(wire, b"\r\n\r\n")))
    while len(read) < length:
        piece = wire.recv(65_536)
        assert piece, f"closed after {len(read)} bytes"
        read += piece
    return bytes(read)


def unchunked(reply: bytes) -> bytes:
    """Return the body of a chunked reply; the last chunk must be there."""
    rest, body = body_of(reply), b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size, 16)
        if not count:
            return body
        body, rest = body + rest[:count], rest[count + 2 :]


# Where it breaks off


def test_drop_closes_before_the_head(server: LocalServer, wire: socket.socket) -> None:
    server.replies(fault="drop")
    wire.sendall(request())
    assert until_closed(wire) == b""
    assert (server.requests[0].done, server.requests[0].aborted, server.in_flight) == (True, False, 0)


def test_reset_is_a_reset(server: LocalServer, wire: socket.socket) -> None:
    server.replies(fault="reset")
    wire.sendall(request())
    with pytest.raises(ConnectionResetError):
        wire.recv(1)


def test_a_body_is_cut_after_so_many_bytes_of_the_length_it_promised(
    server: LocalServer, wire: socket.socket
) -> None:
    server.replies(json={"a": "long answer"}, fault="drop", after=5)
    wire.sendall(request())
    reply = until_closed(wire)
    assert b"content-length: 20\r\n" in reply
    assert body_of(reply) == b'{"a":'


def test_a_body_is_reset_after_so_many_bytes(server: LocalServer, wire: socket.socket) -> None:
    server.replies(json={"a": "long answer"}, fault="reset", after=5)
    wire.sendall(request())
    assert body_of(until(wire, b'{"a":')) == b'{"a":'
    with pytest.raises(ConnectionResetError):
        wire.recv(1)


def test_a_body_that_ends_early_in_good_order_has_the_shorter_length(
    server: LocalServer, wire: socket.socket
) -> None:
    server.replies(json={"a": "long answer"}, fault="end", after=5)
    wire.sendall(request())
    assert b"content-length: 5\r\n" in until(wire, b'{"a":')


def test_after_nothing_there_is_a_head(server: LocalServer, wire: socket.socket) -> None:
    server.replies(json={}, fault="drop", after=0)
    wire.sendall(request())
    reply = until_closed(wire)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body_of(reply) == b""


def test_a_stream_ends_in_good_order_without_its_mark(server: LocalServer, wire: socket.socket) -> None:
    server.replies(fault="end", after=2)
    wire.sendall(request())
    stream = unchunked(until(wire, b"\r\n0\r\n\r\n"))
    assert (stream.count(b"data: "), b"one " in stream, b"[DONE]" in stream) == (2, True, False)


def test_a_stream_is_dropped_after_so_many_events(server: LocalServer, wire: socket.socket) -> None:
    server.replies(fault="drop", after=3)
    wire.sendall(request())
    stream = until_closed(wire)
    assert (stream.count(b"data: "), stream.endswith(b"0\r\n\r\n")) == (3, False)


def test_a_fault_that_ends_early_must_say_where(server: LocalServer) -> None:
    with pytest.raises(TypeError, match="needs after="):
        server.replies(fault="end")


# Silence, and who hung up


@pytest.mark.parametrize("after", [None, 0, 2])
def test_hang_is_silence_until_the_client_goes(
    server: LocalServer, wire: socket.socket, after: int | None
) -> None:
    if after is None:
        server.replies(fault="hang")
    else:
        server.replies(fault="hang", after=after)
    wire.sendall(request())
    server.wait_for(lambda: server.in_flight == 1)
    wire.settimeout(0.1)
    with pytest.raises(TimeoutError):
        until_closed(wire)
    wire.close()
    server.wait_for(lambda: server.requests[0].aborted)
    assert (server.in_flight, server.requests[0].done, server.ledger[""].calls) == (0, False, 0)


def test_a_client_that_goes_before_a_late_reply_is_noticed(server: LocalServer, wire: socket.socket) -> None:
    server.latency = 30
    wire.sendall(request())
    server.wait_for(lambda: server.in_flight == 1)
    wire.close()
    server.wait_for(lambda: server.requests[0].aborted)


def test_a_client_that_goes_in_the_middle_of_a_stream_is_noticed(
    server: LocalServer, wire: socket.socket
) -> None:
    server.replies(delay=0.02, text="word " * 1_000)
    wire.sendall(request())
    until(wire, b"word ")
    wire.close()
    server.wait_for(lambda: server.requests[0].aborted)


def test_stopping_the_server_is_not_the_clients_doing() -> None:
    with LocalServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as wire:
        server.replies(fault="hang")
        wire.sendall(request())
        server.wait_for(lambda: server.in_flight == 1)
        server.stop()
        assert not server.requests[0].aborted


# How it travels


def test_events_come_in_pieces_of_one_byte_and_say_the_same(server: LocalServer, wire: socket.socket) -> None:
    server.replies(text="für 1 €", chunk=1)
    wire.sendall(request())
    reply = until(wire, b"\r\n0\r\n\r\n")
    assert body_of(reply).startswith(b"1\r\nd\r\n1\r\na\r\n")
    assert "für " in unchunked(reply).decode()


def test_events_may_have_comments_and_end_lines_with_cr_lf(server: LocalServer, wire: socket.socket) -> None:
    server.replies(sse=[("tick", {"n": 1}), "two\nlines", {"n": 3}, b"raw\n\n"], crlf=True, comments=True)
    wire.sendall(request())
    assert unchunked(until(wire, b"\r\n0\r\n\r\n")) == (
        b': comment\r\nevent: tick\r\ndata: {"n": 1}\r\n\r\n'
        b": comment\r\ndata: two\r\ndata: lines\r\n\r\n"
        b': comment\r\ndata: {"n": 3}\r\n\r\n'
        b"raw\n\n"
    )


def test_a_rate_is_bytes_per_second(server: LocalServer, wire: socket.socket) -> None:
    server.replies(body=b"x" * 30, rate=100)
    begun = time.monotonic()
    wire.sendall(request())
    read_body(wire, 30)
    assert 0.15 < time.monotonic() - begun < 10


def test_a_body_can_be_chunked(server: LocalServer, wire: socket.socket) -> None:
    server.replies(body=b"abcdef", chunked=True, chunk=4)
    wire.sendall(request())
    assert body_of(until(wire, b"0\r\n\r\n")) == b"4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"


def test_gzip_unpacks_and_bad_gzip_does_not(server: LocalServer, wire: socket.socket) -> None:
    server.replies(body=b"hello " * 100, gzip="ok").then(body=b"hello " * 100, gzip="bad", close=True)
    wire.sendall(request())
    head = until(wire, b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    packed = body_of(head)
    while len(packed) < length:
        packed += wire.recv(65_536)
    assert b"content-encoding: gzip\r\n" in head
    assert zlib.decompress(packed, wbits=31) == b"hello " * 100
    wire.sendall(request())
    with pytest.raises(zlib.error):
        zlib.decompress(body_of(until_closed(wire)), wbits=31)


def test_a_stream_can_be_packed(server: LocalServer, wire: socket.socket) -> None:
    server.replies(gzip="ok", close=True)
    wire.sendall(request())
    assert zlib.decompress(body_of(until_closed(wire)), wbits=31).endswith(b"data: [DONE]\n\n")


def test_a_gzip_bomb_is_small_on_the_wire(server: LocalServer, wire: socket.socket) -> None:
    server.replies(size=64 << 20, gzip="ok", close=True)
    wire.sendall(request())
    packed = body_of(until_closed(wire))
    assert len(packed) < 200_000
    assert len(zlib.decompress(packed, wbits=31)) == 64 << 20


def test_a_huge_body_waits_for_its_reader(server: LocalServer, wire: socket.socket) -> None:
    server.replies(size=50_000_000)
    wire.sendall(request())
    time.sleep(0.1)
    assert server.in_flight == 1, "the server has put 50 MB somewhere"
    assert until(wire, b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    wire.close()
    server.wait_for(lambda: server.requests[0].aborted)


def test_a_huge_body_arrives_whole(server: LocalServer, wire: socket.socket) -> None:
    server.replies(size=20_000_001)
    wire.sendall(request() + request())
    assert len(read_body(wire, 20_000_001)) >= 20_000_001


def test_raw_is_sent_as_it_is(server: LocalServer, wire: socket.socket) -> None:
    malformed = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n"
    server.replies(raw=malformed, close=True)
    wire.sendall(request())
    assert until_closed(wire) == malformed


def test_a_redirect_has_no_body(server: LocalServer, wire: socket.socket) -> None:
    server.replies(307, {"Location": "http://127.0.0.1:9/"})
    wire.sendall(request())
    reply = until(wire, b"\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 307 Temporary Redirect\r\n")
    assert b"location: http://127.0.0.1:9/\r\n" in reply
    assert body_of(reply) == b""


def test_close_closes_without_having_said_so(server: LocalServer, wire: socket.socket) -> None:
    server.replies(body=b"ok", close=True)
    wire.sendall(request())
    reply = until_closed(wire)
    assert body_of(reply) == b"ok"
    assert b"connection" not in reply.lower()


# What it reads


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_a_bad_request(wire: socket.socket, body: bytes) -> None:
    wire.sendall(request(body))
    assert until(wire, b"\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_requests_may_come_byte_by_byte_or_several_at_once(server: LocalServer, wire: socket.socket) -> None:
    server.replies(body=b"first", latency=0.05).then(body=b"second").then(body=b"third")
    for byte in request(b"{}"):
        wire.sendall(bytes([byte]))
    wire.sendall(request(b"{}") * 2)
    reply = until(wire, b"third")
    assert reply.index(b"first") < reply.index(b"second") < reply.index(b"third")


def test_a_client_that_asks_before_it_sends_a_body_is_told_to(
    server: LocalServer, wire: socket.socket
) -> None:
    head, _, body = request(BODY, CHAT, "Expect: 100-continue").partition(b"\r\n\r\n")
    wire.sendall(head + b"\r\n\r\n")
    assert until(wire, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(body)
    assert until(wire, b"\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_client_that_asks_for_a_close_gets_one(server: LocalServer, wire: socket.socket) -> None:
    wire.sendall(request(BODY, CHAT, "Connection: close"))
    assert until_closed(wire).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 140_000, b"431"),
    ],
)
def test_what_it_cannot_read_it_refuses(wire: socket.socket, sent: bytes, status: bytes) -> None:
    wire.sendall(sent)
    assert wire.recv(12) == b"HTTP/1.1 " + status
