"""Upstreams of every kind in two regions, and the configuration that names them.

A model without a section is Bedrock's in `eu` and Anthropic's in `us`; the others say in their names who serves them.
"""

import datetime
import stat

from . import bedrock, openai, scripts, sigv4, upstream, vertex
from .proc import give_to_web_user, scratch_dir

ACCESS_KEY = "AKIATESTTESTTESTTEST"
SECRET = "secret/of+the+account/0123456789abcdefghij"
SESSION = "session+token/of+temporary==credentials"
BEARER = "ABSKbedrock-api-key-0123456789"
FOUNDRY_KEY = "foundry-key-0123456789"
OPENAI_KEY = "sk-proj-openai-key-0123456789"
EU, US = "eu-central-1", "us-east-1"


class Native(upstream.Upstream):
    """An end point of AWS's that speaks the Messages API itself."""

    def __init__(self, signer):
        super().__init__()
        self.signer = signer

    def refusal(self, request):
        fault = self.signer.fault(request)
        return bedrock.error(403, "InvalidSignatureException", fault) if fault else None


class Container(upstream.Upstream):
    """What a container of AWS's gets its credentials from; good for `lifetime` seconds each."""

    PATH, TOKEN = "/v2/credentials", "token-of-the-container"

    def __init__(self, lifetime=3600):
        super().__init__()
        self.lifetime = lifetime
        self.default = self._give

    def environment(self):
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url + self.PATH,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.TOKEN,
        }

    def _give(self, request, out):
        if (request.method, request.path, request.header("authorization")) != ("GET", self.PATH, self.TOKEN):
            scripts.send(403, {"message": "Forbidden"})(request, out)
            return
        end = datetime.datetime.utcnow() + datetime.timedelta(seconds=self.lifetime)
        value = {
            "AccessKeyId": ACCESS_KEY,
            "SecretAccessKey": SECRET,
            "Token": SESSION,
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        scripts.send(200, value)(request, out)


class Clouds:
    """The servers, running, with the secrets that let in."""

    def __init__(self):
        self.dir = scratch_dir("postern-clouds-")
        self.tokens = vertex.TokenServer()
        self.bedrock = bedrock.Bedrock(sigv4.Signer(ACCESS_KEY, SECRET, EU, "bedrock", SESSION))
        self.bedrock_us = bedrock.Bedrock(sigv4.Signer(ACCESS_KEY, SECRET, US, "bedrock"), BEARER)
        self.vertex = vertex.Vertex(self.tokens)
        self.anthropic = upstream.Upstream()
        self.openai = openai.OpenAI(OPENAI_KEY)
        self.foundry = upstream.Upstream()
        self.own = upstream.Upstream()
        self.mantle = Native(sigv4.Signer(ACCESS_KEY, SECRET, US, "bedrock-mantle"))
        self.runtime = Native(sigv4.Signer(ACCESS_KEY, SECRET, US, "bedrock"))
        self.external = Native(sigv4.Signer(ACCESS_KEY, SECRET, US, "aws-external-anthropic"))
        self.files = {
            "aws": self.put(
                "aws",
                f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET}\n"
                f"[session]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET}\n"
                f"aws_session_token = {SESSION}\n",
            ),
            "google": self.put("google.json", self.tokens.account()),
            "bearer": self.put("bearer", BEARER + "\n"),
            "foundry": self.put("foundry", FOUNDRY_KEY + "\n"),
            "openai": self.put("openai", OPENAI_KEY + "\n"),
            "anthropic": self.put("anthropic", "sk-ant-the-own-key\n"),
        }

    def put(self, name, text):
        path = self.dir / name
        path.write_text(text)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        give_to_web_user(path)
        return path

    def servers(self):
        return [one for one in vars(self).values() if isinstance(one, upstream.Upstream)]

    def close(self):
        for server in self.servers():
            server.close()

    def secrets(self):
        """What may stand in no log."""
        return [SECRET, SESSION, BEARER, FOUNDRY_KEY, OPENAI_KEY, "ya29.token-", "PRIVATE KEY"]

    def sections(self):
        """For a Site, which formats them."""
        text = SECTIONS.replace("@natives@", "\n".join(native(*row) for row in NATIVES))
        for name, server in vars(self).items():
            if isinstance(server, upstream.Upstream):
                text = text.replace(f"@{name}@", server.url)
        for name, path in self.files.items():
            text = text.replace(f"@file-{name}@", str(path))
        return text.replace("{", "{{").replace("}", "}}")


# Those of AWS that speak the Messages API: name, service, what follows the address, options of its own.
NATIVES = [
    ("mantle", "bedrock-mantle", "/anthropic", ""),
    ("runtime", "bedrock", "/anthropic", ""),
    ("external", "aws-external-anthropic", "", 'workspace_id = "wrkspc_1"'),
]


def native(name, service, path, more):
    return f"""upstream "{name}" {{
    kind = "anthropic"
    url = "@{name}@{path}"
    auth = "sigv4"
    aws_region = "us-east-1"
    aws_service = "{service}"
    credentials = "file:@file-aws@"
    regions = {{ "us" }}
    {more}
}}"""


SECTIONS = """
upstream "bedrock-eu" {
    kind = "bedrock"
    url = "@bedrock@"
    aws_region = "eu-central-1"
    credentials = "file:@file-aws@"
    aws_profile = "session"
    regions = { "eu" }
    any_model = true
    beta_allow = { "interleaved-thinking-*", "fine-grained-tool-streaming-2025-05-14" }
}
upstream "bedrock-us" {
    kind = "bedrock"
    url = "@bedrock_us@"
    aws_region = "us-east-1"
    credentials = "bearer:@file-bearer@"
    regions = { "us" }
}
upstream "vertex-eu" {
    kind = "vertex"
    url = "@vertex@/v1"
    google_project = "project-1"
    google_location = "eu"
    credentials = "file:@file-google@"
    regions = { "eu" }
}
upstream "anthropic-eu" {
    kind = "anthropic"
    url = "@anthropic@"
    api_key_file = "@file-anthropic@"
    regions = { "eu" }
}
upstream "anthropic-us" {
    kind = "anthropic"
    url = "@anthropic@"
    api_key_file = "@file-anthropic@"
    regions = { "us" }
    any_model = true
}
upstream "openai-eu" {
    kind = "openai"
    url = "@openai@"
    api_key_file = "@file-openai@"
    regions = { "eu" }
}
upstream "openai-lenient" {
    kind = "openai"
    url = "@openai@/v1"
    api_key_file = "@file-openai@"
    may_drop = { "top_k", "context_management", "messages.content.citations", "thinking", "output_config.effort" }
    regions = { "eu" }
}
@natives@
upstream "foundry" {
    kind = "anthropic"
    url = "@foundry@/anthropic"
    api_key_file = "@file-foundry@"
    regions = { "us" }
}
upstream "echo-eu" {
    kind = "echo"
    regions = { "eu" }
}
upstream "own" {
    kind = "anthropic"
    url = "@own@"
    api_key_file = "@file-anthropic@"
    regions = { "eu" }
    any_model = true
}
workspace "default" { rpm = 0 tpm = 0 }
workspace "owner" { rpm = 0 tpm = 0 upstreams = { "own" } }
model "on-vertex" {
    target "vertex-eu" { id = "claude-sonnet-4-5@20250929" }
}
model "on-vertex-odd" {
    target "vertex-eu" { id = "a;b c/d" }
}
model "on-anthropic" {
    target "anthropic-eu" { id = "claude-sonnet-4-5-20250929" }
}
model "on-openai" {
    target "openai-eu" { id = "gpt-oss-120b" }
}
model "on-openai-lenient" {
    target "openai-lenient" { id = "gpt-oss-20b" }
}
model "openai-then-anthropic" {
    target "openai-eu" { id = "gpt-oss-first" }
    target "anthropic-eu" { id = "claude-second" }
}
model "on-echo" {
    target "echo-eu" { id = "on-echo" }
}
model "on-mantle" {
    target "mantle" { id = "anthropic.claude-haiku-5-5" }
}
model "on-runtime" {
    target "runtime" { id = "us.anthropic.claude-haiku-5-5" }
}
model "on-external" {
    target "external" { id = "claude-haiku-5-5" }
}
model "on-foundry" {
    target "foundry" { id = "claude-haiku-5-5" }
}
model "in-both" {
    target "bedrock-eu" { id = "eu.anthropic.both-v1:0" }
    target "bedrock-us" { id = "us.anthropic.both-v1:0" }
}
model "only-us" {
    target "bedrock-us" { id = "us.anthropic.only-v1:0" }
}
model "only-eu" {
    target "bedrock-eu" { id = "eu.anthropic.only-v1:0" }
}
model "two-in-eu" {
    target "bedrock-eu" { id = "eu.anthropic.two-v1:0" }
    target "anthropic-eu" { id = "claude-two" }
    target "bedrock-us" { id = "us.anthropic.two-v1:0" }
    target "anthropic-us" { id = "claude-two" }
}
model "threaded" {
    target "bedrock-eu" { id = "eu.anthropic.threaded-v1:0" }
    target "anthropic-eu" { id = "claude-threaded" }
}
model "owned" {
    target "own" { id = "claude-owned" }
    target "anthropic-us" { id = "claude-owned" }
}
"""
