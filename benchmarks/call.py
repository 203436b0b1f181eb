"""What one call costs: ours against a bare aiohttp POST of the same answer, and against the official clients.

The server is nginx with one static answer over TLS on loopback, so that only the client is measured; CPU is
the client process's own, and what is compared is measured turn about. A relay adds the latency of a network
where calls a second are compared: without any, 64 threads and one loop are both bound by their CPU (aiohttp's
own floor is then about 7 times the threads).

On 2 cores with Python 3.11, aiohttp 3.14: bare 76 us, ours 91 us (1.20x) with 5 rules, 0.83x with 100 rules
(msgspec against json); the official async client 17 ms (180x); at 80 ms latency 7,500 calls/s against 714
(10.5x). Of our 91 us, signing takes 4 (the SDK's signer 13), the query 1.5, decoding 3 (json 7), limiter,
circuit and counts 4, the longer header block through aiohttp and TLS the rest. What paid: one total timeout
instead of one per read (5 us), URL.build. uvloop does not pay: 5 to 8 % here, all of it in aiohttp.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from accounts.credentials import Credentials, StaticCredentials
from accounts.sdk import quiet_official_loggers
from benchmarks.certificate import make_certificate
from benchmarks.table import Row, show
from orchestrator.cli.collector import collect_rarely
from orchestrator.cloud.client import AccountSession, Client, CloudSettings, Limits

IN_FLIGHT = 32
CALLS = 2000
ROUNDS = 7
OFFICIAL_CALLS = 60
THREADS = 64
THREAD_CALLS = 2000
LATENCY_SECONDS = 0.08
FAR_IN_FLIGHT = 1024

KEYS = Credentials("STS.bench", "secret-of-the-bench", "token" * 120)
PARAMETERS: dict[str, object] = {
    "RegionId": "cn-hangzhou",
    "SecurityGroupId": "sg-bp1abcdefghijklmnopq",
    "Direction": "all",
    "MaxResults": 1000,
}


def answer(rules: int) -> bytes:
    """Return an answer of DescribeSecurityGroupAttribute with so many rules."""
    permission = {
        "SecurityGroupRuleId": "sgr-bp1abcdefghijklmnopq",
        "Direction": "ingress",
        "Policy": "Accept",
        "Priority": 1,
        "IpProtocol": "TCP",
        "PortRange": "443/443",
        "SourceCidrIp": "203.0.113.0/24",
        "Ipv6SourceCidrIp": "",
        "SourceGroupId": "",
        "NicType": "intranet",
        "Description": "",
        "CreateTime": "2026-01-01T00:00:00Z",
    }
    return msgspec.json.encode(
        {
            "RequestId": "4D6C8A5F-0000-4C4F-9A3B-1F2E3D4C5B6A",
            "RegionId": "cn-hangzhou",
            "SecurityGroupId": PARAMETERS["SecurityGroupId"],
            "VpcId": "vpc-bp1abcdefghijklmnopq",
            "InnerAccessPolicy": "Accept",
            "NextToken": "",
            "Permissions": {"Permission": [permission] * rules},
        }
    )


class Server(NamedTuple):
    """Where nginx listens, and the certificate to trust."""

    port: int
    ca_file: str


@contextmanager
def nginx(body: bytes) -> Iterator[Server]:
    """Serve one answer to every request, over TLS on loopback."""
    with tempfile.TemporaryDirectory(prefix="sgsweep-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user where this one is root
        make_certificate(folder / "cert.pem", folder / "key.pem")
        (folder / "answer").write_bytes(body)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "nginx.conf").write_text(_CONFIGURATION.format(folder=folder, port=port))
        server = subprocess.Popen(  # noqa: S603 - our own configuration
            [str(shutil.which("nginx")), "-p", name, "-c", f"{name}/nginx.conf"], stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port)
            yield Server(port, str(folder / "cert.pem"))
        finally:
            server.terminate()
            server.wait()


_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 10000000; default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  open_file_cache max=10;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    root {folder}; location / {{ error_page 405 =200 /answer; rewrite ^ /answer break; }}
  }}
}}
"""


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("nginx does not start")


class Cost(NamedTuple):
    """CPU and time of one call, in microseconds."""

    cpu: float
    wall: float


async def _cost(one: Callable[[], Awaitable[object]], calls: int, in_flight: int) -> Cost:
    async def worker(count: int) -> None:
        for _ in range(count):
            await one()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker(calls // in_flight) for _ in range(in_flight)))
    done = calls // in_flight * in_flight
    return Cost((time.process_time() - cpu) / done * 1e6, (time.perf_counter() - wall) / done * 1e6)


async def _bare(server: Server, calls: int) -> Cost:
    """A POST by aiohttp as anybody would write it, the same parameters in the query, and json.loads."""
    url = f"https://127.0.0.1:{server.port}/"
    parameters = {name: str(value) for name, value in PARAMETERS.items()}
    context = ssl.create_default_context(cafile=server.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0)) as session:

        async def one() -> None:
            async with session.post(url, params=parameters) as response:
                assert json.loads(await response.read())["RegionId"]

        await _cost(one, IN_FLIGHT * 2, IN_FLIGHT)
        return await _cost(one, calls, IN_FLIGHT)


async def _ours(server: Server, calls: int, in_flight: int = IN_FLIGHT) -> Cost:
    limits = Limits(
        max_in_flight=in_flight, max_in_flight_per_account=in_flight, max_in_flight_per_host=in_flight
    )
    settings = CloudSettings(
        endpoint=f"https://127.0.0.1:{server.port}", ca_file=server.ca_file, limits=limits
    )
    async with Client(settings) as client:
        session = AccountSession(client, "1", StaticCredentials(KEYS))

        async def one() -> None:
            found = await session.call("DescribeSecurityGroupAttribute", "cn-hangzhou", PARAMETERS)
            assert found["RegionId"]

        await _cost(one, in_flight * 2, in_flight)
        return await _cost(one, calls, in_flight)


def _official(server: Server) -> tuple[Any, Any]:
    from alibabacloud_ecs20140526 import models  # noqa: PLC0415 - a second and a half
    from alibabacloud_ecs20140526.client import Client as Ecs  # noqa: PLC0415 - the same
    from alibabacloud_tea_openapi.utils_models import Config  # noqa: PLC0415 - the same

    quiet_official_loggers()
    config = Config(
        access_key_id=KEYS.access_key_id,
        access_key_secret=KEYS.access_key_secret,
        security_token=KEYS.security_token,
        endpoint=f"127.0.0.1:{server.port}",
        region_id="cn-hangzhou",
        ca=server.ca_file,
    )
    request = models.DescribeSecurityGroupAttributeRequest(
        region_id="cn-hangzhou",
        security_group_id="sg-bp1abcdefghijklmnopq",
        direction="all",
        max_results=1000,
    )
    return Ecs(config), request


async def _official_async(server: Server) -> Cost:
    client, request = _official(server)

    async def one() -> None:
        answered = await client.describe_security_group_attribute_async(request)
        assert answered.body.region_id

    await one()
    return await _cost(one, OFFICIAL_CALLS, 4)


def _official_threads(server: Server) -> float:
    """Return the calls a second of the official sync client with 64 threads."""
    client, request = _official(server)
    left = iter(range(THREAD_CALLS))
    lock = threading.Lock()

    def worker() -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            assert client.describe_security_group_attribute(request).body.region_id

    client.describe_security_group_attribute(request)
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(worker) for _ in range(THREADS)]:
            future.result()
    return THREAD_CALLS / (time.perf_counter() - began)


def _compare(server: Server) -> tuple[Cost, Cost, float]:
    """Return the median costs of bare and ours, and the median ratio of their CPU, taken turn about."""
    pairs = []
    for _ in range(ROUNDS):
        bare = asyncio.run(_bare(server, CALLS))
        pairs.append((bare, asyncio.run(_ours(server, CALLS))))
    bare, ours = (
        Cost(*(statistics.median(pair[side][part] for pair in pairs) for part in range(2)))
        for side in range(2)
    )
    return bare, ours, statistics.median(ours.cpu / bare.cpu for bare, ours in pairs)


@contextmanager
def _delayed(server: Server) -> Iterator[Server]:
    """Put the latency of a real network before the server."""
    relay = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.delay", str(server.port), str(LATENCY_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert relay.stdout is not None
        yield Server(int(relay.stdout.readline()), server.ca_file)
    finally:
        relay.communicate()


def _cpu_rows() -> Iterator[Row]:
    for rules in (5, 100):
        with nginx(answer(rules)) as server:
            bare, ours, ratio = _compare(server)
            official = asyncio.run(_official_async(server))
        yield Row(f"aiohttp POST + json.loads, {rules} rules", bare.cpu, "us CPU")
        yield Row(f"sgsweep call, {rules} rules", ours.cpu, "us CPU", ratio, "<= 1.25", "bare aiohttp")
        times = official.cpu / ours.cpu
        yield Row(f"official async client, {rules} rules", official.cpu, "us CPU", times, ">= 100", "sgsweep")


def _rate_rows() -> Iterator[Row]:
    collect_rarely()  # as the command does; the threads have it too
    with nginx(answer(5)) as server:
        yield from _rates(server, "no latency", IN_FLIGHT, "aiohttp itself is the bound")
        with _delayed(server) as far:
            yield from _rates(far, f"{LATENCY_SECONDS * 1000:.0f} ms", FAR_IN_FLIGHT, ">= 10")


def _rates(server: Server, where: str, in_flight: int, target: str) -> Iterator[Row]:
    threads = _official_threads(server)
    walls = [asyncio.run(_ours(server, CALLS * 10, in_flight)).wall for _ in range(3)]
    ours = 1e6 / statistics.median(walls)
    yield Row(f"official sync client, {THREADS} threads, {where}", threads, "calls/s")
    yield Row(
        f"sgsweep, {in_flight} in flight, {where}", ours, "calls/s", ours / threads, target, "its threads"
    )


def run() -> list[Row]:
    """Return the table; one line that says why, where nginx is missing."""
    if shutil.which("nginx") is None:
        return [Row("a call: skipped, nginx is not installed (Debian package nginx)", 0.0, "")]
    return [*_cpu_rows(), *_rate_rows()]


if __name__ == "__main__":
    show(run())
