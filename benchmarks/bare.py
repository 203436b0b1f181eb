"""Bare calls, in a process of its own: `python -m benchmarks.bare URL ACCOUNT IN_FLIGHT`, the groups on its input.

It reads the rules of so many groups in each region by one aiohttp session and nothing else: no limits, no retries, no
judging. Every request is signed before the clock starts. It prints how many calls it made and their CPU, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from accounts.credentials import Credentials
from orchestrator.cloud.attempt import Request
from orchestrator.cloud.settings import VERSIONS
from orchestrator.cloud.transport import SignedAttempt


def _signed(url: str, account_id: str, regions: dict[str, list[str]]) -> Iterator[SignedAttempt]:
    who = Credentials(
        os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], ""
    )
    for region_id, group_ids in regions.items():
        for group_id in group_ids:
            asked = {
                "RegionId": region_id,
                "SecurityGroupId": group_id,
                "Direction": "all",
                "MaxResults": 1000,
            }
            request = Request(
                "ecs", VERSIONS["ecs"], "DescribeSecurityGroupAttribute", region_id, account_id, asked
            )
            yield request.sign(who, urlsplit(url).netloc)


async def _main(url: str, account_id: str, regions: dict[str, list[str]], in_flight: int) -> None:
    requests = list(_signed(url, account_id, regions))
    gate = asyncio.Semaphore(in_flight)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(one: SignedAttempt) -> None:
            async with gate:
                target = URL(f"{url}{one.path}?{one.query}", encoded=True)
                async with session.post(target, headers=one.headers) as response:
                    answer = json.loads(await response.read())
                    assert response.status == 200, answer

        await asyncio.gather(*map(call, requests[:in_flight]))  # connections are made, and modules imported
        rest = list(_signed(url, account_id, regions))
        began = time.process_time()
        await asyncio.gather(*map(call, rest))
        spent = time.process_time() - began
    print(json.dumps({"calls": len(rest), "cpu": spent}), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], json.loads(sys.stdin.read()), int(sys.argv[3])))
