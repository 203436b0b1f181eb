"""The checks where a configuration names none; the packs say the same in TOML, and a test holds them so."""

from orchestrator.exposure import PortSet
from orchestrator.policy.checks import Check, Severity, parse_port
from orchestrator.securitygroup import PortRange


def default_checks() -> tuple[Check, ...]:
    """SSH and RDP, databases, caches, administration ports, and rules that open everything."""
    return _DEFAULT


def gravest_ports() -> PortSet:
    """SSH, RDP and databases: where a source that is merely wide leaves a finding open, by whatever check."""
    return PortSet([port for check in _DEFAULT if check.id in _GRAVEST for port in check.ports])


_GRAVEST = ("ssh", "rdp", "databases")


def _ports(*texts: str) -> tuple[PortRange, ...]:
    return tuple([parse_port(text) for text in texts])


_DEFAULT = (
    Check(
        id="ssh",
        title="SSH open to the Internet",
        reason="Password guessing against port 22 begins within minutes of it being reachable.",
        ports=_ports("tcp/22"),
        severity=Severity.critical,
        references=("CIS Alibaba Cloud 2.0: 3.2, 4.3",),
    ),
    Check(
        id="rdp",
        title="Remote Desktop open to the Internet",
        reason="Port 3389 is the common way in of ransomware.",
        ports=_ports("tcp/3389"),
        severity=Severity.critical,
        references=("CIS Alibaba Cloud 2.0: 3.2, 4.4",),
    ),
    Check(
        id="databases",
        title="Database open to the Internet",
        reason="Databases are searched for and emptied; many ship without a password.",
        ports=_ports(
            "tcp/1433",
            "udp/1434",
            "tcp/1521",
            "tcp/3306",
            "tcp/5432",
            "tcp/5984",
            "tcp/9042",
            "tcp/9200",
            "tcp/9300",
            "tcp/27017-27019",
        ),
        severity=Severity.high,
    ),
    Check(
        id="caches",
        title="Cache or queue open to the Internet",
        reason="Redis lets a stranger write files, memcached amplifies attacks, queues hold data in clear.",
        ports=_ports("tcp/2181", "tcp/6379", "tcp/9092", "tcp/11211", "udp/11211"),
        severity=Severity.high,
    ),
    Check(
        id="admin-ports",
        title="Administration port open to the Internet",
        reason="Docker, Kubernetes, shells and file shares give the machine away, often without a login.",
        ports=_ports(
            "tcp/23",
            "tcp/135",
            "tcp/139",
            "tcp/445",
            "tcp/512-514",
            "tcp/873",
            "tcp/2049",
            "tcp/2375-2376",
            "tcp/2379-2380",
            "tcp/5900-5901",
            "tcp/5985-5986",
            "tcp/6443",
            "tcp/10250",
            "tcp/10255",
        ),
        severity=Severity.high,
    ),
    Check(
        id="all-ports",
        title="Every port open to the Internet",
        reason="Nothing that is ever started on the machine is protected.",
        all_ports=True,
        severity=Severity.critical,
        action="report",
    ),
)
