"""Which rules only have another id than in the version before."""

from __future__ import annotations

import pytest

from gateway.rules import renames

HEAD = "source: shop\nverify: none\nrules:\n"
ORDER = "  - name: Order\n    when: {$.type: order}\n    send_email: {userId: $.id, assetId: A1}\n"
REFUND = "  - name: Refund\n    when: {$.type: refund}\n    send_email: {userId: $.id, assetId: A2}\n"
OTHER = ORDER.replace("name: Order", "name: Order mail")


def told(before: str, after: str) -> list[tuple[int, str]]:
    """Line and beginning of each warning."""
    found = renames({"shop.yaml": HEAD + before}, {"shop.yaml": HEAD + after})
    return [(warning.line, warning.message.partition(".")[0]) for warning in found]


def test_a_rule_under_another_name() -> None:
    (warning,) = renames({"shop.yaml": HEAD + ORDER}, {"shop.yaml": HEAD + REFUND + OTHER})
    assert str(warning) == (
        "shop.yaml:7:11: the rule 'Order mail' was 'Order' before. What was sent, and its once keys, are known by the "
        "rule's id, so a repeat or a replay may send it again; to keep them, write id: Order"
    )
    assert warning.source == "  - name: Order mail"


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (ORDER, ORDER, []),
        (ORDER, ORDER + REFUND, []),
        (ORDER + REFUND, REFUND + ORDER, []),
        (ORDER + REFUND, REFUND, []),
        # It keeps its id, or it had one.
        (ORDER, OTHER + "    id: Order\n", []),
        (ORDER + "    id: o\n", OTHER + "    id: o\n", []),
        (ORDER, ORDER + "    id: o\n", [(7, "the rule 'o' was 'Order' before")]),
        # As it stands elsewhere, with its keys in another order.
        (
            ORDER,
            "  - send_email: {assetId: A1, userId: $.id}\n    name: Mail\n    when:\n      $.type: order\n",
            [(5, "the rule 'Mail' was 'Order' before")],
        ),
        # Another rule, or a copy of one that is still there.
        (ORDER, OTHER.replace("A1", "A3"), []),
        (ORDER, ORDER + OTHER, []),
    ],
)
def test_what_is_told(before: str, after: str, is_told: list[tuple[int, str]]) -> None:
    assert told(before, after) == is_told


def test_a_source_may_move_to_another_file_and_others_say_nothing() -> None:
    before = {"shop.yaml": HEAD + ORDER, "inn.yaml": HEAD.replace("shop", "inn") + ORDER, "codes.csv": "a,b\n"}
    assert len(renames(before, {"store.yaml": HEAD + OTHER, "inn.yaml": before["inn.yaml"]})) == 1
    assert renames(before, {"inn.yaml": before["inn.yaml"], "shop.yaml": "- no rules file\n"}) == ()
    assert renames({}, before) == ()
