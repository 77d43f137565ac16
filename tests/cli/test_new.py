"""``gateway new``, ``schema`` and ``reference``; and docs/rules.md, followed step by step as a reader would."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.rules.schema import DESTINATIONS_FILE, MODELINE, RULES_FILE, destinations_schema, json_schema
from tests import shop
from tests.servers import running

ROOT = Path(__file__).parent.parent.parent
RECORDER = "source: shop\nverify:\n  hmac: {header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}\n"
PAYLOAD = {"event": "order.created", "event_id": "e-1", "customer": {"id": 31, "email": "Ada@Example.com"}}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of one's own, without settings."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("GATEWAY_", "INTILERY_")):
            monkeypatch.delenv(name)
    (tmp_path / "rules").mkdir()
    (tmp_path / "order.json").write_text(json.dumps(PAYLOAD))


def run(*words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, words, prog_name="gateway", input=input)


def good(*words: str, input: str | None = None) -> str:
    result = run(*words, input=input)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_empty_payload_is_no_payload() -> None:
    Path("empty.json").write_text("\n")
    result = run("new", "shop", "--from", "empty.json")
    assert result.exit_code == 2
    assert result.stderr == "gateway: --from empty.json: the payload is empty; save one that your sender sent\n"
    assert not Path("rules/shop.yaml").exists()


def test_a_byte_order_mark_does_not_make_text_of_json() -> None:
    Path("order.json").write_text("\ufeff" + json.dumps(PAYLOAD))
    assert "rules/samples/shop/drafted.json" in good("new", "shop", "--from", "order.json")
    assert "passed  shop: the payload that this was drafted from" in good("test", "rules")


def test_xml_is_drafted_as_what_it_is() -> None:
    Path("order.xml").write_text("<order><id>7</id><customer><email>Ada@Example.com</email></customer></order>")
    said = good("new", "shop", "--from", "order.xml")
    assert "rules/samples/shop/drafted.xml" in said
    assert "$.order.customer.email | email | lower" in said
    assert "passed  shop: the payload that this was drafted from" in good("test", "rules")


def test_the_place_for_a_code_is_remembered_once_the_rule_is_live() -> None:
    good("new", "shop", "--from", "order.json")
    assert "is not filled in" not in run("check", "rules").stderr
    draft = Path("rules/shop.yaml")
    draft.write_text(draft.read_text().replace("    mode: dry_run\n", ""))
    assert (
        "the place that was drafted for a code is not filled in; write the code that Intilery shows"
        in run("check", "rules").stderr
    )


def test_a_draft_says_what_it_wrote_what_it_guessed_and_what_to_do_next() -> None:
    said = good("new", "shop", "--from", "order.json")
    assert "wrote rules/shop.yaml and rules/samples/shop/drafted.json" in said
    assert re.search(r"e-mail address +\$\.customer\.email \| email \| lower\n", said)
    assert "verify was guessed" in said
    assert [line.strip()[:2] for line in said.partition("next:\n")[2].splitlines()] == ["1.", "2.", "3."]
    assert "set SHOP_SECRET" in said
    assert "/hooks/shop?token=THE-SECRET" in said
    assert Path("rules/shop.yaml").read_text().startswith(MODELINE)
    assert json.loads(Path("rules", RULES_FILE).read_text()) == json_schema()
    assert "passed  shop: the payload that this was drafted from" in good("test", "rules")
    assert "no problems" in good("check", "rules")


def test_a_payload_may_come_from_stdin_and_headers_tell_more() -> None:
    view = json.loads(
        good("new", "wc", "--from", "-", "--header", "X-WC-Webhook-Topic: order.created", "--json", input='{"id": 1}')
    )
    assert view["sender"] == "woocommerce"
    assert view["has_rule"] is False
    assert view["secrets"] == ["WC_SECRET"]
    assert view["guesses"][0] == {
        "what": "kind of webhook",
        "value": "$header.X-WC-Webhook-Topic",
        "why": "woocommerce says it in this header",
    }


def test_ready_rules_are_pointed_at() -> None:
    Path("order.json").write_text('{"admin_graphql_api_id": "gid://shopify/Order/1", "email": "ada@example.com"}')
    assert "gateway add shopify" in good("new", "shopify", "--from", "order.json")


def test_rules_that_are_there_stay() -> None:
    good("new", "shop", "--from", "order.json")
    before = Path("rules/shop.yaml").read_text()
    result = run("new", "shop", "--from", "order.json")
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert Path("rules/shop.yaml").read_text() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("shop",), "--from FILE, or --webhook ID"),
        (("shop", "--from", "order.json", "--webhook", "x"), "--from FILE, or --webhook ID"),
        (("My Shop", "--from", "order.json"), "lower-case letters"),
        (("shop", "--from", "nowhere.json"), "nowhere.json"),
        (("shop", "--from", "order.json", "--header", "X-Topic"), "is no header"),
    ],
)
def test_wrong_usage_writes_nothing(words: tuple[str, ...], says: str) -> None:
    result = run("new", *words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert list(Path("rules").iterdir()) == []


def test_a_recorded_webhook_becomes_rules_beside_what_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with only verify records; then its file gets rules, and the webhook runs through them."""
    for name, value in shop.environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    Path("rules/shop.yaml").write_text(RECORDER)
    body = json.dumps(PAYLOAD).encode()

    async def received() -> str:
        async with running(shop.shop_app(tmp_path)) as url, httpx.AsyncClient(base_url=url) as client:
            answer = await client.post("/hooks/shop", content=body, headers=shop.headers(body))
            identifier: str = answer.json()["id"]
            return identifier

    said = good("new", "shop", "--webhook", asyncio.run(received()))
    assert "verify: as it stood in the file" in said
    text = Path("rules/shop.yaml").read_text()
    assert text.startswith(RECORDER)
    assert "$header.x-shop-topic: orders/create" in text
    assert "1 passed, 0 failed" in good("test", "rules")


# -- schema and reference --------------------------------------------------------------------------------------------


def test_the_schema_is_printed_or_written() -> None:
    assert json.loads(good("schema")) == json_schema()
    assert json.loads(good("schema", "--destinations")) == destinations_schema()
    assert good("schema", "--write", "rules").count("wrote") == 2
    assert json.loads(Path("rules", DESTINATIONS_FILE).read_text()) == destinations_schema()
    assert good("schema", "--write", "rules") == ""
    assert run("schema", "--write", "nowhere").exit_code == 2


def test_the_reference_explains_a_name() -> None:
    assert good("reference", "money").startswith("### `money`")
    assert "quiet_hours" in good("reference").splitlines()
    wrong = run("reference", "quiet_hour")
    assert wrong.exit_code == 2
    assert "did you mean quiet_hours" in wrong.stderr
    good("reference", "--write", "pages")
    assert Path("pages/filters.md").read_text() == (ROOT / "docs/reference/filters.md").read_text()


# -- the guide -------------------------------------------------------------------------------------------------------

GUIDE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


def block(kind: str, number: int = 0) -> str:
    return re.findall(rf"^```{kind}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)[number]


def commands(number: int) -> list[list[str]]:
    return [line.split()[1:] for line in block("sh", number).splitlines() if line.startswith("gateway ")]


def test_the_guide_can_be_followed() -> None:
    Path("booking.json").write_text(block("json"), encoding="utf-8")
    [draft] = commands(0)
    assert draft == ["new", "inn", "--from", "booking.json", "--rules", "rules"]
    said = good(*draft)
    assert "customer's id" in said
    assert "# guess:" in Path("rules/inn.yaml").read_text()
    assert "1 passed, 0 failed" in good("test", "rules")
    # Step 3 and 4: corrected, with codes.
    Path("rules/inn.yaml").write_text(block("yaml", 0), encoding="utf-8")
    Path("rules/destinations.yaml").write_text(block("yaml", 1), encoding="utf-8")
    check, test, try_ = commands(1)
    assert "1 source, 1 rule, no problems" in good(*check)
    assert "2 passed, 0 failed" in good(*test)
    tried: dict[str, Any] = json.loads(good(*try_, "--json"))
    assert [command["command"] for command in tried["commands"]] == ["identify", "send_email"]
    assert tried["commands"][1]["body"]["assetId"] == "202603-BOOKING"


def indented(text: str, columns: int) -> str:
    return "".join(f"{' ' * columns}{line}\n" for line in text.splitlines())


FRAGMENTS = re.findall(r"^```yaml fragment\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(FRAGMENTS)))
def test_a_fragment_of_the_guide_is_good(number: int) -> None:
    fragment = FRAGMENTS[number]
    codes = "{welcome: W, reminder: R, booking-confirmation: B}"
    one = f"{{client_id: acme, auth_token: $env.TOKEN, assets: {codes}}}"
    Path("rules/destinations.yaml").write_text(f"destinations: {{default: {one}, dublin: {one}}}\n")
    head = "source: inn\nverify: none\n" + ("" if "let:" in fragment else "let: {guest: $.data.guest.id}\n")
    rule = "rules:\n  - name: R\n"
    command = "    send_email: {userId: $let.guest, assetId: A}\n"
    if re.match(r"(?:rules|tables|path|let):", fragment):
        text = head + fragment
    elif fragment.startswith("fetch:"):
        text = "source: inn\nverify: none\n" + fragment + "rules:\n  - name: R\n" + command.replace("guest", "email")
    elif fragment.startswith(("expect:", "- name:")):
        example = (
            fragment if fragment.startswith("- ") else "- name: E\n  request: {body: {}}\n" + indented(fragment, 2)
        )
        text = head + rule + command + "examples:\n" + indented(example, 2)
    else:
        text = head + rule + "".join(f"    {line}\n" for line in fragment.splitlines())
        if "send_email" not in fragment:
            text += command
    Path("rules/inn.yaml").write_text(text)
    assert "no problems" in good("check", "rules")


WRITTEN = re.findall(r"^\| `(.+?)` \| `(.+?)` \| .* \|$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize(("wrong", "right"), WRITTEN)
def test_what_trips_people_up_does_and_its_cure_cures(wrong: str, right: str) -> None:
    def checked(line: str) -> Result:
        line = line.replace("\\|", "|")
        key = "when" if line.startswith("$") else "send_email"
        inner = f"      {line}\n" if not line.startswith("{") else f"      shown: {line}\n"
        text = "source: inn\nverify: none\nrules:\n  - name: R\n"
        text += f"    {key}:\n{inner}" if key == "when" else ""
        text += "    send_email:\n      userId: a\n      assetId: b\n" + ("" if key == "when" else inner)
        Path("rules/inn.yaml").write_text(text)
        return run("check", "rules")

    assert checked(right).exit_code == 0, checked(right).output
    if not wrong.startswith("$.status"):  # quoted numbers are no mistake by themselves
        assert checked(wrong).exit_code == 1
