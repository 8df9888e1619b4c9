"""Vertex AI behind the gate: paths, bodies and headers as it wants them, tokens, and Google's own errors."""

import json
import random
import threading

import pytest
from conftest import RECOMMENDED
from lib import checks, messages, scripts, vertex
from lib.proc import wait_until
from test_bedrock import odd_body

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.clouds]

EU = "/anthropic/eu/v1/messages"
MODEL, THERE = "on-vertex", "claude-sonnet-4-5@20250929"
MODELS = "/v1/projects/project-1/locations/eu/publishers/anthropic/models/"


@pytest.fixture
def cloud(host):
    """The server, with no script of another test's."""
    host.clouds.vertex.on(THERE, host.clouds.vertex.default)
    return host.clouds.vertex


def ask(host, body, path=EU, headers=()):
    return host.post(body, path, [*host.auth(), *headers])


@pytest.mark.parametrize("stream", [False, True])
def test_paths_and_answers(host, cloud, stream):
    call = ask(host, messages.body(MODEL, stream))
    if stream:
        assert [e.data for e in call.events() if e.name != "ping"] == messages.stream(MODEL)
    else:
        assert call.read().json() == messages.answer(MODEL)
    request = cloud.requests(THERE)[-1]
    assert request.path == MODELS + THERE + (":streamRawPredict" if stream else ":rawPredict")
    assert request.header("x-goog-user-project") == "project-1"
    assert request.header("x-api-key") is None
    assert host.site.key.text not in str(request.headers)


def test_odd_name_stays_in_its_place(host, cloud):
    assert ask(host, messages.body("on-vertex-odd")).read().status == 200
    assert cloud.requests("a;b c/d")[-1].path == MODELS + "a%3Bb%20c%2Fd:rawPredict"


@pytest.mark.parametrize("seed", range(20))
def test_only_named_members_change(host, cloud, seed):
    body, kept = odd_body(random.Random(seed), MODEL, seed % 2)
    assert ask(host, body).read().status == 200
    there = cloud.requests(THERE)[-1].body.decode()
    at = 0
    for part in kept:
        at = there.index(part, at) + len(part)
    value = json.loads(there)
    assert value.pop("anthropic_version") == "vertex-2023-10-16"
    assert value == {name: v for name, v in json.loads(body).items() if name != "model"}


def test_version_and_betas(host, cloud):
    betas = "files-api-2025-04-14, interleaved-thinking-2025-05-14"
    headers = [("x-api-key", host.site.key.text), ("anthropic-version", "2026-10-21"), ("anthropic-beta", betas)]
    assert host.post(messages.body(MODEL), EU, headers).read().status == 200
    request = cloud.requests(THERE)[-1]
    assert request.json["anthropic_version"] == "2026-10-21"
    assert request.header("anthropic-version") is None
    assert request.header("anthropic-beta") == "interleaved-thinking-2025-05-14"
    wait_until(lambda: "files-api-2025-04-14" in host.text(), 5, "the dropped beta in the log")


def test_count_tokens(host, cloud):
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}]}).encode()
    call = ask(host, body, EU + "/count_tokens").read()
    assert (call.status, call.json()) == (200, {"input_tokens": 23}), call.body
    assert cloud.requests(THERE)[-1].path == MODELS + "count-tokens:rawPredict"


def test_one_token_for_many_calls(host, cloud):
    """The first calls come at once; each process asks the token server once."""
    before = len(host.clouds.tokens.given)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(host, messages.body(MODEL)).read().status)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert len(host.clouds.tokens.given) - before <= 2, host.clouds.tokens.given


ERRORS = {
    "INVALID_ARGUMENT": (400, 400, "invalid_request_error"),
    "FAILED_PRECONDITION": (400, 400, "invalid_request_error"),
    "NOT_FOUND": (404, 404, "not_found_error"),
    "RESOURCE_EXHAUSTED": (429, 429, "rate_limit_error"),
    "INTERNAL": (500, 500, "api_error"),
    "UNAVAILABLE": (503, 529, "overloaded_error"),
    "DEADLINE_EXCEEDED": (504, 504, "timeout_error"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_google(host, cloud, name, stream):
    status, want, kind = ERRORS[name]
    cloud.on(THERE, vertex.error(status, name, "the words of Google", array=stream))
    checks.refused(ask(host, messages.body(MODEL, stream)).read(), want, kind, "the words of Google")


def test_errors_of_the_model(host, cloud):
    """Those come in the API's own shape and keep their words."""
    cloud.on(THERE, scripts.error(400, "invalid_request_error", scripts.TOO_LONG))
    checks.refused(ask(host, messages.body(MODEL)).read(), 400, "invalid_request_error", scripts.TOO_LONG)


@pytest.mark.parametrize("name", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_own_credential_is_our_fault(host, cloud, name):
    cloud.on(THERE, vertex.error(401 if name == "UNAUTHENTICATED" else 403, name, "no"))
    call = ask(host, messages.body(MODEL)).read()
    assert call.status >= 500
    checks.refused(call, call.status, "api_error")


@pytest.mark.parametrize("how", ["clean", "cut", "in-event"])
def test_no_clean_end_without_message_stop(host, cloud, how):
    cloud.on(THERE, scripts.truncated(how))
    call = ask(host, messages.body(MODEL, True))
    checks.error_event(call, "api_error")
    assert host.site.ledger_line(call.headers["request-id"])["end"] == "up-cut"


def test_error_event(host, cloud):
    cloud.on(THERE, scripts.error_event("overloaded_error", "Overloaded", midway=False))
    checks.refused(ask(host, messages.body(MODEL, True)).read(), 529, "overloaded_error")
