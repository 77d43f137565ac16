"""XML: one mapping, and nothing that expands, fetches or stalls."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unparseable
from gateway.inbound.xml_body import MAX_DEPTH, MAX_ELEMENTS, read_xml
from gateway.model import JSON

PAYLOADS = Path(__file__).parents[3] / "shared" / "corpus" / "payloads"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("<a/>", {"a": ""}),
        ("<a> 7 \n</a>", {"a": "7"}),
        ("<a><b>1</b><c>2</c></a>", {"a": {"b": "1", "c": "2"}}),
        ("<a><b>1</b><b/><b>3</b></a>", {"a": {"b": ["1", "", "3"]}}),
        ('<a id="7">x</a>', {"a": {"@id": "7", "#text": "x"}}),
        ('<a id="7"/>', {"a": {"@id": "7"}}),
        ("<a><b><c>1</c></b><b><c>2</c></b></a>", {"a": {"b": [{"c": "1"}, {"c": "2"}]}}),
        # Mixed content, comments, instructions, CDATA.
        ("<a>one <b>two</b> three</a>", {"a": {"b": "two", "#text": "one three"}}),
        ("<?xml version='1.0'?><!-- x --><a><!-- y -->1<?p q?></a>", {"a": "1"}),
        ("<a><![CDATA[<b>&amp;]]></a>", {"a": "<b>&amp;"}),
        ("<a>&lt;&amp;&#233;&#x1F600;</a>", {"a": "<&é😀"}),
        # Namespaces: local names.
        ('<s:a xmlns:s="urn:1" xmlns="urn:2"><b/><s:b/></s:a>', {"a": {"b": ["", ""]}}),
        ('<a xmlns:s="urn:1" s:id="1"/>', {"a": {"@id": "1"}}),
        ('<a xmlns:s="urn:1" s:id="1" id="2"/>', {"a": {"@id": "2"}}),
        ('<a xml:lang="en">x</a>', {"a": {"@lang": "en", "#text": "x"}}),
        # Null.
        (f'<a {XSI}><b xsi:nil="true"/><c xsi:nil="false"/></a>', {"a": {"b": None, "c": ""}}),
        (f'<a {XSI} xsi:nil="1" id="7"/>', {"a": {"@id": "7"}}),
        ('<a nil="true"/>', {"a": {"@nil": "true"}}),
    ],
)
def test_the_mapping(document: str, value: JSON) -> None:
    assert read_xml(document.encode()) == value


def test_elements_that_are_lists_even_alone() -> None:
    document = b"<a><item>1</item><more><item><b/></item></more></a>"
    assert read_xml(document) == {"a": {"item": "1", "more": {"item": {"b": ""}}}}
    assert read_xml(document, lists=("item",)) == {"a": {"item": ["1"], "more": {"item": [{"b": ""}]}}}
    assert read_xml(b"<item/>", lists=("item",)) == {"item": [""]}


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("<a>é</a>".encode(), None),
        ("<a>é</a>".encode(), "iso-8859-1"),
        ("<a>é</a>".encode("latin-1"), "iso-8859-1"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".encode("latin-1"), None),
        ("<?xml version='1.0' encoding='windows-1252'?><a>é</a>".encode("cp1252"), "nonsense"),
        ("<?xml version='1.0' encoding='utf-16'?><a>é</a>".encode("utf-16"), None),
        ("<?xml version='1.0' encoding='utf-8'?><a>é</a>".encode("utf-16-be"), None),
        ("<a>é</a>".encode("utf-8-sig"), None),
    ],
)
def test_charsets(body: bytes, charset: str | None) -> None:
    assert read_xml(body, charset) == {"a": "é"}


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (f"<!DOCTYPE a [{LAUGHS}]><a>&l9;</a>", "declares a document type (DTD); such are refused"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "declares a document type"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>', "declares a document type"),
        ('<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/"> %x;]><a/>', "declares a document type"),
        ("<!DOCTYPE a><a/>", "declares a document type"),
        ("<a>&nbsp;</a>", "undefined entity at line 1, column 4"),
        ("<a>\n<b></a>", "mismatched tag at line 2, column 6"),
        ("<a b='1' b='2'/>", "duplicate attribute at line 1"),
        ("<a/><b/>", "junk after document element"),
        ("<s:a/>", "unbound prefix"),
        ("<a>\x00</a>", "not well-formed"),
        ("", "no element found"),
        ("<a>" * (MAX_DEPTH + 1), f"nests deeper than {MAX_DEPTH} levels"),
        ("<r>" + "<a/>" * MAX_ELEMENTS + "</r>", f"over {MAX_ELEMENTS:,} elements"),
        ("<r>" + "<a/>" * MAX_ELEMENTS * 5 + "</r>", f"over {MAX_ELEMENTS:,} elements"),
        ("<r " + " ".join(f"a{n}='1'" for n in range(MAX_ELEMENTS + 1)) + "/>", f"over {MAX_ELEMENTS:,} elements"),
        ("<r " + " ".join(f"xmlns:a{n}='u{n}'" for n in range(3 * MAX_ELEMENTS)) + "/>", f"over {MAX_ELEMENTS:,}"),
    ],
)
def test_what_is_refused(document: str, reason: str) -> None:
    with pytest.raises(Unparseable) as refused:
        read_xml(document.encode())
    assert reason in str(refused.value)


def test_memory_stays_within_a_small_multiple_of_the_body() -> None:
    body = b"<r>" + b"<a b='1'><c>x</c></a>" * 3_000 + b"<t>" + b"x\n" * 400_000 + b"</t></r>"
    tracemalloc.start()
    try:
        read_xml(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(body)


NAMES = st.sampled_from(["a", "b", "c-d", "é", "_x.y"])
TREES = st.recursive(
    st.text(alphabet="xyzé 7", max_size=5),
    lambda inner: st.lists(st.tuples(NAMES, inner), max_size=4),
    max_leaves=12,
)


def written(name: str, tree: object) -> str:
    inner = "".join(written(*pair) for pair in tree) if isinstance(tree, list) else str(tree)
    return f"<{name}>{inner}</{name}>"


def meant(tree: object, lists: tuple[str, ...]) -> JSON:
    if not isinstance(tree, list):
        return str(tree).strip()
    grouped: dict[str, list[JSON]] = {}
    for name, inner in tree:
        grouped.setdefault(name, []).append(meant(inner, lists))
    return {name: all_ if len(all_) > 1 or name in lists else all_[0] for name, all_ in grouped.items()} or ""


@given(TREES, st.lists(NAMES, max_size=2).map(tuple))
def test_any_tree_is_read_as_it_was_meant(tree: object, lists: tuple[str, ...]) -> None:
    assert read_xml(written("root", tree).encode(), lists=lists) == {"root": meant(tree, lists)}


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the corpus lies outside the project")
def test_a_salesforce_outbound_message() -> None:
    value = read_xml((PAYLOADS / "salesforce" / "outbound_message.xml").read_bytes(), lists=("Notification",))
    assert isinstance(value, dict)
    message = value["Envelope"]["Body"]["notifications"]
    assert message["SessionId"] is None
    [notification] = message["Notification"]
    assert notification["sObject"]["Email"] == "lead@example.com"
    assert notification["sObject"]["@type"] == "sf:Lead"
