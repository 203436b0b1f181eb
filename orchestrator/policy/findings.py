"""What is told of a rule that fails, or that could not be judged."""

from typing import Literal

import msgspec

from orchestrator.exposure import NO_PORTS, PortSet
from orchestrator.policy.checks import Action, Severity, Status, Verdict

UNDETERMINED = "undetermined"
WIDE = "wide"
"""The check ids of what no check of the configuration says."""

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
        if self.public_ips + self.elastic_ips + self.ipv6_addresses:
            return "exposed"
        return "latent" if self.sight == "seen" else "unknown"


class Witness(msgspec.Struct, frozen=True):
    """A packet that gets through; `port` is None where there is none, for egress `source` is the far end."""

    protocol: str
    port: int | None
    source: str


class Finding(msgspec.Struct, frozen=True):
    """A rule that fails a check (or, with the check id "undetermined", that could not be judged).

    protocol: the rule's, "all" for any.
    ports: what of the check this rule opens.
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
    wide_for: of a wide finding, the id of the check whose ports its source reaches; else "".
    protection: why its group is not changed, as the settings of the scan say; "" if it may be. It stays open.
    is_apart: a wide finding that is reported and counted apart, and is not open: none of its ports is SSH, RDP or a
        database.
    balancer_id: the load balancer that lets this in though no rule does, "" for a rule; `rule_id` begins with it then.
    owner, owner_from: who owns the group, and from where that was taken; "" in runs of old.
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
    ports: PortSet
    sources: tuple[str, ...]
    reason: str
    witness: Witness | None
    rule: dict[str, object]
    risky_ports: PortSet = NO_PORTS
    only_risky: bool = False
    action: Action = "report"
    together: bool = False
    exemption: str = ""
    exposure: Exposure = "unknown"
    still_reachable_via: tuple[str, ...] = ()
    attachment: Attachment | None = None
    base_severity: Severity = Severity.low
    wide_for: str = ""
    is_apart: bool = False
    protection: str = ""
    balancer_id: str = ""
    owner: str = ""
    owner_from: str = ""

    @property
    def is_undetermined(self) -> bool:
        """Whether the rule could not be judged."""
        return self.verdict is Verdict.undetermined

    @property
    def is_wide(self) -> bool:
        """Whether it only names a source that is wide and fails no check: it is never acted on, and may be open."""
        return self.check_id == WIDE

    @property
    def is_open(self) -> bool:
        """Whether the rule fails, and nothing sets that aside: no waiver, no drop that wins, no cloud service.

        A wide source to SSH, RDP or a database is open, too; to any other port it is told apart.
        """
        return self.verdict is Verdict.fail and self.status is Status.open and not self.is_apart

    @property
    def stands_apart(self) -> bool:
        """Whether it is told and counted apart from what is open: nothing else sets it aside either."""
        return self.is_apart and self.status is Status.open

    @property
    def lets_in(self) -> bool:
        """Whether packets get through, though a waiver or a cloud service may keep it so."""
        return self.verdict is Verdict.fail and self.status is not Status.shadowed
