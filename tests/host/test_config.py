"""Changes to the config apply by themselves; a broken one doesn't."""

import pytest
from conftest import RECOMMENDED
from lib import checks, messages
from lib.proc import wait_until

pytestmark = [pytest.mark.modes(RECOMMENDED), pytest.mark.settings(commit_s=2)]


@pytest.fixture
def restored(host):
    """The config is the old one again after the test."""
    yield
    host.site.write_conf()
    wait_until(lambda: host.post(messages.body("claude-sonnet-4-5")).read().status == 200, 5, "the old config")


def test_change_applies(host, restored):
    text = host.site.conf_text()
    host.site.write_conf(text + 'model "brand-new" { regions = { "us" } target "echo" { id = "x" } }\n')
    answer = host.request("GET", "/v1/models/brand-new", host.auth())
    assert (answer.status, answer.json().get("id")) == (200, "brand-new"), answer.body


def test_smaller_limit_applies(host, upstream, model, restored):
    host.site.write_conf(host.site.conf_text().replace("max_body = 33554432", "max_body = 2000"))
    checks.refused(host.post(messages.body(model, text="x" * 2000)).read(), 413, "request_too_large")
    assert host.post(messages.body(model, text="x" * 500)).read().status == 200


BROKEN = {
    "syntax": (lambda text: text + 'upstream "half" {\n', "postern.conf:"),
    "unknown option": (lambda text: "no_such_option = 1\n" + text, "postern.conf:1"),
    "out of range": (lambda text: text.replace("ping_s = 1", "ping_s = -5"), "postern.conf:"),
    "empty": (lambda text: "", "postern.conf"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_config_leaves_the_old_one_in_force(host, upstream, model, restored, case):
    change, words = BROKEN[case]
    said_before = host.text().count(words)
    host.site.write_conf(change(host.site.conf_text()))
    for _ in range(3):
        assert host.post(messages.body(model)).read().status == 200
    assert host.request("GET", "/v1/models", host.auth()).status == 200
    assert host.text().count(words) > said_before, host.text()
    done = host.site.command("check", check=False)
    assert done.returncode == 1
    assert words in done.stdout + done.stderr


def test_missing_config_leaves_the_old_one_in_force(host, model, restored):
    host.site.conf.unlink()
    assert host.post(messages.body(model)).read().status == 200


def test_keys_that_cannot_be_read_let_nobody_in(host, upstream, model, restored):
    away = host.site.keys.rename(host.site.dir / "keys.away")
    try:
        answer = host.post(messages.body(model)).read()
        assert answer.status in (401, 503), answer.body
        assert not upstream.requests(model)
    finally:
        away.rename(host.site.keys)


def test_check_says_that_all_is_well(host):
    assert host.site.command("check").returncode == 0
