# The hub: the account from which the sweep runs, a delegated administrator or the management account. Two roles, both
# of which may assume sgsweep's own roles in the members and no other: the command's, which also discovers the members,
# and the function's, which does not need to.

locals {
  assume = {
    Effect   = "Allow"
    Action   = ["sts:AssumeRole"]
    Resource = ["acs:ram::*:role/sgsweep-*"]
  }
  discover = {
    Effect = "Allow"
    Action = [
      "resourcemanager:GetResourceDirectory",
      "resourcemanager:ListAccounts",
      "resourcemanager:ListFoldersForParent",
    ]
    Resource = ["*"]
  }
  roles = merge(
    length(var.operator_arns) == 0 ? {} : {
      command = {
        does       = "runs the sgsweep command"
        principal  = { RAM = var.operator_arns }
        statements = [local.assume, local.discover]
        seconds    = var.max_session_seconds
      }
    },
    var.function ? {
      function = {
        does       = "runs sgsweep's function"
        principal  = { Service = ["fc.aliyuncs.com"] }
        statements = [local.assume]
        seconds    = 3600
      }
    } : {},
  )
}

resource "alicloud_ram_role" "this" {
  for_each = local.roles

  role_name            = "${var.prefix}-${each.key}"
  description          = "The role that ${each.value.does}."
  max_session_duration = each.value.seconds
  tags                 = var.tags
  assume_role_policy_document = jsonencode({
    Version   = "1"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = each.value.principal }]
  })
}

resource "alicloud_ram_policy" "this" {
  for_each = local.roles

  policy_name     = "${var.prefix}-${each.key}-hub"
  description     = "Lets the role that ${each.value.does} enter the members through sgsweep's own roles."
  policy_document = jsonencode({ Version = "1", Statement = each.value.statements })
  rotate_strategy = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
  tags            = var.tags
}

resource "alicloud_ram_role_policy_attachment" "this" {
  for_each = local.roles

  role_name   = alicloud_ram_role.this[each.key].role_name
  policy_name = alicloud_ram_policy.this[each.key].policy_name
  policy_type = "Custom"
}
