"""AWS's side of a signature: recomputed by the vendor's own implementation from what arrived."""

import datetime
import hashlib
import re

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
SKEW_S = 300


class Signer:
    """What a service knows of those who may call it."""

    def __init__(self, access_key, secret, region, service, token=None):
        self.access_key = access_key
        self.secret = secret
        self.region = region
        self.service = service
        self.token = token

    def fault(self, request):
        """Why the signature of a request is not good; None when it is."""
        found = AUTHORIZATION.fullmatch(request.header("authorization") or "")
        if not found:
            return "the authorization is none of a signature"
        access_key, day, region, service, signed, signature = found.groups()
        date = request.header("x-amz-date") or ""
        signed = signed.split(";")
        if (access_key, region, service) != (self.access_key, self.region, self.service):
            return f"signed by {access_key} for {region}/{service}"
        if not date.startswith(day) or _age(date) > SKEW_S:
            return f"signed at {date}"
        if request.header("x-amz-security-token") != self.token:
            return "another session token"
        if request.header("x-amz-content-sha256") != hashlib.sha256(request.body).hexdigest():
            return "another body than was signed"
        for name, _ in request.headers:
            if (name.lower() == "host" or name.lower().startswith("x-amz-")) and name.lower() not in signed:
                return f"{name} is not signed"
        if signature != self._signature(request, signed):
            return "The request signature we calculated does not match the signature you provided."
        return None

    def _signature(self, request, signed):
        aws = AWSRequest(method=request.method, url=f"http://{request.header('host')}{request.path}", data=request.body)
        for name in signed:
            aws.headers[name] = request.header(name)
        aws.context["timestamp"] = request.header("x-amz-date")
        auth = SigV4Auth(Credentials(self.access_key, self.secret), self.service, self.region)
        return auth.signature(auth.string_to_sign(aws, auth.canonical_request(aws)), aws)


def _age(date):
    try:
        then = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ")
    except ValueError:
        return float("inf")
    return abs((datetime.datetime.utcnow() - then).total_seconds())
