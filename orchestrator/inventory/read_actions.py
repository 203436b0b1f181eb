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


# of the account's own identity, to judge without trying what a role may change; nothing else needs them
JUDGE_ACTIONS = ("ram:ListPoliciesForRole", "ram:GetPolicy")

# of the hub's own credentials, for the same: what the directory's control policies forbid
CONTROL_ACTIONS = (
    "resourcemanager:GetResourceDirectory",
    "resourcemanager:ListControlPolicyAttachmentsForTarget",
    "resourcemanager:GetControlPolicy",
)


def examine_policy() -> str:
    """Return the session policy of the doctor: reading, and reading what the account's roles may do."""
    return session_policy([Allow((*READ_ACTIONS, *JUDGE_ACTIONS))])


def group_policy() -> str:
    """Return the session policy of who reads as much as a change needs, and nothing else."""
    return session_policy([Allow(GROUP_ACTIONS)])


def read_policy() -> str:
    """Return the session policy of who only reads, whatever the role may do."""
    return session_policy([Allow(READ_ACTIONS)])
