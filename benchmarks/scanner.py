"""What a user would pick instead: a scanner over the official sync client, as the known ones work.

`python -m benchmarks.scanner HOST:PORT` scans one account by the standard variables' keys: a thread per region, at most
ten; groups by page; two calls a group, one for each direction; a rule is bad when it accepts from 0.0.0.0/0 or ::/0 and
its range holds 22 or 3389. What fails is logged and passed over, as they do. It prints what it came to as JSON.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config

THREADS = 10
_PAGE = 50
_PORTS = (22, 3389)
_ANYONE = ("0.0.0.0/0", "::/0")


class Found(msgspec.Struct):
    """What a scan came to: groups that are open, groups whose rules were not read in full, and calls."""

    open_groups: list[str]
    unread_groups: int
    calls: int


class Scanner:
    """One account."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self.found = Found([], 0, 0)

    def scan(self) -> Found:
        """Scan every region, ten at a time."""
        answer = self._client("cn-hangzhou").describe_regions(models.DescribeRegionsRequest())
        self._count()
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(self._region, [region.region_id for region in answer.body.regions.region]):
                pass
        return self.found

    def _client(self, region_id: str) -> Client:
        config = Config(
            access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            endpoint=self._endpoint,
            protocol="http",
            region_id=region_id,
        )
        return Client(config)

    def _count(self) -> None:
        with self._lock:
            self.found.calls += 1

    def _region(self, region_id: str) -> None:
        client = self._client(region_id)
        for group_id in self._groups(client, region_id):
            rules = [
                rule
                for way in ("ingress", "egress")
                for rule in self._rules(client, region_id, group_id, way)
            ]
            if any(_is_bad(rule) for rule in rules):
                with self._lock:
                    self.found.open_groups.append(group_id)

    def _groups(self, client: Client, region_id: str) -> Iterator[str]:
        page = 1
        while True:
            request = models.DescribeSecurityGroupsRequest(
                region_id=region_id, page_number=page, page_size=_PAGE
            )
            self._count()
            try:
                body = client.describe_security_groups(request).body
            except Exception as error:  # noqa: BLE001 - the known scanners log and go on
                print(error, file=sys.stderr)
                return
            yield from (group.security_group_id for group in body.security_groups.security_group)
            if page * _PAGE >= body.total_count:
                return
            page += 1

    def _rules(self, client: Client, region_id: str, group_id: str, direction: str) -> list[Any]:
        request = models.DescribeSecurityGroupAttributeRequest(
            region_id=region_id, security_group_id=group_id, direction=direction
        )
        self._count()
        try:
            found: list[Any] = client.describe_security_group_attribute(request).body.permissions.permission
        except Exception as error:  # noqa: BLE001 - the known scanners log and go on
            print(error, file=sys.stderr)
            self.found.unread_groups += direction == "ingress"
            return []
        return found


def _is_bad(rule: Any) -> bool:  # noqa: ANN401 - the official package has no types
    source = rule.source_cidr_ip or rule.ipv_6source_cidr_ip
    if rule.direction != "ingress" or rule.policy.lower() != "accept" or source not in _ANYONE:
        return False
    if rule.ip_protocol.lower() not in ("tcp", "all"):
        return False
    first, _, last = (rule.port_range or "0/0").partition("/")  # a rule with a port list has none
    return rule.port_range == "-1/-1" or any(int(first) <= port <= int(last) for port in _PORTS)


if __name__ == "__main__":
    print(msgspec.json.encode(Scanner(sys.argv[1]).scan()).decode())
