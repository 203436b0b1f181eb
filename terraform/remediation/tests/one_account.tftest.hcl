# For one account: safe until the user says otherwise, every part wired to the right other part.

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
  region_id = "cn-shanghai"
  zip_path  = "versions.tf" # any file

  action_policy_id     = "security-on-call"
  alarm_contact_groups = ["security"]
  lock_days            = 0
}

run "safe_by_default" {
  command = apply

  assert {
    condition     = alltrue([for one in alicloud_config_remediation.this : one.invoke_type == "MANUAL_EXECUTION"])
    error_message = "A person starts a remediation until the user says otherwise."
  }
  assert {
    condition     = local.acting.SGSWEEP_MODE == "plan"
    error_message = "The function only plans until the user says otherwise."
  }
  assert {
    condition     = length(module.on_event) == 0 && length(alicloud_event_bridge_rule.changes) == 0
    error_message = "Nothing reacts to events until the user says so."
  }
}

run "wired" {
  command = apply
  variables {
    event_path = true
  }

  assert {
    condition     = alltrue([for one in alicloud_config_remediation.this : one.remediation_template_id == module.remediate.arn])
    error_message = "Both rules are remedied by the remediating function."
  }
  assert {
    condition     = alicloud_config_rule.this["custom"].source_identifier == module.evaluate.arn
    error_message = "The custom rule asks the judging function."
  }
  assert {
    condition     = alicloud_config_rule.this["managed"].source_identifier == "sg-risky-ports-check"
    error_message = "The managed rule is the tutorial's."
  }
  assert {
    condition     = one(alicloud_event_bridge_rule.changes[0].targets).endpoint == module.on_event[0].arn
    error_message = "Events go to the function for events."
  }
  assert {
    condition     = toset(split(",", local.acting.SGSWEEP_CONFIG_RULES)) == toset([for rule in alicloud_config_rule.this : rule.config_rule_id])
    error_message = "The function knows which rules to evaluate again."
  }
  assert {
    condition     = !contains(keys(local.judging), "SGSWEEP_LEDGER")
    error_message = "The judging function has no ledger: it cannot change anything."
  }
  assert {
    condition     = alicloud_event_bridge_rule.changes[0].targets[0].dead_letter_queue != null && contains([for one in alicloud_event_bridge_rule.changes[0].targets[0].param_list : "${one.resource_key}=${coalesce(one.value, "-")}"], "InvocationType=Async")
    error_message = "Events are delivered asynchronously, so that retries and dead letter apply."
  }
  assert {
    condition     = strcontains(alicloud_event_bridge_rule.changes[0].filter_pattern, "ModifySecurityGroupPolicy")
    error_message = "A group whose rules for its own members were opened is looked at as well."
  }
}

run "the_judge_may_change_nothing" {
  command = apply

  assert {
    condition     = !strcontains(alicloud_ram_policy.this["judge-groups"].policy_document, "ecs:Revoke") && !strcontains(alicloud_ram_policy.this["judge-groups"].policy_document, "ecs:Authorize")
    error_message = "Who only judges runs under a role that only reads."
  }
  assert {
    condition     = !strcontains(alicloud_ram_policy.this["judge-around"].policy_document, "oss:PutObject")
    error_message = "Who only judges writes no ledger."
  }
}

run "nobody_told_is_refused" {
  command = plan
  variables {
    action_policy_id     = "sls.builtin.dynamic"
    alarm_contact_groups = []
  }
  expect_failures = [var.action_policy_id, var.alarm_contact_groups]
}

run "a_lock_of_half_a_day_is_refused" {
  command = plan
  variables {
    lock_days = 0.5
  }
  expect_failures = [var.lock_days]
}

run "more_instances_than_a_region_has_are_refused" {
  command = plan
  variables {
    reserved_concurrency = 7
  }
  expect_failures = [var.reserved_concurrency]
}

run "a_wrong_mode_is_refused" {
  command = plan
  variables {
    mode = "aply"
  }
  expect_failures = [var.mode]
}

run "a_wrong_invoke_type_is_refused" {
  command = plan
  variables {
    invoke_type = "Automatic"
  }
  expect_failures = [var.invoke_type]
}

run "wrong_ports_are_refused" {
  command = plan
  variables {
    ports = "22, 3389"
  }
  expect_failures = [var.ports]
}

run "a_runtime_without_wheels_is_refused" {
  command = plan
  variables {
    runtime = "python3.11"
  }
  expect_failures = [var.runtime]
}

run "what_is_usual_is_not_said" {
  command = apply

  assert {
    condition     = !anytrue([for key in ["SGSWEEP_OSS_NETWORK", "SGSWEEP_RULE_COUNT", "SGSWEEP_BALANCERS", "SGSWEEP_ACCOUNTS"] : contains(keys(local.acting), key)])
    error_message = "There are 4 KB for all variables."
  }
}

run "what_is_not_usual_is_said_to_every_function" {
  command = apply
  variables {
    oss_network = "public"
    rule_count  = "ignore"
    balancers   = "required"
  }

  assert {
    condition     = alltrue([for one in [local.judging, local.acting] : one.SGSWEEP_OSS_NETWORK == "public" && one.SGSWEEP_RULE_COUNT == "ignore" && one.SGSWEEP_BALANCERS == "required"])
    error_message = "Whoever judges and whoever acts read and judge alike."
  }
}

run "other_words_are_refused" {
  command = plan
  variables {
    oss_network = "vpc"
    rule_count  = "yes"
    balancers   = "never"
  }
  expect_failures = [var.oss_network, var.rule_count, var.balancers]
}

run "the_usual_budget" {
  command = apply

  assert {
    condition     = tonumber(local.acting.SGSWEEP_MAX_CHANGES) >= 50 && !contains(keys(local.acting), "SGSWEEP_MAX_CHANGES_IN_ALL")
    error_message = "At least 50 changes in an account, and more in all: what the function takes by itself."
  }
}
