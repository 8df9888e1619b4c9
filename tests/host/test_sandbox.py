"""sandbox = true: what a process that serves has given up, and that everything works all the same."""

import pathlib
import signal

import pytest
from lib import checks, messages
from lib.proc import scratch_dir, wait_until
from standalone import Gate

SANDBOXED = pytest.mark.settings(sandbox=True)


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@SANDBOXED
def test_calls(host, upstream, model):
    """Streams, whole answers, and a body that goes into a file."""
    with host.post(messages.body(model, stream=True)) as call:
        assert checks.explicit_end(call, 10) == "message_stop"
    large = messages.body(model, messages=[{"role": "user", "content": "x" * 3_000_000}])
    assert host.post(large).read().status == 200
    assert host.post(messages.body("echo-model")).read().status == 200
    assert len(upstream.requests(model)) == 2
    assert 'event=sandbox' in host.text() and 'what="entered"' in host.text()


@SANDBOXED
def test_files_are_read_again(host, model):
    """A new key, a new secret and a new configuration, in the folders of the old ones."""
    key = host.site.add_key(name="later")
    assert host.post(messages.body(model), headers=host.auth(key)).read().status == 200
    host.site.provider_key.write_text("sk-upstream-another\n")
    assert host.post(messages.body(model)).read().status == 200
    text = host.site.conf_text()
    host.site.write_conf(text.replace('model "echo-model"', 'model "echo-again"'))
    try:
        assert host.post(messages.body("echo-again")).read().status == 200
    finally:
        host.site.write_conf(text)


@pytest.fixture
def standing(upstream):
    gate_ = Gate(upstream.url, workers=2, sandbox=True).start({"ASAN_OPTIONS": "detect_leaks=0"})
    yield gate_
    gate_.close()


def test_workers_are_in_it_and_their_supervisor_is_not(standing):
    """It has to start programs: new ones of itself."""
    assert status_of(standing.proc.pid)["Seccomp"] == "0"
    for pid in standing.children():
        assert status_of(pid)["Seccomp"] == "2" and status_of(pid)["NoNewPrivs"] == "1"
    standing.serves()
    standing.proc.send(signal.SIGHUP)
    wait_until(lambda: standing.ready_count() == 4, 20, "two new workers")
    standing.serves()
    assert standing.stop() == 0


def test_files_elsewhere_take_new_processes(standing):
    """A key file that the configuration moves to another folder is out of reach until the processes are new."""
    elsewhere = scratch_dir("postern-elsewhere-") / "keys"
    elsewhere.write_bytes(standing.site.keys.read_bytes())
    elsewhere.chmod(0o644)
    standing.serves()
    text = standing.site.conf_text().replace(f'keys = "{standing.site.keys}"', f'keys = "{elsewhere}"')
    standing.site.write_conf(text)
    with standing.post(messages.body("echo-model")) as call:
        checks.refused(call.read(), 503, "api_error")
    assert "Permission denied" in standing.text()
    standing.proc.send(signal.SIGHUP)
    wait_until(lambda: standing.ready_count() == 4, 20, "two new workers")
    wait_until(lambda: len(standing.children()) == 2, 20, "the old ones to end")
    standing.serves()
