# The hub's roles enter sgsweep's own roles and nothing else.

mock_provider "alicloud" {}

run "no_operators_no_command_role" {
  command = apply

  assert {
    condition     = toset(keys(alicloud_ram_role.this)) == toset(["function", "judge"])
    error_message = "A role that nobody may assume is not made."
  }
}

run "roles" {
  command = apply
  variables {
    operator_arns = ["acs:ram::1234567890123456:user/alice"]
  }

  assert {
    condition = { for key, policy in alicloud_ram_policy.this : key => jsondecode(policy.policy_document).Statement[0].Resource } == {
      command  = ["acs:ram::*:role/sgsweep-read", "acs:ram::*:role/sgsweep-remediate"]
      function = ["acs:ram::*:role/sgsweep-remediate"]
      judge    = ["acs:ram::*:role/sgsweep-read"]
    }
    error_message = "Each may assume the roles that it needs, of this installation, and no other."
  }
  assert {
    condition     = jsondecode(alicloud_ram_role.this["function"].assume_role_policy_document).Statement[0].Principal == { Service = ["fc.aliyuncs.com"] }
    error_message = "Function Compute may assume the function's role."
  }
  assert {
    condition     = jsondecode(alicloud_ram_role.this["command"].assume_role_policy_document).Statement[0].Principal == { RAM = ["acs:ram::1234567890123456:user/alice"] }
    error_message = "Only the operators may assume the command's role."
  }
}

run "another_installation" {
  command = apply
  variables {
    prefix = "sgsweep-b"
  }

  assert {
    condition     = jsondecode(alicloud_ram_policy.this["judge"].policy_document).Statement[0].Resource == ["acs:ram::*:role/sgsweep-b-read"]
    error_message = "It enters by its own roles."
  }
}

run "a_whole_account_is_refused" {
  command = plan
  variables {
    operator_arns = ["acs:ram::1234567890123456:root"]
  }
  expect_failures = [var.operator_arns]
}
