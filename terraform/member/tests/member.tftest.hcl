# One account's roles: entered by the hub's roles only, with the external id.

mock_provider "alicloud" {}

variables {
  trusted_role_arns = ["acs:ram::1234567890123456:role/sgsweep-command", "acs:ram::1234567890123456:role/sgsweep-function"]
  external_id       = "an-external-id"
}

run "trust" {
  command = apply

  assert {
    condition = alltrue([
      for role in alicloud_ram_role.this : jsonencode(jsondecode(role.assume_role_policy_document).Statement) == jsonencode([{
        Action    = "sts:AssumeRole"
        Effect    = "Allow"
        Principal = { RAM = var.trusted_role_arns }
        Condition = { StringEquals = { "sts:ExternalId" = ["an-external-id"] } }
      }])
    ])
    error_message = "Each role trusts the hub's roles, and asks for the external id."
  }
  assert {
    condition     = output.read_role_name == "sgsweep-read" && output.remediation_role_name == "sgsweep-remediate"
    error_message = "The roles have the names that the hub may assume."
  }
  assert {
    condition     = alicloud_ram_role_policy_attachment.this["read"].policy_name == "sgsweep-read"
    error_message = "The reading role has the reading policy."
  }
}

run "two_external_ids_while_it_is_changed" {
  command = apply
  variables {
    other_external_ids = ["a-newer-external-id"]
  }

  assert {
    condition     = alltrue([for role in alicloud_ram_role.this : jsondecode(role.assume_role_policy_document).Statement[0].Condition.StringEquals["sts:ExternalId"] == ["a-newer-external-id", "an-external-id"]])
    error_message = "Both are accepted, in an order that does not tell which is in use."
  }
}

run "a_whole_account_is_refused" {
  command = plan
  variables {
    trusted_role_arns = ["acs:ram::1234567890123456:root"]
  }
  expect_failures = [var.trusted_role_arns]
}

run "nobody_is_refused" {
  command = plan
  variables {
    trusted_role_arns = []
  }
  expect_failures = [var.trusted_role_arns]
}

run "a_short_external_id_is_refused" {
  command = plan
  variables {
    external_id = "short"
  }
  expect_failures = [var.external_id]
}

run "a_foreign_prefix_is_refused" {
  command = plan
  variables {
    prefix = "admin"
  }
  expect_failures = [var.prefix]
}
