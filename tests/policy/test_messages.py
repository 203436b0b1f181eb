"""The one sentence of every kind of finding, word for word: it is what people read first."""

import pytest

from orchestrator.exposure import PUBLIC, Count, count
from orchestrator.policy import Check, evaluate, parse_exemptions
from orchestrator.policy.messages import few, reach_text
from orchestrator.securitygroup import PortRange
from tests.rulebook import NOW, group, permission

SSH = Check(id="ssh", ports=(PortRange("tcp", 22, 22),))
V4, V6 = count(PUBLIC)
TOGETHER = (
    "Opens tcp/22 to 8,388,608 public IPv4 addresses (8.0.0.0/9); it fails with other rules, "
    "as one of the largest contributors."
)


@pytest.mark.parametrize(
    ("size", "zone", "text"),
    [
        (Count(V4, 0), "internet", "the whole IPv4 Internet"),
        (Count(V4 - 1, 0), "internet", "3,702,257,663 public IPv4 addresses"),
        (Count(0, V6), "internet", "the whole IPv6 Internet"),
        (Count(0, 2**96), "internet", "public IPv6 addresses worth a /32"),
        (Count(2**24, 2**96), "internet", "16,777,216 public IPv4 addresses and public IPv6 addresses worth a /32"),
        (Count(V4, V6), "internet", "the whole IPv4 Internet and the whole IPv6 Internet"),
        (Count(2**20, 0), "private", "1,048,576 private IPv4 addresses"),
        (Count(0, 2**80), "private", "private IPv6 addresses worth a /48"),
        (Count(2**32, 2**128), "any", "4,294,967,296 IPv4 addresses and IPv6 addresses worth a /0"),
    ],
)  # fmt: skip
def test_how_many_addresses(size: Count, zone: str, text: str) -> None:
    """The whole Internet is called so; else how many, of which kind; IPv6 as the block it would fill."""
    assert reach_text(size, zone) == text


def test_a_few_of_many() -> None:
    """Six are named, then how many more."""
    assert few(["a", "b"]) == "a, b"
    assert few(list("abcdef")) == "a, b, c, d, e, f"
    assert few(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


@pytest.mark.parametrize(
    ("raws", "reason"),
    [
        (
            [permission(Policy="Drop"), permission()],
            "Would open tcp/22 to 0.0.0.0/0, but rules that win drop every packet to it.",
        ),
        (
            [permission(SourceCidrIp="8.8.0.0/16")],
            "Opens tcp/22 to 65,536 public IPv4 addresses (8.8.0.0/16): wide, though below the threshold.",
        ),
        (
            [permission(SourceCidrIp=block) for block in ("8.0.0.0/9", "9.0.0.0/10", "9.64.0.0/10")],
            TOGETHER,
        ),
    ],
)  # fmt: skip
def test_a_sentence_for_each_kind(raws: list[dict[str, object]], reason: str) -> None:
    """Shadowed, wide, and too many only together with others."""
    assert reason in [one.reason for one in evaluate(group(*raws), (SSH,), NOW)]


def test_an_exemption_is_told_in_the_reason() -> None:
    """A live one with its end and owner; one that has ended with the day."""
    table = {"id": "e1", "rule": "sgr-1", "owner": "ann", "reason": "bastion"}
    told = []
    for expires in ("2026-12-31", "2026-10-31"):
        exemptions = parse_exemptions([{**table, "expires": expires}])
        (one,) = evaluate(group(permission()), (SSH,), NOW, exemptions)
        told.append(one.reason)
    assert told == [
        "Opens tcp/22 to the whole IPv4 Internet (0.0.0.0/0); exempt until 2026-12-31 by ann: bastion.",
        "Opens tcp/22 to the whole IPv4 Internet (0.0.0.0/0); the exemption e1 expired on 2026-10-31.",
    ]
