"""The keys that a rules file may hold, with what each means. The reference and the JSON Schema are made of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.intilery.contract import CALLS, COMMANDS
from gateway.rules.mapping import Report
from gateway.rules.nodes import Node
from gateway.rules.problems import choices, nearest

SOURCE_KEYS: Mapping[str, str] = {
    "source": "the name of the source, as in /hooks/{source}: lower-case letters, digits, - and _",
    "title": "the name that people see",
    "path": "the form of the path behind /hooks/{source}, with named parts: '{brand}'",
    "destination": "where the commands go: a destination's name, or an expression that gives it",
    "verify": "how the source proves itself: a preset's name, a scheme, or none",
    "challenge": "what the sender asks of the address before it sends; answered and not kept: its name, or how it goes",
    "public_url": "the address as it is registered at the sender, for schemes that sign it",
    "dedup_key": "an expression, or a list of them, that is equal in every repeat of one webhook",
    "dedup_within": "how long a repeat is known as one: 7d; without it as long as the webhook is kept, or 24h where a "
    "hash stands for the key",
    "event_type": "an expression that names the kind of webhook, for lists and metrics",
    "event_time": "an expression that gives the moment at which it happened at the sender",
    "events": "the path to a list in the body: each element is a webhook of its own, read as $; the body is $batch",
    "ignore": "conditions; a webhook for which they hold is kept as ignored",
    "body": "read the body as json, form, ndjson, multipart, xml, text or jwt, whatever its content type says; or one "
    "field of a form: {form_field: payload, as: json}; or XML with lists: {as: xml, lists: [item]}",
    "zone": "the time zone of times without one, such as Europe/London",
    "let": "named values, read as $let.NAME",
    "tables": "lookup tables: a mapping, or the name of a CSV file beside this one",
    "fetch": "what to get from the sender's API before the rules run, read as $fetch.NAME",
    "redact": "paths of what may not be kept: taken out of the body (or $header.NAME) before it is stored or read",
    "respond": "what the sender gets when its webhook is stored: status, headers, body",
    "retention": "how long what came in is kept: 7d; the setting GATEWAY_RETENTION unless given",
    "limits": "limits of this source: body (bytes) and rate (requests a second)",
    "defaults": "rule keys that hold for every rule that does not say otherwise",
    "rules": "the rules, looked at in order",
    "examples": "tests: a request and the commands that it becomes",
}
RULE_KEYS: Mapping[str, str] = {
    "name": "what the rule is for; its id unless it has one",
    "id": "the rule's identity; commands are known by it, so that a rename changes nothing",
    "when": "conditions; without them the rule always matches",
    "let": "named values of this rule, read as $let.NAME",
    "for_each": "a list: one command for each element, read as $item",
    "key": "what identifies an element of for_each; its position, unless given",
    "identify": "tell Intilery who the customer is; leaves before the command",
    "identify_once": "an identify that says the same as the customer's last one is not sent again for this long; its "
    "command goes all the same",
    **{command: f"the command {command}: the JSON that is sent" for command in COMMANDS},
    "track": "a plain event: the JSON that is sent, with the event's name",
    "cancel": "instead of a command: withdraw the waiting command of this name",
    "destination": "as the source's",
    "once": "at most one command of this rule per key: an expression or a template",
    "within": "how long once holds, from the first receipt: 7d; without it for ever",
    "shared": "a name, so that several rules share their once keys",
    "delay": "not before this long after receipt: 30m, 2h, 7d",
    "at": "not before this moment",
    "if_past": "when the moment of at is past: send (unless said) or skip",
    "name_as": "name the waiting command; a later one of that name replaces it",
    "limit": "a cap per person, counted when commands leave; what is over it is suppressed. In a rule it counts that "
    "rule's commands, under defaults all of the file's, with shared: NAME those of every rule that shares the name: "
    "{per: $.customer.id, at_most: 3, within: 1d}",
    "quiet_hours": 'hold until the morning: {from: "21:00", to: "08:00", zone: Europe/London}; the source\'s zone '
    "unless given",
    "expires": "never after this long (from receipt), or after this moment",
    "priority": "higher leaves first among what is due; 0 unless given",
    "on_unknown_outcome": "what to do with a command that was written and not answered: retry, hold or verify "
    "(look it up at Intilery); verify for send_sms and send_print and retry for the others, unless given",
    "stop": "true: after this rule matched, no later rule is looked at",
    "enabled": "false: the rule is off",
    "mode": "live; dry_run: record the command, send and withdraw nothing; shadow: the same beside the live rules, "
    "whom its stop does not stop",
}
DEFAULT_KEYS = (
    "destination", "identify_once", "once", "within", "shared", "delay", "at", "if_past", "limit", "quiet_hours",
    "expires", "priority", "on_unknown_outcome", "enabled", "mode",
)  # fmt: skip
"""The rule keys that ``defaults`` may hold."""

SENDING_KEYS = tuple(call for call in CALLS if call != "identify")
"""The commands: a rule has one of them, or ``cancel``."""
FETCH_KEYS: Mapping[str, str] = {
    "get": "the address to get, its host written out: https://api.example.com/orders/{{ $.data.id }}",
    "post": "the address to post to, where an API wants that",
    "headers": "headers of the request: texts, expressions, $env.NAME",
    "query": "what is added to the address after ?, percent-encoded",
    "body": "what is posted: any value, sent as JSON, or as a form where the Content-Type says so",
    "when": "conditions; where they do not hold nothing is fetched and $fetch.NAME is missing",
    "bearer": "a token: $env.NAME, sent as Authorization: Bearer",
    "basic": "user and password: {user: shop, password: $env.NAME}",
    "oauth": "client credentials: {token_url, client_id, client_secret, scope}; the token is kept until it expires",
    "cache": "how long an answer may be used again for the same address: 5m; never unless given",
    "timeout": "how long one attempt may take: 10s unless given",
    "max_size": "the largest answer in bytes: 1000000 unless given",
    "rate": "requests a second to this host: 10 unless given",
}
BODY_KEYS: Mapping[str, str] = {
    "form_field": "the field of a form that holds the value; $ is that value, the other fields are left out",
    "as": "what the field, or the body, is read as; json unless given",
    "lists": "names of XML elements that are always lists, even where one stands alone",
}
CHALLENGE_KEYS: Mapping[str, Mapping[str, str]] = {
    "echo_query": {
        "name": "the parameter of the query that is sent back",
        "as": "text (unless given), or json: {name: value}",
        "method": "GET, unless given, or POST",
        "where": "other parameters, and what they must be: {hub.mode: subscribe}",
        "token": "the parameter that must equal secret",
        "secret": "what token must equal: $env.NAME",
    },
    "echo_field": {
        "field": "the dotted path of the JSON body that is sent back",
        "as": "text (unless given), or json: {name: value}",
        "where": "dotted paths of the body, and what must stand there: {type: url_verification}",
        "signed": "true, unless given: answered only after verify; false for a sender that does not sign it",
    },
    "echo_header": {"name": "the header that is sent back as a header; what it says is not kept"},
    "hmac": {
        "query": "the parameter of a GET that holds the token; or",
        "field": "the dotted path of the JSON body that holds it",
        "where": "parameters, or dotted paths of the body, and what they must be",
        "secret": "the key: $env.NAME",
        "algorithm": "sha256, unless given, or sha1, sha512",
        "encoding": "hex, unless given, or base64",
        "answer": "the JSON that is answered, with {token} and {hmac} in its texts",
        "signed": "whether it is answered only after verify: true for field unless given, false for query",
    },
    "probe": {"methods": "HEAD, unless given, and GET: any such request is answered 200"},
    "form_ping": {"field": "the only field of an unsigned form, a number; answered 200"},
    "empty_list": {"field": "the dotted path of a list: a signed body where it is empty is answered an empty 200"},
    "visit": {
        "field": "the dotted path of the JSON body that holds an address, which is opened after verify",
        "hosts": "where it may lead: names of hosts, * for one label of them: [sns.*.amazonaws.com]; https only",
        "where": "dotted paths of the body, and what must stand there: {Type: SubscriptionConfirmation}",
    },
    "allow_origin": {
        "origins": "the hosts that may send, as WebHook-Request-Origin names them; all unless given",
        "rate": "requests per minute that are allowed; any number unless given",
    },
}
"""The keys of each kind of challenge."""
LOGIN_KEYS: Mapping[str, str] = {
    "user": "the user: text or $env.NAME",
    "password": "the password: $env.NAME",
}
OAUTH_KEYS: Mapping[str, str] = {
    "token_url": "where tokens are given: https://login.example.com/token",
    "client_id": "the client's id: text or $env.NAME",
    "client_secret": "the client's secret: $env.NAME",
    "scope": "what is asked for, as the API's pages say",
    "send": "where id and secret are sent: header (HTTP basic, unless said) or body (the form)",
}
RESPOND_KEYS: Mapping[str, str] = {
    "status": "200 to 299; 200 unless given",
    "headers": "headers of the answer: texts, expressions, templates",
    "body": "text, or a mapping that is sent as JSON; without it the usual answer with the webhook's id",
}
LIMITS_KEYS: Mapping[str, str] = {
    "body": "the largest body in bytes; a larger one is answered 413: 1000000 unless given",
    "rate": "requests a second, such as 50 or 50/s; what is over it is answered 429",
}
LIMIT_KEYS = ("per", "at_most", "within", "shared")
QUIET_KEYS = ("from", "to", "zone")


_MEANT: Mapping[str, Mapping[str, str]] = {
    "a rule": {
        "email": "send_email", "mail": "send_email", "sms": "send_sms", "text": "send_sms", "push": "send_push",
        "letter": "send_print", "print": "send_print", "send_letter": "send_print", "journey": "start_journey",
        "event": "track", "if": "when", "conditions": "when", "where": "when", "foreach": "for_each",
        "each": "for_each", "wait": "delay",
    },
}  # fmt: skip
"""What keys are called elsewhere, by what they stand in."""


def _elsewhere(name: str, what: str) -> str:
    """Where a rule's key belongs that stands at the top of a file, or nothing."""
    if what != "a source" or name not in RULE_KEYS:
        return ""
    if name in DEFAULT_KEYS:
        return f"'{name}' stands in a rule, or under defaults: for all rules"
    return f"'{name}' stands in a rule, under rules:"


def check_keys(node: Node, allowed: Iterable[str], what: str, report: Report) -> dict[str, tuple[Node, Node]]:
    """The entries of a mapping by key, after reporting every key that is not allowed there.

    Commands' names are allowed in any case, as Intilery's own pages write both. A key that is surely a misspelt one
    counts as what was meant, so that it is one problem and what stands under it is looked at too.
    """
    known = tuple(allowed)
    found: dict[str, tuple[Node, Node]] = {}
    meant: dict[str, tuple[Node, Node]] = {}
    if node.kind != "map":
        report(node, f"{what} is a mapping with keys such as {', '.join(known[:3])}; found {node.describe()}")
    for key, value in node.entries:
        name = key.text
        if name not in known and name.lower() in CALLS and name.lower() in known:
            name = name.lower()
        if name not in known and (there := _elsewhere(name, what)):
            report(key, there)
        elif name not in known:
            surely = _MEANT.get(what, {}).get(name.lower())
            hint = f"; did you mean '{surely}'?" if surely else choices(name, known)
            report(key, f"{what} has no key '{key.text}'{hint}")
            surely = surely or nearest(name, known, cutoff=0.75)
            if surely:
                meant.setdefault(surely, (key, value))
        elif name in found:
            report(key, f"the key '{name}' stands twice; the first is in line {found[name][0].line}")
        else:
            found[name] = (key, value)
    return {**meant, **found}
