"""How the cloud is reached and how hard it may be asked: values, checked where they are made."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from yarl import URL

SITES = ("china", "international", "finance", "gov")
NETWORKS = ("public", "vpc")
VERSIONS = {
    "ecs": "2014-05-26",
    "sts": "2015-04-01",
    "resourcemanager": "2020-03-31",
    "resourcedirectorymaster": "2022-04-19",
    "config": "2020-09-07",
    "resourcecenter": "2022-12-01",
    "nlb": "2022-04-30",
    "alb": "2020-06-16",
    "ram": "2015-05-01",
    "vpc": "2016-04-28",
    "slb": "2014-05-15",
    "actiontrail": "2020-07-06",
}
"""The products that are called, and the version of each one's API."""

_REGION_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}").fullmatch
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?").fullmatch


class CloudSettingsError(ValueError):
    """A setting of [cloud] or [limits] is wrong; the message names it and what to do."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the account's quota and of this machine a run takes.

    Attributes:
        share: the part of a learned quota to use; the rest is the customer's own console and Terraform.
        window_seconds: over what the server counts.
        patience_seconds: a bucket that admits nothing for this long is given up.
        max_in_flight: calls under way in the whole process.
        max_in_flight_per_account: the same within one account.
        max_in_flight_per_host: the same at one endpoint's host; None for as many as in the whole process.
        max_accounts: accounts that are swept or changed at once.
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
    max_in_flight_per_host: int | None = None
    max_accounts: int = 64
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
            "max_accounts",
            "circuit_failures",
        ):
            given = getattr(self, name)
            if given is not None and given < 1:
                raise CloudSettingsError(f"[limits] {name} is {given}; give 1 or more")
        if self.retry_fraction < 0 or self.retry_floor < 0:
            raise CloudSettingsError("[limits] retry_fraction and retry_floor are 0 or more")

    @property
    def per_host(self) -> int:
        """The most calls under way at one endpoint's host."""
        return self.max_in_flight if self.max_in_flight_per_host is None else self.max_in_flight_per_host


class CloudSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the cloud is and how patient a call is.

    Attributes:
        site: china, international, finance or gov: decides the endpoints.
        network: public, or vpc for the endpoints inside Alibaba Cloud.
        proxy: URL of an http proxy; empty for none. Not used for loopback.
        no_proxy: hosts that are reached without it, with all below them; "*" for all.
        endpoint: one URL for every product, an emulator or a gateway; empty for the real ones.
        endpoints: a host for single products, {"sts": "sts-vpc.cn-north-2-gov-1.aliyuncs.com"}.
        ca_file: more trusted certificates, PEM; empty for the system's own.
        home_region: whose endpoint answers calls that name no region; empty for the site's usual one.
        regions: the regions to look at; empty for all that an account has.
        limits: how hard the cloud may be asked.
        attempts: how often one call is sent at most.
        deadline_seconds: no retry starts after a call has taken this long; waits for quota do not count.
        connect_timeout_seconds: to open a connection, TLS included.
        read_timeout_seconds: from there to the end of the answer.
        rule_count: "check" holds the rules of a group against the RuleCount of its listing, "ignore" does not: whether
            that counts exactly what DescribeSecurityGroupAttribute gives is not documented.
        balancers: "ask" which load balancers joined the groups in question, and tell where they could not be read;
            "required": they are asked for everywhere, and a group of which that is not known is undetermined.
    """

    site: str = "china"
    network: str = "public"
    proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    endpoint: str = ""
    endpoints: dict[str, str] = {}
    ca_file: str = ""
    home_region: str = ""
    regions: tuple[str, ...] = ()
    limits: Limits = Limits()
    attempts: int = 6
    deadline_seconds: float = 300.0
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    rule_count: Literal["check", "ignore"] = "check"
    balancers: Literal["ask", "required"] = "ask"

    @property
    def checks_rule_counts(self) -> bool:
        """Whether rules are held against the listing's RuleCount, in a scan and in a change alike."""
        return self.rule_count == "check"

    def __post_init__(self) -> None:
        if self.site not in SITES:
            raise CloudSettingsError(f"[cloud] site is {self.site!r}; it is one of {', '.join(SITES)}")
        if self.network not in NETWORKS:
            raise CloudSettingsError(
                f"[cloud] network is {self.network!r}; it is one of {', '.join(NETWORKS)}"
            )
        if self.attempts < 1:
            raise CloudSettingsError(f"[cloud] attempts is {self.attempts}; give 1 or more")
        for name in ("deadline_seconds", "connect_timeout_seconds", "read_timeout_seconds"):
            if not getattr(self, name) > 0:
                raise CloudSettingsError(f"[cloud] {name} is {getattr(self, name)}; give seconds above 0")
        self._check_addresses()

    def _check_addresses(self) -> None:
        if self.endpoint:
            endpoint_url(self.endpoint)
        if self.proxy:
            proxy_url(self.proxy)
        if self.home_region and not is_region_id(self.home_region):
            raise CloudSettingsError(f"[cloud] home_region is {self.home_region!r}; that is no region id")
        for product, host in self.endpoints.items():
            if product not in VERSIONS:
                raise CloudSettingsError(
                    f"[cloud] endpoints names {product!r}; the products are {', '.join(VERSIONS)}"
                )
            if not _HOST(host):
                raise CloudSettingsError(
                    f"[cloud] endpoints.{product} is {host!r}; give a host alone, like sts.aliyuncs.com"
                )

    @property
    def is_on_loopback(self) -> bool:
        """Whether every product is at this machine itself, as an emulator is: no call goes by a proxy then."""
        return bool(self.endpoint) and is_loopback(endpoint_url(self.endpoint).host or "")

    @property
    def identity(self) -> str:
        """What tells this cloud from another, in a run and in its plan: the one URL, or the real cloud's site.

        The hosts of `endpoints` are a part of it: a plan is not carried out by another host than it was made by.
        """
        if not self.endpoint:
            hosts = ", ".join(f"{product}={host}" for product, host in sorted(self.endpoints.items()))
            return f"alibaba-cloud:{self.site}{hosts and f' with {hosts}'}"
        url = endpoint_url(self.endpoint)
        return f"{url.scheme}://{url.host_port_subcomponent}"

    def __repr__(self) -> str:
        # the proxy's URL may hold a password
        return f"CloudSettings(site={self.site!r}, network={self.network!r}, endpoint={self.endpoint!r}, …)"


ENVIRONMENT = ("endpoint", "proxy", "ca_file")
"""The settings that a variable may say where the configuration leaves them open: SGSWEEP_ENDPOINT and so on."""


def with_environment(
    settings: CloudSettings, environment: Mapping[str, str], names: Sequence[str] = ENVIRONMENT
) -> CloudSettings:
    """Return the settings with what the environment says where they leave it open; an empty variable says nothing.

    The machine's own HTTPS_PROXY and NO_PROXY are the last to be asked, and never contradict.

    Raises:
        CloudSettingsError: it is wrong, or says something else than the settings; the message names the variable.
    """
    for name in names:
        variable = f"SGSWEEP_{name.upper()}"
        if given := environment.get(variable, "").strip():
            refuse_two(variable, given, f"[cloud] {name}", _unless_open(settings, name))
            settings = _filled(settings, variable, **{name: given})
    if not settings.proxy and (given := _of_the_machine(environment, "HTTPS_PROXY")):
        with_scheme = given if "://" in given else f"http://{given}"  # as curl takes it
        settings = _filled(settings, "HTTPS_PROXY", proxy=with_scheme)
    if not settings.no_proxy and (given := _of_the_machine(environment, "NO_PROXY")):
        settings = _filled(settings, "NO_PROXY", no_proxy=tuple(given.replace(",", " ").split()))
    return settings


def refuse_two(variable: str, given: str, key: str, configured: str) -> None:
    """Refuse a variable that says something else than the file: nobody would know which was meant.

    Raises:
        CloudSettingsError: names both, and repeats neither: they may be secret.
    """
    if configured and configured.rstrip("/") != given.rstrip("/"):
        raise CloudSettingsError(
            f"{variable} and {key} of the configuration say different things: unset the one or take out the other"
        )


def _unless_open(settings: CloudSettings, name: str) -> str:
    value: str = getattr(settings, name)
    return "" if value == getattr(CloudSettings(), name) else value


def _filled(settings: CloudSettings, variable: str, **given: object) -> CloudSettings:
    try:
        return msgspec.structs.replace(settings, **given)
    except CloudSettingsError as error:
        raise CloudSettingsError(f"{variable}: {error}") from None


def _of_the_machine(environment: Mapping[str, str], name: str) -> str:
    """Return a variable that programs have in common, spelled as most do, in small letters, or in capitals."""
    return (environment.get(name.lower()) or environment.get(name) or "").strip()


def is_region_id(text: str) -> bool:
    """Tell whether it could be a region's id, so that it may become part of a host's name."""
    return bool(_REGION_ID(text))


def endpoint_url(text: str) -> URL:
    """Return the one URL of every product.

    Raises:
        CloudSettingsError: it is none, holds more than a host, or is plain http to another machine.
    """
    try:
        url = URL(text)
        usable = url.scheme in ("http", "https") and bool(url.host) and url.path in ("", "/")
        usable = usable and not url.query_string and url.user is None
    except ValueError:
        usable = False
    if not usable:
        raise CloudSettingsError(
            "[cloud] endpoint is not like https://host:port (no path, no user); or leave it empty"
        )
    if url.scheme == "http" and not is_loopback(url.host or ""):
        raise CloudSettingsError(
            f"[cloud] endpoint {url} is plain http to another machine: tokens could be read on the way; use https"
        )
    return url


def proxy_url(text: str) -> URL:
    """Return the proxy's URL.

    Raises:
        CloudSettingsError: it is none; the message does not repeat it, for it may hold a password.
    """
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise CloudSettingsError("[cloud] proxy is not like http://host:port")
    return url


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
