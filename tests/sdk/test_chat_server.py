"""The libraries over a server of chat completions that is none of ours."""

import pytest

BOTH = ["create", "helper"]
TEXT = "Gr\u00fc\u00dfe \"you\" \u2028 \U0001f30d\nline two"
THOUGHT = "Let me think: \u201c<b>\u201d & more \U0001f914"
CALLS = [
    {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Z\u00fcrich", "n": 1.5}},
    {"type": "tool_use", "id": "call_2", "name": "get_weather", "input": {"city": '\U0001f30d "x"'}},
]
# What the AI SDK calls a stop_reason of the API's.
FINISHES = {"end_turn": "stop", "tool_use": "tool-calls", "max_tokens": "length", "refusal": "content-filter"}


@pytest.fixture
def ask(client, chat_gate):
    def asked(op, text, **case):
        base = chat_gate.url + ("/v1" if client.library.ai else "")
        op = "stream" if client.library.ai and op == "helper" else op
        return client.ask({"op": op, "key": chat_gate.key, "model": "gpt-5.5", "base": base, "text": text, **case})

    asked.client, asked.server = client, chat_gate.server
    return asked


def good(seen):
    assert "error" not in seen, seen
    return seen


def finish(ask, reason):
    return FINISHES[reason] if ask.client.library.ai else reason


def plain(blocks):
    return [{name: value for name, value in block.items() if name != "signature"} for block in blocks]


@pytest.mark.parametrize("op", BOTH)
def test_text(ask, op):
    seen = good(ask(op, "a text"))
    assert plain(seen["blocks"]) == [{"type": "text", "text": TEXT}]
    assert seen["stop_reason"] == finish(ask, "end_turn") and seen["model"] == "gpt-5.5"
    assert (seen["input_tokens"], seen["output_tokens"]) == (21, 9)


@pytest.mark.parametrize("op", BOTH)
def test_thoughts(ask, op):
    seen = good(ask(op, "thoughts", thinking=True))
    assert plain(seen["blocks"]) == [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": "Done."}]
    assert ask.server.asked()["reasoning_effort"] == "low"


@pytest.mark.parametrize("op", BOTH)
def test_two_calls(ask, op):
    seen = good(ask(op, "two calls", tools=True))
    assert plain(seen["blocks"]) == [{"type": "text", "text": "Looking."}, *CALLS]
    assert seen["stop_reason"] == finish(ask, "tool_use")
    assert ask.server.asked()["tools"][0]["function"]["name"] == "get_weather"


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


@pytest.mark.own_sdk
@pytest.mark.parametrize("op", BOTH)
def test_image(ask, op):
    content = [IMAGE, {"type": "text", "text": "an image"}]
    seen = good(ask(op, "", extra={"messages": [{"role": "user", "content": content}]}))
    assert plain(seen["blocks"]) == [{"type": "text", "text": "A dot."}]
    parts = ask.server.asked()["messages"][0]["content"]
    assert parts[0]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.own_sdk
@pytest.mark.parametrize("op", BOTH)
def test_results_of_tools(ask, op):
    results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"} for call in CALLS]
    said = [{"role": "user", "content": "two calls"}, {"role": "assistant", "content": CALLS},
            {"role": "user", "content": results}]
    seen = good(ask(op, "", tools=True, extra={"messages": said}))
    assert plain(seen["blocks"]) == [{"type": "text", "text": "Sunny in both."}]
    assert [m["role"] for m in ask.server.asked()["messages"]] == ["user", "assistant", "tool", "tool"]


@pytest.mark.parametrize("op", BOTH)
@pytest.mark.parametrize("text,reason", [("too much", "max_tokens"), ("not that", "refusal")])
def test_stop_reasons(ask, op, text, reason):
    assert good(ask(op, text))["stop_reason"] == finish(ask, reason)


ERRORS = {
    "busy": (429, "rate_limit_error", "slow down"),
    "too long": (400, "invalid_request_error", "prompt is too long: This model's maximum context length is 8192 tokens."),
    "no key": (502, "api_error", "administrator"),
}


@pytest.mark.parametrize("op", BOTH)
@pytest.mark.parametrize("text", ERRORS)
def test_errors(ask, op, text):
    status, kind, words = ERRORS[text]
    error = ask(op, text)["error"]
    assert (error["status"], error["type"]) == (status, kind), error
    assert error["class"] == ask.client.library.error_class(status) and words in error["message"], error
    assert error["retry_after"] == ("7" if text == "busy" else None), error


def test_cut(ask):
    error = ask("helper", "cut off")["error"]
    assert error["type"] == "api_error", error
