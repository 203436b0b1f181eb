# For an organization: aggregate rules, members entered by their role.

mock_provider "alicloud" {
  mock_data "alicloud_caller_identity" {
    defaults = { account_id = "1234567890123456" }
  }
  mock_data "alicloud_config_configuration_recorders" {
    defaults = { recorders = [{ account_id = "1234567890123456", status = "REGISTERED" }] }
  }
}

# Its things cannot be destroyed, and a test destroys what it has made.
override_module {
  target  = module.records
  outputs = { bucket = "sgsweep-1234567890123456-cn-shanghai", project = "sgsweep-1234567890123456-cn-shanghai", logstore = "function" }
}

variables {
  region_id     = "cn-shanghai"
  zip_path      = "versions.tf"
  organization  = { aggregator_id = "ca-1", member_role = "sgsweep-remediate", read_role = "sgsweep-read" }
  external_id   = "an-external-id"
  function_role = { name = "sgsweep-function", arn = "acs:ram::1234567890123456:role/sgsweep-function" }
  judge_role    = { name = "sgsweep-judge", arn = "acs:ram::1234567890123456:role/sgsweep-judge" }

  action_policy_id     = "security-on-call"
  alarm_contact_groups = ["security"]
  lock_days            = 180
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
    condition     = local.judging.SGSWEEP_REMEDIATION_ROLE == "sgsweep-read" && nonsensitive(local.judging.SGSWEEP_EXTERNAL_ID) == "an-external-id"
    error_message = "Who judges enters by the role that reads, with the external id."
  }
  assert {
    condition     = local.acting.SGSWEEP_REMEDIATION_ROLE == "sgsweep-read"
    error_message = "So does everybody as long as nothing is to be changed."
  }
  assert {
    condition     = length(alicloud_ram_role.function) == 0 && toset(keys(alicloud_ram_policy.this)) == toset(["function-around", "judge-around"])
    error_message = "The hub's roles are used, and get no right in the hub's own security groups."
  }
}

run "to_change_it_takes_the_other_role" {
  command = apply
  variables {
    mode = "apply"
  }

  assert {
    condition     = local.acting.SGSWEEP_REMEDIATION_ROLE == "sgsweep-remediate" && local.judging.SGSWEEP_REMEDIATION_ROLE == "sgsweep-read"
    error_message = "Only who changes enters by the role that changes."
  }
}

run "its_own_role_may_assume_the_members_role_only" {
  command = apply
  variables {
    function_role = null
    judge_role    = null
  }

  assert {
    condition     = jsondecode(alicloud_ram_policy.this["function-groups"].policy_document).Statement[0].Resource == ["acs:ram::*:role/sgsweep-remediate"]
    error_message = "The function may assume the members' role and no other."
  }
  assert {
    condition     = jsondecode(alicloud_ram_policy.this["judge-groups"].policy_document).Statement[0].Resource == ["acs:ram::*:role/sgsweep-read"]
    error_message = "Who judges may assume the role that reads and no other."
  }
}

run "a_list_of_accounts_takes_the_directorys_place" {
  command = apply
  variables {
    account_ids = ["1111111111111111", "2222222222222222"]
  }

  assert {
    condition     = local.judging.SGSWEEP_ACCOUNTS == "1111111111111111,2222222222222222" && local.acting.SGSWEEP_ACCOUNTS == local.judging.SGSWEEP_ACCOUNTS
    error_message = "Every function knows which accounts it may enter."
  }
  assert {
    condition     = !strcontains(alicloud_ram_policy.this["judge-around"].policy_document, "resourcemanager:") && !strcontains(alicloud_ram_policy.this["function-around"].policy_document, "resourcemanager:")
    error_message = "Who is told the accounts does not ask the directory."
  }
}

run "without_a_list_the_directory_is_asked" {
  command = apply

  assert {
    condition     = !contains(keys(local.judging), "SGSWEEP_ACCOUNTS") && strcontains(alicloud_ram_policy.this["judge-around"].policy_document, "resourcemanager:ListAccounts") && strcontains(alicloud_ram_policy.this["function-around"].policy_document, "resourcemanager:ListAccounts")
    error_message = "Whoever may enter every member must be able to tell who is one."
  }
}

run "an_account_by_its_name_is_refused" {
  command = plan
  variables {
    account_ids = ["shop"]
  }
  expect_failures = [var.account_ids]
}
