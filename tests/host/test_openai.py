"""Servers of chat completions behind the gate: what they are asked, what becomes of their answers, how faults end."""

import json
import random

import pytest
from conftest import RECOMMENDED
from lib import checks, grammar, messages, openai, scripts
from lib.proc import wait_until

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.clouds]

EU = "/anthropic/eu/v1/messages"
MODEL, THERE = "on-openai", "gpt-oss-120b"
LENIENT, LENIENT_THERE = "on-openai-lenient", "gpt-oss-20b"


@pytest.fixture
def server(host):
    """The server, which afterwards answers as before."""
    yield host.clouds.openai
    for model in (THERE, LENIENT_THERE, "gpt-oss-first"):
        host.clouds.openai.on(model, scripts.default)


def ask(host, body, path=EU, headers=()):
    return host.post(body, path, [*host.auth(), *headers])


def asked(server, model=THERE):
    return server.requests(model)[-1]


# What the server is asked.


def test_what_it_is_asked(host, server):
    body = messages.body(MODEL, stream=True, system="Be kind.", temperature=0.5, top_p=1.0, stop_sequences=["END"])
    call = ask(host, body, headers=[("traceparent", "00-abc-def-01"), ("anthropic-beta", "x")])
    assert grammar.fold(call)["content"] == [{"type": "text", "text": messages.ANSWER + " and more"}]
    request = asked(server)
    assert request.json == {
        "model": THERE,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": messages.PROMPT}],
        "max_tokens": 64,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "top_p": 1.0,
        "stop": ["END"],
    }
    assert request.path == "/v1/chat/completions"
    assert request.header("traceparent") == "00-abc-def-01"
    assert request.header("anthropic-beta") is None and request.header("x-api-key") is None
    assert host.site.key.text not in str(request.headers)


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LOOP = [
    {"role": "user", "content": "What is the weather?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "Looking."},
            {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Z\u00fcrich"}},
            {"type": "tool_use", "id": "t2", "name": "look", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "They say:"},
            {"type": "tool_result", "tool_use_id": "t2",
             "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]},
            {"type": "tool_result", "tool_use_id": "t1", "content": "sunny", "is_error": False},
            {"type": "text", "text": "Well?", "cache_control": {"type": "ephemeral"}},
        ],
    },
]


def test_a_loop_of_tools(host, server):
    """The server here is as strict about the order of messages as OpenAI's own."""
    tools = [{"name": "get_weather", "input_schema": {"type": "object"}}, {"name": "look", "input_schema": {}}]
    body = {"model": MODEL, "max_tokens": 9, "messages": LOOP, "tools": tools, "tool_choice": {"type": "auto"}}
    call = ask(host, json.dumps(body).encode()).read()
    assert call.status == 200, call.body
    sent = asked(server).json["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [c["id"] for c in sent[1]["tool_calls"]] == ["t1", "t2"]
    assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"city": "Z\u00fcrich"}
    assert [m["tool_call_id"] for m in sent[2:4]] == ["t2", "t1"]
    assert [p["type"] for p in sent[4]["content"]] == ["text", "image_url", "text"]
    assert sent[4]["content"][1]["image_url"]["url"] == "data:image/png;base64," + PNG


REFUSED = {
    "top_k": {"top_k": 5},
    "context_management": {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
    "tools.0.type": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "messages.0.content.0.source.type": {
        "messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}]}]
    },
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("member", REFUSED)
def test_what_cannot_be_said_is_refused_by_name(host, server, member, stream):
    before = len(server.requests())
    body = {**json.loads(messages.body(MODEL, stream)), **REFUSED[member]}
    call = ask(host, json.dumps(body).encode()).read()
    message = checks.refused(call, 400, "invalid_request_error")
    assert message.startswith(member + ": "), message
    assert len(server.requests()) == before
    line = host.site.ledger_line(call.headers["request-id"])
    assert (line["status"], line["end"], line["output_tokens"]) == (400, "bad-request", 0), line


def test_what_may_be_dropped(host, server):
    body = messages.body(LENIENT, top_k=5, context_management={"edits": [{}]}, output_config={"effort": "high"},
                         thinking={"type": "adaptive"})
    assert ask(host, body).read().status == 200
    assert set(asked(server, LENIENT_THERE).json) == {"model", "messages", "max_tokens"}
    checks.refused(ask(host, messages.body(LENIENT, top_j=5)).read(), 400, "invalid_request_error", "top_j")


def test_large_body(host, server):
    call = ask(host, messages.body(MODEL, text='x"\u00e9' * 1_000_000)).read()
    assert call.status == 200, call.body
    assert asked(server).json["messages"][0]["content"] == 'x"\u00e9' * 1_000_000


def test_tokens_are_not_counted(host):
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}]}).encode()
    call = ask(host, body, EU + "/count_tokens").read()
    checks.refused(call, 501, "api_error", "cannot be counted")
    assert call.headers["x-should-retry"] == "false"


# What becomes of its answers.


def test_whole(host, server):
    call = ask(host, messages.body(MODEL)).read()
    assert (call.status, call.headers["content-type"]) == (200, "application/json")
    want = messages.answer(MODEL)
    want["usage"].update(cache_creation_input_tokens=0, cache_read_input_tokens=0)
    assert call.json() == want
    line = host.site.ledger_line(call.headers["request-id"])
    assert (line["input_tokens"], line["output_tokens"], line["estimated"]) == (11, 7, False), line
    assert (line["upstream_model"], line["upstream_request_id"]) == (THERE, "req_upstream"), line


def random_chunks(rng):
    """A model's answer, cut anywhere, its calls mixed; and the whole it comes to."""
    letters = ["a", " ", "\n", '"', "\\", "\u00e9", "\U0001f30d", "{", "}", "\u2028"]
    say = lambda n: "".join(rng.choice(letters) for _ in range(rng.randrange(n)))  # noqa: E731
    thought, text = say(30), say(60)
    calls = [{"id": f"call_{i}", "name": "f", "input": rng.choice([{}, {"a": say(9)}, {"b": [1, {"c": say(5)}]}])}
             for i in range(rng.randrange(4))]
    pieces = lambda s: [s[i:i + 3] for i in range(0, len(s), 3)]  # noqa: E731
    out = [openai.delta(role="assistant", content="")]
    out += [openai.delta(reasoning_content=p) for p in pieces(thought)]
    out += [openai.delta(content=p) for p in pieces(text)]
    waiting = []
    for i, call in enumerate(calls):
        out.append(openai.delta(tool_calls=[
            {"index": i, "id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": ""}}]))
        waiting.append([(i, p) for p in pieces(json.dumps(call["input"], ensure_ascii=rng.random() < 0.5))])
    while any(waiting):
        i, piece = rng.choice([w for w in waiting if w]).pop(0)
        out.append(openai.delta(tool_calls=[{"index": i, "function": {"arguments": piece}}]))
    out += [openai.delta("tool_calls" if calls else "stop"), openai.counts()]
    content = [{"type": "thinking", "thinking": thought, "signature": ""}] if thought else []
    content += [{"type": "text", "text": text}] if text else []
    content += [{"type": "tool_use", **call} for call in calls]
    return out, content, "tool_use" if calls else "end_turn"


@pytest.mark.parametrize("seed", range(12))
def test_random_streams(host, server, seed):
    values, content, reason = random_chunks(random.Random(seed))
    server.on(THERE, openai.chunks(*values))
    message = grammar.fold(ask(host, messages.body(MODEL, True)))
    assert (message["content"], message["stop_reason"]) == (content, reason)
    assert message["model"] == MODEL and message["usage"]["output_tokens"] == 7


@pytest.mark.parametrize("size", [1, 2, 3, 11, 1000])
def test_chunks_in_pieces(host, server, size):
    """Wherever the network cuts: inside of a character, of an escape, of a line end."""
    values = [openai.delta(content="\u00e9\U0001f600"), openai.delta(content="x" * 100), openai.delta("stop"),
              openai.counts()]
    data = b"".join(b"data: " + json.dumps(v, ensure_ascii=False).encode() + b"\r\n\r\n" for v in values)
    data += b"data: [DONE]\r\n\r\n"
    server.on(THERE, openai.chunks(*(data[i : i + size] for i in range(0, len(data), size)), done=False))
    message = grammar.fold(ask(host, messages.body(MODEL, True)))
    assert message["content"] == [{"type": "text", "text": "\u00e9\U0001f600" + "x" * 100}]


@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "adaptive", "display": "omitted"}])
@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_that_nobody_wants(host, server, thinking, stream):
    whole = messages.answer("m")
    whole["content"].insert(0, {"type": "thinking", "thinking": "hm", "signature": ""})
    values = [openai.delta(reasoning_content="hm"), openai.delta(content=messages.ANSWER), openai.delta("stop"),
              openai.counts()]
    server.on(THERE, openai.chunks(*values) if stream else scripts.send(200, whole))
    call = ask(host, messages.body(MODEL, stream, thinking=thinking))
    message = grammar.fold(call) if stream else call.read().json()
    assert message["content"] == [{"type": "text", "text": messages.ANSWER}]


@pytest.mark.parametrize("stream", [False, True])
def test_counts_that_nobody_gave(host, server, stream):
    """They are estimates, for the client and in the ledger, which says so."""
    whole = {"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "x" * 40}}]}
    values = [openai.delta(content="x" * 40), openai.delta("stop")]
    server.on(THERE, openai.chunks(*values) if stream else scripts.send(200, whole))
    call = ask(host, messages.body(MODEL, stream))
    message = grammar.fold(call) if stream else call.read().json()
    assert message["usage"]["output_tokens"] == 10 and message["usage"]["input_tokens"] > 5
    line = host.site.ledger_line(call.headers["request-id"])
    assert (line["end"], line["output_tokens"], line["estimated"]) == ("done", 10, True), line
    assert line["input_tokens"] == message["usage"]["input_tokens"], line


def test_silence_is_filled(host, server, gate):
    server.on(THERE, scripts.silent(gate, scripts.stream()))
    call = ask(host, messages.body(MODEL, True))
    for _ in range(3):
        assert call.next_event(20).name == "ping"
    gate.set()
    assert [e.name for e in call.events() if e.name != "ping"][-1] == "message_stop"


def test_client_leaves(host, server, gate):
    server.on(THERE, scripts.silent_midway(gate))
    call = ask(host, messages.body(MODEL, True))
    call.until_bytes(messages.ANSWER.encode(), 1, 20)
    request_id = call.headers["request-id"]
    call.leave()
    asked(server).wait_closed(10)
    line = host.site.ledger_line(request_id)
    assert line["end"] == "client-gone" and line["estimated"] and line["output_tokens"] > 0, line


# How faults end.

BEGINNING = [openai.delta(role="assistant", content=""), openai.delta(content="text")]
CUTS = {
    "in the text": ([], False),
    "without a finish": ([], True),
    "in a chunk": ([b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"never'], False),
    "between finish and counts": ([openai.delta("stop")], False),
    "in the counts": ([openai.delta("stop"), b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1'], False),
}


@pytest.mark.parametrize("end", ["clean", "cut", "reset"])
@pytest.mark.parametrize("where", CUTS)
def test_no_clean_end_that_was_none(host, server, where, end):
    more, done = CUTS[where]
    server.on(THERE, openai.chunks(*BEGINNING, *more, done=done, end=end))
    call = ask(host, messages.body(MODEL, True))
    checks.error_event(call, "api_error")
    line = host.site.ledger_line(call.headers["request-id"])
    assert line["end"] in ("up-cut", "up-answer") and line["estimated"], line


BROKEN = {
    "no JSON": (b"data: oops\n\n", "is none of a chat completion's"),
    "half of it": (b'data: {"choices":[{"delta":{"content":"never seen"\n\n', "is none of a chat completion's"),
    "content that is none": (
        b'data: {"choices":[{"delta":{"content":{"never":"seen"}}}]}\n\n', "is none of a chat completion's"),
    "bad arguments": (
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"t","function":'
        b'{"name":"f","arguments":"{} x"}}]}}]}\n\n', "no JSON object"),
}


@pytest.mark.parametrize("midway", [False, True])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_chunks(host, server, case, midway):
    values = BEGINNING if midway else []
    chunk, words = BROKEN[case]
    server.on(THERE, openai.chunks(*values, chunk, openai.delta("stop"), openai.counts()))
    call = ask(host, messages.body(MODEL, True))
    if midway or case in ("content that is none", "bad arguments"):
        assert words in checks.error_event(call, "api_error")
    else:
        checks.refused(call.read(), 502, "api_error", words)


WHOLES = {
    "nothing": b"",
    "empty": {},
    "no choice": {"id": "c", "object": "chat.completion", "choices": []},
    "a list": {"object": "list", "data": []},
    "bad arguments": {"id": "c", "choices": [{"finish_reason": "tool_calls", "message": {"tool_calls": [
        {"id": "t", "function": {"name": "f", "arguments": "{oops"}}]}}]},
    "html": b"<html>",
}


@pytest.mark.parametrize("case", WHOLES)
def test_broken_wholes(host, server, case):
    value = WHOLES[case]
    server.on(THERE, scripts.send(200, openai.Raw(value)))
    checks.refused(ask(host, messages.body(MODEL)).read(), 502, "api_error")


def test_json_where_a_stream_was_wanted(host, server):
    server.on(THERE, scripts.message())
    checks.refused(ask(host, messages.body(MODEL, True)).read(), 502, "api_error", "event stream")


ERRORS = {
    "bad request": (openai.error(400, "temperature: too hot"), 400, "invalid_request_error", "temperature: too hot"),
    "too long": (
        openai.error(400, "This model's maximum context length is 8192 tokens.", None, "context_length_exceeded"),
        400, "invalid_request_error", "prompt is too long: This model's maximum context length is 8192 tokens."),
    "not found": (openai.error(404, "The model does not exist"), 404, "not_found_error", "does not exist"),
    "too large": (openai.error(413, "Payload too large"), 413, "request_too_large", "Payload too large"),
    "throttled": (openai.error(429, "slow down", headers=(("retry-after", "7"),)), 429, "rate_limit_error", "slow"),
    "failed": (openai.error(500, "oh"), 500, "api_error", "oh"),
    "loading": (openai.error(503, "Loading model", "unavailable_error"), 529, "overloaded_error", "Loading model"),
    "a page": (scripts.html(503), 529, "overloaded_error", "HTTP 503"),
    "with a good status": (scripts.send(200, {"error": {"message": "busy", "code": 429}}), 429, "rate_limit_error",
                           "busy"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", ERRORS)
def test_errors(host, server, case, stream):
    script, status, kind, words = ERRORS[case]
    server.on(THERE, script)
    call = ask(host, messages.body(MODEL, stream)).read()
    checks.refused(call, status, kind, words)
    assert call.headers.get("retry-after") == ("7" if case == "throttled" else None)


ACCOUNT = {
    "a key that is none": openai.error(401, "Incorrect API key provided: sk-proj-abc.", None, "invalid_api_key"),
    "not allowed": openai.error(403, "Country not supported"),
    "no money": openai.error(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
}


@pytest.mark.parametrize("case", ACCOUNT)
def test_own_account_is_our_fault(host, server, case):
    server.on(THERE, ACCOUNT[case])
    checks.refused(ask(host, messages.body(MODEL)).read(), 502, "api_error", "administrator")
    wait_until(lambda: "refuses the credential" in host.text(), 5, "a line for the administrator")


@pytest.mark.parametrize("first", [True, False])
def test_error_in_a_stream(host, server, first):
    values = [] if first else BEGINNING
    failure = {"error": {"message": "The server is overloaded", "type": "overloaded_error", "code": 503}}
    server.on(THERE, openai.chunks(*values, failure))
    call = ask(host, messages.body(MODEL, True))
    if first:
        checks.refused(call.read(), 529, "overloaded_error", "The server is overloaded")
    else:
        assert checks.error_event(call, "overloaded_error") == "The server is overloaded"


def test_the_next_target(host, server):
    """Until the first event is here another kind may answer."""
    server.on("gpt-oss-first", openai.error(503, "Loading model"))
    host.clouds.anthropic.on("claude-second", scripts.stream())
    message = grammar.fold(ask(host, messages.body("openai-then-anthropic", True)))
    assert message["content"][0]["text"] == messages.ANSWER + " and more"
    assert server.requests("gpt-oss-first") and host.clouds.anthropic.requests("claude-second")
