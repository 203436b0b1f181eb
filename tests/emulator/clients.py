"""The official clients, pointed at an emulator and otherwise unchanged."""

from __future__ import annotations

import logging
from typing import Any

from alibabacloud_actiontrail20200706.client import Client as ActionTrailClient
from alibabacloud_alb20200616.client import Client as AlbClient
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_nlb20220430.client import Client as NlbClient
from alibabacloud_resourcecenter20221201.client import Client as ResourceCenterClient
from alibabacloud_resourcedirectorymaster20220419.client import Client as DirectoryClient
from alibabacloud_resourcemanager20200331.client import Client as ResourceManagerClient
from alibabacloud_slb20140515.client import Client as SlbClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428.client import Client as VpcClient

from orchestrator.emulator import Emulator, Keys

# Importing the clients puts a DEBUG handler on this logger, which would write every request to stderr.
logging.getLogger("darabonba-core").handlers.clear()


class Official:
    """Makes official clients for an emulator. `tls` speaks HTTPS; `v2` signs with HMAC-SHA1."""

    def __init__(self, emulator: Emulator, *, tls: bool = False, v2: bool = False) -> None:
        self.emulator = emulator
        self._tls = tls
        self._v2 = v2

    def config(self, keys: Keys | None = None) -> Any:
        """What any official client is made of."""
        keys = keys or self.emulator.hub_credentials
        url = self.emulator.https_url if self._tls else self.emulator.http_url
        scheme, _, endpoint = url.partition("://")
        return Config(
            access_key_id=keys.access_key_id,
            access_key_secret=keys.access_key_secret,
            security_token=keys.security_token or None,
            endpoint=endpoint,
            protocol=scheme,
            region_id="cn-hangzhou",
            signature_algorithm="v2" if self._v2 else None,
        )

    def ecs(self, keys: Keys | None = None) -> Any:
        """ECS 2014-05-26."""
        return EcsClient(self.config(keys))

    def nlb(self, keys: Keys | None = None) -> Any:
        """NLB 2022-04-30."""
        return NlbClient(self.config(keys))

    def alb(self, keys: Keys | None = None) -> Any:
        """ALB 2020-06-16."""
        return AlbClient(self.config(keys))

    def slb(self, keys: Keys | None = None) -> Any:
        """SLB (classic balancers) 2014-05-15."""
        return SlbClient(self.config(keys))

    def vpc(self, keys: Keys | None = None) -> Any:
        """VPC 2016-04-28."""
        return VpcClient(self.config(keys))

    def actiontrail(self, keys: Keys | None = None) -> Any:
        """ActionTrail 2020-07-06."""
        return ActionTrailClient(self.config(keys))

    def resource_center(self, keys: Keys | None = None) -> Any:
        """ResourceCenter 2022-12-01."""
        return ResourceCenterClient(self.config(keys))

    def sts(self, keys: Keys | None = None) -> Any:
        """STS 2015-04-01."""
        return StsClient(self.config(keys))

    def manager(self, keys: Keys | None = None) -> Any:
        """ResourceManager 2020-03-31."""
        return ResourceManagerClient(self.config(keys))

    def directory(self, keys: Keys | None = None) -> Any:
        """ResourceDirectoryMaster 2022-04-19."""
        return DirectoryClient(self.config(keys))
