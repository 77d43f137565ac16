"""``fetch`` in rules files: what may be asked, what a webhook makes of it, and examples with canned answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MappingError, RulesError
from gateway.rules import Arrival, Source, load_files
from gateway.rules.examples import run_examples
from gateway.rules.fetches import FetchRequest, leads_elsewhere
from gateway.rules.fetching import canned, fetched_for, first_look
from gateway.rules.load import load
from gateway.rules.scope import UNSET
from gateway.rules.values import MISSING

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
DESTINATIONS = "destinations:\n  default: {client_id: acme, auth_token: $env.T}\n"
RULES = "rules:\n  - name: R\n    track: {userId: $fetch.a.id, event: E}\n"


def source_of(fetch: str, *, more: str = "") -> Source:
    text = f"source: s\nverify: none\n{more}fetch:\n{fetch}{RULES}"
    return load_files({"s.yaml": text, "destinations.yaml": DESTINATIONS}, environ={}).sources["s"]


def arrival(body: Any) -> Arrival:
    return Arrival(webhook_id="0" * 32, source="s", body=body, headers={"x-a": "h"}, query={}, path={}, received_at=NOW)


def wanted(source: Source, body: Any, answers: Mapping[str, Any] | None = None) -> FetchRequest | None:
    known = answers or {}
    return fetched_for(source, arrival(body), lambda request: known.get(request.fetch.name, UNSET))[1]


# -- requests --------------------------------------------------------------------------------------------------------


def test_values_are_encoded_where_they_stand() -> None:
    source = source_of(
        '  a: {get: "https://Api.Example.com:8443/v1/{{ $.a }}/x-{{ $.b }}?q={{ $.a }}&r=1", query: {k: $.b}}\n'
    )
    request = wanted(source, {"a": "ü/ &?#+%41", "b": 7})
    assert request is not None
    assert request.shown == (
        "https://api.example.com:8443/v1/%C3%BC%2F%20%26%3F%23%2B%2541/x-7?q=%C3%BC%2F%20%26%3F%23%2B%2541&r=1&k=7"
    )
    assert (request.fetch.origin, request.fetch.host) == ("https://api.example.com:8443", "api.example.com")


@pytest.mark.parametrize(
    "value",
    ["", " ", None, [], {}, ["a"], {"a": 1}, ".", "..", "%2e", "%2E%2e", "%252e%252e", "a/../b", "a\\..\\b", "../",
     "..;v=1", "%c0%ae%c0%ae", "\u2025", "\uff0e\uff0e", " ..", "a\x00b", "a\r\nb", "%0d%0a", "%25252525252541"],
)  # fmt: skip
def test_what_could_lead_elsewhere_is_refused_in_a_path(value: Any) -> None:
    source = source_of('  a: {get: "https://api.example.com/v1/{{ $.a }}/x"}\n')
    with pytest.raises(MappingError) as caught:
        wanted(source, {"a": value})
    assert (caught.value.field, caught.value.path) == ("fetch.a", "$.a")
    assert caught.value.message.startswith("fetch a: $.a is ")
    look = first_look(source, arrival({"a": value}))
    assert look is not None
    assert (look.state.value, look.reason) == ("untranslatable", caught.value.message)


def test_two_values_that_make_dots_together_are_refused() -> None:
    source = source_of('  a: {get: "https://api.example.com/{{ $.a }}{{ $.b }}/x"}\n')
    assert wanted(source, {"a": "%2", "b": "f"}) is not None
    with pytest.raises(MappingError, match=r"holds a part that is '\.' or '\.\.'"):
        wanted(source, {"a": "%2", "b": "e%2e"})


@pytest.mark.parametrize("value", ["", None, [], {}, ["a"], " "])
def test_nothing_in_a_query_is_refused(value: Any) -> None:
    for fetch in ('{get: "https://a.example/x?q={{ $.a }}"}', "{get: https://a.example/x, query: {q: $.a}}"):
        with pytest.raises(MappingError, match=r"\$\.a is "):
            wanted(source_of(f"  a: {fetch}\n"), {"a": value})


def test_dots_in_a_query_are_text() -> None:
    request = wanted(source_of('  a: {get: "https://a.example/x?q={{ $.a }}"}\n'), {"a": "../"})
    assert request is not None
    assert request.shown == "https://a.example/x?q=..%2F"


@given(st.text())
def test_no_value_leaves_the_host_or_the_path(value: str) -> None:
    try:
        request = wanted(PATH, {"a": value})
    except MappingError:
        return
    assert request is not None
    assert request.shown.startswith("https://a.example/v/")
    assert request.shown.endswith("/x")
    middle = request.shown.removeprefix("https://a.example/v/").removesuffix("/x")
    assert not set(middle) & set("/?#\\ \r\n")
    assert unquote(middle) == value
    assert not leads_elsewhere(middle)


PATH = source_of('  a: {get: "https://a.example/v/{{ $.a }}/x"}\n')


def test_secrets_are_named_and_not_held() -> None:
    source = source_of(
        "  a:\n    get: https://a.example/x\n"
        '    headers: {X-Key: $env.KEY, X-Both: "{{ $.a }}-{{ $env.KEY }}", X-Plain: $.a}\n'
        "    query: {token: $env.QUERY}\n    basic: {user: $env.USER, password: $env.PASS}\n"
    )
    assert source.secrets == ("KEY", "QUERY", "USER", "PASS")
    request = wanted(source, {"a": 1})
    assert request is not None
    assert request.shown == "https://a.example/x?token=$env.QUERY"
    assert request.credentials == (
        "basic $env.USER:$env.PASS, header X-Key $env.KEY, header X-Both $env.KEY, query token $env.QUERY"
    )


@pytest.mark.parametrize(("header", "ok"), [("plain", True), ("a\r\nX-Other: b", False), ("ü", False), ("\x7f", False)])
def test_a_header_holds_printable_ascii(header: str, ok: bool) -> None:
    source = source_of("  a: {get: https://a.example/x, headers: {X-A: $.a}}\n")
    if ok:
        assert wanted(source, {"a": header}) is not None
        return
    with pytest.raises(MappingError, match="printable ASCII"):
        wanted(source, {"a": header})


def test_a_digest_tells_requests_apart() -> None:
    source = source_of("  a: {post: https://a.example/x, body: {id: $.a}, headers: {X-A: $.b}}\n")
    digests = {wanted(source, body).digest for body in ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2})}  # type: ignore[union-attr]
    assert len(digests) == 3
    assert wanted(source, {"a": 1, "b": 1, "c": 3}).digest in digests  # type: ignore[union-attr]


# -- one after the other ---------------------------------------------------------------------------------------------

CHAIN = """\
  a: {get: "https://a.example/a/{{ $let.id }}", when: {$.kind: order}}
  b: {get: "https://a.example/b/{{ $let.customer }}", when: {$fetch.a.customer: {exists: true}}}
  c: {get: "https://a.example/c/{{ $fetch.b.x }}", when: {$fetch.b.x: {exists: true}}}
"""
LETS = "let: {id: $.id, customer: $fetch.a.customer, either: $fetch.b.id | default($fetch.a.id)}\n"


def test_a_later_fetch_uses_an_earlier_one() -> None:
    source = source_of(CHAIN, more=LETS)
    body = {"kind": "order", "id": 1}
    assert wanted(source, body).shown == "https://a.example/a/1"  # type: ignore[union-attr]
    first = {"a": {"customer": 5}}
    assert wanted(source, body, first).shown == "https://a.example/b/5"  # type: ignore[union-attr]
    assert wanted(source, body, {**first, "b": {"x": "y"}}).shown == "https://a.example/c/y"  # type: ignore[union-attr]
    assert wanted(source, body, {**first, "b": MISSING}) is None
    assert wanted(source, body, {"a": MISSING}) is None
    assert wanted(source, {"kind": "other"}) is None
    fetched, _ = fetched_for(source, arrival(body), canned({"a": {"customer": 5}, "b": None}, []))
    assert fetched == {"a": {"customer": 5}}


def test_a_kept_answer_of_a_fetch_that_does_not_apply_is_not_read() -> None:
    fetched, request = fetched_for(source_of(CHAIN, more=LETS), arrival({"kind": "x"}), canned({"a": {"id": 1}}, []))
    assert (fetched, request) == ({}, None)


# -- what is wrong with a file ---------------------------------------------------------------------------------------

HOST = "the host is literal text of this file, never from a payload"
MISTAKES = {
    "a: {get: $.url}": HOST,
    'a: {get: "{{ $.url }}"}': HOST,
    'a: {get: "https://{{ $.host }}/x"}': HOST,
    'a: {get: "https://a.example{{ $.host }}/x"}': HOST,
    'a: {get: "https://a.example:{{ $.port }}/x"}': HOST,
    'a: {get: "https://{{ $.user }}@a.example/x"}': HOST,
    "a: {get: https://me:secret@a.example/x}": "credentials don't stand in an address",
    "a: {get: http://a.example/x}": "http:// is only for localhost and 127.0.0.1",
    "a: {get: http://localhost.a.example/x}": "http:// is only for localhost and 127.0.0.1",
    "a: {get: ftp://a.example/x}": "an address begins with https://",
    "a: {get: //a.example/x}": "an address begins with https://",
    "a: {get: 'https://a.example\\@b.example/x'}": "credentials don't stand in an address",
    "a: {get: https://127.1/x}": "'127.1' is not an IPv4 address",
    "a: {get: https://2130706433/x}": "'2130706433' is not an IPv4 address",
    "a: {get: https://0x7f.1/x}": "'0x7f.1' is not an IPv4 address",
    "a: {get: https://a.example:99999/x}": "'99999' is not a port",
    "a: {get: https://a.example/../x}": "has no parts that are '.' or '..'",
    "a: {get: https://a.example/%2e%2e/x}": "has no parts that are '.' or '..'",
    "a: {get: 'https://a.example/a b'}": "' ' can't stand in an address",
    "a: {get: 'https://a.example/x#y'}": "what stands after # is never sent",
    "a: {get: 'https://a.example/{{ $.a'}": "'{{' is not closed",
    "a: {get: 'https://a.example/{{ $.a | lowr }}'}": "there is no filter 'lowr'; did you mean 'lower'?",
    "a: {get: 'https://a.example/{{ $env.KEY }}'}": "$env holds secrets and stands only where credentials do",
    "a: {}": "a fetch has get: or post: with an address",
    "a: https://a.example": "a fetch is a mapping with get: and an address; found 'https://a.example'",
    "a: {get: https://a.example/x, post: https://a.example/x}": "a fetch has get: or post: with an address",
    "a: {get: https://a.example/x, body: {a: 1}}": "body is sent with post; a get has none",
    "a: {get: https://a.example/x, haeders: {}}": "a fetch has no key 'haeders'; did you mean 'headers'?",
    "a: {get: https://a.example/x, headers: {Host: b}}": "'Host' is set by the gateway",
    "a: {get: https://a.example/x, headers: {'a b': b}}": "'a b' is not the name of a header",
    "a: {get: https://a.example/x, headers: {A: [1]}}": "A takes text, an expression or $env.NAME; found a list",
    "a: {get: https://a.example/x, query: [1]}": "query takes a mapping of names to texts; found a list",
    "a: {get: https://a.example/x, bearer: hush-hush}": "bearer takes $env.NAME: a secret is never written into a file",
    "a: {get: https://a.example/x, bearer: $.token}": "bearer takes $env.NAME",
    "a: {get: https://a.example/x, basic: {user: u}}": "basic needs user, password; password is not there",
    "a: {get: https://a.example/x, basic: {user: u, password: p}}": "password takes $env.NAME",
    "a: {get: https://a.example/x, bearer: $env.A, basic: {user: u, password: $env.B}}": "found bearer and basic",
    "a: {get: https://a.example/x, bearer: $env.A, headers: {authorization: b}}": "bearer and the header Authorization",
    "a: {get: https://a.example/x, oauth: {client_id: a}}": "token_url and client_secret is not there",
    "a: {get: https://a.example/x, oauth: {token_url: 'https://b.ex/{{ $.x }}', client_id: a, client_secret: $env.A}}":
        "token_url is literal text",
    "a: {get: https://a.example/x, oauth: {token_url: http://a.example/t, client_id: a, client_secret: $env.A}}":
        "http:// is only for localhost",
    "a: {get: https://a.example/x, cache: soon}": "cache: 'soon' is no length of time",
    "a: {get: https://a.example/x, cache: 2d}": "cache takes a length of time from 1s to 86400s",
    "a: {get: https://a.example/x, timeout: 5m}": "timeout takes a length of time from 1s to 60s",
    "a: {get: https://a.example/x, max_size: 1GB}": "max_size takes a number of bytes from 1 to 5000000",
    "a: {get: https://a.example/x, rate: 0}": "rate takes requests a second, above 0",
    "a: {get: https://a.example/x, when: {$fetch.a.id: 1}}": "$fetch.a is not fetched yet: that is this fetch itself",
    "a: {get: https://a.example/x, when: {$fetch.b.id: 1}}": "it stands in line 5; a fetch reads only those above it",
    "a: {get: https://a.example/x, when: {$let.later: 1}}": "this reads $fetch.b through a let; it stands in line 5",
    "a: {get: https://a.example/x, when: {$fetch.z.id: 1}}": "$fetch.z is not fetched",
    "a-b: {get: https://a.example/x}": "'a-b' is not a name",
}  # fmt: skip


@pytest.mark.parametrize("fetch", MISTAKES)
def test_a_mistake_is_a_problem_where_it_stands(fetch: str) -> None:
    rules = RULES if fetch.startswith("a:") else RULES.replace("$fetch.a.id", "x")
    text = f"source: s\nverify: none\nfetch:\n  {fetch}\n  b: {{get: https://a.example/b}}\n"
    text += f"let: {{later: $fetch.b.x}}\n{rules}"
    with pytest.raises(RulesError) as caught:
        load_files({"s.yaml": text, "destinations.yaml": DESTINATIONS}, environ={})
    [problem] = caught.value.problems
    assert problem.line == 4
    assert MISTAKES[fetch] in problem.message
    assert "hush-hush" not in problem.message


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("dedup_key: [$.a, $fetch.a.id]", "dedup_key is asked before anything is fetched, and this reads $fetch.a"),
        ("event_type: $let.x", "event_type is asked before anything is fetched, and this reads $fetch.a"),
        ("ignore: {$.a: $let.x}", "ignore is asked before anything is fetched, and this reads $fetch.a"),
    ],
)
def test_what_is_asked_at_receipt_reads_nothing_that_was_fetched(key: str, message: str) -> None:
    with pytest.raises(RulesError) as caught:
        source_of("  a: {get: https://a.example/x}\n", more=f"{key}\nlet: {{x: $fetch.a.b}}\n")
    assert [problem.message for problem in caught.value.problems] == [message]


def test_only_so_many_fetches() -> None:
    many = "".join(f"  f{number}: {{get: https://a.example/x}}\n" for number in range(11))
    with pytest.raises(RulesError, match="at most 10 fetches"):
        source_of("  a: {get: https://a.example/x}\n" + many)


def test_an_unset_credential_disables_the_source_loudly() -> None:
    text = "source: s\nverify: none\nfetch:\n  a: {get: https://a.example/x, bearer: $env.KEY}\n" + RULES
    files = {"s.yaml": text, "destinations.yaml": DESTINATIONS}
    assert "KEY is not set" in str(load_files(files, environ={"T": "t"}).warnings)
    assert load_files(files, environ={"T": "t", "KEY": "k"}).warnings == ()


# -- examples --------------------------------------------------------------------------------------------------------


def example(folder: Path, example: str) -> str:
    text = f"source: s\nverify: none\nfetch:\n{CHAIN}{LETS}{RULES}examples:\n  - name: e\n"
    (folder / "s.yaml").write_text(text + "    request: {body: {kind: order, id: 1}}\n" + example)
    (folder / "destinations.yaml").write_text(DESTINATIONS)
    (folder / "a.json").write_text('{"id": 12345678901234567890123456}')
    [result] = run_examples(load(folder, environ={}), folder)
    return result.difference


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        ("    fetched: {a: {id: 3}}\n    expect: [{track: {userId: '3'}}]\n", ""),
        ("    fetched: {a: {file: a.json}}\n    expect: [{track: {userId: '12345678901234567890123456'}}]\n", ""),
        ("    fetched: {a: null}\n    expect_error: {rule: R, field: userId}\n", ""),
        ("    fetched: {a: {customer: ..}}\n    expect_error: {field: fetch.b, message: lead elsewhere}\n", ""),
        (
            "    expect: []\n",
            "fetch a applies (GET https://a.example/a/1) and the example has no answer for it; add fetched: {a: {…}}",
        ),
        ("    fetched: {a: {customer: 4, id: 3}}\n    expect: [{track: {userId: '3'}}]\n", "fetch b applies (GET "),
        ("    fetched: {a: {id: 3}, c: {}}\n    expect: [{track: {}}]\n", "fetch c does not apply to this webhook"),
        (
            "    fetched: {a: {id: 3}, d: {}}\n    expect: [{track: {}}]\n",
            "the source fetches no 'd'; it fetches: a, b, c",
        ),
        ("    fetched: [1]\n    expect: []\n", "fetched takes a mapping of a fetch's name to its answer; found a list"),
        ("    fetched: {a: {file: b.json}}\n    expect: []\n", "the file 'b.json' can't be read"),
    ],
)
def test_examples_give_canned_answers(tmp_path: Path, text: str, difference: str) -> None:
    found = example(tmp_path, text)
    assert (difference in found) if difference else found == ""
