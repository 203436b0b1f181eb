# What the function may do. In an organization: assume sgsweep's role in the members (the hub module's policy), and
# nothing in the security groups of its own account. In one account: read and change its security groups.

module "policies" {
  source = "../member/policies"
}

locals {
  role = var.function_role != null ? var.function_role : {
    name = alicloud_ram_role.function[0].role_name
    arn  = alicloud_ram_role.function[0].arn
  }
  assume = [{
    Effect   = "Allow"
    Action   = ["sts:AssumeRole"]
    Resource = ["acs:ram::*:role/${local.member.member_role}"]
  }]
  bucket = "acs:oss:*:*:${alicloud_oss_bucket.ledger.bucket}"
  own = [
    {
      Effect   = "Allow"
      Action   = ["log:PostLogStoreLogs"]
      Resource = ["acs:log:${var.region_id}:${local.account_id}:project/${alicloud_log_project.this.project_name}/logstore/${alicloud_log_store.this.logstore_name}"]
    },
    {
      Effect   = "Allow"
      Action   = ["mns:SendMessage"]
      Resource = ["${local.queue}/messages"]
    },
    {
      Effect   = "Allow"
      Action   = ["oss:PutObject", "oss:GetObject"]
      Resource = ["${local.bucket}/ledger/*"]
    },
    {
      Effect    = "Allow"
      Action    = ["oss:ListObjects"]
      Resource  = [local.bucket]
      Condition = { StringLike = { "oss:Prefix" = ["ledger/*"] } }
    },
    {
      Effect   = "Allow"
      Action   = ["config:PutEvaluations", var.organization == null ? "config:StartConfigRuleEvaluation" : "config:StartAggregateConfigRuleEvaluation"]
      Resource = ["*"]
    },
  ]
}

resource "alicloud_ram_role" "function" {
  count = var.function_role == null ? 1 : 0

  role_name            = "${var.prefix}-function"
  description          = "The role that sgsweep's function runs under."
  max_session_duration = 3600
  tags                 = var.tags
  assume_role_policy_document = jsonencode({
    Version   = "1"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = ["fc.aliyuncs.com"] } }]
  })
}

locals {
  around = { function = jsonencode({ Version = "1", Statement = local.own }) }
  # as JSON texts, because statements of different shapes are different types
  groups = merge(
    var.organization == null ? { groups = module.policies.function } : {},
    # a role given by the hub module may enter the members already
    var.organization != null && var.function_role == null ? { groups = jsonencode({ Version = "1", Statement = local.assume }) } : {},
  )
}

resource "alicloud_ram_policy" "this" {
  for_each = merge(local.around, local.groups)

  policy_name     = "${var.prefix}-function-${each.key}"
  description     = each.key == "groups" ? "What sgsweep's function may do about security groups." : "What sgsweep's function needs around its work: log, ledger, dead letter, Cloud Config."
  policy_document = each.value
  rotate_strategy = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
  tags            = var.tags
}

resource "alicloud_ram_role_policy_attachment" "this" {
  for_each = merge(local.around, local.groups)

  role_name   = local.role.name
  policy_name = alicloud_ram_policy.this[each.key].policy_name
  policy_type = "Custom"
}
