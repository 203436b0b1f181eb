"""Whether who applies the modules may do exactly what the provider does: yields what is not as it must be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from tests.terraform.calls import CALLS, PROVIDER
from tests.terraform.cloud import ACCOUNT, Values
from tests.terraform.judgement import actions

# what the modules hand over, enter, and look for among everything of the account
_REACHED = {
    "ram:PassRole": ("acs:ram::{}:role/sgsweep-function", "acs:ram::{}:role/sgsweep-eu-judge"),
    "sts:AssumeRole": ("acs:ram::{}:role/sgsweep-terraform",),
    "oss:ListBuckets": ("acs:oss:oss-cn-shanghai:{}:*",),
    "log:CreateProject": ("acs:log:cn-shanghai:{}:project/sgsweep-eu-1-cn-shanghai",),
    "fc:CreateFunction": ("acs:fc:cn-shanghai:{}:functions/sgsweep-eu-on-event",),
    "oss:GetBucketPolicy": ("acs:oss:oss-cn-shanghai:{}:sgsweep-eu-1-cn-shanghai",),
}


def used(tree: Path) -> set[str]:
    """The resource types, and data sources as "data x", of the modules."""
    text = "\n".join(path.read_text() for path in tree.rglob("*.tf"))
    found = re.findall(r'(?m)^(resource|data) "(alicloud_\w+)"', text)
    return {name if kind == "resource" else f"data {name}" for kind, name in found}


def allows(policy: Values, action: str, arn: str) -> bool:
    """Whether the policy lets the action through on the resource."""
    return any(
        action in statement["Action"] and any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        for statement in policy["Statement"]
    )


def complaints(tree: Path) -> Iterator[str]:
    """Compare operator-policy.json with what the provider calls for the types that are used, both ways."""
    policy: Values = json.loads((tree / "operator-policy.json").read_text())
    types, allowed = used(tree), actions(policy)
    yield from (f"what the provider calls for {one} is not known" for one in sorted(types - CALLS.keys()))
    yield from (f"{one} is not used" for one in sorted(CALLS.keys() - types))
    called = PROVIDER | {action for kind in types & CALLS.keys() for part in CALLS[kind] for action in part}
    yield from (f"{action} is called and not allowed" for action in sorted(called - allowed))
    yield from (f"{action} is allowed and not called" for action in sorted(allowed - called))
    for action, arns in _REACHED.items():
        for arn in (one.format(ACCOUNT) for one in arns):
            if not allows(policy, action, arn):
                yield f"{action} does not reach {arn}"
