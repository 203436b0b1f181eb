"""How the cloud is reached and how hard it may be asked: values, checked where they are made."""

from __future__ import annotations

import msgspec

SITES = ("china", "international", "finance", "gov")
NETWORKS = ("public", "vpc")


class CloudSettingsError(ValueError):
    """A setting of [cloud] or [limits] is wrong; the message names it and what to do."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the account's quota a run takes.

    Attributes:
        share: the part of a learned quota to use; the rest is the customer's own console and Terraform.
        window_seconds: over what the server counts.
        patience_seconds: a bucket that admits nothing for this long is given up.
        max_in_flight: calls under way in the whole process.
        max_in_flight_per_account: the same within one account.
        max_in_flight_per_host: the same at one endpoint's host.
        retry_fraction: retries of failed calls may not exceed this part of all calls (waits for quota do not
            count).
        retry_floor: so many retries are allowed before the fraction counts.
        circuit_failures: so many calls in a row lost for good in one account and region open its circuit.
        circuit_seconds: an open circuit lets one call through after this time.
    """

    share: float = 0.5
    window_seconds: float = 60.0
    patience_seconds: float = 600.0
    max_in_flight: int = 256
    max_in_flight_per_account: int = 64
    max_in_flight_per_host: int = 256
    retry_fraction: float = 0.2
    retry_floor: int = 500
    circuit_failures: int = 5
    circuit_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CloudSettingsError(
                f"[limits] share is {self.share}; it is a part of the quota, above 0 up to 1"
            )
        for name in ("window_seconds", "patience_seconds", "circuit_seconds"):
            if not getattr(self, name) > 0:
                raise CloudSettingsError(f"[limits] {name} is {getattr(self, name)}; give seconds above 0")
        for name in (
            "max_in_flight",
            "max_in_flight_per_account",
            "max_in_flight_per_host",
            "circuit_failures",
        ):
            if getattr(self, name) < 1:
                raise CloudSettingsError(f"[limits] {name} is {getattr(self, name)}; give 1 or more")
        if self.retry_fraction < 0 or self.retry_floor < 0:
            raise CloudSettingsError("[limits] retry_fraction and retry_floor are 0 or more")


class CloudSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the cloud is and how patient a call is.

    Attributes:
        site: china, international, finance or gov: decides the endpoints.
        network: public, or vpc for the endpoints inside Alibaba Cloud.
        proxy: URL of an http proxy; empty for none. Not used for loopback.
        endpoint: one URL for every product, an emulator or a gateway; empty for the real ones.
        endpoints: a host for single products, {"sts": "sts-vpc.cn-north-2-gov-1.aliyuncs.com"}.
        ca_file: more trusted certificates, PEM; empty for the system's own.
        home_region: whose endpoint answers calls that name no region; empty for the site's usual one.
        limits: how hard the cloud may be asked.
        attempts: how often one call is sent at most.
        deadline_seconds: no retry starts after a call has taken this long; waits for quota do not count.
        connect_seconds: to open a connection, TLS included.
        read_seconds: from there to the end of the answer.
    """

    site: str = "china"
    network: str = "public"
    proxy: str = ""
    endpoint: str = ""
    endpoints: dict[str, str] = {}
    ca_file: str = ""
    home_region: str = ""
    limits: Limits = Limits()
    attempts: int = 6
    deadline_seconds: float = 180.0
    connect_seconds: float = 5.0
    read_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.site not in SITES:
            raise CloudSettingsError(f"[cloud] site is {self.site!r}; it is one of {', '.join(SITES)}")
        if self.network not in NETWORKS:
            raise CloudSettingsError(
                f"[cloud] network is {self.network!r}; it is one of {', '.join(NETWORKS)}"
            )
        if self.attempts < 1:
            raise CloudSettingsError(f"[cloud] attempts is {self.attempts}; give 1 or more")
        for name in ("deadline_seconds", "connect_seconds", "read_seconds"):
            if not getattr(self, name) > 0:
                raise CloudSettingsError(f"[cloud] {name} is {getattr(self, name)}; give seconds above 0")

    def __repr__(self) -> str:
        # the proxy's URL may hold a password
        return f"CloudSettings(site={self.site!r}, network={self.network!r}, endpoint={self.endpoint!r}, …)"
