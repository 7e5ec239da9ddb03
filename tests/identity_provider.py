"""A small OpenID Connect provider on this machine: discovery, keys, codes with PKCE, tokens signed with RS256, log out.
Whoever comes is the person that the test has chosen, without being asked."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "fer", "secret-of-the-client"


@dataclass
class IdentityProvider:
    """What it says of whoever comes next."""

    issuer: str
    person: dict[str, Any] = field(default_factory=dict)
    """Claims about them: `email`, `name`, ..."""
    token: dict[str, Any] = field(default_factory=dict)
    """Claims about the token that replace the right ones."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"}))
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """Codes that were given out, to what they were asked for with."""

    def is_now(self, email: str, name: str = "", token: dict[str, Any] | None = None, **more: Any) -> None:
        """Whoever comes next is this person."""
        self.person = {"sub": email, "email": email, "email_verified": True, "name": name or email, **more}
        self.token = token or {}

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/end",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        }

    def code_for(self, query: dict[str, str]) -> str:
        """The address to go back to, with a code."""
        assert query["client_id"] == CLIENT_ID and query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256" and "openid" in query["scope"].split()
        code = secrets.token_hex(8)
        self.asked[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def tokens_for(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        """The tokens for a code, once."""
        asked = self.asked.pop(form["code"])
        assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 3600, "nonce": asked["nonce"]}
        id_token = jwt.encode({"alg": "RS256", "kid": "1"}, claims | self.person | self.token, self.key)
        return {"access_token": secrets.token_hex(8), "token_type": "Bearer", "expires_in": 3600, "id_token": id_token}


class _Handler(BaseHTTPRequestHandler):
    provider: IdentityProvider

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        if address.path == "/.well-known/openid-configuration":
            self._json(self.provider.metadata())
        elif address.path == "/keys":
            self._json({"keys": [self.provider.key.as_dict(private=False)]})
        elif address.path == "/authorize":
            self._go_to(self.provider.code_for(query))
        elif address.path == "/end":
            self._go_to(query["post_logout_redirect_uri"])
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._json(self.provider.tokens_for(form, self.headers["Authorization"]))

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _go_to(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """One that runs."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.provider = provider = IdentityProvider(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield provider
        server.shutdown()


def secrets_toml(provider: IdentityProvider, redirect_uri: str = "http://127.0.0.1:{port}/oauth2callback") -> str:
    """The `[auth]` of a server that logs in there."""
    return f"""[auth]
redirect_uri = "{redirect_uri}"
cookie_secret = "{secrets.token_hex(32)}"
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"
"""
