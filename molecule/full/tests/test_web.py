"""The environment tf serves: Flask, FastAPI, Django and Gradio answer requests of the host's own Python."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

testinfra_hosts = ["docker://full-debian12"]

FLASK = """
from flask import Flask, jsonify, request
app = Flask(__name__)
@app.get("/double/<int:number>")
def double(number):
    return jsonify(answer=2 * number, asked_by=request.headers["X-Name"])
"""

FASTAPI = """
from fastapi import FastAPI
from pydantic import BaseModel, Field
app = FastAPI(title="Counter")
class Text(BaseModel):
    words: str = Field(min_length=3)
@app.post("/count")
def count(text: Text) -> dict[str, int]:
    return {"words": len(text.words.split())}
"""

DJANGO = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="of a test")
urlpatterns = [path("shout/<str:word>", lambda request, word: JsonResponse({"said": word.upper()}))]
app = get_wsgi_application()
"""

GRADIO = """
import os
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio
from fastapi import FastAPI
page = gradio.Interface(lambda text: text[::-1], "text", "text", title="Turn it round", api_name="turn")
app = gradio.mount_gradio_app(FastAPI(), page, path="/")
"""

# Asks from outside of the environment: the status and the text of the answer, as JSON.
ASK = """
import json, sys, urllib.error, urllib.request
url, body = sys.argv[1], sys.argv[2].encode() or None
headers = {"X-Name": "ada", "Content-Type": "application/json"}
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode()]))
"""


class Site:
    """An application that ada started in her environment, on a port of the host's loopback."""

    def __init__(self, ada: Any, name: str, source: str, command: str, port: int) -> None:
        self.ada = ada
        self.url = f"http://127.0.0.1:{port}"
        self.folder = f"/home/ada/{name}"
        start = (
            f"mkdir -p {self.folder} && cd {self.folder} && cat > {name}_app.py <<'CODE'\n{source}\nCODE\n"
            f"cat > ask.py <<'CODE'\n{ASK}\nCODE\n"
            f"conda activate tf && {{ setsid {command} > log 2>&1 < /dev/null & echo $! > pid; }}\n"
            f"for turn in $(seq 240); do grep -q -e 'Running on' -e 'running on' log && exit 0;"
            f" kill -0 $(cat pid) || break; sleep 0.5; done; cat log; exit 1"
        )
        ada.types(start)

    def ask(self, path: str, body: object = None) -> tuple[int, str]:
        """HTTP status and text of the answer."""
        sent = "" if body is None else json.dumps(body)
        said = self.ada.types(f"/usr/bin/python3 {self.folder}/ask.py '{self.url}{path}' '{sent}'")
        status, text = json.loads(said)
        return status, text

    def end(self) -> None:
        """Ends it as a service manager would, and sees that its port is free."""
        self.ada.types(
            f"cd {self.folder} && kill $(cat pid) &&"
            " for turn in $(seq 60); do kill -0 $(cat pid) 2>/dev/null || exit 0; sleep 0.5; done; exit 1"
        )
        refused = self.ada.host.run(
            f"su - ada -c \"/usr/bin/python3 {self.folder}/ask.py '{self.url}/' ''\""
        )
        assert refused.rc != 0
        assert "Connection refused" in refused.stderr


SITES = {
    "flask": (FLASK, "flask --app flask_app run --port 8101", 8101),
    "fastapi": (FASTAPI, "uvicorn fastapi_app:app --port 8102", 8102),
    "django": (DJANGO, "uvicorn --interface wsgi django_app:app --port 8103", 8103),
    "gradio": (GRADIO, "uvicorn gradio_app:app --port 8104", 8104),
}


@pytest.fixture
def site(ada: Any, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The application that a test names, serving; ended afterwards."""
    source, command, port = SITES[request.param]
    one = Site(ada, request.param, textwrap.dedent(source), command, port)
    yield one
    one.end()


@pytest.mark.parametrize("site", ["flask"], indirect=True)
def test_a_flask_app_answers(site: Site) -> None:
    status, text = site.ask("/double/21")
    assert (status, json.loads(text)) == (200, {"answer": 42, "asked_by": "ada"})
    assert site.ask("/double/many")[0] == 404


@pytest.mark.parametrize("site", ["fastapi"], indirect=True)
def test_a_fastapi_app_answers_and_refuses(site: Site) -> None:
    status, text = site.ask("/count", {"words": "one two three"})
    assert (status, json.loads(text)) == (200, {"words": 3})
    status, text = site.ask("/count", {"words": "a"})
    assert status == 422
    assert json.loads(text)["detail"][0]["loc"] == ["body", "words"]
    status, text = site.ask("/openapi.json")
    assert json.loads(text)["info"]["title"] == "Counter"


@pytest.mark.parametrize("site", ["django"], indirect=True)
def test_a_django_app_answers(site: Site) -> None:
    status, text = site.ask("/shout/hello")
    assert (status, json.loads(text)) == (200, {"said": "HELLO"})


@pytest.mark.parametrize("site", ["gradio"], indirect=True)
def test_a_gradio_app_shows_its_page_and_computes(site: Site) -> None:
    status, text = site.ask("/")
    assert status == 200
    assert "Turn it round" in text
    status, text = site.ask("/gradio_api/call/turn", {"data": ["abc"]})
    assert status == 200
    status, text = site.ask(f"/gradio_api/call/turn/{json.loads(text)['event_id']}")
    assert (status, text.split()) == (200, ["event:", "complete", "data:", '["cba"]'])
