"""Which host answers a product in a region: the documented rules and their exceptions, as tables.

Sources: the ECS and STS endpoint pages, the official SDKs' endpoint maps, the Terraform provider's irregular
map. What DescribeRegions says of a region (RegionEndpoint) is better than any rule here; `Endpoints.learn`
takes it.
"""

from __future__ import annotations

import ipaddress
import re

from yarl import URL

from orchestrator.cloud.settings import CloudSettings, CloudSettingsError

VERSIONS = {
    "ecs": "2014-05-26",
    "sts": "2015-04-01",
    "ram": "2015-05-01",
    "resourcemanager": "2020-03-31",
    "resourcedirectorymaster": "2022-04-19",
    "config": "2020-09-07",
}
PRODUCTS = {version: product for product, version in VERSIONS.items()}

_HOME_REGION = {
    "china": "cn-hangzhou",
    "international": "ap-southeast-1",
    "finance": "cn-shanghai-finance-1",
    "gov": "cn-north-2-gov-1",
}
# (product, region) whose public host does not follow <product>.<region>.aliyuncs.com
_EXCEPTIONS = {
    ("ecs", "cn-shanghai-finance-1"): "ecs-cn-hangzhou.aliyuncs.com",
    ("ecs", "cn-shenzhen-finance-1"): "ecs-cn-hangzhou.aliyuncs.com",
    ("ecs", "cn-hangzhou-finance"): "ecs.aliyuncs.com",
    ("ecs", "cn-north-2-gov-1"): "ecs.aliyuncs.com",
    ("sts", "ap-south-1"): "sts.aliyuncs.com",
    ("sts", "ap-southeast-2"): "sts.aliyuncs.com",
}
# one host for the whole site, whatever the region and network
_CENTRAL = {
    "resourcemanager": {"": "resourcemanager.aliyuncs.com"},
    "resourcedirectorymaster": {
        "": "resourcedirectory.aliyuncs.com",
        "international": "resourcedirectory-intl.aliyuncs.com",
    },
    "config": {"": "config.cn-shanghai.aliyuncs.com", "international": "config.ap-southeast-1.aliyuncs.com"},
    "ram": {"": "ram.aliyuncs.com"},
}
_REGION_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}").fullmatch
# Not any host of that domain: OSS buckets and functions are there too, and they are anybody's.
_ECS_HOST = re.compile(r"ecs(-[a-z0-9-]+)?(\.(?!oss-)[a-z0-9-]+)?\.aliyuncs\.com").fullmatch


def endpoint_host(product: str, region_id: str | None, settings: CloudSettings) -> str:
    """Return the host of a product, by the built-in rules.

    Raises:
        CloudSettingsError: the region's id could not be part of a host name.
    """
    if product in settings.endpoints:
        return settings.endpoints[product]
    if product in _CENTRAL:
        hosts = _CENTRAL[product]
        return hosts.get(settings.site, hosts[""])
    if not region_id and (product, settings.site, settings.network) == ("sts", "china", "public"):
        return f"sts.{settings.home_region}.aliyuncs.com" if settings.home_region else "sts.aliyuncs.com"
    region = region_id or settings.home_region or _HOME_REGION[settings.site]
    if not _REGION_ID(region):
        raise CloudSettingsError(f"{region!r} is no region id")
    if settings.network == "vpc":
        return f"{product}-vpc.{region}.aliyuncs.com"
    return _EXCEPTIONS.get((product, region)) or f"{product}.{region}.aliyuncs.com"


class Target:
    """Where a call goes: the scheme, the host that is also signed, and whether by the proxy."""

    __slots__ = ("host", "proxied", "scheme")

    def __init__(self, scheme: str, host: str, *, proxied: bool) -> None:
        self.scheme = scheme
        self.host = host
        self.proxied = proxied


class Endpoints:
    """Resolves targets under one configuration, and remembers what DescribeRegions said."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._learned: dict[tuple[str, str], str] = {}
        self._targets: dict[tuple[str, str | None], Target] = {}
        self._one = _one_target(settings) if settings.endpoint else None

    @property
    def identity(self) -> str:
        """What a plan writes down, to be applied only there: the one URL, or the real cloud's site."""
        return (
            f"{self._one.scheme}://{self._one.host}" if self._one else f"alibabacloud:{self._settings.site}"
        )

    def target(self, product: str, region_id: str | None) -> Target:
        """Return where a product's calls for a region go."""
        if self._one is not None:
            return self._one
        found = self._targets.get((product, region_id))
        if found is None:
            host = self._learned.get((product, region_id or "")) or endpoint_host(
                product, region_id, self._settings
            )
            found = Target("https", host, proxied=bool(self._settings.proxy))
            self._targets[product, region_id] = found
        return found

    def learn(self, region_id: str, host: str) -> None:
        """Take the RegionEndpoint of DescribeRegions for ECS in a region.

        It names the public network's host, so it is not taken in a VPC; nor is one that is not ECS's
        own: a signed request with a session token is sent there.
        """
        if self._settings.network == "public" and "ecs" not in self._settings.endpoints and _ECS_HOST(host):
            self._learned["ecs", region_id] = host
            self._targets.pop(("ecs", region_id), None)


def _one_target(settings: CloudSettings) -> Target:
    url = _parsed(settings.endpoint)
    loopback = is_loopback(url.host or "")
    if url.scheme == "http" and not loopback:
        raise CloudSettingsError(
            f"[cloud] endpoint {_shown(url)} is plain http to another machine: tokens could be read on the "
            "way; use https"
        )
    return Target(url.scheme, url.host_port_subcomponent or "", proxied=bool(settings.proxy) and not loopback)


def _parsed(text: str) -> URL:
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
    return url


def _shown(url: URL) -> str:
    return str(url.with_user(None))


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
