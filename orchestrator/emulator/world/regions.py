"""The regions of the emulated cloud: their ids, names, endpoints and what they accept."""

from __future__ import annotations

from typing import Final, NamedTuple


class Region(NamedTuple):
    """A row of DescribeRegions, and the code that ids made in that region carry."""

    region_id: str
    local_name: str
    id_code: str

    @property
    def endpoint(self) -> str:
        """The public ECS endpoint, by the documented rule `ecs.<region>.aliyuncs.com`."""
        return f"ecs.{self.region_id}.aliyuncs.com"


REGIONS: Final = tuple(
    Region(*row)
    for row in (
        ("cn-hangzhou", "China (Hangzhou)", "bp1"),
        ("cn-shanghai", "China (Shanghai)", "uf6"),
        ("cn-beijing", "China (Beijing)", "2ze"),
        ("cn-shenzhen", "China (Shenzhen)", "wz9"),
        ("ap-southeast-1", "Singapore", "t4n"),
        ("cn-hongkong", "China (Hong Kong)", "j6c"),
        ("eu-central-1", "Germany (Frankfurt)", "gw8"),
        ("us-west-1", "US (Silicon Valley)", "rj9"),
        ("us-east-1", "US (Virginia)", "0xi"),
        ("cn-qingdao", "China (Qingdao)", "m5e"),
        ("cn-zhangjiakou", "China (Zhangjiakou)", "8vb"),
        ("cn-huhehaote", "China (Hohhot)", "hp3"),
        ("cn-wulanchabu", "China (Ulanqab)", "0jl"),
        ("cn-nanjing", "China (Nanjing-Local Region)", "gc7"),
        ("cn-fuzhou", "China (Fuzhou-Local Region)", "gw0"),
        ("cn-heyuan", "China (Heyuan)", "f8z"),
        ("cn-guangzhou", "China (Guangzhou)", "7xv"),
        ("cn-chengdu", "China (Chengdu)", "2vc"),
        ("ap-southeast-3", "Malaysia (Kuala Lumpur)", "8ps"),
        ("ap-southeast-5", "Indonesia (Jakarta)", "k1a"),
        ("ap-southeast-6", "Philippines (Manila)", "5ts"),
        ("ap-southeast-7", "Thailand (Bangkok)", "0jo"),
        ("ap-northeast-1", "Japan (Tokyo)", "6we"),
        ("ap-northeast-2", "South Korea (Seoul)", "mj7"),
        ("eu-west-1", "UK (London)", "d7o"),
        ("na-south-1", "Mexico", "4hf"),
        ("me-east-1", "UAE (Dubai)", "eb3"),
        ("me-central-1", "Saudi Arabia (Riyadh)", "l4v"),
    )
)
REGION_IDS: Final = tuple(region.region_id for region in REGIONS)
"""What a generated world has unless it is asked for others."""
FURTHER_REGIONS: Final = tuple(
    Region(*row)
    for row in (
        ("cn-zhongwei", "China (Zhongwei)", "zw4"),
        ("cn-wuhan-lr", "China (Wuhan-Local Region)", "wh7"),
        ("cn-zhengzhou-jva", "China (Zhengzhou-CUCC)", "zz6"),
        ("ap-southeast-8", "Malaysia (Johor)", "8jh"),
        ("us-southeast-1", "US (Atlanta)", "7at"),
    )
)
"""Newer ones and those of partners, for worlds that ask for more than the usual ones or name them."""
INDUSTRY_REGIONS: Final = tuple(
    Region(*row)
    for row in (
        ("cn-shanghai-finance-1", "China East 2 Finance", "9b7"),
        ("cn-hangzhou-finance", "China East 1 Finance", "9bp"),
        ("cn-shenzhen-finance-1", "China South 1 Finance", "9wz"),
        ("cn-beijing-finance-1", "China North 2 Finance", "92z"),
        ("cn-north-2-gov-1", "China North 2 Ali Gov 1", "n2g"),
    )
)
BY_ID: Final = {region.region_id: region for region in (*REGIONS, *FURTHER_REGIONS, *INDUSTRY_REGIONS)}

# ECS AuthorizeSecurityGroup: IpProtocol may be an IANA number here.
NUMERIC_PROTOCOL_REGIONS: Final = frozenset(
    {
        "ap-southeast-6",
        "eu-west-1",
        "ap-southeast-3",
        "cn-huhehaote",
        "cn-qingdao",
        "us-west-1",
        "ap-southeast-1",
    }
)
