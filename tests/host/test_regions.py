"""Regions fail closed, own upstreams are their owner's alone, and what is bound to an account stays with it."""

import json

import pytest
from conftest import RECOMMENDED
from lib import bedrock, checks, clouds, messages, scripts
from lib.proc import wait_until

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.clouds]

TWO = "eu.anthropic.two-v1:0"


def path(region, rest="messages"):
    return f"/anthropic/{region}/v1/{rest}"


@pytest.fixture
def owner(host):
    """A key of the workspace that has an upstream of its own."""
    return host.auth(host.site.add_key(workspace="owner"))


def asked(host):
    """How many requests each server has had."""
    return {name: len(s.requests()) for name, s in vars(host.clouds).items() if hasattr(s, "requests")}


def asked_since(host, before):
    """The servers that have had requests since then."""
    return {name for name, count in asked(host).items() if count > before[name] and name != "tokens"}


def models(host, region, headers=None):
    call = host.request("GET", path(region, "models"), headers or host.auth())
    assert call.status == 200, call.body
    return {m["id"] for m in call.json()["data"]}


@pytest.mark.parametrize("region, server", [("eu", "bedrock"), ("us", "bedrock_us")])
def test_region_of_the_path(host, region, server):
    before = asked(host)
    call = host.post(messages.body("in-both"), path(region)).read()
    assert (call.status, call.json()["model"]) == (200, "in-both"), call.body
    assert asked_since(host, before) == {server}


def test_model_lists(host):
    eu, us = models(host, "eu"), models(host, "us")
    assert {"in-both", "only-eu", "two-in-eu", "on-vertex"} <= eu
    assert {"in-both", "only-us", "on-mantle", "owned"} <= us
    assert not {"only-us", "on-mantle", "owned"} & eu
    assert not {"only-eu", "on-vertex"} & us


def test_one_model(host):
    there = host.request("GET", path("eu", "models/only-eu"), host.auth())
    assert (there.status, there.json()["id"]) == (200, "only-eu")
    away = host.request("GET", path("us", "models/only-eu"), host.auth())
    checks.refused(away, 404, "not_found_error", "only-eu is not in region us; it is in eu")
    checks.refused(host.request("GET", path("us", "models/nothing"), host.auth()), 404, "not_found_error", "nothing")


def test_model_of_another_region(host):
    """It says where the model is."""
    before = asked(host)
    call = host.post(messages.body("only-us"), path("eu")).read()
    checks.refused(call, 404, "not_found_error", "model: only-us is not in region eu; it is in us")
    body = json.dumps({"model": "on-mantle", "messages": [{"role": "user", "content": "x"}]}).encode()
    checks.refused(host.post(body, path("eu", "messages/count_tokens")).read(), 404, "not_found_error", "is in us")
    assert asked_since(host, before) == set()


def test_unknown_region(host):
    before = asked(host)
    call = host.post(messages.body("in-both"), path("mars")).read()
    checks.refused(call, 404, "not_found_error", "mars")
    checks.refused(host.request("GET", path("mars", "models"), host.auth()), 404, "not_found_error", "mars")
    checks.refused(host.request("GET", path("EU", "models"), host.auth()), 404, "not_found_error", "EU")
    assert asked_since(host, before) == set()


FAULTS = {
    "overloaded": bedrock.error(503, "ServiceUnavailableException", "busy"),
    "throttled": bedrock.error(429, "ThrottlingException", "slow"),
    "an exception": bedrock.frames(bedrock.exception("serviceUnavailableException", "busy")),
    "dropped": scripts.dropped("cut"),
    "no access": bedrock.error(403, "AccessDeniedException", "no access to the model"),
    "no credential": bedrock.error(403, "ExpiredTokenException", "expired"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failover_inside_the_region(host, fault):
    host.clouds.bedrock.on(TWO, FAULTS[fault])
    host.clouds.anthropic.on("claude-two", scripts.default)
    before = asked(host)
    call = host.post(messages.body("two-in-eu", True), path("eu"))
    assert [e.name for e in call.events()][-1] == "message_stop", call.body
    assert asked_since(host, before) == {"bedrock", "anthropic"}
    assert host.site.ledger_line(call.headers["request-id"])["upstream"] == "anthropic-eu"


def test_failover_never_leaves_the_region(host):
    """With everything in eu out of order, the ones in us are not asked."""
    host.clouds.bedrock.on(TWO, bedrock.error(503, "ServiceUnavailableException", "busy"))
    host.clouds.anthropic.on("claude-two", scripts.error(529, "overloaded_error", "Overloaded"))
    before = asked(host)
    checks.refused(host.post(messages.body("two-in-eu"), path("eu")).read(), 529, "overloaded_error")
    assert asked_since(host, before) == {"bedrock", "anthropic"}
    assert len(host.clouds.anthropic.requests()) == before["anthropic"] + 1


def test_fault_of_the_request_moves_nothing(host):
    host.clouds.bedrock.on(TWO, bedrock.error(400, "ValidationException", "messages: wrong"))
    before = asked(host)
    checks.refused(host.post(messages.body("two-in-eu"), path("eu")).read(), 400, "invalid_request_error", "wrong")
    assert asked_since(host, before) == {"bedrock"}


def test_own_upstream(host, owner):
    """Its workspace reaches it alone, and nobody else reaches it."""
    before = asked(host)
    assert host.post(messages.body("owned"), path("eu"), owner).read().status == 200
    assert host.post(messages.body("any-name"), path("eu"), owner).read().status == 200
    assert asked_since(host, before) == {"own"}
    before = asked(host)
    checks.refused(host.post(messages.body("only-eu"), path("eu"), owner).read(), 404, "not_found_error")
    checks.refused(host.post(messages.body("owned"), path("us"), owner).read(), 404, "not_found_error")
    checks.refused(host.post(messages.body("owned"), path("eu")).read(), 404, "not_found_error")
    assert asked_since(host, before) == set()
    assert models(host, "eu", owner) == {"owned"}
    assert models(host, "us", owner) == set()
    assert "owned" not in models(host, "eu")


def test_own_upstream_that_fails_has_no_successor(host, owner):
    host.clouds.own.on("claude-owned", scripts.error(529, "overloaded_error", "Overloaded"))
    before = asked(host)
    checks.refused(host.post(messages.body("owned"), path("eu"), owner).read(), 529, "overloaded_error")
    assert asked_since(host, before) == {"own"}
    host.clouds.own.on("claude-owned", scripts.default)


def test_check_says_what_is_reachable_for_whom(host):
    said = host.site.command("check").stdout.splitlines()
    assert said[-1] == "ok", said
    assert 'workspace "owner" in region eu: owned (own), any other model (own)' in said
    assert 'workspace "owner" in region us: nothing' in said
    eu = [line for line in said if line.startswith('workspace "default" in region eu: ')]
    assert len(eu) == 1 and "two-in-eu (bedrock-eu, then anthropic-eu)" in eu[0], said
    assert "only-us" not in eu[0] and "owned" not in eu[0]


BOUND = {
    "a thread": {"thread": {"type": "create"}},
    "a container": {"container": "container_1"},
}


@pytest.mark.parametrize("case", BOUND)
def test_bound_requests_stay_with_one_account(host, case):
    """Bedrock knows neither, so they go to the Anthropic one, and no further."""
    host.clouds.anthropic.on("claude-threaded", scripts.default)
    before = asked(host)
    assert host.post(messages.body("threaded", **BOUND[case]), path("eu")).read().status == 200
    assert asked_since(host, before) == {"anthropic"}
    host.clouds.anthropic.on("claude-threaded", scripts.error(529, "overloaded_error", "Overloaded"))
    before = asked(host)
    checks.refused(host.post(messages.body("threaded", **BOUND[case]), path("eu")).read(), 529, "overloaded_error")
    assert asked_since(host, before) == {"anthropic"}


def test_file_stays_with_one_account(host):
    content = [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]
    body = messages.body("threaded", messages=[{"role": "user", "content": content}])
    host.clouds.anthropic.on("claude-threaded", scripts.default)
    before = asked(host)
    assert host.post(body, path("eu")).read().status == 200
    assert asked_since(host, before) == {"anthropic"}


def test_threads_where_nobody_has_them(host):
    before = asked(host)
    call = host.post(messages.body("only-eu", thread={"type": "create"}), path("eu")).read()
    checks.refused(call, 400, "invalid_request_error", "thread")
    assert call.json()["error"]["details"]["error_code"] == "thread_unsupported_request", call.body
    assert asked_since(host, before) == set()


NATIVE = {
    "mantle": ("on-mantle", "/anthropic/v1/messages", "anthropic.claude-haiku-5-5"),
    "runtime": ("on-runtime", "/anthropic/v1/messages", "us.anthropic.claude-haiku-5-5"),
    "external": ("on-external", "/v1/messages", "claude-haiku-5-5"),
    "foundry": ("on-foundry", "/anthropic/v1/messages", "claude-haiku-5-5"),
}


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("stream", [False, True])
def test_native_end_points_of_clouds(host, name, stream):
    """Those of AWS check the signature; the body is the client's but for the model's name."""
    model, where, there = NATIVE[name]
    call = host.post(messages.body(model, stream), path("us")).read()
    assert call.status == 200, call.body
    request = getattr(host.clouds, name).requests(there)[-1]
    assert request.path == where
    assert request.body == messages.body(model, stream).replace(model.encode(), there.encode())
    assert request.header("anthropic-version") == "2023-06-01"
    assert request.header("anthropic-workspace-id") == ("wrkspc_1" if name == "external" else None)
    assert request.header("x-api-key") == (clouds.FOUNDRY_KEY if name == "foundry" else None)


def test_changed_credentials_apply_at_once(host):
    """The shared credentials file is read again when it changes; a wrong one is our fault, with a line in the log."""
    file = host.clouds.files["aws"]
    good = file.read_text()
    try:
        host.clouds.put("aws", good.replace(clouds.SECRET, "another"))
        call = host.post(messages.body("only-eu"), path("eu")).read()
        assert call.status >= 500
        checks.refused(call, call.status, "api_error")
        wait_until(lambda: "refuses the credential" in host.text(), 5, "a line for the administrator")
        host.clouds.put("aws", "[default]\n")
        checks.refused(host.post(messages.body("only-eu"), path("eu")).read(), 500, "api_error")
        wait_until(lambda: "profile session: there is no such profile" in host.text(), 5, "the reason in the log")
        done = host.site.command("check", check=False)
        assert done.returncode == 1 and "there is no such profile" in done.stdout, done.stdout
    finally:
        host.clouds.put("aws", good)
    assert host.post(messages.body("only-eu"), path("eu")).read().status == 200
