"""The challenges of known senders: a row of data each. ``challenge: NAME`` in a rules file means this row.

A row is the kind of challenge and its keys; the comment above it is the source of the fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

CHALLENGES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = MappingProxyType(
    {
        # developer.adobe.com/app-builder, I/O Events handler: the parameter is sent back as JSON
        "adobe": ("echo_query", {"name": "challenge", "as": "json"}),
        # developers.asana.com/reference/createwebhook: 200 and the same header; the secret signs what follows
        "asana": ("echo_header", {"name": "X-Hook-Secret"}),
        # docs.aws.amazon.com/sns, HTTP/HTTPS subscription confirmation: the owner of the address opens SubscribeURL;
        # that of an UnsubscribeConfirmation would subscribe again. .cn: docs.amazonaws.cn
        "aws_sns": (
            "visit",
            {
                "field": "SubscribeURL",
                "where": {"Type": "SubscriptionConfirmation"},
                "hosts": ["sns.*.amazonaws.com", "sns.*.amazonaws.com.cn"],
            },
        ),
        # developers.circle.com/wallets/webhook-notifications: an address has to answer HEAD and POST
        "circle": ("probe", {"methods": ["HEAD"]}),
        # github.com/cloudevents/spec, cloudevents/http-webhook.md, abuse protection
        "cloudevents": ("allow_origin", {}),
        # dropbox.com/developers/reference/webhooks: text/plain and nosniff are asked for there
        "dropbox": ("echo_query", {"name": "challenge"}),
        # developers.intercom.com, webhooks: a HEAD when the address is saved
        "intercom": ("probe", {"methods": ["HEAD"]}),
        # mailchimp.com, about webhooks: the address is tried with a GET when it is saved
        "mailchimp": ("probe", {"methods": ["GET"]}),
        # mailchimp.com/developer, transactional webhooks: HEAD first; only where that is not 200 a POST with a key that
        # everybody knows, which is refused
        "mandrill": ("probe", {"methods": ["HEAD"]}),
        # developers.facebook.com, webhooks: verification requests; the verify token is of your own making
        "meta": (
            "echo_query",
            {
                "name": "hub.challenge",
                "where": {"hub.mode": "subscribe"},
                "token": "hub.verify_token",
                "secret": "META_VERIFY_TOKEN",
            },
        ),
        # learn.microsoft.com, Graph change notifications, endpoint validation: also when a subscription is renewed
        "microsoft_graph": ("echo_query", {"name": "validationToken", "method": "POST"}),
        # developers.mindbodyonline.com, webhooks: HEAD when a subscription is activated
        "mindbody": ("probe", {"methods": ["HEAD"]}),
        # api.slack.com/events/url_verification: signed as every request is ("verify the authenticity, then respond")
        "slack": ("echo_field", {"field": "challenge", "where": {"type": "url_verification"}}),
        # developer.atlassian.com/cloud/trello/guides/rest-api/webhooks: HEAD when a webhook is created, exactly 200
        "trello": ("probe", {"methods": ["HEAD"]}),
        # woocommerce/woocommerce class-wc-webhook.php deliver_ping(): unsigned, when a webhook is saved first
        "woocommerce": ("form_ping", {"field": "webhook_id"}),
        # developer.x.com, account activity, securing webhooks: the key is the app's consumer secret
        "x": (
            "hmac",
            {
                "query": "crc_token",
                "encoding": "base64",
                "answer": {"response_token": "sha256={hmac}"},
                "secret": "X_SECRET",
            },
        ),
        # developer.xero.com, webhooks, intent to receive: signed rightly 200, wrongly 401
        "xero": ("empty_list", {"field": "events"}),
        # github.com/zoom/webhook-sample: checks the signature first
        "zoom": (
            "hmac",
            {
                "field": "payload.plainToken",
                "where": {"event": "endpoint.url_validation"},
                "answer": {"plainToken": "{token}", "encryptedToken": "{hmac}"},
                "secret": "ZOOM_SECRET",
                "signed": True,
            },
        ),
    }
)
"""By name: the kind, and its keys. ``secret`` is a credential's name."""
