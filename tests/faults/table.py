"""The table of faults: what an upstream or a client does, and what has to become of it with every way of hosting.

An outcome is a text of three words:

    whole done                  200 and the whole answer, byte for byte
    502 api_error up-cut        a refusal: status, error type, and how the ledger says that the call ended
    event api_error up-cut      a stream that had begun ends in an error event of the gate's
    passed api_error up-error   it ends in the upstream's own error event

A tuple names the outcomes between which the fault leaves the choice open.
"""

import re

import answers
import clients
import further
from answers import altered, both, inserted, sent, sse_of, until
from lib import messages, rawhttp, scripts
from lib.rawhttp import JSON, events, raw
from rows import Deed, Fault

# The limits of postern.conf that the table's outcomes rest on. commit_s is long enough that a busy machine does not
# begin a stream by a ping before a fault that comes at once, and short enough to come before the limits of silence.
OPTIONS = {
    "commit_s": 3,
    "ping_s": 1,
    "upstream_connect_s": 4,
    "upstream_first_s": 9,
    "upstream_idle_s": 7,
    "write_idle_s": 3,
    "retry_s": 0,
    "cooldown_s": 0,
}

DONE = "whole done"
CUT = "502 api_error up-cut"
NO_ANSWER = "502 api_error up-answer"
NO_CONNECTION = "502 api_error up-connect"
OUR_ACCOUNT = "502 api_error up-credential"
NOTHING_CAME = "504 timeout_error up-timeout"
FELL_SILENT = "504 timeout_error up-idle"
NO_CONNECTION_LATER = "event api_error up-connect"
CUT_LATER = "event api_error up-cut"
WRONG_LATER = "event api_error up-answer"
NOTHING_CAME_LATER = "event timeout_error up-timeout"
FELL_SILENT_LATER = "event timeout_error up-idle"

# What becomes of a call for which another upstream is there as well: that one answers, or the fault is the client's
# or comes too late.
OTHER = DONE


def fault(name, does, outcome, other=OTHER, **more):
    """One that a call meets whether it is streamed or not."""
    return Fault(name, does, whole=outcome, stream=outcome, other=other, **more)


def stream(name, make, outcome=DONE, gets=None, **more):
    """A stream of the bytes that make gives."""
    return Fault(name, sent(make), stream=outcome, gets=gets or (make if outcome == DONE else None), **more)


# It cannot be reached


def server(name, what, outcome=NO_CONNECTION, **more):
    return fault(name, None, outcome, server=what, **more)


CONNECTING = [
    server("connection refused", "nobody"),
    Fault("connection never made", None, NO_CONNECTION, NO_CONNECTION_LATER, OTHER, server="full", waits=True,
          least_s=OPTIONS["upstream_connect_s"]),
    server("name that does not resolve", "nowhere"),
    server("tls: authority not trusted", "self-signed"),
    server("tls: other name", "other-name"),
    server("tls: expired", "expired"),
    server("tls: old version", "old"),
    server("tls: reset in the handshake", "tls-reset"),
    server("tls: closed in the handshake", "tls-closed"),
    Fault("tls: silent in the handshake", None, NO_CONNECTION, NO_CONNECTION_LATER, OTHER, server="tls-silent",
          waits=True, least_s=OPTIONS["upstream_connect_s"]),
    server("tls: plain http on its port", "tls-plain"),
    server("plain http to a port of tls", "plain-tls", (CUT, NO_ANSWER)),
    Fault("tls: good", whole=DONE, stream=DONE, server="tls"),
    Fault("tls: ended without notice", answers.broken_at(answers.STREAM_PLACES["in an event's data"], "close"),
          stream=CUT_LATER, server="tls"),
    Fault("tls: ended without notice, in JSON", answers.broken_at(answers.WHOLE_PLACES["in the body"], "close"),
          whole=CUT, other=OTHER, server="tls"),
    Fault("tls: reset in an event", answers.broken_at(answers.STREAM_PLACES["in an event's data"], "reset"),
          stream=CUT_LATER, server="tls"),
]  # fmt: skip

# It ends, resets or falls silent at some byte


def _outcome_at(place, how, streams):
    """What has to become of an answer that is broken at a place."""
    begun = list(answers.STREAM_PLACES).index("before the first blank line")
    position = list(answers.STREAM_PLACES if streams else answers.WHOLE_PLACES).index(place)
    if place == "behind message_stop":
        return DONE
    if how != "stall":
        return CUT_LATER if streams and position > begun else CUT
    headless = place in answers.PLACES and place != "behind the head"
    if streams:
        return NOTHING_CAME_LATER if headless else FELL_SILENT_LATER
    return NOTHING_CAME if headless else FELL_SILENT


def _broken():
    for how, verb in [("close", "closes"), ("reset", "resets"), ("stall", "falls silent")]:
        least_s = min(OPTIONS["upstream_first_s"], OPTIONS["upstream_idle_s"]) if how == "stall" else 0
        waits = {"waits": how == "stall", "cancels": how == "stall"}
        for place in list(answers.STREAM_PLACES) + [p for p in answers.WHOLE_PLACES if p not in answers.STREAM_PLACES]:
            at = answers.STREAM_PLACES.get(place) or answers.WHOLE_PLACES[place]
            whole = _outcome_at(place, how, False) if place in answers.WHOLE_PLACES else None
            streamed = _outcome_at(place, how, True) if place in answers.STREAM_PLACES else None
            # Whoever waits for a stream has its beginning by then, and it is no other upstream's any more.
            other = OTHER if whole or streamed == CUT else None
            took = least_s if DONE not in (whole, streamed) else 0
            # libcurl takes a part of a status line for no answer at all.
            unheard = place == "in the status line"
            yield Fault(f"{verb} {place}", answers.broken_at(at, how), whole, streamed, other, least_s=took,
                        unheard=unheard, **waits)  # fmt: skip


BREAKING = [
    fault("closes without an answer", scripts.dropped("cut"), CUT, unheard=True),
    fault("resets without an answer", scripts.dropped("reset"), CUT, unheard=True),
    Fault("silent from the start", answers.stall, NOTHING_CAME, NOTHING_CAME_LATER, OTHER, cancels=True, waits=True,
          least_s=OPTIONS["upstream_first_s"], also=further.pinged),
    *_broken(),
    Fault("late, but within the limit", answers.late(OPTIONS["commit_s"] + 2.5), DONE, DONE, waits=True,
          also=further.pinged),
    Fault("a pause within the limit", answers.pause(4.5), DONE, DONE, waits=True, also=further.pinged),
    Fault("a byte at a time", answers.drip, DONE, DONE, waits=True),
    Fault("one byte in a chunk", answers.pieces(1), DONE, DONE),
    Fault("two bytes in a chunk", answers.pieces(2), DONE, DONE),
    Fault("seven bytes in a chunk", answers.pieces(7), DONE, DONE),
]  # fmt: skip

# It says that it cannot


def status(code, kind, text="says the upstream", more=(), name=None, other=None, **also):
    """An error in the API's own words."""
    script = scripts.error(code, kind, text, more)
    return fault(name or f"{code} {kind}", script, f"{code} {kind} up-error", other, also=further.same_words(text), **also)


def odd(name, code, body, outcome, other=OTHER, kind=b"text/html", **more):
    """A status whose body is no error of the API."""
    return fault(f"{code} {name}", answers.error_body(code, body, kind), outcome, other, **more)


PAGE = b"<html><body><h1>Service Unavailable</h1></body></html>"

STATUSES = [
    status(400, "invalid_request_error", scripts.TOO_LONG, other="400 invalid_request_error up-error"),
    status(404, "not_found_error", other="404 not_found_error up-error"),
    status(408, "timeout_error", other=OTHER),
    status(409, "conflict_error", other="409 conflict_error up-error"),
    status(413, "request_too_large", other="413 request_too_large up-error"),
    status(429, "rate_limit_error", other=OTHER),
    status(500, "api_error", other=OTHER),
    status(502, "api_error", other=OTHER),
    status(503, "overloaded_error", other=OTHER),
    status(504, "timeout_error", other=OTHER),
    status(529, "overloaded_error", other=OTHER),
    status(500, "a_type_of_the_future", other=OTHER, name="500 of an unknown type"),
    fault("429 with retry-after", scripts.error(429, "rate_limit_error", "slow down", (("retry-after", "7"),)),
          "429 rate_limit_error up-error", also=further.has_header("retry-after", "7")),
    fault("429 with limits of our account", scripts.error(429, "rate_limit_error", "slow", (
        ("anthropic-ratelimit-requests-remaining", "0"), ("anthropic-organization-id", "org_ours"))),
          "429 rate_limit_error up-error", also=further.lacks_header("anthropic-ratelimit-requests-remaining",
                                                                     "anthropic-organization-id")),
    fault("401", scripts.error(401, "authentication_error", "invalid x-api-key"), OUR_ACCOUNT, also=further.not_told),
    fault("402", scripts.error(402, "billing_error", "no credit"), OUR_ACCOUNT, also=further.not_told),
    fault("403", scripts.error(403, "permission_error", "not allowed"), OUR_ACCOUNT, also=further.not_told),
    odd("as a page", 401, PAGE, OUR_ACCOUNT),
    odd("as a page", 400, PAGE, "400 invalid_request_error up-error", "400 invalid_request_error up-error"),
    odd("as a page", 404, PAGE, NO_ANSWER),
    odd("as a page", 405, PAGE, NO_ANSWER),
    odd("as a page", 413, PAGE, "413 request_too_large up-error", "413 request_too_large up-error"),
    odd("as a page", 429, PAGE, "429 rate_limit_error up-error"),
    odd("as a page", 500, PAGE, "500 api_error up-error"),
    odd("as a page", 503, PAGE, "503 api_error up-error"),
    odd("with nothing", 503, b"", "503 api_error up-error"),
    odd("in other JSON", 503, b'{"error":"busy"}', "503 api_error up-error", kind=b"application/json"),
    odd("in broken JSON", 529, b'{"type":"error","error":{"type":', "529 overloaded_error up-error",
        kind=b"application/json"),
    odd("with a page of 1 MB", 500, PAGE * 20_000, "500 api_error up-error"),
    fault("529 that is cut off", answers.cut_error, "529 overloaded_error up-error"),
    *[fault(f"{code} redirect", answers.redirect(code), NO_ANSWER, also=further.went_nowhere)
      for code in (301, 302, 303, 307, 308)],
    fault("300 and no place", answers.error_body(300, b""), NO_ANSWER),
    fault("304", raw(b"HTTP/1.1 304 Same\r\n\r\n"), NO_ANSWER),
]  # fmt: skip

# A 200 that is none

NOTHING = [
    fault("200 and no byte", scripts.send(200, b"", ()), NO_ANSWER),
    fault("200 and no byte of JSON", scripts.send(200, b""), NO_ANSWER),
    fault("200 and no byte of a stream", scripts.send(200, b"", scripts.STREAM_HEADERS), (NO_ANSWER, CUT)),
    fault("200 and blanks", scripts.send(200, b" \r\n \n"), NO_ANSWER),
    fault("200 and {}", scripts.send(200, b"{}"), NO_ANSWER),
    fault("200 and null", scripts.send(200, b"null"), NO_ANSWER),
    fault("200 and a list", scripts.send(200, [1, 2]), NO_ANSWER),
    fault("200 as a page", scripts.html(200), NO_ANSWER),
    fault("200 and half of the JSON", lambda r, o: scripts.send(200, rawhttp.whole(r)[:-30])(r, o), NO_ANSWER),
    fault("200 and two JSON texts", lambda r, o: scripts.send(200, rawhttp.whole(r) * 2)(r, o), NO_ANSWER),
    fault("200 and an error of the API", scripts.send(200, messages.error("overloaded_error", "no")),
          "529 overloaded_error up-error"),
    fault("204", raw(b"HTTP/1.1 204 None\r\n\r\n"), NO_ANSWER),
    fault("205", raw(b"HTTP/1.1 205 Reset\r\ncontent-length: 0\r\n\r\n"), NO_ANSWER),
    fault("JSON for a stream, a stream for JSON", answers.the_other_form, NO_ANSWER),
    fault("gzip that was not asked for", answers.gzipped, NO_ANSWER),
    Fault("content-encoding: identity", answers.headed(b"content-encoding: identity\r\n"), DONE, DONE),
    Fault("text/plain", answers.other_type(b"text/plain"), DONE, NO_ANSWER, also=further.is_json),
    Fault("text/html", answers.other_type(b"text/html"), DONE, NO_ANSWER, also=further.is_json),
    Fault("TEXT/Event-Stream;charset=UTF-8", answers.other_type(b"TEXT/Event-Stream;charset=UTF-8"), stream=DONE),
    Fault("JSON of 600 levels", answers.deep(600), NO_ANSWER, other=OTHER),
    Fault("JSON of 20 MB", answers.large(20_000_000), DONE, gets=answers.large_whole(20_000_000)),
    Fault("JSON of 66 MB", raw(JSON + b"\r\n", *[b" " * (1 << 20)] * 66), NO_ANSWER, other=OTHER),
]  # fmt: skip

# Heads and framing

FRAMING = [
    Fault("100 Continue", answers.informed(b"HTTP/1.1 100 Continue\r\n\r\n"), DONE, DONE),
    Fault("103 with headers of its own", answers.informed(b"HTTP/1.1 103 Hints\r\nretry-after: 9\r\n\r\n"), DONE, DONE,
          also=further.lacks_header("retry-after")),
    Fault("1000 times 100 Continue", answers.informed(b"HTTP/1.1 100 Continue\r\n\r\n", 1000), DONE, DONE),
    fault("100 Continue and no more", raw(b"HTTP/1.1 100 Continue\r\n\r\n"), CUT),
    fault("101", answers.status(b"HTTP/1.1 101 Switch\r\nupgrade: x"), NO_ANSWER),
    fault("status 600", answers.status(b"HTTP/1.1 600 X"), NO_ANSWER),
    fault("status 999", answers.status(b"HTTP/1.1 999 X"), NO_ANSWER),
    fault("status 99", answers.status(b"HTTP/1.1 99 X"), (NO_ANSWER, CUT)),
    fault("status of four digits", answers.status(b"HTTP/1.1 2000 X"), (NO_ANSWER, CUT)),
    fault("no status", answers.status(b"HTTP/1.1 \r\nx: y"), (NO_ANSWER, CUT)),
    fault("no HTTP", raw(b"hello world\r\n"), NO_ANSWER),
    fault("all bytes there are", raw(bytes(range(256)) * 20), NO_ANSWER),
    fault("HTTP/2 on a connection of HTTP/1.1", raw(b"\0\0\x06\x04\0\0\0\0\0\0\3\0\0\0\x64"), NO_ANSWER),
    Fault("HTTP/1.0", answers.old_http, DONE, DONE),
    Fault("head with LF alone", answers.lf_head, DONE, DONE),
    Fault("framed by the connection", answers.by_connection, DONE, DONE),
    Fault("content-length for a stream", answers.with_length(0), DONE, DONE),
    Fault("content-length too long", answers.with_length(100), CUT, DONE, OTHER),
    Fault("content-length too short", answers.with_length(-20), NO_ANSWER, CUT_LATER, OTHER),
    fault("content-length below zero", answers.headed(b"content-length: -1\r\n"), (NO_ANSWER, CUT)),
    fault("content-length that is no number", answers.headed(b"content-length: many\r\n"), (NO_ANSWER, CUT)),
    fault("chunk without a size", answers.coded(b"zz\r\n", rawhttp.wire), CUT),
    fault("chunk too large to count", answers.coded(b"ffffffffffffffffff\r\n", rawhttp.wire), CUT),
    Fault("chunks that end in garbage", answers.coded(lambda r: rawhttp.chunk(answers.body_of(r)[:-30]), b"zz\r\n"),
          CUT, CUT_LATER, OTHER),
    Fault("chunks without the last one", answers.coded(lambda r: rawhttp.chunk(answers.body_of(r))), CUT, DONE, OTHER),
    Fault("trailers", answers.trailed(b"retry-after: 5\r\n"), DONE, DONE, also=further.lacks_header("retry-after")),
    Fault("trailers that are too long", answers.trailed(b"x: " + b"y" * 5000 + b"\r\n"), CUT, DONE, OTHER),
    fault("head of 1 MB", answers.headed((b"x-flood: " + b"a" * 1000 + b"\r\n") * 1000), (NO_ANSWER, CUT)),
    fault("head without an end", answers.endless_head, (NO_ANSWER, CUT), cancels=True),
    fault("status line of 200 KB", answers.status(b"HTTP/1.1 200 " + b"O" * 200_000), NO_ANSWER),
    Fault("20,000 header lines", answers.headed(b"x: y\r\n" * 20_000), DONE, DONE),
    fault("zero byte in a header", answers.headed(b"retry-after: a\0b\r\n"), NO_ANSWER),
    Fault("bare CR in a header", answers.headed(b"anthropic-x: a\rx-evil: 1\r\n"), DONE, DONE,
          also=further.lacks_header("x-evil")),
    Fault("folded header", answers.headed(b"anthropic-x: a\r\n x-evil: 1\r\n"), DONE, DONE,
          also=further.lacks_header("x-evil")),
    Fault("request id that is none", answers.headed(b"request-id: " + b"\x01\x7f\"\\\xff" * 9 + b"\r\n"), DONE, DONE),
    Fault("a second answer behind JSON", answers.twice(0), whole=DONE, server="apart", also=further.next_too("apart")),
    Fault("a second answer behind a stream", answers.twice(0.05), stream=DONE, server="further-apart",
          also=further.next_too("further-apart")),
]  # fmt: skip


def event(value):
    return sse_of(value)


DELTA = messages.delta("x")
OUT_OF_ORDER = {**DELTA, "index": 7}
SPLIT = b'event: ping\ndata: {"type":\ndata:  "ping" }\n\n'

# Streams that are good, in forms that not every client reads

FORMS = [
    stream("CRLF", lambda r: events(r).replace(b"\n", b"\r\n"), also=further.counted("output_tokens", 7)),
    stream("CR", lambda r: events(r).replace(b"\n", b"\r"), also=further.counted("output_tokens", 7)),
    stream("a byte order mark", both(lambda r: b"\xef\xbb\xbf", events), gets=events),
    stream("comments", inserted(b": a comment\n\n: another\n")),
    stream("a comment first", both(lambda r: b": hello\n\n", events), gets=events),
    stream("pings", inserted(sse_of({"type": "ping"}) * 3)),
    stream("a ping first", both(lambda r: sse_of({"type": "ping"}), events), gets=events),
    stream("no event: lines", lambda r: b"\n".join(n for n in events(r).split(b"\n") if not n.startswith(b"event:")),
           gets=events),
    stream("no blank behind the colon", lambda r: events(r).replace(b"event: ", b"event:").replace(b"data: ", b"data:")),
    stream("data in two lines", inserted(SPLIT)),
    stream("id: and retry: lines", inserted(b"id: 1\nretry: 5\n" + event(DELTA))),
    stream("event without data", inserted(b"event: content_block_delta\n\n")),
    stream("[DONE] at the end", inserted(b"data: [DONE]\n\n", b""), gets=events),
    stream("events behind message_stop", inserted(event(DELTA) + sse_of({"type": "message_stop"}), b""), gets=events),
    stream("an error behind message_stop", inserted(sse_of(messages.error("api_error", "late")), b""), gets=events),
    stream("unknown event", inserted(sse_of({"type": "of_the_future", "x": [1]}))),
    stream("unknown event first", both(lambda r: sse_of({"type": "of_the_future", "x": [1]}), events)),
    stream("unknown delta", inserted(event({**DELTA, "delta": {"type": "new_delta", "x": 1}}))),
    stream("unknown block", altered(b'{"type": "text", "text": ""}', b'{"type": "new_block", "x": {"y": null}}')),
    stream("keys that nobody knows", altered(b'"index": 0', b'"index": 0, "amazon-bedrock-x": {"a": 1.50}', -1)),
    stream("no usage", lambda r: re.sub(rb', "usage": {[^}]*}', b"", events(r)),
           also=further.logged("without any token count")),
    stream("usage of no numbers", altered(b'"output_tokens": 7', b'"output_tokens": -7e99'),
           also=further.counted("output_tokens", 1)),
    stream("10,000 events in one piece", inserted(event(DELTA) * 10_000)),
    stream("event of 3 MB", answers.large_of(3_000_000)),
    stream("event of 15.9 MiB", answers.large_of(int(15.9 * 1024 * 1024))),
    Fault("message_stop, and the connection stays open", answers.lingering, stream=DONE, gets=events, cancels=True,
          most_s=OPTIONS["upstream_idle_s"] - 1),
    stream("blocks out of order", inserted(event(OUT_OF_ORDER)), also=further.logged("content blocks out of order")),
]  # fmt: skip

# Streams that break off, or break the grammar


def first_error(kind, outcome, other, **more):
    name = more.pop("name", f"error first: {kind}")
    return stream(name, lambda r: sse_of(messages.error(kind, "says the upstream")), outcome, other=other, **more)


def later(name, data, outcome, **more):
    """The good stream up to its end, and then something else."""
    return stream(name, both(until(b"content_block_stop"), lambda r: data), outcome,
                  gets=more.pop("gets", until(b"content_block_stop")), **more)  # fmt: skip


OVERLOADED = messages.error("overloaded_error", "Overloaded")

GRAMMAR = [
    first_error("overloaded_error", "529 overloaded_error up-error", OTHER),
    first_error("rate_limit_error", "429 rate_limit_error up-error", OTHER),
    first_error("api_error", "500 api_error up-error", OTHER),
    first_error("timeout_error", "504 timeout_error up-error", OTHER),
    first_error("invalid_request_error", "400 invalid_request_error up-error", "400 invalid_request_error up-error"),
    first_error("authentication_error", OUR_ACCOUNT, OTHER),
    first_error("permission_error", OUR_ACCOUNT, OTHER),
    first_error("a_type_of_the_future", "500 a_type_of_the_future up-error", OTHER, name="error first, of an unknown type"),
    stream("error first, behind a ping", lambda r: sse_of({"type": "ping"}, OVERLOADED), "529 overloaded_error up-error",
           other=OTHER),
    stream("error first, without its name", lambda r: sse_of(OVERLOADED).partition(b"\n")[2],
           "529 overloaded_error up-error", other=OTHER),
    stream("error first, and no JSON", lambda r: b"event: error\ndata: oops\n\n", "500 api_error up-error", other=OTHER),
    later("error later", sse_of(OVERLOADED), "passed overloaded_error up-error"),
    later("error later, of an unknown type", sse_of(messages.error("a_type_of_the_future", "x")),
          "passed a_type_of_the_future up-error"),
    later("error later, without its name", sse_of(OVERLOADED).partition(b"\n")[2], "passed overloaded_error up-error"),
    later("error later, without words", b"event: error\ndata: {}\n\n", "event api_error up-error"),
    later("error later, and no JSON", b"event: error\ndata: oops\n\n", "event api_error up-error"),
    later("error later, of our credential", sse_of(messages.error("authentication_error", "invalid x-api-key")),
          "event api_error up-credential", also=further.not_told),
    later("error later, and more behind it", sse_of(OVERLOADED, DELTA), "passed overloaded_error up-error"),
    later("ends before its end", b"", CUT_LATER),
    later("ends in an event", event(DELTA)[:50], CUT_LATER),
    later("ends without the last line end", event(DELTA)[:-1], CUT_LATER),
    stream("ends before message_stop", until(b"message_stop"), CUT_LATER, gets=until(b"message_stop")),
    stream("message_stop without its blank line", lambda r: events(r)[:-1], CUT_LATER, gets=until(b"message_stop")),
    stream("message_stop under another name", altered(b"event: message_stop", b"event: ping"), CUT_LATER,
           gets=altered(b"event: message_stop", b"event: ping")),
    stream("no message_start", lambda r: events(r)[len(rawhttp.opening(r)):], NO_ANSWER, other=OTHER),
    stream("two times message_start", lambda r: rawhttp.opening(r) * 2, WRONG_LATER, gets=rawhttp.opening),
    stream("nothing but pings", lambda r: sse_of({"type": "ping"}) * 5, CUT, other=OTHER),
    stream("nothing but comments", lambda r: b": x\n\n" * 5, CUT, other=OTHER),
    later("JSON that is cut off in an event", event(DELTA)[:-20] + b"\n\n", WRONG_LATER),
    later("JSON that is none in an event", b"event: content_block_delta\ndata: oops\n\n", WRONG_LATER),
    later("bytes that are no UTF-8 in an event", event(DELTA).replace(b'"x"', b'"\xff\xfe"'), WRONG_LATER),
    Fault("event over the maximum", raw(rawhttp.SSE + b"\r\n", rawhttp.opening, b"event: x\ndata: " + b"x" * (17 << 20) + b"\n\n"),
          stream=WRONG_LATER, gets=rawhttp.opening),
    Fault("first event over the maximum", raw(rawhttp.SSE + b"\r\n", b"event: message_start\ndata: " + b"x" * (17 << 20)),
          stream=NO_ANSWER, other=OTHER),
]  # fmt: skip

UPSTREAM = [*CONNECTING, *BREAKING, *STATUSES, *NOTHING, *FRAMING, *FORMS, *GRAMMAR]

# Clients that leave


GONE = "cancelled client-gone"
BOOKED = "answered done"


def host_has_to_tell(host):
    """An answer that is not streamed has no pings: of a client that left, only the host can tell before the end."""
    return GONE if host.tells_before_head else (BOOKED, "answered client-gone")


def body_as_it_comes(host):
    """Where the host waits for the whole body, there is no call. A CGI sees it end early, if it is not killed before."""
    if not host.passes_body:
        return "no call"
    return ("call client-gone", "call bad-request", "no call") if host.per_call else "call client-gone"


LEAVING = [
    Deed("connects and leaves", clients.connects_and_leaves, "no call"),
    Deed("leaves in its head", clients.leaves_in_the_head("close"), "no call"),
    Deed("resets in its head", clients.leaves_in_the_head("reset"), "no call"),
    Deed("leaves in its body", clients.leaves_in_the_body("close"), body_as_it_comes),
    Deed("resets in its body", clients.leaves_in_the_body("reset"), body_as_it_comes),
    Deed("leaves before a stream's head", clients.leaves_before_the_head("close", True), GONE, waits=True),
    Deed("resets before a stream's head", clients.leaves_before_the_head("reset", True), GONE, waits=True),
    Deed("leaves before an answer's head", clients.leaves_before_the_head("close", False), host_has_to_tell, waits=True),
    Deed("leaves in the answer's head", clients.leaves_in_the_answers_head, GONE, waits=True),
    Deed("leaves behind a ping", clients.leaves_behind_a_ping("close"), GONE, waits=True),
    Deed("resets behind a ping", clients.leaves_behind_a_ping("reset"), GONE, waits=True),
    Deed("leaves in a silent stream", clients.leaves_midway(scripts.silent_midway, "close"), GONE, waits=True),
    Deed("resets in a silent stream", clients.leaves_midway(scripts.silent_midway, "reset"), GONE, waits=True),
    Deed("leaves in a running stream", clients.leaves_midway(scripts.steady, "close"), GONE),
    Deed("resets in a running stream", clients.leaves_midway(scripts.steady, "reset"), GONE),
    Deed("leaves behind message_stop", clients.leaves_at_the_end, BOOKED),
    Deed("half closes in a stream", clients.half_closes_in_a_stream,
         lambda host: GONE if host.half_closed_is_gone else BOOKED, waits=True),
    Deed("half closes before an answer", clients.half_closes_before_the_head,
         lambda host: GONE if host.half_closed_is_gone and host.tells_before_head
         else (BOOKED, GONE) if host.half_closed_is_gone else BOOKED, waits=True),
]  # fmt: skip

# Clients that are slow, or send what they should not

NOT_THERE = ("404 not_found_error", "refused 404", "refused 400")


def cut_body(host):
    """The gate's own refusal, or the host's. mod_fcgid has a page of its own for it, which is a 500."""
    return ("refused 500",) if host.name == "apache-fcgid" else REFUSED


REFUSED = ("refused 400", "refused 408", "let go")

SENDING = [
    Deed("reads nothing", clients.reads_nothing, GONE, waits=True),
    Deed("reads at a trickle", clients.reads_at_a_trickle, DONE, waits=True),
    Deed("sends its body slowly", clients.sends_slowly, DONE, waits=True),
    Deed("a stranger stops in its body", clients.stranger_stops_in_its_body, "401 authentication_error"),
    Deed("body shorter than its length", clients.sends_less, cut_body),
    Deed("body longer than its length", clients.sends_more, DONE),
    Deed("a length and chunks, and a call behind them", clients.sends_two_lengths, (DONE, "refused 400")),
    Deed("body in gzip", clients.sends_gzip, "400 invalid_request_error encoding"),
    Deed("body of broken JSON", clients.sends_broken_json, "400 invalid_request_error bad-request"),
    Deed("path //v1/messages", clients.asks_at("//v1/messages"), NOT_THERE),
    Deed("path /v1//messages", clients.asks_at("/v1//messages"), NOT_THERE),
    Deed("path /v1%2fmessages", clients.asks_at("/v1%2fmessages"), NOT_THERE),
    Deed("path /v1/./messages", clients.asks_at("/v1/./messages"), NOT_THERE),
    Deed("path /v1/x/../messages", clients.asks_at("/v1/x/../messages"), NOT_THERE),
    Deed("path /v1/%2e%2e/v1/messages", clients.asks_at("/v1/%2e%2e/v1/messages"), NOT_THERE),
    Deed("path /../v1/messages", clients.asks_at("/../v1/messages"), NOT_THERE),
    Deed("path /v1/messages/", clients.asks_at("/v1/messages/"), NOT_THERE),
    Deed("path /V1/Messages", clients.asks_at("/V1/Messages"), NOT_THERE),
    Deed("path /v1/messages%00", clients.asks_at("/v1/messages%00"), NOT_THERE),
    Deed("path /v1/messages%0d%0aX-Evil:1", clients.asks_at("/v1/messages%0d%0aX-Evil:1"), NOT_THERE),
    Deed("path of 3000 bytes", clients.asks_at("/v1/messages/" + "a" * 3000), NOT_THERE),
    Deed("path with a query of line ends", clients.asks_at("/v1/messages?beta=true%0d%0aX-Evil:1"),
         (DONE, "refused 400")),
    Deed("path with its server before it", clients.asks_at("/v1/messages", absolute=True), DONE),
    Deed("line ends in its model's name", clients.names_a_model_of_line_ends, DONE),
    Deed("CR in its header", clients.sends_line_ends_in("anthropic-beta: a\rX-Evil: 1"), (DONE, *REFUSED)),
    Deed("LF in the name of its header", clients.sends_line_ends_in("anthropic-x\nX-Evil: 1"), (DONE, *REFUSED)),
    Deed("a folded header", clients.sends_line_ends_in("anthropic-beta: a\r\n X-Evil: 1"), (DONE, *REFUSED)),
    Deed("zero byte in its header", clients.sends_line_ends_in("anthropic-beta: a\0X-Evil: 1"), (DONE, *REFUSED)),
    Deed("headers of 100 KB", clients.sends_headers_of(1000, 100),
         ("431 invalid_request_error headers", "refused 400", "refused 431", "let go")),
    Deed("a header of 60 KB", clients.sends_headers_of(60_000, 1),
         ("431 invalid_request_error headers", "refused 400", "refused 431", "let go")),
    Deed("waits for 100 Continue", clients.asks_with_expect, DONE),
    Deed("speaks HTTP/1.0", clients.speaks_http_1_0, DONE),
    Deed("speaks no HTTP", clients.no_http, "no call"),
]  # fmt: skip

CLIENTS = [*LEAVING, *SENDING]
ALL = [*UPSTREAM, *CLIENTS]
assert len({row.name for row in ALL}) == len(ALL)
