"""The pages about verification: the schemes, and the table of the senders that have a preset."""

from __future__ import annotations

from gateway.inbound.challenge_presets import CHALLENGES
from gateway.inbound.declared import KINDS
from gateway.inbound.presets import PRESETS, SUBJECTS, Preset, default_secret
from gateway.inbound.signed import PLACEHOLDERS, SECRET
from gateway.rules.reference.markdown import cell, code, page, sentence
from gateway.rules.reference.verify_examples import KIND_EXAMPLES, KIND_WORDS, words_for
from gateway.rules.schema.verification import keys_of

_PUBLIC = {"ecdsa": "ECDSA", "ed25519": "Ed25519", "rsa": "RSA"}


def verify_page() -> str:
    """Schemes and their keys."""
    lines = page(
        "Verification",
        "`verify` says how a source proves itself: a preset's name, a scheme, or `none`. A mapping needs all that it "
        "names, a list needs any. What fails is refused with 401 and kept in quarantine, never made into commands. A "
        "secret stands in an environment variable, or in a file that `NAME_FILE` names; the rules file holds its name.",
        "```yaml fragment\nverify: stripe                  # the secret is in STRIPE_SECRET\n```",
        "```yaml fragment\nverify:\n  stripe: {secret: [$env.SHOP_SECRET, $env.SHOP_SECRET_OLD], tolerance: 10m}\n```",
        "The [senders](senders.md) that have a preset stand on a page of their own.",
        "Where what is signed holds `{url}`, the file says `public_url`: the address as it is registered at the "
        "sender, with the named parts of the path in braces, `https://hooks.example.com/hooks/shop/{brand}`. The query "
        "is the one that came.",
        "A public key is no secret: it may stand in a file beside the rules (PEM of a key or a certificate, or a set "
        "of keys) as well as in a variable. Nothing is fetched to verify, with two exceptions that a rules file has to "
        "write out: a `jwks` with an address, and `published` with the hosts that may be asked for a certificate. "
        "Both are fetched beside the requests, over TLS, and kept; until they are here the sender is answered 503 and "
        "tries again.",
        "```yaml fragment\nverify:\n  rsa: {header: X-Signature, public_key: sender.pem}\n```",
        "```yaml fragment\nverify:\n  paypal:\n    published: {header: paypal-cert-url, hosts: [api.paypal.com]}\n```",
        "```yaml fragment\nverify:\n  jwt:\n    algorithms: [RS256]\n"
        "    jwks: https://www.googleapis.com/oauth2/v3/certs\n    issuer: https://accounts.google.com\n"
        "    audience: https://hooks.example.com/hooks/shop\n```",
        "`ip_allow` and `client_certificate` go by what the connection says, or a proxy that is declared with "
        "GATEWAY_TRUSTED_PROXIES. A header of anybody else counts for nothing.",
    )
    lines += ["## Schemes", ""]
    for kind in KINDS:
        lines += [f"### `{kind}`", "", sentence(KIND_WORDS.get(kind, "")), ""]
        if kind in KIND_EXAMPLES:
            lines += ["```yaml fragment", KIND_EXAMPLES[kind].rstrip(), "```", ""]
        if keys_of(kind):
            lines += ["| key | |", "|---|---|"]
            lines += [f"| `{key}` | {cell(words_for(kind, key))} |" for key in keys_of(kind)]
            lines.append("")
    lines += [
        "What `signed` may hold: " + ", ".join(f"`{one}`" for one in PLACEHOLDERS) + f"; in `digest` also `{SECRET}`, "
        "once. `{body.a.b?}` may be absent, and is then empty; `{raw.a.b}` is JSON as it was sent; "
        "`{lines(A, B)}` is the name and the value of each of "
        "these fields that is there, a line each; `{env.NAME}` is a credential."
    ]
    return "\n".join(lines)


def senders_page() -> str:
    """Every preset, by the kind of business."""
    lines = page(
        "Senders",
        "What is known about each sender that has a preset. `verify: NAME` is all that a rules file says; `gateway "
        "reference NAME` prints the keys behind it, and a mapping changes them.",
        "The age is the one that the sender documents; where none stands, no time is signed or the sender gives no "
        "limit, and the dedup key is what stops repeats. The dedup key is the one to write under `dedup_key`; where "
        'none stands, the sender gives no id and a hash of the body tells repeats apart. "Another\'s reading" marks a '
        "fact that was not found in the sender's own documentation.",
    )
    for subject, rows in SUBJECTS.items():
        lines += [f"## {subject}", ""]
        lines += ["| preset | where | algorithm | what is signed | age | challenge | dedup key | secret | source |"]
        lines += ["|---|---|---|---|---|---|---|---|---|"]
        lines += [_row(name, PRESETS[name]) for name in sorted(rows)]
        lines.append("")
        lines += [
            f"- `{name}`: {rows[name].title}" + (f"; {rows[name].note}" if rows[name].note else "") + "."
            for name in sorted(rows)
        ]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, preset: Preset) -> str:
    cells = (
        f"`{name}`",
        _where(preset),
        _algorithm(preset),
        _signed(preset),
        str(preset.keys.get("tolerance", "")),
        f"`{preset.challenge}`" if preset.challenge in CHALLENGES else "",
        code(preset.dedup_key) if preset.dedup_key else "",
        f"`{default_secret(name)}`",
        cell(preset.source),
    )
    return f"| {' | '.join(cells)} |"


def _where(preset: Preset) -> str:
    keys = preset.keys
    match preset.kind:
        case "basic" | "bearer":
            return "`Authorization`"
        case "query":
            return f"the query's {code(str(keys['name']))}"
        case "header":
            return code(str(keys["name"]))
        case "body":
            return f"{code(str(keys['path']))} of the body"
        case "jwt":
            return "the whole body" if keys.get("whole_body") else code(str(keys.get("header", "Authorization")))
    if "header" in keys:
        return code(str(keys["header"]))
    if "signature_query" in keys:
        return f"the query's {code(str(keys['signature_query']))}"
    each = f"{keys['each']}." if "each" in keys else ""
    return f"{code(each + str(keys['signature_path']))} of the body"


def _algorithm(preset: Preset) -> str:
    keys = preset.keys
    match preset.kind:
        case "hmac" | "digest":
            plain = "" if preset.kind == "hmac" else ", plain"
            return f"{keys.get('algorithm', 'sha256')}, {keys.get('encoding', 'hex')}{plain}"
        case "jwt":
            return f"JWT {', '.join(keys['algorithms'])}"
        case kind if kind in _PUBLIC:
            algorithm = "" if kind == "ed25519" else f" {keys.get('algorithm', 'sha256')}"
            return f"{_PUBLIC[kind]}{algorithm}, {keys.get('encoding', 'base64')}"
    return "a shared secret"


def _signed(preset: Preset) -> str:
    match preset.kind:
        case "jwt":
            return "the token" if "body_claim" not in preset.keys else "the token, and the body by a claim"
        case "hmac" | "digest" | "ecdsa" | "ed25519" | "rsa":
            return code(str(preset.keys.get("signed", "{body}")))
    return "nothing"
