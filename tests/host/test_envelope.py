"""The envelope end point over every kind of upstream, whole and streamed, and how it says that something went wrong."""

import json
import subprocess

import pytest
from conftest import RECOMMENDED
from lib import bedrock, envelope, messages, openai, scripts, vertex

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.clouds, pytest.mark.settings(default_region="eu")]

PATH = "/api/v1/messages"
TEXT = 'Gr\u00fc\u00dfe "you" \u2028 \U0001f30d \\ \n'
THOUGHT = "Let me think: \u201c<b>\u201d & more \U0001f914"
CALLS = [
    {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Z\u00fcrich", "n": 1.50}},
    {"type": "tool_use", "id": "toolu_02", "name": "get_time", "input": {}},
]
SERVERS = {
    "anthropic": ("on-anthropic", "claude-sonnet-4-5-20250929"),
    "bedrock": ("anthropic.claude-envelope", "anthropic.claude-envelope"),
    "vertex": ("on-vertex", "claude-sonnet-4-5@20250929"),
    "openai": ("on-openai", "gpt-oss-120b"),
}
ERRORS = {
    "anthropic": lambda status, kind, aws, google, text: scripts.error(status, kind, text),
    "bedrock": lambda status, kind, aws, google, text: bedrock.error(503 if status == 529 else status, aws, text),
    "vertex": lambda status, kind, aws, google, text: vertex.error(503 if status == 529 else status, google, text),
    "openai": lambda status, kind, aws, google, text: openai.error(503 if status == 529 else status, text, kind),
}


def split(text, n=3):
    size = max(1, len(text) // n)
    return [text[i : i + size] for i in range(0, len(text), size)]


def turn(blocks, stop_reason):
    """A script that answers with these blocks, whole or in events."""

    def script(request, out):
        if not request.streams:
            value = messages.answer(request.model)
            value.update(content=blocks, stop_reason=stop_reason)
            scripts.send(200, value)(request, out)
            return
        out.head(200, scripts.STREAM_HEADERS)
        out.event(messages.opening(request.model)[0])
        out.event({"type": "ping"})
        for index, block in enumerate(blocks):
            for event in block_events(index, block):
                out.event(event)
        closing = messages.closing()[1:]
        closing[0]["delta"]["stop_reason"] = stop_reason
        for event in closing:
            out.event(event)
        out.end()

    return script


def block_events(index, block):
    kind = block["type"]
    start, deltas = dict(block), []
    if kind == "text":
        start["text"] = ""
        deltas = [{"type": "text_delta", "text": part} for part in split(block["text"])]
    elif kind == "thinking":
        start.update(thinking="", signature="")
        deltas = [{"type": "thinking_delta", "thinking": part} for part in split(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind == "tool_use":
        start["input"] = {}
        text = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ["", *split(text, 4)]]
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


@pytest.fixture(params=SERVERS)
def kind(request):
    return request.param


@pytest.fixture
def asked(host, kind):
    """Sets the script of the kind's server and asks for its model; afterwards the server is as before."""
    name, there = SERVERS[kind]
    server = getattr(host.clouds, kind)

    def ask(script=None, **members):
        if script:
            server.on(there, script)
        return host.post(messages.body(name, **members), PATH, [("authorization", "Bearer " + host.site.key.text)])

    ask.server, ask.name, ask.there = server, name, there
    yield ask
    server.on(there, server.default)


def expected_model(kind):
    return SERVERS[kind][1] if kind == "anthropic" else SERVERS[kind][0]


TURNS = {
    "text": ([{"type": "text", "text": TEXT}], "end_turn", "stop"),
    "two texts": ([{"type": "text", "text": "one, "}, {"type": "text", "text": "two"}], "stop_sequence", "stop"),
    "cut": ([{"type": "text", "text": "to be"}], "max_tokens", "length"),
    "refused": ([{"type": "text", "text": "no"}], "refusal", "content_filter"),
    "two calls": ([{"type": "text", "text": "Looking."}, *CALLS], "tool_use", "tool_calls"),
    "a call alone": (CALLS[:1], "tool_use", "tool_calls"),
    "thoughts": (
        [{"type": "thinking", "thinking": THOUGHT, "signature": "x=="}, {"type": "text", "text": "Done."}],
        "end_turn",
        "stop",
    ),
    "what has no place": (
        [{"type": "redacted_thinking", "data": "abc"}, {"type": "text", "text": "Done."}],
        "end_turn",
        "stop",
    ),
    "nothing": ([], "end_turn", "stop"),
}


def message_of(blocks):
    """What the message must be."""
    texts = [b["text"] for b in blocks if b["type"] == "text"]
    thoughts = [b["thinking"] for b in blocks if b["type"] == "thinking"]
    calls = [b for b in blocks if b["type"] == "tool_use"]
    message = {"role": "assistant", "content": "".join(texts) if texts else None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = [(c["id"], c["name"], c["input"]) for c in calls]
    return message


def readable(message):
    """The same with arguments read."""
    value = dict(message)
    if "tool_calls" in value:
        assert all(c["type"] == "function" for c in value["tool_calls"])
        value["tool_calls"] = [
            (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in value["tool_calls"]
        ]
    return value


@pytest.mark.parametrize("case", TURNS)
def test_whole(asked, kind, case):
    blocks, reason, want = TURNS[case]
    data = envelope.whole(asked(turn(blocks, reason)).read())
    assert set(data) == {"id", "model", "choices", "usage"}
    assert (data["id"], data["model"]) == ("msg_test", expected_model(kind))
    [choice] = data["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, want)
    assert readable(choice["message"]) == message_of(blocks)
    assert (data["usage"]["prompt_tokens"], data["usage"]["completion_tokens"]) == (11, 7)
    assert data["usage"]["total_tokens"] == 18


@pytest.mark.parametrize("case", TURNS)
def test_stream_is_the_whole(host, asked, kind, case):
    blocks, reason, _ = TURNS[case]
    script = turn(blocks, reason)
    data = envelope.whole(asked(script).read())
    call = asked(script, stream=True, stream_options={"include_usage": True})
    stream = envelope.Stream(call)
    assert stream.done and not stream.failure
    assert stream.comments >= (kind != "openai")
    folded = stream.fold()
    for one in (folded, data):
        one["choices"][0]["message"] = readable(one["choices"][0]["message"])
    assert folded == data
    assert stream.chunks[-1]["choices"] == [] and stream.chunks[-1]["usage"] == data["usage"]
    line = host.site.ledger_line(call.headers["request-id"])
    assert (line["surface"], line["end"], line["output_tokens"]) == ("envelope", "done", 7)


def test_usage_only_when_asked(asked, kind):
    stream = envelope.Stream(asked(stream=True))
    assert stream.done and not [c for c in stream.chunks if "usage" in c]


def test_what_is_none_of_the_apis_stays_here(asked, kind):
    call = asked(stream=True, stream_options={"include_usage": True}, temperature=0.50, metadata={"user_id": "u"})
    assert envelope.Stream(call).done
    body = asked.server.requests(asked.there)[-1].json
    assert body["temperature"] == 0.5 and body["max_tokens"] == 64
    if kind == "openai":
        assert body["stream_options"] == {"include_usage": True} and body["user"] == "u"
    else:
        assert "stream_options" not in body and body["metadata"] == {"user_id": "u"}


STATUSES = {
    "bad request": (400, "invalid_request_error", "ValidationException", "INVALID_ARGUMENT"),
    "not found": (404, "not_found_error", "ResourceNotFoundException", "NOT_FOUND"),
    "throttled": (429, "rate_limit_error", "ThrottlingException", "RESOURCE_EXHAUSTED"),
    "failed": (500, "api_error", "InternalServerException", "INTERNAL"),
    "overloaded": (529, "overloaded_error", "ServiceUnavailableException", "UNAVAILABLE"),
}


@pytest.mark.parametrize("case", STATUSES)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_the_upstream(asked, kind, case, stream):
    status = STATUSES[case][0]
    call = asked(ERRORS[kind](*STATUSES[case], "the upstream's words"), stream=stream).read()
    envelope.refused(call, status, "the upstream's words")


@pytest.mark.parametrize("how", ["clean", "cut", "in-event"])
def test_no_done_without_message_stop(asked, kind, how):
    if kind == "bedrock" and how == "in-event":
        data = [bedrock.chunk(e) for e in messages.opening("m")] + [bedrock.chunk(messages.delta("x"))[:40]]
        script = bedrock.frames(*data)
    else:
        script = scripts.truncated(how)
    stream = envelope.Stream(asked(script, stream=True))
    assert not stream.done
    envelope.failure(stream.failure, 502)


def test_error_midway(asked, kind):
    script = scripts.error_event("overloaded_error", "Overloaded", midway=True)
    stream = envelope.Stream(asked(script, stream=True))
    assert not stream.done and stream.chunks
    envelope.failure(stream.failure, 529, "Overloaded")


def test_error_first_is_a_status(asked, kind):
    script = scripts.error_event("overloaded_error", "Overloaded", midway=False)
    envelope.refused(asked(script, stream=True).read(), 529, "Overloaded")


def test_silence_is_filled_with_comments(asked, kind, gate):
    call = asked(scripts.silent(gate, asked.server.default), stream=True)
    call.until_bytes(b": ping\n\n", 2, 20)
    gate.set()
    stream = envelope.Stream(call)
    assert stream.done and stream.comments >= 2


def test_refusals_of_our_own(host):
    """Every one of them has the envelope's shape."""
    key = [("authorization", "Bearer " + host.site.key.text)]
    good = messages.body("on-anthropic")
    envelope.refused(host.post(good, PATH, []).read(), 401)
    envelope.refused(host.post(good, PATH, [("authorization", "Bearer wrong")]).read(), 401)
    envelope.refused(host.post(b"{", PATH, key).read(), 400, "not valid JSON")
    envelope.refused(host.post(b"", PATH, key).read(), 400)
    envelope.refused(host.post(b'{"model":"on-anthropic","messages":[{}]}', PATH, key).read(), 400, "max_tokens")
    envelope.refused(host.post(messages.body("on-anthropic", stream_options=1), PATH, key).read(), 400, "stream_options")
    envelope.refused(host.post(messages.body("only-us"), PATH, key).read(), 404, "only-us")
    envelope.refused(host.post(good, PATH, [*key, ("content-encoding", "gzip")]).read(), 400)
    envelope.refused(host.request("GET", PATH, key), 405)
    narrow = host.site.add_key(models="x-*").text
    envelope.refused(host.post(good, PATH, [("authorization", "Bearer " + narrow)]).read(), 403)


def test_native_twin(host):
    host.clouds.anthropic.on(SERVERS["anthropic"][1], scripts.default)
    call = host.post(messages.body("on-anthropic"), "/api/anthropic/v1/messages").read()
    assert call.json() == messages.answer(SERVERS["anthropic"][1])


def document():
    """The request and the answers of the document's examples."""
    body = {
        "model": "claude-3-opus-20240229",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
    }
    return body, "Hello! How can I assist you today?"


def test_examples_of_the_document(host):
    """The document's curl, and its answer member for member."""
    body, text = document()
    host.clouds.bedrock.on(body["model"], turn([{"type": "text", "text": text}], "end_turn"))
    command = [
        "curl", "-s", "--request", "POST", f"http://127.0.0.1:{host.port}{host.prefix}/api/v1/messages",
        "--header", f"Authorization: Bearer {host.site.key.text}", "--header", "Content-Type: application/json",
        "--data", json.dumps(body),
    ]
    value = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
    assert (value["success"], value["code"], value["message"]) == (True, "200", "successful")
    assert value["data"]["id"] == "msg_test" and value["data"]["model"] == body["model"]
    [choice] = value["data"]["choices"]
    assert choice["index"] == 0 and choice["message"] == {"role": "assistant", "content": text}
    command[-1] = json.dumps({**body, "stream": True})
    lines = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout.decode().splitlines()
    data = [line for line in lines if line and not line.startswith(":")]
    assert all(line.startswith("data: ") for line in data) and data[-1] == "data: [DONE]"
    parts = [json.loads(line[6:])["choices"][0]["delta"].get("content", "") for line in data[:-1]]
    assert "".join(parts) == text
