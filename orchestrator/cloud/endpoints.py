"""Which host answers a product in a region: the documented rules and their exceptions, as tables.

Sources: the ECS and STS endpoint pages, the official SDKs' endpoint maps, the Terraform provider's irregular
map. What DescribeRegions says of a region (RegionEndpoint) is better than any rule here; `Endpoints.learn`
takes it.
"""

from __future__ import annotations

import re
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

from yarl import URL

from orchestrator.cloud.settings import (
    VERSIONS,
    CloudSettings,
    CloudSettingsError,
    endpoint_url,
    is_loopback,
    is_region_id,
)

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
    # the industry clouds as sts 1.1.4's own map has them; `endpoints` and `home_region` win where they differ
    ("sts", "cn-north-2-gov-1"): "sts-vpc.cn-north-2-gov-1.aliyuncs.com",
    ("sts", "cn-shenzhen-finance-1"): "sts-vpc.cn-shenzhen-finance-1.aliyuncs.com",
    ("sts", "cn-hangzhou-finance"): "sts.aliyuncs.com",
    ("sts", "cn-beijing-finance-1"): "sts.aliyuncs.com",
}
# one host for the whole site, whatever the region and network
_CENTRAL = {
    "resourcemanager": {"": "resourcemanager.aliyuncs.com"},
    "resourcedirectorymaster": {
        "": "resourcedirectory.aliyuncs.com",
        "international": "resourcedirectory-intl.aliyuncs.com",
    },
    "resourcecenter": {
        "": "resourcecenter.aliyuncs.com",
        "international": "resourcecenter-intl.aliyuncs.com",
    },
    "ram": {"": "ram.aliyuncs.com"},
    "config": {"": "config.cn-shanghai.aliyuncs.com", "international": "config.ap-southeast-1.aliyuncs.com"},
}
_STS_HOST = re.compile(r"sts(-vpc)?(\.[a-z0-9-]+)?\.aliyuncs\.com").fullmatch
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
    region = region_id or settings.home_region
    if not region and (product, settings.site, settings.network) == ("sts", "china", "public"):
        return "sts.aliyuncs.com"
    region = region or _HOME_REGION[settings.site]
    if not is_region_id(region):
        raise CloudSettingsError(f"{region!r} is no region id")
    if settings.network == "vpc":
        return f"{product}-vpc.{region}.aliyuncs.com"
    return _EXCEPTIONS.get((product, region)) or f"{product}.{region}.aliyuncs.com"


class Destination:
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
        self._targets: dict[tuple[str, str | None], Destination] = {}
        self._one = _one_target(settings) if settings.endpoint else None

    def target(self, product: str, region_id: str | None) -> Destination:
        """Return where a product's calls for a region go."""
        if self._one is not None:
            return self._one
        found = self._targets.get((product, region_id))
        if found is None:
            host = self._learned.get((product, region_id or "")) or endpoint_host(
                product, region_id, self._settings
            )
            found = Destination("https", host, proxied=goes_by_proxy(host, self._settings))
            self._targets[product, region_id] = found
        return found

    def bucket(self, name: str, region_id: str, *, internal: bool = False) -> Destination:
        """Return where a bucket of OSS answers: a host of its own, but for the one URL that serves everything.

        Args:
            name: the bucket.
            region_id: the bucket's region.
            internal: by the internal endpoint whatever the network is, as from Function Compute: the public one is
                closed to accounts that opened OSS from 2025-03-20 on (PublicEndpointForbidden).
        """
        if self._one is not None:
            return self._one
        suffix = "-internal" if internal or self._settings.network == "vpc" else ""
        host = f"{name}.oss-{region_id}{suffix}.aliyuncs.com"
        return Destination("https", host, proxied=goes_by_proxy(host, self._settings))

    def log_project(self, name: str, region_id: str) -> tuple[Destination, str]:
        """Return where a project of Log Service answers, and its host's name, by which the service knows the project.

        The two differ only where one URL serves everything.

        Args:
            name: the project.
            region_id: the project's region.
        """
        suffix = "-intranet" if self._settings.network == "vpc" else ""
        host = f"{name}.{region_id}{suffix}.log.aliyuncs.com"
        if self._one is not None:
            return self._one, host
        return Destination("https", host, proxied=goes_by_proxy(host, self._settings)), host

    def lead(self, url: URL) -> URL:
        """Return where a request for the hub's credentials goes: to STS as we know it, if that was configured."""
        if (self._one is None and "sts" not in self._settings.endpoints) or not _STS_HOST(url.host or ""):
            return url
        sts = self.target("sts", None)
        there = URL(f"{sts.scheme}://{sts.host}")
        return url.with_scheme(there.scheme).with_host(there.host or "").with_port(there.explicit_port)

    def learn(self, region_id: str, host: str) -> None:
        """Take the RegionEndpoint of DescribeRegions for ECS in a region.

        It names the public network's host, so it is not taken in a VPC; nor is one that is not ECS's
        own: a signed request with a session token is sent there.
        """
        if self._settings.network == "public" and "ecs" not in self._settings.endpoints and _ECS_HOST(host):
            self._learned["ecs", region_id] = host
            self._targets.pop(("ecs", region_id), None)


def goes_by_proxy(host: str, settings: CloudSettings) -> bool:
    """Tell whether the host is reached by the proxy; this machine itself never is."""
    name = host.rpartition(":")[0] or host
    if not settings.proxy or is_loopback(name.strip("[]")):
        return False
    return not proxy_bypass_environment(host, {"no": ",".join(settings.no_proxy)})


def _one_target(settings: CloudSettings) -> Destination:
    url = endpoint_url(settings.endpoint)
    host = url.host_port_subcomponent or ""
    return Destination(url.scheme, host, proxied=goes_by_proxy(host, settings))
