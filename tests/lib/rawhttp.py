"""Answers of a scripted upstream that are written byte for byte: good ones in odd forms, and what no server should send."""

import json

from . import messages

JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


def whole(request):
    """The body of the plain good answer."""
    return json.dumps(messages.answer(request.model)).encode()


def events(request):
    """The plain good stream."""
    return b"".join(messages.sse(e) for e in messages.stream(request.model))


def opening(request):
    """Its first event."""
    return messages.sse(messages.stream(request.model)[0])


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def raw(*parts):
    """A script that sends bytes as they are, or what a function makes of the request, and closes the connection."""

    def script(request, out):
        for part in parts:
            out.raw(part(request) if callable(part) else part)
        out.cut()

    return script


def sized(head):
    """A good whole answer behind a head, in which SIZE stands for its length."""
    return raw(lambda request: head.replace(b"SIZE", b"%d" % len(whole(request))) + whole(request))


def byte_by_byte(make):
    def script(request, out):
        for byte in make(request):
            out.raw(bytes([byte]))
        out.cut()

    return script


def wire(request):
    """The plain good answer as it stands on the wire: a stream with a chunk for each event, or a whole with its length."""
    if not request.streams:
        return JSON + b"content-length: %d\r\n\r\n" % len(whole(request)) + whole(request)
    stream = messages.stream(request.model)
    return SSE + CHUNKED + b"".join(chunk(messages.sse(e)) for e in stream) + b"0\r\n\r\n"
