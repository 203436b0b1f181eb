# For an organization: aggregate rules, members entered by their role.

mock_provider "alicloud" {
  mock_data "alicloud_caller_identity" {
    defaults = { account_id = "1234567890123456" }
  }
}

variables {
  region_id     = "cn-shanghai"
  zip_path      = "versions.tf"
  organization  = { aggregator_id = "ca-1", member_role = "sgsweep-remediate" }
  external_id   = "an-external-id"
  function_role = { name = "sgsweep-function", arn = "acs:ram::1234567890123456:role/sgsweep-function" }
}

run "aggregate_rules_only" {
  command = apply

  assert {
    condition     = length(alicloud_config_rule.this) == 0 && length(alicloud_config_remediation.this) == 0
    error_message = "No rule for one account beside the organization's."
  }
  assert {
    condition = alltrue([
      for one in alicloud_config_aggregate_remediation.this : one.invoke_type == "MANUAL_EXECUTION" && one.aggregator_id == "ca-1"
    ])
    error_message = "A person starts a remediation until the user says otherwise."
  }
  assert {
    condition     = alicloud_config_aggregate_remediation.this["managed"].config_rule_id == alicloud_config_aggregate_config_rule.this["managed"].config_rule_id
    error_message = "The remediation names the rule's own id, not <aggregator>:<rule>."
  }
}

run "the_members_are_entered_by_the_role" {
  command = apply

  assert {
    condition     = local.judging.SGSWEEP_REMEDIATION_ROLE == "sgsweep-remediate" && nonsensitive(local.judging.SGSWEEP_EXTERNAL_ID) == "an-external-id"
    error_message = "The function knows the members' role and its external id."
  }
  assert {
    condition     = length(alicloud_ram_role.function) == 0 && toset(keys(alicloud_ram_policy.this)) == toset(["function"])
    error_message = "The hub's role is used, and gets no right in the hub's own security groups."
  }
}

run "its_own_role_may_assume_the_members_role_only" {
  command = apply
  variables {
    function_role = null
  }

  assert {
    condition     = jsondecode(alicloud_ram_policy.this["groups"].policy_document).Statement[0].Resource == ["acs:ram::*:role/sgsweep-remediate"]
    error_message = "The function may assume the members' role and no other."
  }
}
