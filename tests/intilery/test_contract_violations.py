"""What the platform objects to, by the tables of its documentation."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.intilery.contract import COMMANDS, FIELDS, MAX_BATCH_CALL, violations

SEND = {"userId": "ABC/123", "event": "SEND_SMS", "assetId": "A-1", "timestamp": "2019-11-18T13:30:12.984Z"}
TIME = "timestamp must be ISO-8601 in UTC, like 2019-11-18T13:30:11.444Z"
JOURNEY = {"userId": "u", "event": "start_journey", "properties": {"journeyIdToTrigger": "6046429d73096e3b2dca973d"}}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("track", SEND),
        ("track", {**SEND, "event": "send_print", "anything": [{"nested": None}], "timestamp": "2019-11-18T13:30:12Z"}),
        ("track", JOURNEY),
        ("track", {"userId": "u", "event": "Order Completed", "properties": {}, "context": {}}),
        ("track", {"anonymousId": "a", "event": "Order Completed", "messageId": "m"}),
        ("identify", {"userId": "u", "event": "identify", "traits": {"email": "a@example.com"}}),
        ("identify", {"anonymousId": "a"}),
        ("page", {"userId": "u"}),
        ("screen", {"anonymousId": "a", "properties": {}}),
        ("batch", {"batch": [{"userId": "u", "event": "identify"}, {"userId": "u", "event": "Order Completed"}]}),
    ],
)
def test_documented_calls_are_valid(action: str, body: Any) -> None:
    assert violations(action, body) is None


@pytest.mark.parametrize(
    ("action", "body", "message"),
    [
        ("track", [], "body must be a JSON object"),
        ("track", {"userId": "u"}, "event must not be empty"),
        ("track", {**SEND, "userId": ""}, "userId must not be empty"),
        ("track", {**SEND, "userId": None}, "userId must not be empty"),
        ("track", {**SEND, "userId": 123}, "userId must be a string"),
        ("track", {**SEND, "userId": " "}, "userId must not be empty"),
        ("track", {**SEND, "userId": None, "anonymousId": "a"}, "userId must not be empty"),
        ("track", {**SEND, "assetId": None}, "assetId must not be empty"),
        ("track", {**SEND, "timestamp": "18/11/2019"}, TIME),
        ("track", {**SEND, "timestamp": "2019-13-18T13:30:11Z"}, TIME),
        ("track", {**SEND, "messageId": 7}, "messageId must be a string"),
        ("track", {**JOURNEY, "properties": {}}, "properties.journeyIdToTrigger must not be empty"),
        ("track", {**JOURNEY, "properties": "x"}, "properties must be an object"),
        ("track", {"event": "Order Completed"}, "userId or anonymousId must not be empty"),
        ("track", {"userId": "u", "event": "Order Completed", "context": []}, "context must be an object"),
        ("identify", {"userId": "u", "event": "identified"}, "event must be identify"),
        ("identify", {"userId": "u", "traits": []}, "traits must be an object"),
        ("page", {}, "userId or anonymousId must not be empty"),
        ("batch", {"batch": []}, "batch must be a list of calls"),
        ("batch", {"batch": [1]}, "batch[0] must be an object"),
        ("batch", {"batch": [{"userId": "u"}]}, "batch[0].event must not be empty"),
        ("batch", {"batch": [SEND]}, "batch[0].event must not be a command: SEND_SMS goes to track, one request each"),
        ("batch", {"batch": [{"event": "Seen"}]}, "batch[0].userId or anonymousId must not be empty"),
        (
            "batch",
            {"batch": [{"userId": "u", "event": "Seen", "properties": {"x": "y" * MAX_BATCH_CALL}}]},
            "batch[0] must not be over 32000 bytes",
        ),
    ],
)  # fmt: skip
def test_the_first_objection_names_its_field(action: str, body: Any, message: str) -> None:
    assert violations(action, body) == message


@pytest.mark.parametrize("call", COMMANDS)
def test_every_required_field_of_every_command_is_required(call: str) -> None:
    body: dict[str, Any] = {
        "event": call.upper(),
        "userId": "u",
        "assetId": "a",
        "properties": {"journeyIdToTrigger": "j"},
    }
    assert violations("track", body) is None
    for path in FIELDS[call].required:
        root, _, inner = path.partition(".")
        without = {**body, "properties": {}} if inner else {key: value for key, value in body.items() if key != root}
        assert violations("track", without) == f"{path} must not be empty"
