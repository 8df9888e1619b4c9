"""The stream parsers of OpenAI's packages read every chunk of the envelope's streams."""

import json
import os
import pathlib
import subprocess

import pytest

import turns
from clients import BUILD
from conftest import CloudGate
from lib import client, envelope, hosts, messages, scripts

HERE = pathlib.Path(__file__).resolve().parent
READERS = {
    "python": ["/usr/bin/python3", str(HERE / "reader.py")],
    "node": ["node", str(HERE / "reader.mjs")],
}
MODELS = {
    "anthropic": ("on-anthropic", "claude-sonnet-4-5-20250929"),
    "bedrock": ("anthropic.claude-reader",) * 2,
    "vertex": ("on-vertex", "claude-sonnet-4-5@20250929"),
    "openai": ("on-openai", "gpt-oss-120b"),
}


@pytest.fixture(scope="module", params=[hosts.LighttpdSocket, hosts.ApacheProxy], ids=lambda one: one.name)
def portal(request):
    gate = CloudGate(request.param, default_region="eu")
    yield gate
    gate.close()


def read(reader, portal, body):
    folder = BUILD / f"openai-{reader}"
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG") if k in os.environ}
    case = {"base": portal.api, "key": portal.key, "body": body}
    done = subprocess.run(
        READERS[reader],
        input=json.dumps(case),
        env={**kept, "PYTHONPATH": str(folder), "SDK_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ours(portal, body):
    headers = [("authorization", "Bearer " + portal.key), ("content-type", "application/json")]
    path = portal.host.prefix + "/api/v1/messages"
    return envelope.Stream(client.Call(portal.host.port).send("POST", path, headers, json.dumps(body).encode()))


def without_time(chunks):
    return [{name: value for name, value in chunk.items() if name != "created"} for chunk in chunks]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("turn", ["plain", "tools", "thinking"])
def test_reads_every_chunk(portal, reader, kind, turn):
    name, there = MODELS[kind]
    getattr(portal.clouds, kind).on(there, getattr(turns, turn))
    body = json.loads(messages.body(name, True, stream_options={"include_usage": True}))
    stream = ours(portal, body)
    assert stream.done and len(stream.chunks) >= 4
    assert without_time(read(reader, portal, body)) == without_time(stream.chunks)


@pytest.mark.parametrize("reader", READERS)
def test_waits_through_silence(portal, reader):
    """Comments are none of a reader's business."""
    name, there = MODELS["anthropic"]
    portal.clouds.anthropic.on(there, scripts.stream(gap=0.5))
    body = json.loads(messages.body(name, True))
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in read(reader, portal, body))
    assert text == messages.ANSWER + " and more"
