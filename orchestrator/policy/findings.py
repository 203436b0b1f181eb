"""What is told of a rule that fails, or that could not be judged."""

from typing import Literal

import msgspec

from orchestrator.policy.checks import Action, Severity, Status, Verdict

Exposure = Literal["exposed", "latent", "unknown"]
"""Whether a public address is attached behind the rule now: yes, no, or not known."""


Sight = Literal["seen", "denied", "unknown"]
"""Whether interfaces could be read: an empty answer may also mean that the caller may not see them."""


class Attachment(msgspec.Struct, frozen=True):
    """What stands behind a group: how many instances and interfaces, and what public addresses they have."""

    sight: Sight = "unknown"
    instances: int = 0
    interfaces: int = 0
    public_ips: int = 0
    elastic_ips: int = 0
    ipv6_addresses: int = 0

    @property
    def exposure(self) -> Exposure:
        """Exposed where a public address is attached; latent where it was seen that none is; else unknown.

        A way through NAT, a load balancer or Global Accelerator does not show on the interface: latent is not safe.
        """
        if self.sight != "seen":
            return "unknown"
        return "exposed" if self.public_ips + self.elastic_ips + self.ipv6_addresses else "latent"


class Witness(msgspec.Struct, frozen=True):
    """A packet that gets through; `port` is None where there is none, for egress `source` is the far end."""

    protocol: str
    port: int | None
    source: str


class Finding(msgspec.Struct, frozen=True):
    """A rule that fails a check (or, with the check id "undetermined", that could not be judged).

    protocol: the rule's, "all" for any.
    ports: what of the check this rule opens, "tcp/22" and the like, or a protocol's name.
    sources: as the rule names them: a CIDR, a group, a prefix list.
    reason: one sentence.
    rule: the API's own fields.
    risky_ports: every port of the check that the rule covers, open or not: what a change must take from it.
    only_risky: whether the rule covers no port beyond these.
    action: what to do by the check and the kind of blame, before any limit; never "".
    together: whether it fails only together with other rules, as one of the largest contributors.
    exemption: the live exemption that matches, "" if none.
    exposure, still_reachable_via, attachment: from the network interfaces, where they were read.
    base_severity: from the check and the width of the source, before exposure.
    """

    account_id: str
    account_name: str
    region_id: str
    security_group_id: str
    security_group_name: str
    service_managed: bool
    rule_id: str
    direction: str
    check_id: str
    severity: Severity
    verdict: Verdict
    status: Status
    protocol: str
    ports: tuple[str, ...]
    sources: tuple[str, ...]
    reason: str
    witness: Witness | None
    rule: dict[str, object]
    risky_ports: tuple[str, ...] = ()
    only_risky: bool = False
    action: Action = "report"
    together: bool = False
    exemption: str = ""
    exposure: Exposure = "unknown"
    still_reachable_via: tuple[str, ...] = ()
    attachment: Attachment | None = None
    base_severity: Severity = Severity.low
