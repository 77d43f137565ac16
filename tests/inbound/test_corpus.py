"""Every signature vector of the corpus gets its verdict, at the hook of a real application.

The corpus lies outside the project, so these tests run where it is present. Each vector becomes a source of its own:
the preset of its sender, its secret, its address; the clock is the vector's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import AuthenticationFailed
from gateway.inbound.authentication import scheme_from, verify
from gateway.inbound.presets import PRESETS
from gateway.inbound.request import Request
from tests.inbound.hooks import Hooks, serving

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

SCHEME_OF: Mapping[str, str] = {
    "standard-webhooks/ed25519-v1a-and-v1-mixed": "standard_webhooks_v1a",
    "hubspot/v1": "hubspot_v1",
    "hubspot/v2-get": "hubspot_v2",
    "adyen/python-item": "adyen_payments",
    "adyen/python-item-amount-tampered": "adyen_payments",
    "adyen/colon-in-reference": "adyen_payments",
}
"""Where the sender has several schemes; else the preset has the sender's name."""


def vectors() -> list[dict[str, Any]]:
    path = CORPUS / "vectors.json"
    return json.loads(path.read_bytes()) if path.is_file() else []


VECTORS = vectors()
CHALLENGES = [vector for vector in VECTORS if vector.get("kind") == "challenge"]
SIGNATURES = [vector for vector in VECTORS if vector.get("kind") != "challenge"]
POSTS = [vector for vector in SIGNATURES if vector.get("method", "POST") == "POST"]
OTHERS = [vector for vector in SIGNATURES if vector not in POSTS]

pytestmark = pytest.mark.skipif(not VECTORS, reason="the corpus lies outside the project")


def preset_of(vector: Mapping[str, Any]) -> str:
    preset = SCHEME_OF.get(vector["name"]) or vector["provider"].replace("-", "_").replace(".", "_")
    assert preset in PRESETS
    return str(preset)


def named(vector: Mapping[str, Any]) -> str:
    return str(vector["name"])


def moment_of(vector: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(vector.get("now") or 1_700_000_000, UTC)


def rules() -> dict[str, str]:
    files = {"x.yaml": "source: x\nverify: none\nchallenge: x\n"}
    for number, vector in enumerate(POSTS):
        key = "public_key" if vector.get("key_type") == "public" else "secret"
        text = f"source: v{number}\nverify:\n  {preset_of(vector)}: {{{key}: $env.VECTOR_{number}}}\n"
        if vector.get("url"):
            text += f"public_url: {json.dumps(vector['url'])}\n"
        files[f"v{number}.yaml"] = text
    return files


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[Hooks]:
    secrets = {f"VECTOR_{number}": vector["secret"] for number, vector in enumerate(POSTS)}
    async with serving(tmp_path, rules(), X_SECRET=CHALLENGES[0]["secret"], **secrets) as made:
        yield made


async def test_each_vector_of_the_corpus_gets_its_verdict(hooks: Hooks) -> None:
    wrong = []
    for number, vector in enumerate(POSTS):
        hooks.now = moment_of(vector)
        query = str(vector.get("url") or "").partition("?")[2]
        answer = await hooks.client.post(
            f"v{number}?{query}" if query else f"v{number}", content=vector["body"].encode(), headers=vector["headers"]
        )
        if answer.status_code != (200 if vector["valid"] else 401):
            wrong.append(f"{vector['name']}: {answer.status_code} {answer.text}")
        assert vector["secret"] not in answer.text
    assert wrong == []


@pytest.mark.parametrize("vector", OTHERS, ids=named)
def test_a_vector_of_the_corpus_that_is_no_post_gets_its_verdict(vector: Mapping[str, Any]) -> None:
    """A hook takes GET as a challenge only, so this one is verified without it."""
    request = Request(
        source="s",
        method=vector["method"],
        query=str(vector.get("url") or "").partition("?")[2],
        headers=tuple((name.lower(), value) for name, value in vector["headers"].items()),
        body=vector["body"].encode(),
        received_at=moment_of(vector),
        url=vector.get("url"),
    )
    scheme = scheme_from({preset_of(vector): {"secret": "$env.SECRET"}})
    assert vector["valid"]
    credential = {"SECRET": vector["secret"]}.get
    assert verify(scheme, request, credential=credential, now=request.received_at).request is request
    with pytest.raises(AuthenticationFailed):
        verify(scheme, request, credential={"SECRET": "another"}.get, now=request.received_at)


@pytest.mark.parametrize("vector", CHALLENGES, ids=named)
async def test_a_challenge_of_the_corpus_is_answered(vector: Mapping[str, Any], hooks: Hooks) -> None:
    answer = await hooks.client.get(f"x?{vector['query']}")
    assert answer.status_code == 200
    assert answer.json() == vector["expected_response"]


def test_every_vector_of_the_corpus_is_tried() -> None:
    assert len(POSTS) + len(OTHERS) + len(CHALLENGES) == len(VECTORS)
    assert {name for name in SCHEME_OF if name not in map(named, VECTORS)} == set()
