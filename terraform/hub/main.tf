# The hub: the account from which the sweep runs, a delegated administrator or the management account. Three roles,
# each of which may assume sgsweep's own roles in the members and no other: the command's, which also discovers the
# members; the function's, which changes; and the judge's, which can only enter by the role that reads.

locals {
  reading  = ["acs:ram::*:role/${var.prefix}-read"]
  changing = ["acs:ram::*:role/${var.prefix}-remediate"]
  # whose an account is that an event names
  ours      = ["resourcemanager:ListAccounts", "resourcemanager:GetResourceDirectory"]
  directory = ["resourcemanager:GetResourceDirectory", "resourcemanager:ListAccounts", "resourcemanager:ListFoldersForParent"]
  # the second witness of what there is; where Resource Center is not enabled it changes nothing
  witness  = ["resourcecenter:SearchMultiAccountResources", "resourcecenter:GetMultiAccountResourceCounts"]
  platform = { Service = ["fc.aliyuncs.com"] }
  roles = merge(
    length(var.operator_arns) == 0 ? {} : {
      command = {
        does      = "runs the sgsweep command"
        principal = { RAM = var.operator_arns }
        enters    = concat(local.reading, local.changing)
        discovers = concat(local.directory, local.witness)
        seconds   = var.max_session_seconds
      }
    },
    var.function ? {
      function = {
        does      = "runs sgsweep's function"
        principal = local.platform
        enters    = local.changing
        discovers = local.ours
        seconds   = 3600
      }
      judge = {
        does      = "runs sgsweep's function where it only judges"
        principal = local.platform
        enters    = local.reading
        discovers = local.ours
        seconds   = 3600
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

  policy_name = "${var.prefix}-${each.key}-hub"
  description = "Lets the role that ${each.value.does} enter the members through sgsweep's own roles."
  policy_document = jsonencode({
    Version = "1"
    Statement = concat(
      [
        { Effect = "Allow", Action = ["sts:AssumeRole"], Resource = each.value.enters },
        { Effect = "Allow", Action = each.value.discovers, Resource = ["*"] },
      ],
      # how the command learns that its test event has reached the function
      each.key != "command" ? [] : [
        { Effect = "Allow", Action = ["oss:GetObject"], Resource = ["acs:oss:*:*:${var.prefix}-*/ledger/arrivals/*"] },
      ],
    )
  })
  rotate_strategy = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
  tags            = var.tags
}

resource "alicloud_ram_role_policy_attachment" "this" {
  for_each = local.roles

  role_name   = alicloud_ram_role.this[each.key].role_name
  policy_name = alicloud_ram_policy.this[each.key].policy_name
  policy_type = "Custom"
}
