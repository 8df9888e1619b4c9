"""Each client library through each recommended host: what a program that uses it gets to see."""

import json
import re

import pytest

import turns
from lib import messages, scripts

STREAM = ["message_start", "content_block_start", "content_block_delta", "content_block_delta",
          "content_block_stop", "message_delta", "message_stop"]
BOTH = ["create", "helper"]


class Seen:
    """One client before one gate, with a model name of its own."""

    def __init__(self, client, gate):
        self.client = client
        self.library = client.library
        self.gate = gate
        self.model = messages.unique_model("claude-sdk")

    def ask(self, op, script=None, **case):
        """Asks for one operation, after telling the upstream what to answer the model with."""
        if script:
            self.gate.upstream.on(self.model, *([script] if callable(script) else script))
        case = {"key": self.gate.key, "model": self.model, "base": self.gate.url, **case}
        if self.library.ai:
            op = "stream" if op == "helper" else op
            case["base"] += case.pop("suffix", "/v1")
        return self.client.ask({"op": op, **case})

    def fails(self, op, status, script=None, **case):
        """Asks for what must end in the library's own exception for the status; returns that."""
        answer = self.ask(op, script, **case)
        error = answer.get("error")
        assert error, f"no error: {answer}"
        assert (error["class"], error["status"]) == (self.library.error_class(status), status), error
        assert re.match(r"req_\w+$", error["request_id"] or ""), error
        assert error["body_request_id"] == error["request_id"], error
        return error

    def upstream_request(self):
        """The one request for this model that the upstream got."""
        got = self.gate.upstream.requests(self.model)
        assert len(got) == 1, got
        return got[0]


@pytest.fixture
def seen(client, gate):
    return Seen(client, gate)


own_sdk = pytest.mark.own_sdk


def good(answer):
    assert "error" not in answer, answer["error"]
    assert re.match(r"req_\w+$", answer["request_id"] or ""), answer
    return answer


# Answers


@pytest.mark.parametrize("op", BOTH)
def test_message(seen, op):
    """The upstream's own words, whichever way they come."""
    answer = good(seen.ask(op, turns.plain))
    assert [b["text"] for b in answer["blocks"]] == [turns.TEXT]
    assert (answer["id"], answer["model"]) == ("msg_test", seen.model)
    assert (answer["input_tokens"], answer["output_tokens"]) == (11, 7)
    assert answer["stop_reason"] in ("end_turn", "stop")


def test_raw_stream(seen):
    answer = good(seen.ask("stream", scripts.stream(["Gr\u00fc\u00df", "e \U0001f30d"])))
    assert answer["text"] == ["Gr\u00fc\u00df", "e \U0001f30d"]
    if not seen.library.ai:
        assert answer["events"] == STREAM


@pytest.mark.parametrize("op", BOTH)
def test_tools(seen, op):
    blocks = good(seen.ask(op, turns.tools, tools=True))["blocks"]
    assert [b["type"] for b in blocks] == ["text", "tool_use"]
    assert {key: blocks[1][key] for key in turns.TOOL} == turns.TOOL
    assert seen.upstream_request().json["tools"][0]["name"] == "get_weather"


def test_tool_input_arrives_piece_by_piece(seen):
    """An empty piece is passed on too; the AI SDK leaves it out itself."""
    partial = good(seen.ask("stream", turns.tools, tools=True))["partial"]
    wanted = [piece for piece in turns.PARTIAL if piece or not seen.library.ai]
    assert [piece for piece in partial if piece or not seen.library.ai] == wanted


@pytest.mark.parametrize("op", BOTH)
def test_thinking_keeps_its_signature(seen, op):
    blocks = good(seen.ask(op, turns.thinking, thinking=True))["blocks"]
    assert [b["type"] for b in blocks] == ["thinking", "text"]
    assert blocks[0]["thinking"] == turns.THOUGHT
    assert blocks[0]["signature"] == turns.SIGNATURE


@own_sdk
def test_count_tokens(seen):
    answer = good(seen.ask("count"))
    assert answer["input_tokens"] == 23
    assert seen.upstream_request().path.split("?")[0] == "/v1/messages/count_tokens"


@own_sdk
def test_models(seen):
    answer = good(seen.ask("models"))
    listed = seen.gate.listed_models
    assert sorted(answer["ids"]) == sorted(listed)
    assert sorted(answer["all"]) == sorted(listed)
    assert answer["types"] == ["model"]
    assert answer["has_more"] is False
    assert [answer["first_id"], answer["last_id"]] == [answer["ids"][0], answer["ids"][-1]]


@own_sdk
def test_model(seen):
    for name in seen.gate.listed_models:
        answer = good(seen.ask("model", model=name))
        assert (answer["ids"], answer["types"]) == ([name], ["model"])


@pytest.mark.parametrize("op", BOTH)
def test_other_prefix(seen, op):
    assert good(seen.ask(op, base=seen.gate.url + "/api/anthropic"))["id"] == "msg_test"


@pytest.mark.parametrize("op", BOTH)
def test_base_url_without_v1(seen, op):
    """The AI SDK with ANTHROPIC_BASE_URL=http://host asks for /messages."""
    if seen.library.ai:
        assert good(seen.ask(op, suffix=""))["id"] == "msg_test"
    else:
        assert good(seen.ask(op, base=seen.gate.url + "/"))["id"] == "msg_test"


# What the upstream gets


def test_upstream_gets_the_request_and_no_key_of_ours(seen):
    good(seen.ask("create", text="Gr\u00fc\u00dfe \U0001f30d"))
    request = seen.upstream_request()
    assert request.header("anthropic-version") == seen.library.version
    assert request.header("x-api-key") == seen.gate.upstream_key
    assert request.header("authorization") is None
    assert "\u00fc\u00dfe \U0001f30d" in json.dumps(request.json, ensure_ascii=False)
    assert not any(seen.gate.key in value for _, value in request.headers)


@own_sdk
def test_betas_and_unknown_members_pass(seen):
    extra = {"brand_new": {"b": [1.50, None], "a": "\u00e9"}}
    good(seen.ask("create", beta="one-2025-01-01,two-2026-02-02", extra=extra))
    request = seen.upstream_request()
    assert request.header("anthropic-beta") == "one-2025-01-01,two-2026-02-02"
    assert request.json["brand_new"] == extra["brand_new"]


# Refusals of the gate itself


@pytest.mark.parametrize("op", BOTH)
def test_wrong_key(seen, op):
    error = seen.fails(op, 401, key="sk-postern-" + "A" * 43)
    assert error["type"] == "authentication_error"
    assert seen.gate.upstream.requests(seen.model) == []


@own_sdk
def test_wrong_key_on_other_calls(seen):
    for op in ("count", "models", "model"):
        assert seen.fails(op, 401, key="sk-postern-" + "A" * 43)["type"] == "authentication_error"


@pytest.mark.parametrize("op", BOTH)
def test_key_without_this_model(seen, op):
    error = seen.fails(op, 403, key=seen.gate.narrow_key)
    assert error["type"] == "permission_error"
    assert seen.gate.upstream.requests(seen.model) == []


@pytest.mark.parametrize("op", BOTH)
def test_model_that_is_not_there(seen, op):
    """It is configured, but for another region than that of this path."""
    error = seen.fails(op, 404, model=seen.gate.far_model)
    assert error["type"] == "not_found_error"
    assert seen.gate.far_model in error["message"]


@own_sdk
def test_unknown_model_by_name(seen):
    assert seen.fails("model", 404, model="gpt-nine")["type"] == "not_found_error"


def test_unknown_path(seen):
    error = seen.fails("create", 404, base=seen.gate.url + "/nowhere")
    assert error["type"] == "not_found_error"


@own_sdk
def test_bad_request_names_the_member(seen):
    error = seen.fails("create", 400, extra={"max_tokens": "many"})
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("max_tokens: ")


@pytest.mark.parametrize("op", BOTH)
def test_body_over_the_limit(seen, op):
    error = seen.fails(op, 413, size=seen.gate.max_body)
    assert error["type"] == "request_too_large"
    assert seen.gate.upstream.requests(seen.model) == []


# Refusals of the upstream

RELAYED = [
    (400, "invalid_request_error", scripts.TOO_LONG),
    (404, "not_found_error", "model: claude-none"),
    (413, "request_too_large", "Request exceeds the maximum size"),
    (429, "rate_limit_error", "This request would exceed your rate limit"),
    (500, "api_error", "Internal server error"),
    (529, "overloaded_error", "Overloaded"),
]


@pytest.mark.parametrize("op", BOTH)
@pytest.mark.parametrize("status,kind,text", RELAYED)
def test_refusal_of_the_upstream(seen, op, status, kind, text):
    error = seen.fails(op, status, scripts.error(status, kind, text))
    assert error["type"] == kind
    if status in (400, 413):
        assert error["message"] == text


@pytest.mark.parametrize("op", BOTH)
@pytest.mark.parametrize("status,kind", [(401, "authentication_error"), (403, "permission_error")])
def test_refusal_of_our_own_credential_is_not_the_clients(seen, op, status, kind):
    error = seen.ask(op, scripts.error(status, kind, "invalid x-api-key"))["error"]
    assert error["status"] >= 500, error
    assert error["type"] == "api_error"
    assert "x-api-key" not in error["message"]


@pytest.mark.parametrize("op", BOTH)
@pytest.mark.parametrize("how", ["cut", "reset"])
def test_upstream_that_does_not_answer(seen, op, how):
    error = seen.fails(op, 502, scripts.dropped(how))
    assert error["type"] == "api_error"


@pytest.mark.parametrize("op", BOTH)
def test_upstream_answers_a_page(seen, op):
    """A page of some proxy instead of a message is a fault of the upstream, in the API's own shape."""
    error = seen.ask(op, scripts.html(503))["error"]
    assert error["status"] in (502, 503), error
    assert error["type"] in ("api_error", "overloaded_error")
    assert re.match(r"req_\w+$", error["request_id"] or "")


def test_retry_after_is_relayed(seen):
    limited = scripts.error(429, "rate_limit_error", "slow down", (("retry-after", "7"),))
    assert seen.fails("create", 429, limited)["retry_after"] == "7"


@pytest.mark.parametrize("op", BOTH)
def test_retry_succeeds(seen, op):
    limited = scripts.error(429, "rate_limit_error", "slow down", (("retry-after", "1"),))
    good(seen.ask(op, [limited, scripts.default], retries=2))
    assert len(seen.gate.upstream.requests(seen.model)) == 2


# Streams that do not end well


@pytest.mark.parametrize("op", ["stream", "helper"])
def test_error_event_first_is_a_status(seen, op):
    error = seen.fails(op, 529, scripts.error_event("overloaded_error", "Overloaded", midway=False))
    assert error["type"] == "overloaded_error"


@pytest.mark.parametrize("op", ["stream", "helper"])
def test_error_event_midway_is_raised(seen, op):
    script = scripts.error_event("overloaded_error", "Overloaded", midway=True)
    error = seen.ask(op, script)["error"]
    assert (error["type"], error["message"]) == ("overloaded_error", "Overloaded")


@pytest.mark.parametrize("op", ["stream", "helper"])
@pytest.mark.parametrize("how", ["clean", "cut", "reset", "in-event", "in-event-clean"])
def test_truncated_stream_is_raised(seen, op, how):
    """Never a clean end that was none: a raw iterator would take it for success."""
    answer = seen.ask(op, scripts.truncated(how))
    assert "error" in answer, answer
    assert answer["error"]["type"] in ("api_error", "overloaded_error"), answer
