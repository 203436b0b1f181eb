# The two permission policies, said once: the module for one account and the stack group for all members share them,
# and so does the function where it works in its own account only. No resources.
#
# RAM's granularity decides the resources: listing, reading and revoking can be limited to security groups, while
# DescribeRegions, the lists, AuthorizeSecurityGroup and ModifySecurityGroupRule match only Resource "*". A policy that
# put them all on securitygroup/* would let a rule be revoked and refuse the replacement that keeps the rest open.
# The account in the resource is "*" because a role can act in its own account only.

locals {
  groups = ["acs:ecs:*:*:securitygroup/*"]
  read = [
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribeSecurityGroups", "ecs:DescribeSecurityGroupAttribute"]
      Resource = local.groups
    },
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribeRegions", "ecs:DescribePrefixListAttributes", "ecs:DescribePortRangeListEntries"]
      Resource = ["*"]
    },
  ]
  change = [
    {
      Effect   = "Allow"
      Action   = ["ecs:RevokeSecurityGroup"]
      Resource = local.groups
    },
    {
      Effect   = "Allow"
      Action   = ["ecs:AuthorizeSecurityGroup", "ecs:ModifySecurityGroupRule"]
      Resource = ["*"]
    },
  ]
}

output "read_statements" {
  description = "The statements of the reading role."
  value       = local.read
}

output "remediate_statements" {
  description = "The statements of the remediating role: all of reading, and the changes."
  value       = concat(local.read, local.change)
}

output "read" {
  description = "The reading role's policy document, JSON."
  value       = jsonencode({ Version = "1", Statement = local.read })
}

output "remediate" {
  description = "The remediating role's policy document, JSON."
  value       = jsonencode({ Version = "1", Statement = concat(local.read, local.change) })
}
