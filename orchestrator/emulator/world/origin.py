"""An estate as the seed made it: what its logs, its history and its ways in are made from, with ids of its own."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Final

from orchestrator.emulator.world.model import Estate, Group, Interface, Rule
from orchestrator.emulator.world.regions import BY_ID

ANYWHERE: Final = frozenset({"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0"})
_WEB: Final = frozenset({"80/80", "443/443", "8443/8443"})


class Origin:
    """The estate of one account in one region, before anything happened to it.

    Attributes:
        is_showcase: it is the one that shows everything: the hub's, in the world's first region.
    """

    def __init__(
        self, seed: int, account_id: str, region_id: str, estate: Estate, *, is_showcase: bool
    ) -> None:
        self.seed = seed
        self.account_id = account_id
        self.region_id = region_id
        self.estate = estate
        self.is_showcase = is_showcase

    def dice(self, what: str) -> Dice:
        """Dice for one thing that is made from it: what else is made does not move them."""
        rng = random.Random(f"{what}/{self.seed}/{self.account_id}/{self.region_id}")
        return Dice(rng, BY_ID[self.region_id].id_code if self.region_id in BY_ID else "xx0")

    def doors(self, group: Group) -> tuple[Rule, ...]:
        """The rules that let in everybody, web ports aside. No judgement: a Drop may close what they open."""
        return tuple(rule for rule in group.rules if self._is_door(rule))

    def _is_door(self, rule: Rule) -> bool:
        if rule.direction != "ingress" or rule.policy != "Accept" or rule.ip_protocol in {"ICMP", "ICMPv6"}:
            return False
        ports = self.estate.port_lists.get(rule.port_range_list_id)
        if _WEB.issuperset(ports.entries if ports else (rule.port_range,)):
            return False
        prefixes = self.estate.prefix_lists.get(rule.source_prefix_list_id)
        sources = {rule.source_cidr_ip, rule.ipv6_source_cidr_ip, *(prefixes.entries if prefixes else ())}
        return bool(sources & ANYWHERE)

    def behind_doors(self, interfaces: Iterable[Interface]) -> tuple[Interface, ...]:
        """The interfaces in use in a VPC whose groups have a door, those of cloud services left out."""
        groups = {key for key, group in self.estate.groups.items() if self.doors(group)}
        return tuple(
            one
            for one in interfaces
            if one.vpc_id
            and one.status == "InUse"
            and not one.service_managed
            and groups.intersection(one.group_ids)
        )


class Dice:
    """Random choices, and ids of a region."""

    def __init__(self, rng: random.Random, code: str) -> None:
        self.rng = rng
        self._code = code

    def new_id(self, kind: str) -> str:
        """An id such as `nat-bp1…`."""
        return f"{kind}-{self._code}{self.rng.getrandbits(68):017x}"

    def uuid(self) -> str:
        """An id such as a RequestId: an upper-case UUID."""
        text = f"{self.rng.getrandbits(128):032X}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def public_address(self) -> str:
        """An address of the cloud's."""
        return f"39.{self.rng.randrange(96, 108)}.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"


def vswitch_of(vpc_id: str) -> str:
    """The vSwitch of the interfaces in a VPC: each VPC of a world has one."""
    return vpc_id.replace("vpc-", "vsw-", 1)
