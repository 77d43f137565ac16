"""Signing as a source does: what :mod:`gateway.inbound.authentication` verifies, made from the same data.

``gateway send``, the demo and the tests use it. Where the proof does not travel in a header, the body or the query is
changed. For a public key the private half is needed, which only its sender has: a test makes a pair of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from gateway.errors import AuthenticationFailed, SettingsError, Unparseable
from gateway.inbound.chosen import suffix_of
from gateway.inbound.documents import form_fields, is_form, values_at
from gateway.inbound.exact_json import read_json
from gateway.inbound.hashes import KeyedHash, PlainHash, encode
from gateway.inbound.public_keys import HASHES, padding_of
from gateway.inbound.request import Request
from gateway.inbound.schemes import (
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    ClientCertificate,
    Digest,
    Ecdsa,
    Ed25519,
    Header,
    Hmac,
    IPAllow,
    Jwt,
    Means,
    NoVerification,
    Query,
    Rsa,
    Scheme,
    Signature,
    env_name,
)
from gateway.inbound.shared_secrets import user_of
from gateway.inbound.signatures import elements_of, format_timestamp
from gateway.inbound.signed import UNREAD, Envelope, compile_signed, placeholders_of

TOKEN_LIFE: Final = 300
"""Seconds for which a token is good that is made here."""
_encode_json = msgspec.json.Encoder(decimal_format="number").encode


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: the proof is in one of these."""

    headers: Mapping[str, str]
    """Those that the proof adds."""
    body: bytes
    query: str


class _Draft:
    """A request while proofs are put to it."""

    def __init__(self, request: Request, means: Means, *, id: str, private_key: str | None) -> None:
        self._request = request
        self.means = means
        self.id = id
        self.private_key = private_key
        self.added: dict[str, str] = {}
        self.body = request.body
        self.query = request.query
        self.form = False
        """Whether the scheme reads a form."""

    @property
    def request(self) -> Request:
        """As it would be sent now."""
        lower = {name.lower() for name in self.added}
        kept = tuple(pair for pair in self._request.headers if pair[0] not in lower)
        headers = (*kept, *((name.lower(), value) for name, value in self.added.items()))
        return msgspec.structs.replace(self._request, headers=headers, body=self.body, query=self.query)

    def suffix(self, per: str | None) -> str:
        try:
            return suffix_of(per, self.means.parts)
        except AuthenticationFailed as error:
            raise SettingsError(f"can't sign: {error}") from None

    def first_set(self, names: tuple[str, ...], per: str | None) -> str:
        """The value of the first credential that is set."""
        suffix = self.suffix(per)
        for name in names:
            if value := self.means.credential(name + suffix):
                return value
        raise SettingsError(f"can't sign: {', '.join(name + suffix for name in names)} unset")

    def document(self) -> Any:
        """The body as JSON or a form's fields, to put a proof into."""
        if self.form:
            return dict(form_fields(self.request))
        try:
            return read_json(self.body)
        except Unparseable as error:
            raise SettingsError(f"can't sign: the proof stands in the body, and {error}") from None

    def put(self, document: Any, path: tuple[str, ...], text: str) -> None:
        """Set the text at a dotted path; ``*`` is every element."""
        put_at(document, path, text)
        self.write(document)

    def put_query(self, name: str, value: str) -> None:
        """Set a parameter of the query."""
        kept = [piece for piece in self.query.split("&") if piece and piece.partition("=")[0] != name]
        self.query = "&".join([*kept, f"{quote(name, safe='')}={quote(value, safe='')}"])

    def write(self, document: Any) -> None:
        """Make the body of a value again."""
        self.body = urlencode(document).encode() if self.form else _encode_json(document)


def put_at(document: Any, path: tuple[str, ...], text: str | int) -> None:
    """Set the text at a dotted path of a JSON value, making the objects on the way.

    :raises SettingsError: something else stands in the way.
    """
    name, rest = path[0], path[1:]
    if isinstance(document, list) and name == "*":
        for index, element in enumerate(document):
            if rest:
                put_at(element, rest, text)
            else:
                document[index] = text
    elif isinstance(document, dict) and rest:
        put_at(document.setdefault(name, {}), rest, text)
    elif isinstance(document, dict):
        document[name] = text
    else:
        raise SettingsError(f"can't sign: the body has no place {'.'.join(path)} for the proof")


def sign(
    scheme: Scheme,
    request: Request,
    means: Means,
    *,
    id: str | None = None,
    private_key: str | None = None,
) -> SignedRequest:
    """The request as its source would send it; ``private_key`` is PEM text, for schemes with a public key.

    :raises SettingsError: a credential is unset, the private key is missing or of another kind, or the body can't hold
        its signature.
    """
    draft = _Draft(request, means, id=id if id is not None else f"msg_{uuid4().hex}", private_key=private_key)
    _put(scheme, draft)
    return SignedRequest(headers=draft.added, body=draft.body, query=draft.query)


def _put(scheme: Scheme, draft: _Draft) -> None:
    match scheme:
        case Signature():
            _put_signature(scheme, draft)
        case Jwt():
            _put_token(scheme, draft)
        case AllOf():
            # What changes the body or the query comes first: others may sign it.
            for part in sorted(scheme.schemes, key=lambda part: not isinstance(part, Body | Query)):
                _put(part, draft)
        case AnyOf():
            _put_first(scheme, draft)
        case Header():
            draft.added[scheme.name] = draft.first_set(scheme.secret, scheme.per)
        case Bearer():
            draft.added["Authorization"] = f"Bearer {draft.first_set(scheme.secret, scheme.per)}"
        case Basic():
            user = user_of(scheme, draft.means.credential, draft.suffix(scheme.per))
            if user is None:
                raise SettingsError(f"can't sign: {env_name(scheme.user)} is unset")
            pair = f"{user}:{draft.first_set(scheme.password, scheme.per)}".encode()
            draft.added["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        case Query():
            draft.put_query(scheme.name, draft.first_set(scheme.secret, scheme.per))
        case Body():
            draft.put(draft.document(), tuple(scheme.path.split(".")), draft.first_set(scheme.secret, scheme.per))
        case ClientCertificate():
            draft.added[scheme.header] = (*scheme.subject, *scheme.fingerprint)[0]
            if scheme.verified is not None:
                draft.added[scheme.verified] = "SUCCESS"
        case IPAllow() | NoVerification():
            pass  # nothing that is sent proves it


def _put_first(scheme: AnyOf, draft: _Draft) -> None:
    """The first proof that can be made."""
    failures = []
    for part in scheme.schemes:
        before = dict(draft.added), draft.body, draft.query
        try:
            _put(part, draft)
        except SettingsError as error:
            failures.append(str(error))
            draft.added, draft.body, draft.query = before
        else:
            return
    raise SettingsError(f"none of {len(failures)} schemes can sign: {'; '.join(failures)}")


def _put_signature(scheme: Signature, draft: _Draft) -> None:
    used = placeholders_of(scheme.signed)
    timestamp = format_timestamp(draft.means.now, scheme.timestamp_unit)
    if scheme.timestamp_header is not None:
        draft.added[scheme.timestamp_header] = timestamp
    if scheme.id_header is not None:
        draft.added[scheme.id_header] = draft.id
    if isinstance(scheme, Hmac) and scheme.body_query is not None and draft.body and not is_form(draft.request):
        draft.put_query(scheme.body_query, hashlib.sha256(draft.body).hexdigest())
    if scheme.signature_path is not None:
        _put_into_body(scheme, draft, timestamp)
        return
    if scheme.timestamp_path is not None and ("timestamp" in used or scheme.tolerance is not None):
        timestamp = Envelope(draft.request, draft.means).text(tuple(scheme.timestamp_path.split(".")))
    text = scheme.prefix + _signature(scheme, draft, timestamp).decode()
    if scheme.parse is not None:
        entries = [f"{scheme.parse.signature}={text}"]
        if scheme.parse.timestamp is not None:
            entries.insert(0, f"{scheme.parse.timestamp}={timestamp}")
        text = (scheme.separator or ",").join(entries)
    if scheme.signature_query is not None:
        kept = [
            piece for piece in draft.query.split("&") if piece and piece.partition("=")[0] != scheme.signature_query
        ]
        draft.query = "&".join([*kept, f"{scheme.signature_query}={quote(text, safe='')}"])
        return
    header = scheme.header or ""
    draft.added[f"{header[:-1]}1" if header.endswith("*") else header] = text


def _put_into_body(scheme: Signature, draft: _Draft, timestamp: str) -> None:
    """The signature stands in the body: what is signed there is made where it is missing."""
    draft.form = scheme.read_as == "form"
    document = draft.document()
    where = tuple((scheme.signature_path or "").split("."))
    if scheme.timestamp_path is not None:
        path = tuple(scheme.timestamp_path.split("."))
        put_at(document, path, int(timestamp) if isinstance(values_at(document, path)[0], int) else timestamp)
    token = ("signature", "token")
    if f"body.{'.'.join(token)}" in placeholders_of(scheme.signed):
        put_at(document, token, uuid4().hex)
    draft.write(document)
    if scheme.each is None:
        draft.put(document, where, scheme.prefix + _signature(scheme, draft, timestamp).decode())
        return
    try:
        elements = elements_of(scheme, draft.request)
    except AuthenticationFailed as error:
        raise SettingsError(f"can't sign: {error}") from None
    originals = values_at(document, tuple(scheme.each.split(".")))
    for element, original in zip(elements, originals, strict=True):
        put_at(original, where, scheme.prefix + _signature(scheme, draft, timestamp, element).decode())
    draft.write(document)


def _signature(scheme: Signature, draft: _Draft, timestamp: str, element: Any = UNREAD) -> bytes:
    envelope = Envelope(draft.request, draft.means, draft.suffix(scheme.per), element, scheme.read_as == "form")
    envelope.timestamp, envelope.id = timestamp, draft.id
    try:
        if isinstance(scheme, Hmac | Digest):
            method: Any = KeyedHash(scheme) if isinstance(scheme, Hmac) else PlainHash(scheme)
            keys, unusable = method.keys(envelope)
            if not keys:
                raise SettingsError(f"can't sign: {'; '.join(unusable)}")
            made: bytes = method.sign(method.prepare(envelope), keys[0][1])
        else:
            assert isinstance(scheme, Ecdsa | Ed25519 | Rsa)
            made = _with_private_key(scheme, compile_signed(scheme.signed)(envelope), draft.private_key)
    except AuthenticationFailed as error:
        raise SettingsError(f"can't sign: {error}") from None
    return encode(made, scheme.encoding)


def _with_private_key(scheme: Ecdsa | Ed25519 | Rsa, message: bytes, pem: str | None) -> bytes:
    key = private_key(pem)
    match scheme, key:
        case Ecdsa(), ec.EllipticCurvePrivateKey():
            made = key.sign(message, ec.ECDSA(HASHES[scheme.algorithm]))
            if scheme.form == "der":
                return made
            size = (key.key_size + 7) // 8
            return b"".join(number.to_bytes(size, "big") for number in utils.decode_dss_signature(made))
        case Ed25519(), ed25519.Ed25519PrivateKey():
            return key.sign(message)
        case Rsa(), rsa.RSAPrivateKey():
            return key.sign(message, padding_of(scheme, signs=True), HASHES[scheme.algorithm])
    raise SettingsError(f"can't sign: the private key is of another kind than {type(scheme).__name__.lower()} takes")


def private_key(pem: str | None) -> PrivateKeyTypes:
    """A private key from PEM text without a password.

    :raises SettingsError: there is none, or it can't be read.
    """
    if pem is None:
        raise SettingsError("can't sign: the sender signs with a private key; give one of your own for a test")
    try:
        return serialization.load_pem_private_key(pem.encode("utf-8", "surrogatepass"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError("can't sign: the private key is no PEM text without a password") from None


def _put_token(scheme: Jwt, draft: _Draft) -> None:
    now = int(draft.means.now.timestamp())
    claims: dict[str, Any] = {}
    if scheme.header is None:
        found = draft.document()
        if not isinstance(found, dict):
            raise SettingsError("can't sign: the body becomes the claims of a token, so it is a JSON object")
        claims = json.loads(_encode_json(found))
    claims = {**claims, "iat": now, "exp": now + TOKEN_LIFE, **dict(scheme.claims)}
    if scheme.issuer:
        claims["iss"] = scheme.issuer[0]
    if scheme.audience:
        claims["aud"] = scheme.audience[0]
    if scheme.body_claim is not None:
        claims[scheme.body_claim] = base64.b64encode(hashlib.sha256(draft.body).digest()).decode()
    algorithm = scheme.algorithms[0]
    key: Any = draft.first_set(scheme.secret, scheme.per) if scheme.secret else private_key(draft.private_key)
    try:
        token = jwt.encode(claims, key, algorithm=algorithm)
    except (jwt.PyJWTError, TypeError, ValueError):
        raise SettingsError(f"can't sign: the key is of another kind than {algorithm} takes") from None
    if scheme.header is None:
        draft.body = token.encode()
    else:
        draft.added[scheme.header] = scheme.prefix + token
