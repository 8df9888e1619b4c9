"""A program that uses a library sees no difference between the kinds of upstream behind /anthropic/eu."""

import pytest

import turns
from lib import bedrock, messages, openai, scripts, vertex

BOTH = ["create", "helper"]


class Kinds:
    """One client before the kinds, which all answer by the same script."""

    all = ("anthropic", "bedrock", "vertex", "openai")

    def __init__(self, client, gate):
        self.client = client
        self.gate = gate
        self.models = {
            "anthropic": ("on-anthropic", "claude-sonnet-4-5-20250929"),
            "bedrock": (messages.unique_model("anthropic.claude-sdk"),) * 2,
            "vertex": ("on-vertex", "claude-sonnet-4-5@20250929"),
            "openai": ("on-openai", "gpt-oss-120b"),
        }

    def ask(self, op, script=None, kinds=all, **case):
        """What the client sees of each kind, without what is each call's own."""
        seen = []
        for kind in kinds:
            name, there = self.models[kind]
            server = getattr(self.gate.clouds, kind)
            chosen = script[kind] if isinstance(script, dict) else script or server.default
            server.on(there, chosen)
            base = self.gate.url + ("/v1" if self.client.library.ai else "")
            wanted = "stream" if self.client.library.ai and op == "helper" else op
            answer = self.client.ask({"op": wanted, "key": self.gate.key, "model": name, "base": base, **case})
            # Anthropic's own answers are passed as they are, with the name that the model has there.
            seen.append(without_own(answer, there if kind == "anthropic" else name))
        return seen

    def same(self, op, script=None, kinds=all, **case):
        first, *others = self.ask(op, script, kinds, **case)
        for kind, other in zip(kinds[1:], others):
            got, want = (as_chat(other), as_chat(first)) if kind == "openai" else (other, first)
            assert got == want, f"{kind}: {got}\nanthropic: {want}"
        return first


def as_chat(value):
    """What a chat completion has of it: no signature, and no piece of nothing."""
    if isinstance(value, list):
        return [as_chat(v) for v in value]
    if not isinstance(value, dict):
        return value
    told = {name: as_chat(v) for name, v in value.items() if name != "signature"}
    if "partial" in told:
        told["partial"] = [piece for piece in told["partial"] if piece]
        told["events"] = [name for name in told["events"] if not name.endswith(("_delta", "-delta"))]
    return told


def without_own(value, name):
    """An answer with neither the model's name nor what tells one call from another."""
    if isinstance(value, dict):
        return {k: without_own(v, name) for k, v in value.items() if k not in ("request_id", "body_request_id", "ended")}
    if isinstance(value, list):
        return [without_own(v, name) for v in value]
    return value.replace(name, "the model") if isinstance(value, str) else value


@pytest.fixture
def kinds(client, cloud_gate):
    return Kinds(client, cloud_gate)


@pytest.mark.parametrize("op", BOTH)
@pytest.mark.parametrize("turn", ["plain", "tools", "thinking"])
def test_answers(kinds, op, turn):
    seen = kinds.same(op, getattr(turns, turn), tools=turn == "tools", thinking=turn == "thinking")
    assert "error" not in seen, seen


@pytest.mark.own_sdk
def test_raw_stream(kinds):
    seen = kinds.same("stream", turns.tools, tools=True)
    assert "error" not in seen, seen


@pytest.mark.own_sdk
def test_count_tokens(kinds):
    seen = kinds.same("count", kinds=("anthropic", "bedrock", "vertex"))
    assert "error" not in seen, seen


TOO_LONG = scripts.TOO_LONG
ERRORS = {
    "bad request": (
        scripts.error(400, "invalid_request_error", TOO_LONG),
        bedrock.error(400, "ValidationException", TOO_LONG),
        vertex.error(400, "INVALID_ARGUMENT", TOO_LONG),
        openai.error(400, TOO_LONG),
    ),
    "not found": (
        scripts.error(404, "not_found_error", "no such model"),
        bedrock.error(404, "ResourceNotFoundException", "no such model"),
        vertex.error(404, "NOT_FOUND", "no such model"),
        openai.error(404, "no such model"),
    ),
    "throttled": (
        scripts.error(429, "rate_limit_error", "slow down"),
        bedrock.error(429, "ThrottlingException", "slow down"),
        vertex.error(429, "RESOURCE_EXHAUSTED", "slow down"),
        openai.error(429, "slow down"),
    ),
    "failed": (
        scripts.error(500, "api_error", "oh"),
        bedrock.error(500, "InternalServerException", "oh"),
        vertex.error(500, "INTERNAL", "oh"),
        openai.error(500, "oh"),
    ),
    "overloaded": (
        scripts.error(529, "overloaded_error", "busy"),
        bedrock.error(503, "ServiceUnavailableException", "busy"),
        vertex.error(503, "UNAVAILABLE", "busy"),
        openai.error(503, "busy"),
    ),
}


@pytest.mark.parametrize("op", BOTH)
@pytest.mark.parametrize("case", ERRORS)
def test_errors(kinds, op, case):
    seen = kinds.same(op, dict(zip(Kinds.all, ERRORS[case])))
    assert "error" in seen, seen


def test_error_midway(kinds):
    opening = [bedrock.chunk(e) for e in [*messages.opening("m"), messages.delta(messages.ANSWER)]]
    native = scripts.error_event("overloaded_error", "busy", midway=True)
    framed = bedrock.frames(*opening, bedrock.exception("serviceUnavailableException", "busy"))
    seen = kinds.same("helper", {"anthropic": native, "bedrock": framed, "vertex": native, "openai": native})
    assert "error" in seen, seen


@pytest.mark.parametrize("how", ["clean", "cut"])
def test_truncated(kinds, how):
    seen = kinds.same("helper", scripts.truncated(how))
    assert "error" in seen, seen
