# What the functions may do: one role acts, the other only judges. The judging one is the custom rule's, and everybody's
# as long as mode is "plan". In an organization both enter the members by sgsweep's own roles there (the hub module's
# policies) and may do nothing in the security groups of their own account. In one account: read, or read and change,
# its security groups.

module "policies" {
  source = "../member/policies"
}

locals {
  roles = {
    function = { given = var.function_role, does = "changes security groups" }
    judge    = { given = var.judge_role, does = "judges security groups and changes nothing" }
  }
  function = var.function_role != null ? var.function_role : local.made.function
  judge    = var.judge_role != null ? var.judge_role : local.made.judge
  made = {
    for key in keys(local.roles) : key => {
      name = try(alicloud_ram_role.function[key].role_name, null)
      arn  = try(alicloud_ram_role.function[key].arn, null)
    }
  }

  bucket = "acs:oss:*:*:${module.records.bucket}"
  # around the work of both
  both = [
    {
      Effect   = "Allow"
      Action   = ["log:PostLogStoreLogs"]
      Resource = ["acs:log:${var.region_id}:${local.account_id}:project/${module.records.project}/logstore/${module.records.logstore}"]
    },
    {
      Effect   = "Allow"
      Action   = ["mns:SendMessage"]
      Resource = ["${local.queue}/messages"]
    },
  ]
  exempting = local.exemptions_object ? [{ Effect = "Allow", Action = ["oss:GetObject"], Resource = ["${local.bucket}/exemptions/*"] }] : []
  # whose group it is: an id that is not in the directory, or not in the list, is never entered
  directory = var.organization == null || length(var.account_ids) > 0 ? [] : [{ Effect = "Allow", Action = ["resourcemanager:ListAccounts", "resourcemanager:GetResourceDirectory"], Resource = ["*"] }]
  ledger = [
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
      Action   = [var.organization == null ? "config:StartConfigRuleEvaluation" : "config:StartAggregateConfigRuleEvaluation"]
      Resource = ["*"]
    },
  ]
  # a test event's arrival is told whatever the mode
  arriving  = var.event_path ? [{ Effect = "Allow", Action = ["oss:PutObject"], Resource = ["${local.bucket}/ledger/arrivals/*"] }] : []
  answering = [{ Effect = "Allow", Action = ["config:PutEvaluations"], Resource = ["*"] }]

  # as JSON texts, because statements of different shapes are different types
  around = {
    function-around = { role = local.function.name, document = jsonencode({ Version = "1", Statement = concat(local.both, local.exempting, local.directory, local.ledger) }) }
    judge-around    = { role = local.judge.name, document = jsonencode({ Version = "1", Statement = concat(local.both, local.exempting, local.directory, local.arriving, local.answering) }) }
  }
  own = {
    function-groups = { role = local.function.name, document = module.policies.function }
    judge-groups    = { role = local.judge.name, document = module.policies.judge }
  }
  # a role given by the hub module may enter the members already
  enter = merge(
    var.function_role != null ? {} : { function-groups = { role = local.function.name, document = jsonencode({ Version = "1", Statement = [{ Effect = "Allow", Action = ["sts:AssumeRole"], Resource = ["acs:ram::*:role/${local.member.member_role}"] }] }) } },
    var.judge_role != null ? {} : { judge-groups = { role = local.judge.name, document = jsonencode({ Version = "1", Statement = [{ Effect = "Allow", Action = ["sts:AssumeRole"], Resource = ["acs:ram::*:role/${local.member.read_role}"] }] }) } },
  )
  documents = merge(local.around, var.organization == null ? local.own : local.enter)
}

resource "alicloud_ram_role" "function" {
  for_each = { for key, role in local.roles : key => role if role.given == null }

  role_name            = "${var.prefix}-${each.key}"
  description          = "The role of sgsweep's function that ${each.value.does}."
  max_session_duration = 3600
  tags                 = var.tags
  assume_role_policy_document = jsonencode({
    Version   = "1"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = ["fc.aliyuncs.com"] } }]
  })
}

resource "alicloud_ram_policy" "this" {
  for_each = local.documents

  policy_name     = "${var.prefix}-${each.key}"
  description     = endswith(each.key, "-groups") ? "What sgsweep's function may do about security groups." : "What sgsweep's function needs around its work: log, dead letter, ledger, Cloud Config."
  policy_document = each.value.document
  rotate_strategy = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
  tags            = var.tags
}

resource "alicloud_ram_role_policy_attachment" "this" {
  for_each = local.documents

  role_name   = each.value.role
  policy_name = alicloud_ram_policy.this[each.key].policy_name
  policy_type = "Custom"
}
