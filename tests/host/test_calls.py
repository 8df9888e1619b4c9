"""Ordinary calls, through every way of hosting: what the client and the upstream get, byte for byte."""

import hashlib
import json
import threading

import pytest
from lib import checks, messages, postern, scripts

PATHS = ["/v1/messages", "/messages", "/api/anthropic/v1/messages", "/v1/messages?beta=true"]


def padded_body(model, size):
    """A good request body of exactly so many bytes."""
    empty = messages.body(model, text="")
    whole = messages.body(model, text="x" * (size - len(empty)))
    assert len(whole) == size
    return whole


def test_json_call(host, upstream, model):
    body = b'{ "model":"%s", "max_tokens" : 64,\n "messages":[' % model.encode()
    body += b'{"role":"user","content":"\\u00e9\xc3\xa9"}],"new_member":1e2 }'
    answer = host.post(body).read()
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == messages.answer(model)
    assert checks.REQUEST_ID.fullmatch(answer.headers["request-id"])
    got = upstream.requests(model)
    assert [r.body for r in got] == [body]
    assert (got[0].method, got[0].path) == ("POST", "/v1/messages")


def test_credentials_and_versions_at_the_upstream(host, upstream, model):
    headers = [
        ("authorization", f"Bearer {host.site.key.text}"),
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "one-2026-01-01,two-2026-01-01"),
    ]
    answer = host.post(messages.body(model), headers=headers).read()
    assert answer.status == 200, answer.body
    got = upstream.requests(model)[0]
    assert got.header("x-api-key") == postern.PROVIDER_KEY
    assert got.header("authorization") is None
    assert got.header("anthropic-version") == "2026-10-21"
    assert got.header("anthropic-beta") == "one-2026-01-01,two-2026-01-01"
    assert host.site.key.text not in str(got.headers)


def test_stream_is_relayed_verbatim(host, upstream, model):
    upstream.on(model, scripts.stream(gap=0.01))
    call = host.post(messages.body(model, stream=True)).read()
    assert call.status == 200
    assert call.headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in call.headers["cache-control"]
    assert "content-encoding" not in call.headers
    assert checks.REQUEST_ID.fullmatch(call.headers["request-id"])
    assert call.body == b"".join(messages.sse(e) for e in messages.stream(model))
    assert call.ended == "clean"


def test_each_event_arrives_before_the_next_is_sent(host, upstream, model):
    """The upstream waits with every event until the client has the one before it: a host that buffers would hang."""
    gates = [threading.Event() for _ in range(9)]
    upstream.on(model, scripts.lockstep(gates))
    headers = [*host.auth(), ("accept-encoding", "gzip, br")]
    with host.post(messages.body(model, stream=True), headers=headers) as call:
        names = []
        for gate in gates:
            gate.set()
            event = call.next_event(limit=10)
            while event.name == "ping":
                event = call.next_event(limit=10)
            names.append(event.name)
        assert call.next_event() is None
    assert names[0] == "message_start" and names[-1] == "message_stop"
    assert call.ended == "clean"


@pytest.mark.alone
def test_each_event_arrives_within_100_ms(host, upstream, model):
    upstream.on(model, scripts.stream(texts=["tick "] * 8, gap=0.1))
    with host.post(messages.body(model, stream=True)) as call:
        arrived = [(event.time, event.name) for event in call.events() if event.name != "ping"]
    sent = upstream.requests(model)[0].sent
    assert [name for _, name in arrived] == [name for _, name in sent]
    late = [round(there - here, 3) for (here, _), (there, _) in zip(sent, arrived)]
    assert max(late) < 0.1, late


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_call(host, upstream, model, path):
    answer = host.post(messages.body(model), path=path).read()
    assert answer.status == 200, answer.body
    query = path.partition("?")[2]
    assert upstream.requests(model)[0].path.partition("?")[::2] == ("/v1/messages", query)


def test_count_tokens(host, upstream, model):
    answer = host.post(messages.body(model), path="/v1/messages/count_tokens?beta=true").read()
    assert (answer.status, answer.json()) == (200, {"input_tokens": 23}), answer.body
    assert upstream.requests(model)[0].path == "/v1/messages/count_tokens?beta=true"


def test_renamed_model(host, upstream):
    body = messages.body("claude-sonnet-4-5", metadata={"n": 1.50})
    answer = host.post(body).read()
    assert answer.status == 200, answer.body
    got = upstream.requests("claude-sonnet-4-5-20250929")[-1]
    assert got.body == body.replace(b'"claude-sonnet-4-5"', b'"claude-sonnet-4-5-20250929"')


def test_echo(host):
    answer = host.post(messages.body("echo-model")).read()
    assert answer.status == 200, answer.body
    assert answer.json()["type"] == "message" and answer.json()["usage"]["output_tokens"] > 0
    stream = host.post(messages.body("echo-model", stream=True))
    assert stream.until("message_stop")
    assert stream.read().ended == "clean"


def test_two_calls_on_one_connection(host, upstream, model):
    headers = [*host.auth(), ("content-type", "application/json")]
    with host.call("POST", "/v1/messages", headers, messages.body(model, stream=True), close=False) as call:
        assert call.until("message_stop")
        assert call.read().ended == "clean"
        call.again().send("POST", host.prefix + "/v1/messages", headers, messages.body(model))
        assert call.read().json() == messages.answer(model)
    assert len(upstream.requests(model)) == 2


# Bodies


def test_body_of_32_mib(host, upstream, model):
    body = padded_body(model, 32 * 1024 * 1024)
    answer = host.post(body).read(limit=60)
    assert answer.status == 200, answer.body[:500]
    assert upstream.requests(model)[0].sha256 == hashlib.sha256(body).hexdigest()


def test_body_over_the_limit(host, upstream, model):
    answer = host.post(padded_body(model, 32 * 1024 * 1024 + 1)).read(limit=60)
    checks.refused(answer, 413, "request_too_large")
    assert not upstream.requests(model)


def test_chunked_body_over_the_limit(host, upstream, model):
    body = padded_body(model, 33 * 1024 * 1024)
    answer = host.post(None, chunks=[body[i : i + 1048576] for i in range(0, len(body), 1048576)]).read(limit=60)
    checks.refused(answer, 413, "request_too_large")
    assert not upstream.requests(model)


CHUNKED = {"200-B": (200, 7), "300-KB": (300_000, 30_000), "3-MB": (3_000_000, 65_536)}


@pytest.mark.parametrize("case", CHUNKED)
def test_chunked_body(host, upstream, model, case):
    size, piece = CHUNKED[case]
    body = padded_body(model, size)
    answer = host.post(None, chunks=[body[i : i + piece] for i in range(0, size, piece)]).read()
    assert answer.status == 200, answer.body
    assert upstream.requests(model)[0].sha256 == hashlib.sha256(body).hexdigest()


def test_bad_json_names_the_byte(host):
    body = b'{"model": "m", "max_tokens": 1, "messages": [}'
    message = checks.refused(host.post(body).read(), 400, "invalid_request_error")
    assert str(body.index(b"}")) in message, message


def test_missing_messages(host, model):
    body = json.dumps({"model": model, "max_tokens": 5}).encode()
    message = checks.refused(host.post(body).read(), 400, "invalid_request_error")
    assert message == "messages: field required"


def test_empty_body(host):
    checks.refused(host.post(b"").read(), 400, "invalid_request_error")


# Other paths


def test_models(host):
    answer = host.request("GET", "/v1/models", host.auth())
    assert answer.status == 200, answer.body
    page = answer.json()
    ids = [item["id"] for item in page["data"]]
    assert "claude-sonnet-4-5" in ids
    assert all(item["type"] == "model" and item["display_name"] and item["created_at"] for item in page["data"])
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, ids[0], ids[-1])


def test_one_model(host):
    answer = host.request("GET", "/api/anthropic/v1/models/claude-sonnet-4-5", host.auth())
    assert (answer.status, answer.json()["id"]) == (200, "claude-sonnet-4-5"), answer.body
    checks.refused(host.request("GET", "/v1/models/unheard-of", host.auth()), 404, "not_found_error")


def test_healthz(host):
    answer = host.request("GET", "/healthz")
    assert (answer.status, answer.body.strip()) == (200, b"ok")


def test_knocking(host):
    """Clients try HEAD on these before their first call; on shared hosting the root belongs to the site."""
    paths = ["/", "/api/hello"] if host.whole else ["/api/hello"]
    for path in paths:
        answer = host.request("HEAD", path)
        assert (answer.status, answer.body) == (200, b""), path


def test_unknown_path(host):
    checks.refused(host.request("GET", "/v1/nothing", host.auth()), 404, "not_found_error")
    if host.whole:
        checks.refused(host.request("GET", "/robots.txt"), 404, "not_found_error")
        checks.refused(host.request("GET", "/v1/models/a%2Fb", host.auth()), 404, "not_found_error")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_wrong_method(host, method):
    body = b"{}" if method == "PUT" else None
    checks.refused(host.request(method, "/v1/messages", host.auth(), body), 405, "invalid_request_error")


def test_ledger_line(host, upstream, model):
    usage = {"cache_creation_input_tokens": 3, "cache_read_input_tokens": 5}
    upstream.on(model, scripts.message(input_tokens=21, output_tokens=9, **usage))
    answer = host.post(messages.body(model)).read()
    line = host.site.ledger_line(answer.headers["request-id"])
    assert {name: line[name] for name in ("key", "workspace", "model", "upstream", "status", "end", "stream")} == {
        "key": host.site.key.id,
        "workspace": "default",
        "model": model,
        "upstream": "scripted",
        "status": 200,
        "end": "done",
        "stream": False,
    }
    assert (line["input_tokens"], line["output_tokens"]) == (21, 9)
    assert (line["cache_creation_input_tokens"], line["cache_read_input_tokens"]) == (3, 5)
    assert 0 <= line["first_ms"] <= line["total_ms"]


def test_ledger_line_of_a_stream(host, upstream, model):
    upstream.on(model, scripts.stream(input_tokens=21, output_tokens=9))
    call = host.post(messages.body(model, stream=True)).read()
    line = host.site.ledger_line(call.headers["request-id"])
    assert (line["stream"], line["status"], line["end"]) == (True, 200, "done")
    assert (line["input_tokens"], line["output_tokens"]) == (21, 9)
