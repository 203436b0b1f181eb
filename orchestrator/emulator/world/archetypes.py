"""The kinds of security group one meets: console defaults, webs, databases, bastions, managed, and traps.

Each archetype is a function from a `Site` to a group. `RISKY` ones open a dangerous port to the Internet,
`BENIGN` ones do not; both hold the shapes that scanners of this field are known to misjudge.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeAlias

from orchestrator.emulator.world.model import Estate, Group, PortList, PrefixList, Rule, Tag

ANYONE: Final = "0.0.0.0/0"
ANYONE_6: Final = "::/0"
DATABASES: Final = ("3306/3306", "5432/5432", "6379/6379", "27017/27017", "1433/1433", "9200/9200")
_TEAMS: Final = ("shop", "pay", "search", "feed", "ops", "data", "iot", "crm")


class Site:
    """Where a group is made: its account and region, and the makers of rules, lists and ids."""

    __slots__ = ("account_id", "code", "created", "estate", "region_id", "rng", "vpc_id")

    def __init__(
        self, rng: random.Random, account_id: str, region_id: str, code: str, estate: Estate
    ) -> None:
        self.rng = rng
        self.account_id = account_id
        self.region_id = region_id
        self.code = code
        self.estate = estate
        self.created = f"20{rng.randint(20, 25)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T08:30:00Z"
        self.vpc_id = self.new_id("vpc")

    def new_id(self, kind: str) -> str:
        """An id such as `sg-bp1…`."""
        return f"{kind}-{self.code}{self.rng.getrandbits(68):017x}"

    def rule(self, **fields: object) -> Rule:
        """A rule with a new id."""
        return Rule(self.new_id("sgr"), create_time=self.created, **fields)  # type: ignore[arg-type]  # Rule's own fields

    def allow(
        self, ports: str, source: str, protocol: str = "TCP", priority: int = 1, **fields: object
    ) -> Rule:
        """An ingress rule from a CIDR block of either family."""
        side = "ipv6_source_cidr_ip" if ":" in source else "source_cidr_ip"
        fields[side] = source
        return self.rule(port_range=ports, ip_protocol=protocol, priority=priority, **fields)

    def egress(
        self, ports: str = "-1/-1", target: str = ANYONE, protocol: str = "ALL", **fields: object
    ) -> Rule:
        """An egress rule to a CIDR block."""
        return self.rule(
            direction="egress", port_range=ports, dest_cidr_ip=target, ip_protocol=protocol, **fields
        )

    def office(self) -> str:
        """A company's public /24."""
        first = self.rng.choice((58, 101, 113, 183, 203))
        return f"{first}.{self.rng.randrange(1, 250)}.{self.rng.randrange(256)}.0/24"

    def private(self) -> str:
        """A private network of some size."""
        second = self.rng.randrange(256)
        return self.rng.choice(
            (f"10.{second}.0.0/16", "10.0.0.0/8", f"172.16.{second}.0/24", f"192.168.{second}.0/24")
        )

    def prefix_list(self, name: str, *entries: str) -> PrefixList:
        """A prefix list of this region, made once for each name."""
        for known in self.estate.prefix_lists.values():
            if known.name == name:
                return known
        family = "IPv6" if ":" in entries[0] else "IPv4"
        made = PrefixList(self.new_id("pl"), name, family, entries)
        self.estate.prefix_lists[made.prefix_list_id] = made
        return made

    def port_list(self, name: str, *entries: str) -> PortList:
        """A port range list of this region, made once for each name."""
        for known in self.estate.port_lists.values():
            if known.name == name:
                return known
        made = PortList(self.new_id("prl"), name, entries)
        self.estate.port_lists[made.port_list_id] = made
        return made

    def group(self, name: str, *rules: Rule, **fields: object) -> Group:
        """A group in the site's VPC, with an owner's tags."""
        rng = self.rng
        fields.setdefault("vpc_id", self.vpc_id)
        tags = (Tag("team", rng.choice(_TEAMS)),) if rng.random() < 0.6 else ()
        return Group(
            self.new_id("sg"),
            name,
            creation_time=self.created,
            tags=tags,
            rules=rules,
            **fields,  # type: ignore[arg-type]  # Group's own fields
        )


Archetype = Callable[[Site], Group]


# --- nothing dangerous is open to the Internet


def web(site: Site) -> Group:
    """80 and 443 for everyone on both families, SSH from the office."""
    rules = [
        site.allow("80/80", ANYONE, description="http"),
        site.allow("443/443", ANYONE, description="https"),
        site.allow("80/80", ANYONE_6),
        site.allow("443/443", ANYONE_6),
        *(site.allow("22/22", site.office(), description="office") for _ in range(site.rng.randint(1, 4))),
        site.allow("-1/-1", site.private(), "ICMP"),
        site.egress(),
    ]
    return site.group(f"web-{site.rng.choice(_TEAMS)}", *rules)


def database(site: Site) -> Group:
    """A database reached from private networks."""
    port = site.rng.choice(DATABASES)
    sources = (site.allow(port, site.private(), description="app") for _ in range(site.rng.randint(3, 9)))
    return site.group(f"db-{site.rng.choice(_TEAMS)}", *sources, site.allow("-1/-1", "10.0.0.0/8", "ICMP"))


def bastion(site: Site) -> Group:
    """SSH and RDP from offices and a partner's prefix list."""
    offices = site.prefix_list("offices", "203.0.113.0/24", "198.51.100.0/25", "58.33.10.0/24")
    rules = [
        site.allow("22/22", site.office(), description=f"office {n}") for n in range(site.rng.randint(2, 6))
    ]
    rules.append(site.allow("3389/3389", site.office()))
    rules.append(
        site.rule(
            port_range="22/22",
            source_prefix_list_id=offices.prefix_list_id,
            source_prefix_list_name=offices.name,
        )
    )
    return site.group("bastion", *rules, site.egress("22/22", "10.0.0.0/8", "TCP"))


def application(site: Site) -> Group:
    """Reached from other groups, of this account and of another one."""
    rules = [site.allow(f"{8000 + n}/{8000 + n}", site.private()) for n in range(site.rng.randint(2, 8))]
    rules.extend(_from_group(site, peer) for peer in [*site.estate.groups.values()][-2:])
    if site.rng.random() < 0.2:
        rules.append(
            site.rule(
                port_range="22/22",
                source_group_id=site.new_id("sg"),
                source_group_owner_account="1999999999999999",
            )
        )
    return site.group(f"app-{site.rng.choice(_TEAMS)}", *rules)


def _from_group(site: Site, peer: Group) -> Rule:
    return site.rule(
        port_range="8080/8090",
        source_group_id=peer.security_group_id,
        source_group_name=peer.name,
        source_group_owner_account=site.account_id,
    )


def enterprise(site: Site) -> Group:
    """An enterprise group: nothing is implied, all is said."""
    rules = [
        site.allow("443/443", ANYONE),
        *(site.allow("22/22", site.private()) for _ in range(3)),
        site.egress(),
    ]
    return site.group("enterprise-web", *rules, kind="enterprise", inner_access_policy="Drop")


def managed_quiet(site: Site) -> Group:
    """Managed by a cloud service, nothing dangerous in it."""
    rules = [site.allow("30000/32767", site.private()), site.allow("443/443", ANYONE), site.egress()]
    return site.group(
        "alicloud-cs-auto-created-security-group", *rules, service_managed=True, service_id="1108"
    )


def dropped(site: Site) -> Group:
    """SSH from anyone, but a Drop of a smaller number comes first."""
    return site.group(
        "legacy-guarded",
        site.allow("22/22", ANYONE, priority=1, policy="Drop", description="closed by the security team"),
        site.allow("22/22", ANYONE, priority=100),
        site.allow("443/443", ANYONE),
    )


def drop_at_equal_priority(site: Site) -> Group:
    """SSH accepted and dropped at the same priority: Drop wins."""
    return site.group(
        "legacy-tie",
        site.allow("3389/3389", ANYONE, priority=10),
        site.allow("3389/3389", ANYONE, priority=10, policy="Drop"),
        site.allow("22/22", site.office()),
    )


def classic_internal(site: Site) -> Group:
    """Classic network: wide open on the internal side only, which does not face the Internet."""
    rules = (
        site.allow("22/22", ANYONE, nic_type="intranet"),
        site.allow("80/80", ANYONE, nic_type="internet"),
        site.allow("3306/3306", "10.0.0.0/8", nic_type="intranet"),
    )
    return site.group("classic-internal", *rules, vpc_id="")


def wide_private(site: Site) -> Group:
    """Everything for private and carrier networks, as peering leaves it."""
    rules = [site.allow("-1/-1", block, "ALL") for block in ("10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10")]
    return site.group("peering", *rules, site.egress())


def empty(site: Site) -> Group:
    """No rules at all."""
    return site.group("unused", description="created by mistake")


def services(site: Site) -> Group:
    """UDP and ICMPv6 services, a public port list without danger."""
    web_ports = site.port_list("web-ports", "80/80", "443/443", "8443/8443")
    rules = (
        site.allow("53/53", site.private(), "UDP"),
        site.allow("443/443", ANYONE, "UDP", description="quic"),
        site.allow("-1/-1", ANYONE_6, "ICMPv6"),
        site.rule(
            port_range="",
            source_cidr_ip=ANYONE,
            port_range_list_id=web_ports.port_list_id,
            port_range_list_name=web_ports.name,
        ),
        site.egress("53/53", ANYONE, "UDP"),
    )
    return site.group("edge-services", *rules)


# --- something dangerous is open to the Internet


def console_default(site: Site) -> Group:
    """What the console makes: 22, 3389 and ICMP for everyone; priority 110 on the oldest ones."""
    priority = 110 if site.created < "2020-05-27" else 100
    described = "System created rule."
    rules = [
        site.allow("3389/3389", ANYONE, priority=priority, description=described),
        site.allow("-1/-1", ANYONE, "ICMP", priority, description=described),
        site.allow("22/22", ANYONE, priority=priority, description=described),
    ]
    if site.rng.random() < 0.4:
        rules += [
            site.allow("80/80", ANYONE, priority=priority),
            site.allow("443/443", ANYONE, priority=priority),
        ]
    return site.group(
        f"sg-default-{site.rng.randrange(1000)}", *rules, description="System created security group."
    )


def console_default_old(site: Site) -> Group:
    """A default group of before 2020-05-27, whose rules have priority 110."""
    old = [site.allow("22/22", ANYONE, priority=110), site.allow("-1/-1", ANYONE, "ICMP", 110)]
    return site.group("sg-default", *old, description="System created security group.")


def open_database(site: Site) -> Group:
    """A database somebody opened for a moment."""
    ports = site.rng.sample(DATABASES, 2)
    rules = [site.allow(port, ANYONE, description="temporary, remove me") for port in ports]
    rules += [site.allow(ports[0], site.private()) for _ in range(site.rng.randint(2, 6))]
    return site.group("db-open", *rules)


def open_over_ipv6(site: Site) -> Group:
    """SSH for everyone, only on IPv6."""
    return site.group("dual-stack", site.allow("22/22", ANYONE_6), site.allow("443/443", ANYONE_6))


def open_in_halves(site: Site) -> Group:
    """Anyone, said in two halves."""
    halves = [site.allow("22/22", half) for half in ("0.0.0.0/1", "128.0.0.0/1")]
    return site.group("clever", *halves, site.allow("443/443", ANYONE))


def open_by_prefix_list(site: Site) -> Group:
    """Anyone, by a prefix list that holds the halves."""
    world = site.prefix_list("everywhere", "0.0.0.0/1", "128.0.0.0/1")
    rule = site.rule(
        port_range="3389/3389", source_prefix_list_id=world.prefix_list_id, source_prefix_list_name=world.name
    )
    return site.group("remote-desktops", rule, site.allow("443/443", ANYONE))


def open_by_port_list(site: Site) -> Group:
    """A port list that contains 22."""
    ports = site.port_list("admin", "22/22", "8443/8443")
    rule = site.rule(
        port_range="",
        source_cidr_ip=ANYONE,
        port_range_list_id=ports.port_list_id,
        port_range_list_name=ports.name,
    )
    return site.group("admin-web", rule)


def open_all(site: Site) -> Group:
    """Everything for everyone."""
    return site.group("test-open-all", site.allow("-1/-1", ANYONE, "ALL"), site.egress())


def open_all_ports(site: Site) -> Group:
    """All TCP ports, or a wide range of them."""
    ports = site.rng.choice(("1/65535", "1/10000", "20/30", "3000/9999"))
    return site.group("test-wide", site.allow(ports, ANYONE), site.allow("443/443", ANYONE))


def drop_that_does_not_help(site: Site) -> Group:
    """A Drop with a larger number, and one for another port: 22 stays open."""
    return site.group(
        "half-guarded",
        site.allow("22/22", ANYONE, priority=1),
        site.allow("22/22", ANYONE, priority=50, policy="Drop"),
        site.allow("23/23", ANYONE, priority=1, policy="Drop"),
    )


def five_tuple(site: Site) -> Group:
    """RDP for everyone to one address, from high ports."""
    rule = site.allow("3389/3389", ANYONE, dest_cidr_ip="10.1.2.3/32", source_port_range="1024/65535")
    return site.group("five-tuple", rule, site.allow("22/22", site.office()))


def enterprise_open(site: Site) -> Group:
    """An enterprise group with Redis for everyone."""
    rules = [site.allow("6379/6379", ANYONE), site.allow("443/443", ANYONE), site.egress()]
    return site.group("enterprise-cache", *rules, kind="enterprise", inner_access_policy="Drop")


def managed_open(site: Site) -> Group:
    """Managed by a cloud service, with SSH for everyone: to be reported, never changed."""
    rules = [site.allow("22/22", ANYONE), site.allow("-1/-1", "10.0.0.0/8", "ALL"), site.egress()]
    return site.group("alicloud-emr-managed", *rules, service_managed=True, service_id="1112")


def classic_open(site: Site) -> Group:
    """Classic network, open on the side that faces the Internet."""
    rules = (site.allow("22/22", ANYONE, nic_type="internet"), site.allow("-1/-1", "10.0.0.0/8", "ALL"))
    return site.group("classic-open", *rules, vpc_id="")


def large(site: Site) -> Group:
    """More rules than one page holds, under a raised quota; one of them dangerous, at the end."""
    rules = [
        site.allow(f"{8000 + n}/{8000 + n}", f"203.{n // 250}.{n % 250}.0/24", priority=1 + n % 100)
        for n in range(site.rng.randint(510, 640))
    ]
    return site.group("partners", *rules, site.allow("22/22", ANYONE), rules_allowed=1000)


Weighted: TypeAlias = tuple[tuple[int, Archetype], ...]

BENIGN: Final[Weighted] = (
    (9, web),
    (8, database),
    (5, bastion),
    (8, application),
    (3, enterprise),
    (3, managed_quiet),
    (1, dropped),
    (1, drop_at_equal_priority),
    (1, classic_internal),
    (2, wide_private),
    (4, empty),
    (3, services),
)
RISKY: Final[Weighted] = (
    (8, console_default),
    (1, console_default_old),
    (4, open_database),
    (1, open_over_ipv6),
    (1, open_in_halves),
    (1, open_by_prefix_list),
    (1, open_by_port_list),
    (2, open_all),
    (2, open_all_ports),
    (1, drop_that_does_not_help),
    (1, five_tuple),
    (1, enterprise_open),
    (1, managed_open),
    (1, classic_open),
)
RARE: Final[Weighted] = ((1, large),)
