"""Every surface over every kind of upstream: one suite, whole and streamed, with the grammar checked event by event."""

import json

import pytest
from conftest import RECOMMENDED
from lib import checks, envelope, grammar, messages, scripts
from test_envelope import ERRORS, SERVERS, turn

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.clouds, pytest.mark.settings(default_region="eu")]

NATIVE = ["/v1/messages", "/messages", "/api/anthropic/v1/messages", "/anthropic/eu/v1/messages"]
ENVELOPE = "/api/v1/messages"
SURFACES = [*NATIVE, ENVELOPE]
BLOCKS = [
    {"type": "thinking", "thinking": "hm \U0001f914", "signature": ""},
    {"type": "text", "text": 'Gr\u00fc\u00dfe "you" \u2028\n'},
    {"type": "tool_use", "id": "toolu_01", "name": "f", "input": {"city": "Z\u00fcrich", "n": [1.5, {}]}},
    {"type": "tool_use", "id": "toolu_02", "name": "g", "input": {}},
]


@pytest.fixture(params=SERVERS)
def kind(request):
    return request.param


@pytest.fixture
def asked(host, kind):
    name, there = SERVERS[kind]
    server = getattr(host.clouds, kind)

    def ask(path, script, **members):
        server.on(there, script)
        return host.post(messages.body(name, **members), path, [("authorization", "Bearer " + host.site.key.text)])

    ask.name = there if kind == "anthropic" else name
    yield ask
    server.on(there, server.default)


def folded(path, call):
    """What a stream comes to: a message, or an envelope's data."""
    if path != ENVELOPE:
        return grammar.fold(call)
    stream = envelope.Stream(call)
    assert stream.done and not stream.failure
    return stream.fold()


@pytest.mark.parametrize("path", SURFACES)
def test_stream_is_the_whole(host, asked, path):
    script = turn(BLOCKS, "tool_use")
    call = asked(path, script).read()
    whole = call.json()["data"] if path == ENVELOPE else call.json()
    assert call.status == 200 and whole["model"] == asked.name
    stream = folded(path, asked(path, script, stream=True, **({"stream_options": {"include_usage": True}}
                                                             if path == ENVELOPE else {})))
    if path == ENVELOPE:
        arguments = [json.loads(c["function"].pop("arguments")) for d in (stream, whole)
                     for c in d["choices"][0]["message"]["tool_calls"]]
        assert arguments == [BLOCKS[2]["input"], BLOCKS[3]["input"]] * 2
        assert stream == whole
        return
    assert stream["content"] == whole["content"] == BLOCKS
    assert (stream["stop_reason"], stream["model"]) == (whole["stop_reason"], whole["model"])
    for name in ("input_tokens", "output_tokens"):
        assert stream["usage"][name] == whole["usage"][name]


@pytest.mark.parametrize("path", SURFACES)
def test_built_in(host, path):
    key = [("authorization", "Bearer " + host.site.key.text)]
    call = host.post(messages.body("on-echo"), path, key).read()
    more = {"stream_options": {"include_usage": True}} if path == ENVELOPE else {}
    stream = folded(path, host.post(messages.body("on-echo", True, **more), path, key))
    whole = call.json()["data"] if path == ENVELOPE else call.json()
    # The id is made of the body, which says whether a stream is wanted.
    assert {**stream, "id": whole["id"]} == whole


@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(asked, kind, path, stream):
    script = ERRORS[kind](429, "rate_limit_error", "ThrottlingException", "RESOURCE_EXHAUSTED", "the upstream's words")
    call = asked(path, script, stream=stream).read()
    if path == ENVELOPE:
        envelope.refused(call, 429, "the upstream's words")
    else:
        checks.refused(call, 429, "rate_limit_error", "the upstream's words")


@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("how", ["clean", "cut", "reset"])
def test_no_clean_end_that_was_none(asked, path, how):
    call = asked(path, scripts.truncated(how), stream=True)
    if path == ENVELOPE:
        stream = envelope.Stream(call)
        assert not stream.done
        envelope.failure(stream.failure, 502)
    else:
        checks.error_event(call, "api_error")


@pytest.mark.parametrize("path", SURFACES)
def test_error_midway(asked, path):
    call = asked(path, scripts.error_event("overloaded_error", "Overloaded", midway=True), stream=True)
    if path == ENVELOPE:
        envelope.failure(envelope.Stream(call).failure, 529, "Overloaded")
        return
    folding, event = grammar.Fold(), None
    for event in call.events():
        folding.take(event)
    error = event.data["error"]
    assert event.name == "error" and (error["type"], error["message"]) == ("overloaded_error", "Overloaded")
