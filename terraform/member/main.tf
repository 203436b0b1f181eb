# The two roles through which sgsweep enters one account: one that reads, one that reads and changes.
# For every member of a Resource Directory use ./stack-group; this module is for one account: the management
# account, which a service-managed stack group never reaches, or an account outside a directory.

module "policies" {
  source = "./policies"
  egress = var.egress
}

locals {
  # in an order that does not tell which of them is in use: to switch changes no role
  external_ids = sort(distinct(concat([var.external_id], var.other_external_ids)))
  trust = jsonencode({
    Version = "1"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { RAM = var.trusted_role_arns }
      Condition = { StringEquals = { "sts:ExternalId" = local.external_ids } }
    }]
  })
  roles = {
    read      = { does = "reads security groups", document = module.policies.read }
    remediate = { does = "reads and changes security group rules", document = module.policies.remediate }
  }
}

resource "alicloud_ram_role" "this" {
  for_each = local.roles

  role_name                   = "${var.prefix}-${each.key}"
  description                 = "sgsweep ${each.value.does} from the hub."
  assume_role_policy_document = local.trust
  max_session_duration        = var.max_session_seconds
  tags                        = var.tags
}

resource "alicloud_ram_policy" "this" {
  for_each = local.roles

  policy_name     = "${var.prefix}-${each.key}"
  description     = "What the role ${var.prefix}-${each.key} may do, and nothing else."
  policy_document = each.value.document
  rotate_strategy = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
  tags            = var.tags
}

resource "alicloud_ram_role_policy_attachment" "this" {
  for_each = local.roles

  role_name   = alicloud_ram_role.this[each.key].role_name
  policy_name = alicloud_ram_policy.this[each.key].policy_name
  policy_type = "Custom"
}
