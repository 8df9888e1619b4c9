"""What a scripted upstream may do with a request.

Each function here returns a script, or is one: a function (request, out).
"""

import gzip
import json
import time

from . import messages

STREAM_HEADERS = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
JSON_HEADERS = (("content-type", "application/json"),)


def default(request, out):
    """The plain good answer to whatever is asked."""
    if request.path.split("?")[0].endswith("/count_tokens"):
        send(200, {"input_tokens": 23})(request, out)
    elif request.streams:
        stream()(request, out)
    else:
        message()(request, out)


def send(status, value, headers=JSON_HEADERS):
    """A whole answer; value is bytes, or what becomes JSON."""

    def script(request, out):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        out.head(status, headers, length=len(data))
        out.write(data)

    return script


def message(text=messages.ANSWER, after=0, **usage):
    """A whole message, after a silence of so many seconds."""

    def script(request, out):
        out.wait(after)
        send(200, messages.answer(request.model, text, **usage))(request, out)

    return script


def error(status, kind, text, headers=()):
    return send(status, messages.error(kind, text), JSON_HEADERS + tuple(headers))


def html(status, headers=()):
    page = b"<html><body><h1>Service Unavailable</h1></body></html>"
    return send(status, page, (("content-type", "text/html"), *headers))


def stream(texts=(messages.ANSWER, " and more"), gap=0, newline="\n", tail=b"", linger=None, **usage):
    """A whole stream with so many seconds between events; linger holds the connection open after its last event."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        for number, event in enumerate(messages.stream(request.model, texts, **usage)):
            if number:
                out.wait(gap)
            out.event(event, newline)
        if tail:
            out.write(tail)
        if linger is not None:
            out.hold(linger)
        out.end()

    return script


def lockstep(gates):
    """A stream whose n-th event waits for the n-th gate: it can go on only when what was sent has arrived."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        for gate, event in zip(gates, messages.stream(request.model, texts=["x"] * (len(gates) - 5))):
            out.hold(gate)
            out.event(event)
        out.end()

    return script


def steady(gate, gap=0.1):
    """A stream that sends text every gap seconds until the gate is set, and then ends in good order."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        for event in messages.opening(request.model):
            out.event(event)
        end = time.monotonic() + 120
        while not gate.is_set() and time.monotonic() < end:
            out.event(messages.delta("tick "))
            out.wait(gap)
        for event in messages.closing():
            out.event(event)
        out.end()

    return script


def flood(count, size):
    """A stream of so many texts of that size, as fast as they are taken."""

    def script(request, out):
        stream(texts=["x" * size] * count)(request, out)

    return script


def silent(gate, then=default):
    """Nothing at all until the gate is set."""

    def script(request, out):
        out.hold(gate)
        then(request, out)

    return script


def silent_after_head(gate, then_events=None):
    """The head of a stream, then nothing until the gate is set."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        out.hold(gate)
        for event in then_events or messages.stream(request.model):
            out.event(event)
        out.end()

    return script


def silent_midway(gate, texts=(messages.ANSWER,)):
    """A stream that falls silent after its first texts until the gate is set."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        for event in messages.opening(request.model) + [messages.delta(t) for t in texts]:
            out.event(event)
        out.hold(gate)
        for event in messages.closing():
            out.event(event)
        out.end()

    return script


def truncated(how):
    """A stream without its end. how: "clean" (as its framing says), "cut" (closed), "reset", "in-event" (closed in
    the middle of an event), "in-event-clean"."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        for event in messages.opening(request.model) + [messages.delta(messages.ANSWER)]:
            out.event(event)
        if how.startswith("in-event"):
            out.write(messages.sse(messages.delta("never whole"))[:40])
        if how == "reset":
            # A reset may overtake what was sent before it; only what has been taken in is sure to be read.
            out.wait(0.2)
            out.reset()
        if how in ("cut", "in-event"):
            out.cut()
        out.end()

    return script


def dropped(how):
    """No answer at all: the connection is closed ("cut") or "reset" after the request."""

    def script(request, out):
        if how == "reset":
            out.reset()
        out.cut()

    return script


def error_event(kind, text, midway):
    """A 200 stream with an error event, as its first event or after some text."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        if midway:
            for event in messages.opening(request.model) + [messages.delta(messages.ANSWER)]:
                out.event(event)
        out.event(messages.error(kind, text))
        out.end()

    return script


def pieces(size, texts=(messages.ANSWER, " and more")):
    """A whole stream, written in pieces of so many bytes without regard to where events end."""

    def script(request, out):
        out.head(200, STREAM_HEADERS)
        data = b"".join(messages.sse(e) for e in messages.stream(request.model, texts))
        for start in range(0, len(data), size):
            out.write(data[start : start + size])
        out.end()

    return script


def wrong_length(status=200):
    """A JSON answer that promises more bytes than come."""

    def script(request, out):
        data = json.dumps(messages.answer(request.model)).encode()
        out.head(status, JSON_HEADERS, length=len(data) + 100)
        out.write(data)
        out.cut()

    return script


def gzipped(request, out):
    """A compressed answer, asked for or not."""
    data = gzip.compress(json.dumps(messages.answer(request.model)).encode())
    send(200, data, JSON_HEADERS + (("content-encoding", "gzip"),))(request, out)


def until_close(request, out):
    """A stream framed by the end of the connection."""
    out.head(200, STREAM_HEADERS, chunked=False)
    for event in messages.stream(request.model):
        out.event(event)
    out.cut()


def huge_event(size=3_000_000):
    """A stream with one event of that many bytes."""
    return stream(texts=("x" * size,))


TOO_LONG = "prompt is too long: 215000 tokens > 200000 maximum"

# Scripts by the model name that asks for them, for clients that can't set a script themselves.
NAMED = {
    "mock-message": message(),
    "mock-stream-slow": stream(texts=["tick "] * 20, gap=0.1),
    "mock-400": error(400, "invalid_request_error", TOO_LONG),
    "mock-401": error(401, "authentication_error", "invalid x-api-key"),
    "mock-403": error(403, "permission_error", "not allowed"),
    "mock-404": error(404, "not_found_error", "model: mock-404"),
    "mock-413": error(413, "request_too_large", "Request exceeds the maximum size"),
    "mock-429": error(429, "rate_limit_error", "slow down", (("retry-after", "7"),)),
    "mock-500": error(500, "api_error", "Internal server error"),
    "mock-503-html": html(503),
    "mock-529": error(529, "overloaded_error", "Overloaded"),
    "mock-error-first": error_event("overloaded_error", "Overloaded", midway=False),
    "mock-error-midway": error_event("overloaded_error", "Overloaded", midway=True),
    "mock-truncated": truncated("clean"),
    "mock-cut": truncated("cut"),
    "mock-reset": truncated("reset"),
    "mock-dropped": dropped("cut"),
    "mock-empty": send(200, b"", ()),
    "mock-html": html(200),
    "mock-gzip": gzipped,
    "mock-huge": huge_event(),
}
