"""Where calls go: the endpoint tables, the one URL, and what may not be reached."""

from __future__ import annotations

import pytest

from orchestrator.cloud.endpoints import Endpoints, endpoint_host, goes_by_proxy
from orchestrator.cloud.settings import CloudSettings, CloudSettingsError, Limits

TABLE = [
    # product, region, site, network, host (API reference 7)
    ("ecs", "cn-hangzhou", "china", "public", "ecs.cn-hangzhou.aliyuncs.com"),
    ("ecs", "cn-shanghai", "china", "public", "ecs.cn-shanghai.aliyuncs.com"),
    ("ecs", "ap-southeast-1", "international", "public", "ecs.ap-southeast-1.aliyuncs.com"),
    ("ecs", "me-central-1", "international", "public", "ecs.me-central-1.aliyuncs.com"),
    ("ecs", None, "china", "public", "ecs.cn-hangzhou.aliyuncs.com"),
    ("ecs", None, "international", "public", "ecs.ap-southeast-1.aliyuncs.com"),
    ("ecs", "cn-shanghai-finance-1", "finance", "public", "ecs-cn-hangzhou.aliyuncs.com"),
    ("ecs", "cn-shenzhen-finance-1", "finance", "public", "ecs-cn-hangzhou.aliyuncs.com"),
    ("ecs", "cn-hangzhou-finance", "finance", "public", "ecs.aliyuncs.com"),
    ("ecs", "cn-beijing-finance-1", "finance", "public", "ecs.cn-beijing-finance-1.aliyuncs.com"),
    ("ecs", "cn-north-2-gov-1", "gov", "public", "ecs.aliyuncs.com"),
    ("ecs", None, "gov", "public", "ecs.aliyuncs.com"),
    ("ecs", "cn-hangzhou", "china", "vpc", "ecs-vpc.cn-hangzhou.aliyuncs.com"),
    ("ecs", "cn-north-2-gov-1", "gov", "vpc", "ecs-vpc.cn-north-2-gov-1.aliyuncs.com"),
    ("sts", None, "china", "public", "sts.aliyuncs.com"),
    ("sts", None, "international", "public", "sts.ap-southeast-1.aliyuncs.com"),
    ("sts", "eu-central-1", "international", "public", "sts.eu-central-1.aliyuncs.com"),
    ("sts", "ap-south-1", "international", "public", "sts.aliyuncs.com"),
    ("sts", None, "finance", "public", "sts.cn-shanghai-finance-1.aliyuncs.com"),
    ("sts", "cn-shenzhen-finance-1", "finance", "public", "sts-vpc.cn-shenzhen-finance-1.aliyuncs.com"),
    ("sts", "cn-hangzhou-finance", "finance", "public", "sts.aliyuncs.com"),
    ("sts", "cn-beijing-finance-1", "finance", "public", "sts.aliyuncs.com"),
    ("sts", None, "gov", "public", "sts-vpc.cn-north-2-gov-1.aliyuncs.com"),
    ("sts", None, "finance", "vpc", "sts-vpc.cn-shanghai-finance-1.aliyuncs.com"),
    ("sts", None, "china", "vpc", "sts-vpc.cn-hangzhou.aliyuncs.com"),
    ("sts", "cn-beijing", "china", "vpc", "sts-vpc.cn-beijing.aliyuncs.com"),
    ("resourcemanager", None, "china", "public", "resourcemanager.aliyuncs.com"),
    ("resourcemanager", None, "international", "public", "resourcemanager.aliyuncs.com"),
    ("resourcedirectorymaster", None, "china", "public", "resourcedirectory.aliyuncs.com"),
    ("resourcedirectorymaster", None, "international", "public", "resourcedirectory-intl.aliyuncs.com"),
    ("resourcecenter", None, "china", "public", "resourcecenter.aliyuncs.com"),
    ("resourcecenter", None, "international", "public", "resourcecenter-intl.aliyuncs.com"),
    ("config", None, "china", "public", "config.cn-shanghai.aliyuncs.com"),
    ("config", "cn-hangzhou", "china", "public", "config.cn-shanghai.aliyuncs.com"),
    ("config", None, "international", "public", "config.ap-southeast-1.aliyuncs.com"),
]


@pytest.mark.parametrize(("product", "region", "site", "network", "host"), TABLE)
def test_the_endpoint_table(product: str, region: str | None, site: str, network: str, host: str) -> None:
    """Product, region, site and network give the documented host."""
    assert endpoint_host(product, region, CloudSettings(site=site, network=network)) == host
    target = Endpoints(CloudSettings(site=site, network=network)).target(product, region)
    assert (target.scheme, target.host) == ("https", host)


def test_a_home_region_answers_what_names_no_region() -> None:
    """Also for STS on the China site, which has a central endpoint else."""
    settings = CloudSettings(home_region="cn-beijing")
    assert endpoint_host("sts", None, settings) == "sts.cn-beijing.aliyuncs.com"
    assert endpoint_host("ecs", None, settings) == "ecs.cn-beijing.aliyuncs.com"


@pytest.mark.parametrize(
    ("site", "home_region", "host"),
    [
        ("finance", "cn-hangzhou-finance", "sts.aliyuncs.com"),
        ("finance", "cn-shenzhen-finance-1", "sts-vpc.cn-shenzhen-finance-1.aliyuncs.com"),
        ("china", "cn-hangzhou-finance", "sts.aliyuncs.com"),
        ("gov", "cn-hangzhou", "sts.cn-hangzhou.aliyuncs.com"),
    ],
)
def test_a_home_region_has_its_own_exceptions(site: str, home_region: str, host: str) -> None:
    """The industry clouds' STS hosts follow the home region that was given, and `endpoints` wins over all of it."""
    settings = CloudSettings(site=site, home_region=home_region)
    assert endpoint_host("sts", None, settings) == host
    told = CloudSettings(site=site, home_region=home_region, endpoints={"sts": "sts.example.com"})
    assert Endpoints(told).target("sts", None).host == "sts.example.com"


@pytest.mark.parametrize("product", ["ecs", "sts"])
def test_a_home_region_cannot_lead_elsewhere(product: str) -> None:
    """It becomes part of a host's name like any region."""
    with pytest.raises(CloudSettingsError, match="no region id"):
        endpoint_host(product, None, CloudSettings(home_region="evil.example#"))


def test_single_products_can_be_told_their_host() -> None:
    """Industry clouds differ: a host can be set without setting them all."""
    settings = CloudSettings(endpoints={"sts": "sts-vpc.cn-north-2-gov-1.aliyuncs.com"})
    assert endpoint_host("sts", None, settings) == "sts-vpc.cn-north-2-gov-1.aliyuncs.com"
    assert endpoint_host("ecs", "cn-hangzhou", settings) == "ecs.cn-hangzhou.aliyuncs.com"


def test_what_describe_regions_says_is_better_than_the_rule() -> None:
    """A learned RegionEndpoint is used for ECS in that region, and there only."""
    endpoints = Endpoints(CloudSettings())
    endpoints.target("ecs", "eu-west-2")
    endpoints.learn("eu-west-2", "ecs-eu-west-2.aliyuncs.com")
    assert endpoints.target("ecs", "eu-west-2").host == "ecs-eu-west-2.aliyuncs.com"
    assert endpoints.target("sts", "eu-west-2").host == "sts.eu-west-2.aliyuncs.com"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "aliyuncs.com.evil.example",
        "ecs.aliyuncs.com:99",
        "",
        "a b",
        "evil.oss-cn-hangzhou.aliyuncs.com",
        "ecs.oss-cn-hangzhou.aliyuncs.com",
        "evil.cn-hangzhou.fc.aliyuncs.com",
        "ecs.cn-hangzhou.fc.aliyuncs.com",
    ],
)
def test_a_foreign_region_endpoint_is_not_followed(host: str) -> None:
    """A session token is sent there: ECS's own hosts are taken from an answer, no bucket's and no function's."""
    endpoints = Endpoints(CloudSettings())
    endpoints.learn("cn-hangzhou", host)
    assert endpoints.target("ecs", "cn-hangzhou").host == "ecs.cn-hangzhou.aliyuncs.com"


def test_a_region_endpoint_is_not_taken_inside_a_vpc() -> None:
    """It names the public host."""
    endpoints = Endpoints(CloudSettings(network="vpc"))
    endpoints.learn("cn-hangzhou", "ecs.cn-hangzhou.aliyuncs.com")
    assert endpoints.target("ecs", "cn-hangzhou").host == "ecs-vpc.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize("region", ["", "CN", "a.b", "a/b", "evil.example#", "-x"])
def test_a_region_id_cannot_lead_elsewhere(region: str) -> None:
    """What could not be a region id never becomes part of a host name."""
    if not region:
        assert endpoint_host("ecs", region, CloudSettings()) == "ecs.cn-hangzhou.aliyuncs.com"
        return
    with pytest.raises(CloudSettingsError, match="no region id"):
        endpoint_host("ecs", region, CloudSettings())


@pytest.mark.parametrize(
    ("url", "scheme", "host"),
    [
        ("http://127.0.0.1:8080", "http", "127.0.0.1:8080"),
        ("http://localhost:8080/", "http", "localhost:8080"),
        ("http://[::1]:8080", "http", "[::1]:8080"),
        ("http://127.8.9.10", "http", "127.8.9.10"),
        ("https://gateway.example", "https", "gateway.example"),
        ("https://gateway.example:8443", "https", "gateway.example:8443"),
    ],
)
def test_one_url_serves_every_product(url: str, scheme: str, host: str) -> None:
    """An emulator or a gateway; the identity that plans write down is that URL."""
    endpoints = Endpoints(CloudSettings(endpoint=url))
    for product in ("ecs", "sts", "resourcemanager", "config"):
        target = endpoints.target(product, "cn-hangzhou")
        assert (target.scheme, target.host) == (scheme, host)
    assert CloudSettings(endpoint=url).identity == f"{scheme}://{host}"


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:8080", "http://gateway.example", "http://127.0.0.1.evil.example", "http://0.0.0.0:1"],
)
def test_plain_http_goes_to_this_machine_only(url: str) -> None:
    """Keys and tokens would be readable on the way."""
    with pytest.raises(CloudSettingsError, match="plain http to another machine"):
        CloudSettings(endpoint=url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "gateway.example",
        "https://",
        "https://h/path",
        "https://u:secret@h",
        "https://h?q=1",
        "::",
        "https://h:port",
    ],
)
def test_an_endpoint_that_is_no_url_is_refused_without_its_secrets(url: str) -> None:
    """The message names the key and what it looks like, not the password in it."""
    with pytest.raises(CloudSettingsError, match=r"\[cloud\] endpoint") as caught:
        CloudSettings(endpoint=url)
    assert "secret" not in str(caught.value)


def test_the_real_cloud_has_an_identity_by_site() -> None:
    """A demo's plan never meets a real cloud, nor one site's another."""
    assert CloudSettings().identity == "alibaba-cloud:china"
    assert CloudSettings(site="international").identity == "alibaba-cloud:international"


def test_hosts_of_ones_own_are_a_part_of_the_identity() -> None:
    """Another host for STS is another cloud to a plan, in whatever order the hosts are written; nothing else is."""
    own = CloudSettings(endpoints={"sts": "sts.example", "ecs": "ecs.example"}, home_region="cn-beijing")
    assert own.identity == "alibaba-cloud:china with ecs=ecs.example, sts=sts.example"
    assert CloudSettings(endpoints={"ecs": "ecs.example", "sts": "sts.example"}).identity == own.identity
    assert CloudSettings(endpoints={"ecs": "other.example", "sts": "sts.example"}).identity != own.identity


@pytest.mark.parametrize(
    ("host", "no_proxy", "proxied"),
    [
        ("ecs.cn-hangzhou.aliyuncs.com", (), True),
        ("ecs.cn-hangzhou.aliyuncs.com", (".aliyuncs.com",), False),
        ("ecs.cn-hangzhou.aliyuncs.com", ("aliyuncs.com",), False),
        ("ecs.cn-hangzhou.aliyuncs.com", ("iyuncs.com", "sts.aliyuncs.com"), True),
        ("gateway.example:8443", ("gateway.example",), False),
        ("gateway.example", ("*",), False),
        ("127.0.0.1:8080", (), False),
        ("[::1]:8080", (), False),
        ("localhost", (), False),
    ],
)
def test_which_hosts_are_reached_by_the_proxy(host: str, no_proxy: tuple[str, ...], proxied: bool) -> None:  # noqa: FBT001 - a table's column
    """All but those of no_proxy, with all below them, and this machine itself."""
    assert goes_by_proxy(host, CloudSettings(proxy="http://proxy:1", no_proxy=no_proxy)) is proxied
    assert not goes_by_proxy(host, CloudSettings(no_proxy=no_proxy))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (lambda: CloudSettings(site="mars"), r"\[cloud\] site"),
        (lambda: CloudSettings(network="carrier-pigeon"), r"\[cloud\] network"),
        (lambda: CloudSettings(attempts=0), r"\[cloud\] attempts"),
        (lambda: CloudSettings(read_timeout_seconds=0), r"\[cloud\] read_timeout_seconds"),
        (lambda: CloudSettings(home_region="a.b"), r"\[cloud\] home_region"),
        (lambda: CloudSettings(endpoints={"stss": "sts.aliyuncs.com"}), r"\[cloud\] endpoints names 'stss'"),
        (lambda: CloudSettings(endpoints={"sts": "https://sts.aliyuncs.com"}), r"\[cloud\] endpoints.sts"),
        (lambda: CloudSettings(proxy="proxy:3128"), r"\[cloud\] proxy"),
        (lambda: Limits(max_accounts=0), r"\[limits\] max_accounts"),
        (lambda: Limits(max_in_flight_per_host=0), r"\[limits\] max_in_flight_per_host"),
        (lambda: Limits(share=0), r"\[limits\] share"),
        (lambda: Limits(share=1.5), r"\[limits\] share"),
        (lambda: Limits(window_seconds=-1), r"\[limits\] window_seconds"),
        (lambda: Limits(max_in_flight=0), r"\[limits\] max_in_flight"),
        (lambda: Limits(retry_fraction=-1), r"\[limits\] retry_fraction"),
    ],
)
def test_a_wrong_setting_is_named(settings: object, names: str) -> None:
    """The error names the table and the key."""
    with pytest.raises(CloudSettingsError, match=names):
        settings()  # type: ignore[operator]  # each makes settings


def test_the_proxys_password_is_in_no_repr() -> None:
    """Settings are logged; secrets are not."""
    assert "secret" not in repr(CloudSettings(proxy="http://user:secret@proxy:3128"))
