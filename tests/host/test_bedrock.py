"""Bedrock behind the gate: what it is asked byte for byte, what its frames become, and how its faults end."""

import base64
import json
import pathlib
import random
import re

import pytest
from botocore.eventstream import EventStreamBuffer
from conftest import RECOMMENDED
from lib import bedrock, checks, messages, scripts
from lib.proc import wait_until

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.clouds]

EU = "/anthropic/eu/v1/messages"
VECTORS = pathlib.Path(__file__).resolve().parents[1] / "unit" / "vectors"


@pytest.fixture
def model():
    """A model's id of Bedrock's that is this test's own."""
    return messages.unique_model("eu.anthropic.claude-test") + "-v1:0"


def ask(host, body, path=EU, headers=()):
    return host.post(body, path, [*host.auth(), *headers])


def sent(host, model):
    """The one request that Bedrock got for the model."""
    got = host.clouds.bedrock.requests(model)
    assert len(got) == 1, got
    return got[0]


IDS = {
    "a model": ("anthropic.claude-haiku-5-5-x{}", "anthropic.claude-haiku-5-5-x{}"),
    "a dated model": ("anthropic.claude-x{}-v1:0", "anthropic.claude-x{}-v1%3A0"),
    "a profile": ("eu.anthropic.claude-x{}-v1:0", "eu.anthropic.claude-x{}-v1%3A0"),
    "a global profile": ("global.anthropic.claude-x{}", "global.anthropic.claude-x{}"),
    "an ARN": (
        "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a{}",
        "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fa{}",
    ),
}


@pytest.mark.parametrize("case", IDS)
@pytest.mark.parametrize("stream", [False, True])
def test_model_ids_and_signatures(host, case, stream):
    """Bedrock here answers a 403 to a signature that botocore does not make itself."""
    unique = messages.unique_model("m")[2:]
    model, path = (text.format(unique) for text in IDS[case])
    call = ask(host, messages.body(model, stream)).read()
    assert call.status == 200, call.body
    verb = "invoke-with-response-stream" if stream else "invoke"
    request = sent(host, model)
    assert request.path == f"/model/{path}/{verb}"
    assert request.header("x-api-key") is None
    assert host.site.key.text not in str(request.headers)
    if not stream:
        assert call.json() == messages.answer(model)


def test_stream_reads_as_anthropics(host, model):
    """The same script behind Bedrock and Anthropic gives the same events."""
    host.clouds.anthropic.on("claude-sonnet-4-5-20250929", scripts.stream())
    there = ask(host, messages.body("on-anthropic", True))
    theirs = [(e.name, e.data) for e in there.events()]
    call = ask(host, messages.body(model, True))
    ours = [(e.name, e.data) for e in call.events()]
    theirs[0][1]["message"]["model"] = model
    assert ours == theirs
    assert call.headers["content-type"].startswith("text/event-stream")
    line = host.site.ledger_line(call.headers["request-id"])
    assert (line["input_tokens"], line["output_tokens"]) == (11, 7), line


def test_vendors_frames(host, model):
    """What AWS's own encoder made comes out as the events that it was made of."""
    data = (VECTORS / "ok.eventstream").read_bytes()
    host.clouds.bedrock.on(model, bedrock.frames(*(data[i : i + 7] for i in range(0, len(data), 7))))
    call = ask(host, messages.body(model, True))
    got = [e.data["type"] for e in call.events()]
    want = re.findall(r"^event: (\w+)", (VECTORS / "ok.expected.sse").read_text(), re.MULTILINE)
    assert [t for t in got if t != "ping"] == [t for t in want if t != "ping"]


def test_own_frames_are_good():
    """AWS's reader takes the frames that these tests send."""
    reader = EventStreamBuffer()
    reader.add_data(bedrock.chunk({"type": "ping"}) + bedrock.exception("throttlingException", "slow"))
    first, second = list(reader)
    assert json.loads(base64.b64decode(json.loads(first.payload)["bytes"])) == {"type": "ping"}
    assert second.headers[":exception-type"] == "throttlingException"


def odd_json(rng, depth=0):
    """A random value as somebody might write it, in text."""
    blank = lambda: rng.choice(["", "", " ", "\n", "\t "])  # noqa: E731
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind < 2:
        text = "".join(rng.choice('aé😀 "\\/\n\u2028x') for _ in range(rng.randrange(8)))
        return json.dumps(text, ensure_ascii=rng.random() < 0.5)
    if kind < 6:
        return rng.choice(["0", "-1.50", "1e+2", "1E400", "true", "false", "null", "12345678901234567890"])
    items = [odd_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return "[" + ",".join(blank() + i + blank() for i in items) + blank() + "]"
    return "{" + ",".join(f'{blank()}"k{n}"{blank()}:{blank()}{i}' for n, i in enumerate(items)) + blank() + "}"


def odd_body(rng, model, stream):
    """Members in any order with blanks anywhere; and what must be left of them, each as it was written."""
    members = [("model", json.dumps(model)), ("max_tokens", "64"), ("messages", '[{"role":"user", "content":"x"}]')]
    members += [("stream", "true" if stream else "false")] if stream or rng.random() < 0.5 else []
    members += [(f"member_{n}", odd_json(rng)) for n in range(rng.randrange(5))]
    rng.shuffle(members)
    blank = lambda: rng.choice(["", " ", "\r\n", "\t"])  # noqa: E731
    parts = [(name, f'"{name}"{blank()}:{blank()}{value}') for name, value in members]
    text = "{" + ",".join(blank() + part + blank() for _, part in parts) + "}"
    return text.encode(), [part for name, part in parts if name not in ("model", "stream")]


@pytest.mark.parametrize("seed", range(20))
def test_only_named_members_change(host, model, seed):
    rng = random.Random(seed)
    body, kept = odd_body(rng, model, seed % 2)
    assert ask(host, body).read().status == 200
    there = sent(host, model).body.decode()
    at = 0
    for part in kept:
        at = there.index(part, at) + len(part)
    value = json.loads(there)
    assert value.pop("anthropic_version") == "bedrock-2023-05-31"
    want = {name: v for name, v in json.loads(body).items() if name not in ("model", "stream")}
    assert value == want
    added = len('"anthropic_version":"bedrock-2023-05-31",')
    assert len(there) - added <= len(body.decode())


def test_large_body(host, model):
    """A body that is kept in a file is edited and signed all the same."""
    assert ask(host, messages.body(model, text="x" * 3_000_000)).read().status == 200
    assert sent(host, model).json["messages"][0]["content"] == "x" * 3_000_000


VERSIONS = {
    "an old model": ("eu.anthropic.claude-3-7-sonnet-20250219-v1:0", "2026-10-21", "bedrock-2023-05-31"),
    "a new model, an old client": ("eu.anthropic.claude-opus-4-8", "2023-06-01", "bedrock-2023-05-31"),
    "a new model, a new client": ("eu.anthropic.claude-opus-4-8", "2026-10-21", "2026-10-21"),
}


@pytest.mark.parametrize("case", VERSIONS)
def test_version_by_generation(host, case):
    model, asked, want = VERSIONS[case]
    key = host.site.key.text
    call = host.post(messages.body(model), EU, [("x-api-key", key), ("anthropic-version", asked)]).read()
    assert call.status == 200, call.body
    request = host.clouds.bedrock.requests(model)[-1]
    assert request.json["anthropic_version"] == want
    assert request.header("anthropic-version") is None


def test_betas(host, model):
    """Those that may go stand in the body; the others are left out, and the log says which."""
    betas = "interleaved-thinking-2025-05-14, files-api-2025-04-14,fine-grained-tool-streaming-2025-05-14"
    call = ask(host, messages.body(model), headers=[("anthropic-beta", betas)]).read()
    assert call.status == 200, call.body
    want = ["interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"]
    assert sent(host, model).json["anthropic_beta"] == want
    wait_until(lambda: "files-api-2025-04-14" in host.text(), 5, "the dropped beta in the log")


def test_dropped_beta_cannot_forge_a_line(host, model):
    forged = 'x" event=forged what="y'
    assert ask(host, messages.body(model), headers=[("anthropic-beta", forged)]).read().status == 200
    wait_until(lambda: "event=beta" in host.text() and r"x\" event=forged" in host.text(), 5, "the quoted beta")


def test_betas_of_the_body_stay(host, model):
    call = ask(host, messages.body(model, anthropic_beta=["own"]), headers=[("anthropic-beta", "interleaved-thinking-1")])
    assert call.read().status == 200
    assert sent(host, model).json["anthropic_beta"] == ["own"]


EXCEPTIONS = {
    "throttlingException": (429, "rate_limit_error"),
    "modelStreamErrorException": (500, "api_error"),
    "internalServerException": (500, "api_error"),
    "validationException": (400, "invalid_request_error"),
    "modelTimeoutException": (504, "timeout_error"),
    "serviceUnavailableException": (529, "overloaded_error"),
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exception_first(host, model, name):
    status, kind = EXCEPTIONS[name]
    host.clouds.bedrock.on(model, bedrock.frames(bedrock.exception(name, "the words of AWS")))
    checks.refused(ask(host, messages.body(model, True)).read(), status, kind, "the words of AWS")


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exception_midway(host, model, name):
    opening = [bedrock.chunk(e) for e in messages.opening(model)]
    host.clouds.bedrock.on(model, bedrock.frames(*opening, bedrock.exception(name, "the words of AWS")))
    call = ask(host, messages.body(model, True))
    assert checks.error_event(call, EXCEPTIONS[name][1]) == "the words of AWS"


def test_error_frames(host, model):
    opening = [bedrock.chunk(e) for e in messages.opening(model)]
    last = bedrock.error_frame("InternalError", "An internal server error occurred.")
    host.clouds.bedrock.on(model, bedrock.frames(last), bedrock.frames(*opening, last))
    checks.refused(ask(host, messages.body(model, True)).read(), 500, "api_error", "An internal server error")
    call = ask(host, messages.body(model, True))
    assert "An internal server error" in checks.error_event(call, "api_error")


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


BROKEN = {
    "prelude's CRC": lambda frame: flipped(frame, 8),
    "length": lambda frame: flipped(frame, 3),
    "message's CRC": lambda frame: flipped(frame, len(frame) - 1),
    "payload": lambda frame: flipped(frame, len(frame) - 20),
    "no base64": lambda frame: bedrock.frame([(":event-type", "chunk"), (":message-type", "event")], b'{"bytes":"*"}'),
    "no JSON": lambda frame: bedrock.frame([(":event-type", "chunk"), (":message-type", "event")], b"oops"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("midway", [False, True])
def test_broken_frames(host, model, case, midway):
    opening = [bedrock.chunk(e) for e in messages.opening(model)] if midway else []
    bad = BROKEN[case](bedrock.chunk(messages.delta("never seen")))
    rest = [bedrock.chunk(e) for e in messages.closing()]
    host.clouds.bedrock.on(model, bedrock.frames(*opening, bad, *rest))
    call = ask(host, messages.body(model, True))
    if midway:
        checks.error_event(call, "api_error")
    else:
        checks.refused(call.read(), 502, "api_error")
    assert b"never seen" not in call.body


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("where", ["between frames", "in a frame"])
def test_no_clean_end_without_message_stop(host, model, cut, where):
    data = [bedrock.chunk(e) for e in [*messages.opening(model), messages.delta("text")]]
    if where == "in a frame":
        data.append(bedrock.chunk(messages.delta("never whole"))[:40])
    host.clouds.bedrock.on(model, bedrock.frames(*data, cut=cut))
    call = ask(host, messages.body(model, True))
    checks.error_event(call, "api_error")
    assert host.site.ledger_line(call.headers["request-id"])["end"] == "up-cut"


@pytest.mark.parametrize("size", [1, 2, 3, 11, 16, 1000])
def test_frames_in_pieces(host, model, size):
    data = b"".join(bedrock.chunk(bedrock.with_metrics(e)) for e in messages.stream(model, ["é😀", "x" * 300]))
    host.clouds.bedrock.on(model, bedrock.frames(*(data[i : i + size] for i in range(0, len(data), size))))
    call = ask(host, messages.body(model, True))
    assert [e.data for e in call.events() if e.name != "ping"] == messages.stream(model, ["é😀", "x" * 300])


ERRORS = {
    "ValidationException": (400, 400, "invalid_request_error"),
    "ServiceQuotaExceededException": (400, 429, "rate_limit_error"),
    "AccessDeniedException": (403, 403, "permission_error"),
    "ResourceNotFoundException": (404, 404, "not_found_error"),
    "ModelTimeoutException": (408, 504, "timeout_error"),
    "ModelErrorException": (424, 500, "api_error"),
    "ThrottlingException": (429, 429, "rate_limit_error"),
    "ModelNotReadyException": (429, 529, "overloaded_error"),
    "InternalServerException": (500, 500, "api_error"),
    "ServiceUnavailableException": (503, 529, "overloaded_error"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(host, model, name, stream):
    status, want, kind = ERRORS[name]
    host.clouds.bedrock.on(model, bedrock.error(status, name, "the words of AWS"))
    checks.refused(ask(host, messages.body(model, stream)).read(), want, kind, "the words of AWS")


@pytest.mark.parametrize("name", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"])
def test_own_credential_is_our_fault(host, model, name):
    host.clouds.bedrock.on(model, bedrock.error(403, name, "The security token included in the request is expired"))
    call = ask(host, messages.body(model)).read()
    assert call.status >= 500, call.body
    checks.refused(call, call.status, "api_error")
    wait_until(lambda: "refuses the credential" in host.text(), 5, "a line for the administrator")


def test_count_tokens(host):
    model = messages.unique_model("eu.anthropic.claude-count")
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}], "tools": []}).encode()
    call = ask(host, body, EU + "/count_tokens").read()
    assert (call.status, call.json()) == (200, {"input_tokens": 23}), call.body
    request = host.clouds.bedrock.requests(model.removeprefix("eu."))[0]
    assert request.path.endswith("/count-tokens")
    inner = json.loads(base64.b64decode(request.json["input"]["invokeModel"]["body"]))
    assert inner["messages"] == [{"role": "user", "content": "x"}]
    assert "model" not in inner and "tools" not in inner and inner["max_tokens"] >= 1


def test_count_tokens_of_a_profile_that_hides_its_model(host):
    arn = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/x"
    body = json.dumps({"model": arn, "messages": [{"role": "user", "content": "x"}]}).encode()
    checks.refused(ask(host, body, EU + "/count_tokens").read(), 501, "api_error")


def test_pings_are_ours(host, model, gate):
    """Bedrock sends none: a silent start commits, and silence later is filled."""
    host.clouds.bedrock.on(model, scripts.silent(gate, scripts.stream()))
    call = ask(host, messages.body(model, True))
    for _ in range(3):
        assert call.next_event(20).name == "ping"
    gate.set()
    assert [e.name for e in call.events() if e.name != "ping"][-1] == "message_stop"


def test_client_that_leaves(host, model, gate):
    host.clouds.bedrock.on(model, scripts.silent_midway(gate))
    call = ask(host, messages.body(model, True))
    call.until("content_block_delta", 10)
    call.leave()
    sent(host, model).wait_closed(10)


def test_api_key_as_bearer(host):
    """The us one lets an API key in, as a bearer."""
    call = ask(host, messages.body("only-us"), "/anthropic/us/v1/messages").read()
    assert call.status == 200, call.body
    assert call.json()["model"] == "only-us"
    request = host.clouds.bedrock_us.requests("us.anthropic.only-v1:0")[-1]
    assert request.header("authorization").startswith("Bearer ")
    assert request.header("x-amz-date") is None


def plain(request, out):
    data = b"".join(messages.sse(e) for e in messages.stream(request.model))
    out.connection.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(data) + data
    )


def test_answer_without_frames(host, model):
    """A proxy in between may have made plain events of it."""
    host.clouds.bedrock.on(model, plain)
    call = ask(host, messages.body(model, True))
    assert [e.name for e in call.events()][-1] == "message_stop"
