# The two permission policies, said once: the module for one account and the stack group for all members share them,
# and so does the function where it works in its own account only. No resources.
#
# RAM's granularity decides the resources: listing, reading and revoking can be limited to security groups, while
# DescribeRegions, the lists, AuthorizeSecurityGroup and ModifySecurityGroupRule match only Resource "*". A policy that
# put them all on securitygroup/* would let a rule be revoked and refuse the replacement that keeps the rest open.
# The account in the resource is "*" because a role can act in its own account only.

variable "egress" {
  description = "Whether egress rules may be changed as well; needed only where a check of yours looks at egress."
  type        = bool
  default     = false
}

locals {
  groups   = ["acs:ecs:*:*:securitygroup/*"]
  anywhere = ["*"]
  look = [
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribeSecurityGroups", "ecs:DescribeSecurityGroupAttribute"]
      Resource = local.groups
    },
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribePrefixListAttributes", "ecs:DescribePortRangeListEntries"]
      Resource = local.anywhere
    },
  ]
  # who looks at a whole account; and whether there is the region that an event names
  find = [{
    Effect   = "Allow"
    Action   = ["ecs:DescribeRegions"]
    Resource = local.anywhere
  }]
  # which groups share an interface: what one of them closes, another may let in, and the other way about
  neighbours = [{
    Effect   = "Allow"
    Action   = ["ecs:DescribeNetworkInterfaces"]
    Resource = local.anywhere
  }]
  # what stands behind a group: whether a public address does
  weigh = [{
    Effect   = "Allow"
    Action   = ["ecs:DescribeInstances"]
    Resource = local.anywhere
  }]
  # which groups load balancers joined: there the balancer's rule decides, and an Accept that goes closes nothing
  balancers = [{
    Effect   = "Allow"
    Action   = ["nlb:ListLoadBalancers", "nlb:ListListeners", "alb:ListLoadBalancers", "alb:ListListeners"]
    Resource = local.anywhere
  }]
  close = [
    {
      Effect   = "Allow"
      Action   = concat(["ecs:RevokeSecurityGroup"], var.egress ? ["ecs:RevokeSecurityGroupEgress"] : [])
      Resource = local.groups
    },
    {
      Effect   = "Allow"
      Action   = concat(["ecs:AuthorizeSecurityGroup"], var.egress ? ["ecs:AuthorizeSecurityGroupEgress"] : [])
      Resource = local.anywhere
    },
  ]
  narrow = [{
    Effect   = "Allow"
    Action   = concat(["ecs:ModifySecurityGroupRule"], var.egress ? ["ecs:ModifySecurityGroupEgressRule"] : [])
    Resource = local.anywhere
  }]
  read      = concat(local.look, local.find, local.neighbours, local.weigh, local.balancers)
  remediate = concat(local.read, local.close, local.narrow)
}

output "read_statements" {
  description = "The statements of the reading role."
  value       = local.read
}

output "remediate_statements" {
  description = "The statements of the remediating role: all of reading, and the changes."
  value       = local.remediate
}

output "read" {
  description = "The reading role's policy document, JSON."
  value       = jsonencode({ Version = "1", Statement = local.read })
}

output "remediate" {
  description = "The remediating role's policy document, JSON."
  value       = jsonencode({ Version = "1", Statement = local.remediate })
}

output "function" {
  description = "What the function needs where it works in its own account: it weighs nothing and narrows nothing."
  value       = jsonencode({ Version = "1", Statement = concat(local.look, local.find, local.neighbours, local.balancers, local.close) })
}

output "judge" {
  description = "What the function needs where it works in its own account and only judges."
  value       = jsonencode({ Version = "1", Statement = concat(local.look, local.find, local.balancers) })
}
