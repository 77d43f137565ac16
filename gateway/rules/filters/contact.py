"""Filters of the ways to reach a person: phone numbers and e-mail addresses."""

from __future__ import annotations

import re
from typing import Any

import phonenumbers

from gateway.rules.filters.filter import Example, Param, register, text_of
from gateway.rules.values import Unreadable, describe

_MAX_PHONE = 60
# What RFC 5322 allows without quotes, and any character beyond ASCII (RFC 6531) but white space and control.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\uffff-]+\Z")
_LABEL = re.compile(r"[a-z0-9\u00a1-\uffff](?:[a-z0-9\u00a1-\uffff-]*[a-z0-9\u00a1-\uffff])?\Z")


@register(
    "phone",
    summary="A phone number as E.164. A number whose length its country does not have is a warning; whether it is in "
    "use nobody can see.",
    takes="text, or a number",
    gives="text such as +447700900123",
    params=(
        Param(
            name="region",
            kind="region",
            required=False,
            summary="the country of numbers that are written without one, such as 'GB' or $.country_code",
        ),
    ),
    examples=(
        Example(expression="$.phone | phone('GB')", body={"phone": "07700 900123"}, result="+447700900123"),
        Example(expression="$.phone | phone('GB')", body={"phone": "+1 (415) 555-0132"}, result="+14155550132"),
        Example(expression="$.phone | phone", body={"phone": "07700 900123"}, warns=True),
        Example(expression="$.phone | phone('GB')", body={"phone": "123"}, warns=True),
        Example(
            expression="$.phone | phone($.country)",
            body={"phone": 447700900123, "country": "gb"},
            result="+447700900123",
        ),
    ),
)
def phone(value: Any, region: str | None) -> str:
    text = text_of(value).strip()
    if isinstance(value, bool) or not text or len(text) > _MAX_PHONE:
        raise Unreadable(f"found {describe(value)}; takes a phone number")
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        needed = "" if region or text.startswith("+") else "; without a region it begins with + and the country"
        raise Unreadable(f"found {describe(value)}, which is no phone number{needed}") from None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise Unreadable(f"found {describe(value)}; +{number.country_code} has no numbers of that length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@register(
    "email",
    summary="An e-mail address without white space around it, its domain in small letters; what is none by its form is "
    "a warning. The part before @ keeps its letters: add lower where they don't matter.",
    takes="text",
    gives="text",
    examples=(
        Example(expression="$.email | email", body={"email": " Ann.Lee@Example.COM "}, result="Ann.Lee@example.com"),
        Example(expression="$.email | email | lower", body={"email": "Ann@Example.com"}, result="ann@example.com"),
        Example(expression="$.email | email", body={"email": "none"}, warns=True),
        Example(expression="$.email | email", body={"email": ""}, warns=True),
    ),
)
def email(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    local, at, domain = text.rpartition("@")
    domain = domain.lower()
    labels = domain.split(".")
    if (
        not at
        or len(text) > 254
        or len(local) > 64
        or not all(_LOCAL.match(part) for part in local.split("."))
        or len(labels) < 2
        or not all(len(label) <= 63 and _LABEL.match(label) for label in labels)
        or labels[-1].isdigit()
        or any(character.isspace() or not character.isprintable() for character in text)
    ):
        raise Unreadable(f"found {describe(value)}; takes an address such as ann@example.com")
    return f"{local}@{domain}"
