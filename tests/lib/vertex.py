"""A scripted Vertex AI, and the token server that lets a service account in.

The scripts of lib.scripts work here as they do for Anthropic: what comes back is the Messages API's own.
"""

import json
import re
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import scripts, upstream

PATH = re.compile(
    r"/v1/projects/([^/]+)/locations/([^/]+)/publishers/anthropic/models/([^/:]+):(rawPredict|streamRawPredict)"
)
EMAIL = "postern@project-1.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def error(status, name, message, array=False):
    """An error of Google's front end, which sends an array of one where a stream was asked for."""
    value = {"error": {"code": status, "message": message, "status": name}}
    return scripts.send(status, [value] if array else value)


class TokenServer(upstream.Upstream):
    """Gives out tokens: for a service account's assertion at /token, and to a machine of its own by metadata."""

    def __init__(self, lifetime=3600):
        super().__init__()
        self.lifetime = lifetime
        self.given = []
        self.failing = False
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.default = self._give

    def account(self):
        """The key file of the service account."""
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project-1",
                "private_key_id": "key-1",
                "private_key": pem.decode(),
                "client_email": EMAIL,
                "token_uri": self.url + "/token",
            },
            indent=2,
        )

    def model_of(self, request):
        return None

    def good(self, token):
        return any(t == token and time.time() < end for t, end in self.given)

    def _give(self, request, out):
        fault = self._fault(request)
        if self.failing:
            scripts.send(503, {"error": "unavailable"})(request, out)
        elif fault:
            scripts.send(400, {"error": "invalid_grant", "error_description": fault})(request, out)
        else:
            token = f"ya29.token-{len(self.given)}"
            self.given.append((token, time.time() + self.lifetime))
            value = {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}
            scripts.send(200, value)(request, out)

    def _fault(self, request):
        if request.path.startswith("/computeMetadata/v1/instance/service-accounts/default/token"):
            return None if request.header("metadata-flavor") == "Google" else "no flavor"
        if (request.method, request.path) != ("POST", "/token"):
            return f"{request.method} {request.path}"
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return "another grant_type"
        return self._assertion_fault(form.get("assertion", ""))

    def _assertion_fault(self, assertion):
        try:
            head = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, self.private.public_key(), algorithms=["RS256"], audience=self.url + "/token")
        except jwt.PyJWTError as fault:
            return f"Invalid JWT: {fault}"
        if head.get("kid") != "key-1" or claims.get("iss") != EMAIL or claims.get("scope") != SCOPE:
            return "Invalid JWT: another kid, iss or scope"
        if not 0 < claims["exp"] - claims["iat"] <= 3600 or abs(claims["iat"] - time.time()) > 60:
            return "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe."
        return None


class Vertex(upstream.Upstream):
    """tokens is who gave out what lets in."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def model_of(self, request):
        found = PATH.fullmatch(request.path)
        if not found:
            return None
        name = urllib.parse.unquote(found.group(3))
        return request.json.get("model") if name == "count-tokens" else name

    def default(self, request, out):
        if request.path.endswith("/count-tokens:rawPredict"):
            scripts.send(200, {"input_tokens": 23})(request, out)
        else:
            scripts.default(request, out)

    def refusal(self, request):
        token = (request.header("authorization") or "").removeprefix("Bearer ")
        found = PATH.fullmatch(request.path)
        if not self.tokens.good(token):
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if not found or found.group(1, 2) != ("project-1", "eu"):
            return error(404, "NOT_FOUND", f"no such path: {request.path}")
        return self._bad_body(request, found.group(3), found.group(4))

    def _bad_body(self, request, name, verb):
        body = request.json
        counts = name == "count-tokens"
        if ("model" in body) != counts:
            return error(400, "INVALID_ARGUMENT", "model: Extra inputs are not permitted")
        if body.get("anthropic_version") not in ("vertex-2023-10-16", "2026-10-21"):
            return error(400, "INVALID_ARGUMENT", "anthropic_version: Field required")
        if request.header("anthropic-version"):
            return error(400, "INVALID_ARGUMENT", "the version is no header here")
        if not counts and body.get("stream", False) != (verb == "streamRawPredict"):
            return error(400, "INVALID_ARGUMENT", "stream does not go with the verb")
        return None
