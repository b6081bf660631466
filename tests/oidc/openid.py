"""A real provider on loopback, of oidc-provider-mock, held to what ProConnect and PKCE ask for."""

import base64
import hashlib
import os
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import requests
import werkzeug.serving

os.environ.setdefault("AUTHLIB_INSECURE_TRANSPORT", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its own libraries will drop one day
    import flask
    import oidc_provider_mock
    from authlib import jose
    from oidc_provider_mock._storage import storage

CLIENT, SECRET = "dossiers", "a secret of the tests"


class OpenIDProvider:
    """`claims`: of each `sub`; what it was asked is in `received`, as (path, parameters)."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str]]] = []
        # What a test may change.
        self.signs_userinfo = False
        self.document: dict[str, object] = {}
        self.userinfo: dict[str, object] = {}
        self.id_token: dict[str, object] = {}
        self.broken: dict[str, int] = {}
        self.challenges: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            app = oidc_provider_mock.app(require_nonce=True)
        app.debug = False
        app.before_request(self._before)
        app.after_request(self._after)
        self.server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def add(self, sub: str, **claims: object) -> None:
        answer = requests.put(f"{self.url}/users/{sub}", json=claims, timeout=5)
        assert answer.status_code == 204

    def asked(self, path: str) -> list[dict[str, str]]:
        return [parameters for at, parameters in self.received if at == path]

    def approve(self, address: str, sub: str, **form: str) -> str:
        """Where the provider sends the browser of whoever agrees there."""
        answer = requests.post(address, data=form or {"sub": sub}, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def _before(self):
        path, values = flask.request.path, flask.request.values.to_dict()
        self.received.append((path, values))
        if status := self.broken.get(path):
            return flask.Response("<h1>Panne</h1>", status, content_type="text/html")
        if path == "/oauth2/authorize":
            self.challenges.append(values["code_challenge"])
        if path == "/oauth2/token":
            digest = hashlib.sha256(values["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            basic = flask.request.authorization
            secret = basic.password if basic else values.get("client_secret")
            if challenge not in self.challenges or secret != SECRET:
                return flask.jsonify({"error": "invalid_grant"}), 400
        return None

    def _after(self, response):
        path = flask.request.path
        if response.status_code != 200:
            return response
        if path == "/.well-known/openid-configuration" and self.document:
            response.set_data(flask.json.dumps(response.get_json() | self.document))
        if path == "/userinfo":
            claims = response.get_json() | self.userinfo
            response.set_data(flask.json.dumps(claims))
            if self.signs_userinfo:
                response.set_data(self._sign({"iss": self.url, "aud": CLIENT} | claims))
                response.content_type = "application/jwt"
        if path == "/oauth2/token" and self.id_token:
            answer = response.get_json()
            answer["id_token"] = self._sign(_claims(answer["id_token"]) | self.id_token)
            response.set_data(flask.json.dumps(answer))
        return response

    def _sign(self, claims: dict[str, object]) -> str:
        """With its own key."""
        header = {"alg": "RS256", "kid": storage.jwk.as_dict()["kid"]}
        dated = {"exp": int(time.time()) + 60, "iat": int(time.time())} | claims
        return jose.jwt.encode(header, dated, storage.jwk).decode()


def _claims(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    return flask.json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@contextmanager
def openid_provider() -> Iterator[OpenIDProvider]:
    provider = OpenIDProvider()
    yield provider
    provider.close()


def parameters(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
