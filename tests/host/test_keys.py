"""Who gets in, through every way of hosting."""

import datetime

import pytest
from lib import checks, messages


def bearer(key):
    return [("authorization", f"Bearer {key}")]


def x_api_key(key):
    return [("x-api-key", key)]


@pytest.mark.parametrize("header", [bearer, x_api_key])
def test_good_key(host, model, header):
    assert host.post(messages.body(model), headers=header(host.site.key.text)).read().status == 200


def test_no_key(host, upstream, model):
    checks.refused(host.post(messages.body(model), headers=[]).read(), 401, "authentication_error")
    assert not upstream.requests(model)


@pytest.mark.parametrize("header", [bearer, x_api_key])
@pytest.mark.parametrize("change", ["last", "first", "shorter", "empty"])
def test_wrong_key(host, upstream, model, header, change):
    good = host.site.key.text
    key = {
        "last": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "first": "SK" + good[2:],
        "shorter": good[:-1],
        "empty": "",
    }[change]
    checks.refused(host.post(messages.body(model), headers=header(key)).read(), 401, "authentication_error")
    assert not upstream.requests(model)


def test_x_api_key_wins(host, upstream, model):
    wrong = "sk-postern-" + "A" * 43
    good = host.site.key.text
    assert host.post(messages.body(model), headers=x_api_key(good) + bearer(wrong)).read().status == 200
    answer = host.post(messages.body(model), headers=x_api_key(wrong) + bearer(good)).read()
    checks.refused(answer, 401, "authentication_error")


def test_revoked_key_is_refused_at_the_next_call(host, upstream, model):
    key = host.site.add_key(name="to be revoked")
    assert host.post(messages.body(model), headers=host.auth(key)).read().status == 200
    host.site.revoke(key)
    checks.refused(host.post(messages.body(model), headers=host.auth(key)).read(), 401, "authentication_error")
    assert len(upstream.requests(model)) == 1


def test_new_key_is_good_at_once(host, model):
    key = host.site.add_key()
    assert host.post(messages.body(model), headers=host.auth(key)).read().status == 200


def test_expired_key(host, upstream, model):
    tomorrow = datetime.date.today() + datetime.timedelta(days=2)
    key = host.site.add_key(expires=tomorrow.isoformat())
    assert host.post(messages.body(model), headers=host.auth(key)).read().status == 200
    text = host.site.keys.read_text()
    assert f"expires={tomorrow}" in text
    host.site.keys.write_text(text.replace(f"expires={tomorrow}", "expires=2026-01-01"))
    checks.refused(host.post(messages.body(model), headers=host.auth(key)).read(), 401, "authentication_error")
    assert len(upstream.requests(model)) == 1


def test_models_of_a_key(host, upstream, model):
    key = host.site.add_key(models="claude-*")
    checks.refused(host.post(messages.body(model), headers=host.auth(key)).read(), 403, "permission_error")
    assert not upstream.requests(model)
    assert host.post(messages.body("claude-sonnet-4-5"), headers=host.auth(key)).read().status == 200


def test_models_of_a_workspace(host, upstream, model):
    key = host.site.add_key(workspace="narrow")
    checks.refused(host.post(messages.body(model), headers=host.auth(key)).read(), 403, "permission_error")
    assert not upstream.requests(model)


@pytest.mark.settings(auth_failures_minute=3)
def test_wrong_keys_from_one_address(host):
    """More than the configuration allows get a 429; a good key from there is served all the same."""
    wrong = x_api_key("sk-postern-wrong")
    for _ in range(3):
        checks.refused(host.post(messages.body("echo-model"), headers=wrong).read(), 401, "authentication_error")
    for _ in range(2):
        answer = host.post(messages.body("echo-model"), headers=wrong).read()
        checks.refused(answer, 429, "rate_limit_error")
        assert 0 < int(answer.headers["retry-after"]) <= 20 and answer.headers["x-should-retry"] == "false"
    assert host.post(messages.body("echo-model")).read().status == 200


@pytest.mark.modes(["lighttpd-socket", "apache-proxy", "apache-cgi"])
def test_key_file_that_others_may_write(host):
    """Who can write it can make keys: none is believed until that is over."""
    file = host.site.keys
    mode = file.stat().st_mode
    try:
        for wrong in (0o620, 0o602):
            file.chmod(wrong)
            checks.refused(host.post(messages.body("echo-model")).read(), 503, "api_error")
            assert "chmod go-w" in host.text()
            file.chmod(mode)
            assert host.post(messages.body("echo-model")).read().status == 200
    finally:
        file.chmod(mode)


@pytest.mark.modes(["lighttpd-socket", "apache-proxy", "apache-cgi"])
def test_secret_that_others_may_read(host, upstream, model):
    """A credential that is open to others is not used."""
    file = host.site.provider_key
    try:
        for wrong in (0o604, 0o640):
            file.chmod(wrong)
            checks.refused(host.post(messages.body(model)).read(), 500, "api_error")
            assert "is open to others: chmod 0600" in host.text()
            file.chmod(0o600)
            assert host.post(messages.body(model)).read().status == 200
    finally:
        file.chmod(0o600)
    assert len(upstream.requests(model)) == 2
