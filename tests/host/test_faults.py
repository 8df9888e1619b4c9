"""What an upstream can do wrong, through the recommended hosts: a status or an error event tells the client."""

import time

import pytest
from conftest import RECOMMENDED
from lib import checks, messages, scripts

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.settings(upstream_first_s=3, upstream_idle_s=2)]


def ask(host, model, stream):
    return host.post(messages.body(model, stream=stream))


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])

STATUSES = {
    "400": (scripts.NAMED["mock-400"], 400, "invalid_request_error", scripts.TOO_LONG),
    "404": (scripts.NAMED["mock-404"], 404, "not_found_error", "mock-404"),
    "413": (scripts.NAMED["mock-413"], 413, "request_too_large", "maximum size"),
    "429": (scripts.NAMED["mock-429"], 429, "rate_limit_error", "slow down"),
    "500": (scripts.NAMED["mock-500"], 500, "api_error", ""),
    "529": (scripts.NAMED["mock-529"], 529, "overloaded_error", "Overloaded"),
    "503-html": (scripts.html(503), 503, "api_error", ""),
    "429-html": (scripts.html(429), 429, "rate_limit_error", ""),
}


@BOTH
@pytest.mark.parametrize("case", STATUSES)
def test_status_of_the_upstream(host, upstream, model, case, stream):
    script, status, kind, words = STATUSES[case]
    upstream.on(model, script)
    checks.refused(ask(host, model, stream).read(), status, kind, words)


@BOTH
def test_too_long_prompt_keeps_its_words(host, upstream, model, stream):
    upstream.on(model, scripts.NAMED["mock-400"])
    assert ask(host, model, stream).read().json()["error"]["message"] == scripts.TOO_LONG


@BOTH
def test_retry_after_is_relayed(host, upstream, model, stream):
    upstream.on(model, scripts.error(429, "rate_limit_error", "slow down", (("retry-after", "7"),)))
    answer = ask(host, model, stream).read()
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


@BOTH
@pytest.mark.parametrize("status,kind", [(401, "authentication_error"), (403, "permission_error")])
def test_our_credential_refused(host, upstream, model, stream, status, kind):
    """It is the gateway's fault, not the client's, and the log tells the administrator."""
    upstream.on(model, scripts.error(status, kind, "invalid x-api-key"))
    answer = ask(host, model, stream).read()
    checks.refused(answer, answer.status, "api_error")
    assert 500 <= answer.status < 600
    assert b"x-api-key" not in answer.body
    line = host.site.ledger_line(answer.headers["request-id"])
    assert line["end"] == "up-credential"
    assert answer.headers["request-id"] in host.text()


@pytest.mark.parametrize("kind,status", [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500)])
def test_error_as_the_first_event_becomes_a_status(host, upstream, model, kind, status):
    upstream.on(model, scripts.error_event(kind, "says the upstream", midway=False))
    checks.refused(ask(host, model, True).read(), status, kind)


def test_error_in_mid_stream(host, upstream, model):
    upstream.on(model, scripts.error_event("overloaded_error", "Overloaded", midway=True))
    call = ask(host, model, True)
    assert call.until("content_block_delta")
    assert call.next_event().data["error"]["type"] == "overloaded_error"
    assert call.next_event() is None
    line = host.site.ledger_line(call.headers["request-id"])
    assert line["end"] != "done"
    assert line["input_tokens"] == 11


@pytest.mark.parametrize("how", ["clean", "cut", "reset", "in-event", "in-event-clean"])
def test_truncated_stream(host, upstream, model, how):
    upstream.on(model, scripts.truncated(how))
    call = ask(host, model, True)
    assert call.until("content_block_delta")
    checks.error_event(call, "api_error")
    assert b"never whole" not in call.body
    line = host.site.ledger_line(call.headers["request-id"])
    assert (line["end"], line["input_tokens"]) == ("up-cut", 11)


@BOTH
@pytest.mark.parametrize("how", ["cut", "reset"])
def test_no_answer_at_all(host, upstream, model, stream, how):
    upstream.on(model, scripts.dropped(how))
    answer = ask(host, model, stream).read()
    checks.refused(answer, answer.status, "api_error")
    assert answer.status in (500, 502, 503)


NO_ANSWERS = {
    "empty": scripts.send(200, b"", ()),
    "empty-json": scripts.send(200, b""),
    "html": scripts.html(200),
    "half": scripts.wrong_length(),
    "other-json": scripts.send(200, [1, 2]),
}


@BOTH
@pytest.mark.parametrize("case", NO_ANSWERS)
def test_200_that_is_no_answer(host, upstream, model, stream, case):
    upstream.on(model, NO_ANSWERS[case])
    answer = ask(host, model, stream).read()
    checks.refused(answer, answer.status, "api_error")
    assert answer.status in (500, 502)


def test_empty_stream(host, upstream, model):
    upstream.on(model, scripts.send(200, b"", scripts.STREAM_HEADERS))
    answer = ask(host, model, True).read()
    checks.refused(answer, answer.status, "api_error")


def test_json_where_a_stream_was_asked_for(host, upstream, model):
    """Clients read no event from such an answer and take it for a success."""
    upstream.on(model, scripts.message())
    answer = ask(host, model, True).read()
    checks.refused(answer, answer.status, "api_error")


def test_compressed_answer(host, upstream, model):
    upstream.on(model, scripts.gzipped)
    answer = ask(host, model, False).read()
    if answer.status == 200:
        assert answer.json() == messages.answer(model)
    else:
        checks.refused(answer, 502, "api_error")


# Silence


@pytest.mark.parametrize("script", [scripts.silent, scripts.silent_after_head], ids=["nothing", "head-only"])
def test_silent_from_the_start(host, upstream, model, gate, script):
    """The stream has started with a ping by the time that the limit is reached."""
    upstream.on(model, script(gate))
    call = ask(host, model, True)
    begun = time.monotonic()
    assert call.next_event().name == "ping"
    assert 0.5 < time.monotonic() - begun < 2
    checks.error_event(call, "timeout_error")
    assert 1.5 < time.monotonic() - begun < 6
    assert upstream.requests(model)[0].wait_closed(2)


def test_whole_answer_that_does_not_come(host, upstream, model, gate):
    upstream.on(model, scripts.silent(gate))
    begun = time.monotonic()
    checks.refused(ask(host, model, False).read(), 504, "timeout_error")
    assert 2 < time.monotonic() - begun < 6
    assert upstream.requests(model)[0].wait_closed(2)


def test_silent_past_the_idle_limit(host, upstream, model, gate):
    """Pings to the client do not hide that the upstream is dead."""
    upstream.on(model, scripts.silent_midway(gate))
    call = ask(host, model, True)
    assert call.until("content_block_delta")
    begun = time.monotonic()
    checks.error_event(call, "timeout_error")
    assert 1 < time.monotonic() - begun < 5
    assert b"event: ping" in call.body
    assert upstream.requests(model)[0].wait_closed(2)
    assert host.site.ledger_line(call.headers["request-id"])["end"] == "up-idle"


def test_pings_bridge_a_silence(host, upstream, model):
    """Between events, and only there."""
    upstream.on(model, scripts.stream(gap=1.6, texts=["one"]))
    call = ask(host, model, True)
    names = [event.name for event in call.events()]
    assert names.count("ping") >= 4
    assert [n for n in names if n != "ping"] == [e["type"] for e in messages.stream(model, ["one"])]


def test_slow_whole_answer(host, upstream, model):
    upstream.on(model, scripts.message(after=2.5))
    answer = ask(host, model, False).read()
    assert (answer.status, answer.json()) == (200, messages.answer(model))


# Odd but good streams


@pytest.mark.parametrize("size", [1, 2, 7, 100_000], ids=["1-byte", "2-bytes", "7-bytes", "at-once"])
def test_stream_in_pieces(host, upstream, model, size):
    upstream.on(model, scripts.pieces(size))
    call = ask(host, model, True).read()
    assert call.body == b"".join(messages.sse(e) for e in messages.stream(model))


@pytest.mark.parametrize("newline", ["\r\n", "\r"], ids=["crlf", "cr"])
def test_other_line_ends(host, upstream, model, newline):
    upstream.on(model, scripts.stream(newline=newline))
    call = ask(host, model, True).read()
    assert b"message_stop" in call.body and b"event: error" not in call.body
    assert host.site.ledger_line(call.headers["request-id"])["output_tokens"] == 7


def test_done_at_the_end_goes_no_further(host, upstream, model):
    upstream.on(model, scripts.stream(tail=b"data: [DONE]\n\n"))
    call = ask(host, model, True).read()
    assert call.body == b"".join(messages.sse(e) for e in messages.stream(model))


def test_message_stop_without_closing(host, upstream, model, gate):
    """The stream is over with message_stop; the gateway waits no more than a moment for the upstream's own end."""
    upstream.on(model, scripts.stream(linger=gate))
    call = ask(host, model, True)
    assert call.until("message_stop")
    begun = time.monotonic()
    call.read()
    assert call.ended == "clean" and time.monotonic() - begun < 2
    assert host.site.ledger_line(call.headers["request-id"])["end"] == "done"


def test_stream_framed_by_the_connection(host, upstream, model):
    upstream.on(model, scripts.until_close)
    call = ask(host, model, True).read()
    assert call.body == b"".join(messages.sse(e) for e in messages.stream(model))


def test_huge_event(host, upstream, model):
    upstream.on(model, scripts.huge_event())
    call = ask(host, model, True).read()
    assert call.ended == "clean"
    assert call.body == b"".join(messages.sse(e) for e in messages.stream(model, ["x" * 3_000_000]))
