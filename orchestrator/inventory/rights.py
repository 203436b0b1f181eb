"""What reading needs: the RAM action of every call that this room makes."""

from __future__ import annotations

from accounts.ram import Allow, session_policy

# to read one group anew, with the lists that its rules name and what else stands on its interfaces
GROUP_ACTIONS = (
    "ecs:DescribeSecurityGroupAttribute",
    "ecs:DescribeSecurityGroups",
    "ecs:DescribePrefixListAttributes",
    "ecs:DescribePortRangeListEntries",
    "ecs:DescribeNetworkInterfaces",
)

READ_ACTIONS = (
    *GROUP_ACTIONS,
    "ecs:DescribeRegions",
    "ecs:DescribeInstances",
    "nlb:ListLoadBalancers",
    "nlb:ListListeners",
    "alb:ListLoadBalancers",
    "alb:ListListeners",
)

# of the hub's own credentials, to hear Resource Center; a run without them says that it had no second witness
HUB_ACTIONS = (
    "resourcecenter:SearchMultiAccountResources",
    "resourcecenter:GetMultiAccountResourceCounts",
)


def read_policy() -> str:
    """Return the session policy of who only reads, whatever the role may do."""
    return session_policy([Allow(READ_ACTIONS)])
