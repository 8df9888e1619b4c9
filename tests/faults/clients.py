"""What clients do to the gate. Each deed is a function (lab, model) that returns the outcome in the words of the table.

The model is the deed's own, so that what its upstream does, what it was asked and the ledger's line are found by it.
"""

import gzip
import socket
import threading
import time

import observe
from lib import checks, messages, rawhttp, scripts
from lib.client import Call, Ended
from lib.proc import wait_until

LIMIT_S = 40


def _end(lab, model):
    """How the ledger says that the one call for a model ended."""
    return lab.ledger.find(LIMIT_S, model=model)["end"]


def _cancelled(lab, model):
    """Waits for the upstream's connection to be closed."""
    lab.upstream.requests(model)[0].wait_closed(LIMIT_S)
    return f"cancelled {_end(lab, model)}"


def _whole(lab, call, model, streams=False):
    return observe.outcome(lab, call.read(LIMIT_S), streams, observe.good(model, streams))[0]


def _head(lab, body, *lines, key=None, length=None, path="/v1/messages", version="1.1"):
    """The head of a call, in bytes, with more header lines."""
    named = [
        f"POST {lab.host.prefix}{path} HTTP/{version}",
        f"Host: 127.0.0.1:{lab.host.port}",
        f"x-api-key: {(key or lab.host.site.key).text}",
        "content-type: application/json",
        "connection: close",
        *lines,
    ]
    if length != "none":
        named.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join(named).encode("latin-1") + b"\r\n\r\n"


def _sent(lab, *parts, window=None):
    """A call of which these bytes have been sent."""
    call = Call(lab.host.port, LIMIT_S, window)
    call.method = "POST"
    for part in parts:
        try:
            call.sock.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            break
    return call


def _leave(call, how):
    return call.reset() if how == "reset" else call.leave()


# Leaving


def connects_and_leaves(lab, model):
    Call(lab.host.port).leave()
    return "no call"


def leaves_in_the_head(how):
    def deed(lab, model):
        _leave(_sent(lab, _head(lab, b"", length=100)[:60]), how)
        lab.unasked.append(model)
        return "no call"

    return deed


def leaves_in_the_body(how):
    """With a key of its own, since no model's name has come by then. The body is larger than what hosts read ahead."""

    def deed(lab, model):
        key = lab.host.site.add_key(name=model)
        body = messages.body(model, text="x" * 200_000)
        _leave(_sent(lab, _head(lab, body, key=key), body[:-10_000]), how)
        lab.unasked.append(model)
        if not lab.host.passes_body:
            lab.unheard.append(key.id)
            return "no call"
        try:
            return f"call {lab.ledger.find(2 if lab.host.per_call else LIMIT_S, key=key.id)['end']}"
        except AssertionError:
            return "no call"

    return deed


def leaves_before_the_head(how, streams):
    """While the upstream is silent. An answer that is not streamed has no pings, and some hosts find out at its end."""

    def deed(lab, model):
        gate = threading.Event()
        lab.upstream.on(model, scripts.silent(gate))
        call = lab.host.post(messages.body(model, stream=streams))
        lab.upstream.wait_request(model, limit=LIMIT_S)
        _leave(call, how)
        if streams or lab.host.tells_before_head:
            return _cancelled(lab, model)
        gate.set()
        return f"answered {_end(lab, model)}"

    return deed


def leaves_in_the_answers_head(lab, model):
    lab.upstream.on(model, scripts.silent_midway(threading.Event()))
    call = _sent(lab, _head(lab, messages.body(model, stream=True)), messages.body(model, stream=True))
    assert call.sock.recv(9)
    call.leave()
    return _cancelled(lab, model)


def leaves_behind_a_ping(how):
    def deed(lab, model):
        lab.upstream.on(model, scripts.silent(threading.Event()))
        call = lab.host.post(messages.body(model, stream=True))
        assert call.next_event(LIMIT_S).name == "ping"
        _leave(call, how)
        return _cancelled(lab, model)

    return deed


def leaves_midway(script, how):
    """What was passed on says how much the answer came to, since the upstream never did."""

    def deed(lab, model):
        lab.upstream.on(model, script(threading.Event()))
        call = lab.host.post(messages.body(model, stream=True))
        assert call.until("content_block_delta", LIMIT_S)
        _leave(call, how)
        outcome = _cancelled(lab, model)
        line = lab.ledger.find(LIMIT_S, request_id=call.headers["request-id"])
        assert line["input_tokens"] == 11 and line["output_tokens"] >= 1 and line["estimated"] and line["cut"], line
        return outcome

    return deed


def leaves_at_the_end(lab, model):
    """It has all of it."""
    call = lab.host.post(messages.body(model, stream=True))
    assert call.until("message_stop", LIMIT_S)
    call.leave()
    return f"answered {_end(lab, model)}"


# Half closing


def half_closes_in_a_stream(lab, model):
    """It says that it will send no more, and reads on."""
    gate = threading.Event()
    lab.upstream.on(model, scripts.silent_midway(gate))
    call = lab.host.post(messages.body(model, stream=True))
    assert call.until("content_block_delta", LIMIT_S)
    call.half_close()
    if lab.host.half_closed_is_gone:
        return _cancelled(lab, model)
    gate.set()
    assert checks.explicit_end(call, LIMIT_S) == "message_stop" and call.ended == "clean"
    return f"answered {_end(lab, model)}"


def half_closes_before_the_head(lab, model):
    """Of an answer that is not streamed. lighttpd may see it or not before it sends something."""
    gate = threading.Event()
    lab.upstream.on(model, scripts.silent(gate))
    call = lab.host.post(messages.body(model))
    request = lab.upstream.wait_request(model, limit=LIMIT_S)
    call.half_close()
    if lab.host.half_closed_is_gone and lab.host.tells_before_head:
        return _cancelled(lab, model)
    # Whoever tells, tells within this time; whoever does not is answered.
    if lab.host.half_closed_is_gone and _closed(request, 1):
        return f"cancelled {_end(lab, model)}"
    gate.set()
    try:
        return _whole(lab, call, model).replace("whole", "answered")
    except Ended:
        return f"cancelled {_end(lab, model)}"


def _closed(request, seconds):
    try:
        return request.wait_closed(seconds)
    except AssertionError:
        return None


# Reading slowly, or not at all


def reads_nothing(lab, model):
    lab.upstream.on(model, scripts.flood(3000, 16384))
    call = lab.host.post(messages.body(model, stream=True))
    assert call.until("content_block_delta", LIMIT_S)
    request = lab.upstream.wait_request(model)
    if lab.host.per_call:
        # Nothing ends it but its web server, whose limits are minutes.
        wait_until(lambda: time.monotonic() - request.sent[-1][0] > 1, LIMIT_S, "the upstream to be held up")
        call.leave()
    outcome = _cancelled(lab, model)
    call.leave()
    return outcome


def reads_at_a_trickle(lab, model):
    """It is never idle for long, takes much longer than write_idle_s for all, and gets all."""
    count, size = 60, 16384
    lab.upstream.on(model, scripts.flood(count, size))
    body = messages.body(model, stream=True)
    call = _sent(lab, _head(lab, body), body, window=4096)
    call.read_head(LIMIT_S)
    while call.ended is None and len(call.body) < count * size * 0.9:
        time.sleep(0.05)
        call.drip(8192, LIMIT_S)
    call.read(LIMIT_S)
    assert call.body.count(b"event: content_block_delta") == count and call.ended == "clean"
    return f"whole {_end(lab, model)}"


# Bodies


def sends_slowly(lab, model):
    body = messages.body(model)
    call = _sent(lab, _head(lab, body))
    for at in range(0, len(body), 16):
        time.sleep(0.2)
        call.sock.sendall(body[at : at + 16])
    return _whole(lab, call, model)


def sends_less(lab, model):
    """Fewer bytes than its length says, and then no more."""
    body = messages.body(model)
    call = _sent(lab, _head(lab, body, length=len(body) + 50), body[:-20])
    call.half_close()
    lab.unasked.append(model)
    return _refused_or_let_go(lab, call)


def _refused_or_let_go(lab, call):
    """A host that refuses by itself has words of its own; what counts is that there is no answer."""
    try:
        call.read(LIMIT_S)
    except Ended:
        return "let go"
    assert 400 <= call.status <= 500, f"{call.status} {call.body[:500]!r}"
    return f"refused {call.status}"


def sends_more(lab, model):
    """What stands behind the body is no part of it."""
    body = messages.body(model)
    call = _sent(lab, _head(lab, body), body + b"POST /more HTTP/1.1\r\n\r\n")
    outcome = _whole(lab, call, model)
    assert [r.body for r in lab.upstream.requests(model)] == [body]
    return outcome


def sends_two_lengths(lab, model):
    """A length, and chunks: one of them would be read by one server, the other by the next, and a call hide between."""
    hidden = messages.unique_model("hidden")
    lab.unasked.append(hidden)
    inner = messages.body(hidden)
    smuggled = _head(lab, inner) + inner
    body = rawhttp.chunk(messages.body(model)) + b"0\r\n\r\n" + smuggled
    call = _sent(lab, _head(lab, body, "transfer-encoding: chunked"), body)
    call.read(LIMIT_S)
    if call.status == 200:
        return observe.outcome(lab, call, False, observe.good(model, False))[0]
    assert call.status in (400, 411), f"{call.status} {call.body[:500]!r}"
    lab.unasked.append(model)
    return f"refused {call.status}"


def sends_gzip(lab, model):
    body = gzip.compress(messages.body(model))
    lab.unasked.append(model)
    headers = [*lab.host.auth(), ("content-encoding", "gzip")]
    call = lab.host.post(body, headers=headers).read(LIMIT_S)
    line = lab.ledger.find(LIMIT_S, request_id=call.headers["request-id"])
    checks.refused(call, 400, "invalid_request_error")
    assert call.json()["error"]["details"]["error_code"] == "request_body_encoding_unsupported", call.body
    return f"400 invalid_request_error {line['end']}"


def sends_broken_json(lab, model):
    lab.unasked.append(model)
    call = lab.host.post(messages.body(model)[:-1]).read(LIMIT_S)
    checks.refused(call, 400, "invalid_request_error", "not valid JSON")
    line = lab.ledger.find(LIMIT_S, request_id=call.headers["request-id"])
    return f"400 invalid_request_error {line['end']}"


def stranger_stops_in_its_body(lab, model):
    """Without a key that is known. Where the host passes a body on as it comes, the rest is not waited for."""
    body = messages.body(model, text="x" * 200_000)
    call = _sent(lab, _head(lab, body, key=Stranger), body[:100_000])
    if not lab.host.passes_body or lab.host.per_call:
        call.sock.sendall(body[100_000:])
    call.read(LIMIT_S)
    lab.unasked.append(model)
    checks.refused(call, 401, "authentication_error")
    return "401 authentication_error"


class Stranger:
    text = "sk-postern-" + "x" * 43


# Paths and headers


def asks_at(path, absolute=False):
    """A good call at another path."""

    def deed(lab, model):
        body = messages.body(model)
        if absolute:
            head = _head(lab, body).replace(b" /", f" http://127.0.0.1:{lab.host.port}/".encode(), 1)
        else:
            head = _head(lab, body, path=path)
        call = _sent(lab, head, body).read(LIMIT_S)
        if call.status == 200:
            return observe.outcome(lab, call, False, observe.good(model, False))[0]
        lab.unasked.append(model)
        if "request-id" not in call.headers:
            return f"refused {call.status}"
        kind = call.json()["error"]["type"]
        checks.refused(call, call.status, kind)
        return f"{call.status} {kind}"

    return deed


def names_a_model_of_line_ends(lab, model):
    """What the client calls its model comes back in answers, and goes into logs."""
    name = f"{model}\r\nX-Evil: 1\r\n\r\nevent=call \u2028"
    call = lab.host.post(messages.body(name)).read(LIMIT_S)
    assert call.json()["model"] == name and "x-evil" not in call.headers, call.headers
    line = lab.ledger.find(LIMIT_S, request_id=call.headers["request-id"])
    assert line["model"] == name, line
    refused = lab.host.post(messages.body(name), path="/anthropic/atlantis/v1/messages").read(LIMIT_S)
    assert "x-evil" not in refused.headers, refused.headers
    checks.refused(refused, 404, "not_found_error")
    wait_until(lambda: line["request_id"] in lab.host.text(), LIMIT_S, "its line in the log")
    texts = [text for text in lab.host.text().splitlines() if text.startswith(("X-Evil", "event=call"))]
    assert not texts, texts
    return f"whole {line['end']}"


def sends_line_ends_in(lines):
    """In a header. The host refuses it, or the upstream gets one header and no more."""

    def deed(lab, model):
        body = messages.body(model)
        call = _sent(lab, _head(lab, body, lines), body)
        try:
            call.read(LIMIT_S)
        except Ended:
            return "let go"
        for request in lab.upstream.requests(model):
            assert request.header("x-evil") is None, request.headers
        if call.status == 200:
            return observe.outcome(lab, call, False, observe.good(model, False))[0]
        assert call.status == 400, f"{call.status} {call.body[:500]!r}"
        lab.unasked.append(model)
        return "refused 400"

    return deed


def sends_headers_of(size, lines):
    """Refused by the host, or by the gate."""

    def deed(lab, model):
        body = messages.body(model)
        call = _sent(lab, _head(lab, body, *[f"anthropic-x{i}: " + "a" * size for i in range(lines)]), body)
        try:
            call.read(LIMIT_S)
        except Ended:
            return "let go"
        lab.unasked.append(model)
        if "request-id" in call.headers:
            checks.refused(call, 431, "invalid_request_error")
            line = lab.ledger.find(LIMIT_S, request_id=call.headers["request-id"])
            return f"431 invalid_request_error {line['end']}"
        assert call.status in (400, 413, 431), f"{call.status} {call.body[:500]!r}"
        return f"refused {call.status}"

    return deed


def asks_with_expect(lab, model):
    """It waits for a 100 Continue before it sends its body."""
    body = messages.body(model)
    call = _sent(lab, _head(lab, body, "expect: 100-continue"))
    assert call.sock.recv(25).startswith(b"HTTP/1.1 100")
    call.sock.sendall(body)
    return _whole(lab, call, model)


def speaks_http_1_0(lab, model):
    """There are no chunks then: the end of the connection is the end of the answer."""
    body = messages.body(model, stream=True)
    call = _sent(lab, _head(lab, body, version="1.0"), body)
    return _whole(lab, call, model, streams=True)


def no_http(lab, model):
    call = _sent(lab, bytes(range(256)) * 8)
    try:
        call.sock.shutdown(socket.SHUT_WR)
        while call.sock.recv(65536):
            pass
    except OSError:
        pass
    call.leave()
    return "no call"
