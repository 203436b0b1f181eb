# For one account: safe until the user says otherwise, every part wired to the right other part.

mock_provider "alicloud" {
  mock_data "alicloud_caller_identity" {
    defaults = { account_id = "1234567890123456" }
  }
}

variables {
  region_id = "cn-shanghai"
  zip_path  = "versions.tf" # any file: only its hash counts
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
