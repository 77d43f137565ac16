"""The sections of the reference about what a sender sends: kinds of bodies, and challenges."""

from __future__ import annotations

from gateway.inbound.challenge_presets import CHALLENGES
from gateway.inbound.payloads import KINDS
from gateway.rules.keys import BODY_KEYS, CHALLENGE_KEYS, LIMITS_KEYS, RESPOND_KEYS
from gateway.rules.reference.markdown import cell

_BODIES = {
    "json": "The value, exactly. Of two equal keys the last counts.",
    "form": "An object of texts; `a[b][C]` is `$.a.b.C`, `x[]` and a key that repeats are lists.",
    "ndjson": "One JSON value a line: a list of them; blank lines are skipped.",
    "multipart": "As a form. A file is `{filename, content_type, size}`, its content is not read.",
    "xml": "An object with the root element's name; see below.",
    "text": "The text itself: `$` is it.",
    "jwt": "The payload of a JSON Web Token. It is decoded and proves nothing: `verify` must.",
}

_CHOSEN = """\
Without `body` the content type chooses; where that is absent or wrong the body itself shows what it is. An empty body
is null. Charsets are those that are declared, or that the first bytes show."""

_ANSWERED = """\
`challenge` takes a sender's name, a kind of challenge with its keys, or a list of these. What a sender can't sign is
answered before `verify`; what is sent back is short, plain text. Nothing of it is kept. A name takes keys of its kind
too: `meta: {secret: $env.MY_TOKEN}`. The hook takes GET, HEAD and OPTIONS only where a challenge needs them."""

_NOTES = """\
- `asana`: the secret in the handshake signs what follows, and is not kept here: it stands in Asana's answer to whoever
  created the webhook, who sets it as the secret of `verify`. The handshake is answered while that is not set yet.
- `meta`: make up a token, set it as META_VERIFY_TOKEN, and enter it in the app's settings.
- `xero`: rightly signed requests about nothing are answered 200 without a body, wrongly signed ones 401. With
  `respond: {body: ""}` its webhooks are answered without a body too.
- `aws_sns`: the gateway opens SubscribeURL after it has answered, only over https at `sns.REGION.amazonaws.com`, and
  tries for some minutes; the log says how it ended. Anybody at Amazon has a topic, so name yours:
  `aws_sns: {where: {Type: SubscriptionConfirmation, TopicArn: "arn:aws:sns:…"}}`, and let `ignore` leave out what
  has another `$.TopicArn`. What follows is a webhook: `$.Message | parse_json` is what was published. So is an
  UnsubscribeConfirmation, whose address is never opened: it would subscribe again."""

_XML = """\
An XML element is an object: its attributes are `@name`, its children stand under their names, those of one name as a
list, and its text is `#text`. One with nothing but text is that text, trimmed; an empty one is `""`, and one that says
`xsi:nil="true"` is null. Prefixes of namespaces are dropped. Text between children is joined in `#text`. So

```xml
<s:order xmlns:s="urn:shop" id="7"><s:total currency="GBP">9.50</s:total><item>Tea</item></s:order>
```

is `{"order": {"@id": "7", "total": {"@currency": "GBP", "#text": "9.50"}, "item": "Tea"}}`. One item is no list, two
are; `body: {as: xml, lists: [item]}` makes it a list always. Everything is text: `$.order.total['#text'] | number`.
Document types and entities are refused.

JSON that stands in a text of the body is read with `parse_json`, after `base64_decode` where it is wrapped so:
`$.message.data | base64_decode | parse_json | get('id')`."""


_BATCHES = """\
`events` is a path to a list in the body, such as `$[*]` or `$.events[*]`, and at most 10,000 elements are taken from
it. One object where a list is meant counts as a list of one.

- Each element is stored as a webhook of its own: its body is the exact JSON of the element, and the sender is answered
  when all are on disk: `{"id": <the first one's>, "status": "accepted", "webhooks": 3}`, or `duplicate` where all were
  there. A bad element fails alone, and replaying one does nothing to the others.
- A `dedup_key` that reads the element, such as `$.id`, tells elements apart; one that does not, such as a header, gets
  the element's position behind it, and so does the hash that stands for a missing key.
- A repeat of the request adds the elements that are not there yet, and counts a repeat on the others.
- An empty list is kept as one webhook, `ignored`. Where the path finds nothing, or too many, the body is kept whole, as
  one webhook that is `untranslatable`. `gateway replay` takes it apart once the rules file fits."""

_REDACTED = """\
`redact` takes paths of names, positions, `[*]` and `..`, without filters and slices; `$header.NAME` takes out a header,
and `$batch...` what stands around the elements of `events`. What stands there becomes `[redacted]`, for the store, for
traces and for rules alike; a rule may read what holds such a place, and finds the word in it.

- The body is stored as the JSON that was read, not as the sender's bytes, and `parsed` in the API says so.
- A body that can't be read, or not be taken apart, is not kept at all: the webhook is there with its reason and without
  its body.
- The hash that stands for a missing `dedup_key` is over the body as it is kept, so give such a source a `dedup_key`.
- What was stored before `redact` was written stays as it is until its retention is over; rules see it redacted."""

_RESPONSE = """\
What is sent for a webhook that is on disk, be it new or a repeat, matched or not. Refusals stay as they are. Values are
expressions and templates over the webhook; what is nothing is left out, and so is a header that would not fit on one
line. A `Content-Type` among the headers wins; else text is `text/plain`, text that begins with `<` is `text/xml`, a
mapping is JSON. `$webhook.id` of a repeat is the first one's id. With `events`, `$batch` is the body and `$` is not
known; where the body can't be read, both are missing."""

_LIMITED = """\
The rate counts requests that were verified, so that nobody else can use it up, in each gateway process by itself; twice
the rate of a second may come at once. What is over it is answered 429 with `Retry-After`, before its body is read."""

_KEPT = """\
`retention` counts from the receipt: a length of an hour or more. What is older goes, with its body, commands and
attempts, unless a command of it is not over yet (it waits, is held, or on its way). Dedup keys and `once` claims stay
for as long as they hold."""


def requests() -> list[str]:
    """What happens to a request besides its rules."""
    lines = [
        "## Batches",
        "",
        _BATCHES,
        "",
        "## What is redacted",
        "",
        _REDACTED,
        "",
        "## The answer",
        "",
        _RESPONSE,
        "",
    ]
    lines += ["Under `respond`:", "", "| key | |", "|---|---|"]
    lines += [*(f"| `{key}` | {cell(text)} |" for key, text in RESPOND_KEYS.items()), ""]
    lines += ["## Limits and retention", "", "Under `limits`:", "", "| key | |", "|---|---|"]
    lines += [*(f"| `{key}` | {cell(text)} |" for key, text in LIMITS_KEYS.items()), "", _LIMITED, "", _KEPT, ""]
    return lines


def bodies() -> list[str]:
    """What each kind of body becomes."""
    assert tuple(_BODIES) == KINDS
    return [
        "## Kinds of bodies",
        "",
        _CHOSEN,
        "",
        "| `body` | becomes |",
        "|---|---|",
        *(f"| `{kind}` | {cell(text)} |" for kind, text in _BODIES.items()),
        "",
        "As a mapping:",
        "",
        "| key | |",
        "|---|---|",
        *(f"| `{key}` | {cell(text)} |" for key, text in BODY_KEYS.items()),
        "",
        _XML,
        "",
    ]


def challenges() -> list[str]:
    """The senders whose challenges are known, and what they are made of."""
    lines = ["## Challenges", "", _ANSWERED, "", "| sender | kind | answered | secret |", "|---|---|---|---|"]
    for name, (kind, row) in sorted(CHALLENGES.items()):
        after = kind in ("echo_field", "empty_list", "visit") or row.get("signed")
        secret = f"`{row['secret']}`" if "secret" in row else ""
        lines.append(f"| `{name}` | `{kind}` | {'after verify' if after else 'before verify'} | {secret} |")
    lines += ["", _NOTES, ""]
    for kind, table in CHALLENGE_KEYS.items():
        lines += [f"Under `{kind}`:", "", "| key | |", "|---|---|"]
        lines += [*(f"| `{key}` | {cell(text)} |" for key, text in table.items()), ""]
    return lines
