"""Which addresses are public."""

from __future__ import annotations

import pytest

from gateway.inbound.addresses import NotPublic, PublicResolver, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:0:a00:1::f5ff:fffe", False),
        ("", False),
        ("example.com", False),
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_name_is_what_it_resolves_to() -> None:
    resolver = PublicResolver()
    assert {one["host"] for one in await resolver.resolve("localhost", 80)} == {"127.0.0.1"}
    with pytest.raises(NotPublic, match=r"127\.0\.0\.1, which is not a public address"):
        await resolver.resolve("127.0.0.1", 80)
    await resolver.close()
