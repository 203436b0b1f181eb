output "function_arns" {
  description = "The functions, by what they do."
  value = merge(
    { remediate = module.remediate.arn, evaluate = module.evaluate.arn },
    var.event_path ? { on_event = module.on_event[0].arn } : {},
  )
}

output "function_role_arn" {
  description = "The role the functions run under: for the member modules' trusted_role_arns."
  value       = local.role.arn
}

output "config_rule_ids" {
  description = "The Cloud Config rules, for ListConfigRuleEvaluationResults and ListRemediationExecutions."
  value       = local.rule_ids
}

output "log" {
  description = "Where the function's log and its audit records are."
  value       = { project = alicloud_log_project.this.project_name, logstore = alicloud_log_store.this.logstore_name }
}

output "ledger" {
  description = "The ledger, as SGSWEEP_LEDGER."
  value       = local.acting.SGSWEEP_LEDGER
}

output "dead_letter_queue" {
  description = "The queue of what could not be worked off."
  value       = alicloud_message_service_queue.dead_letter.queue_name
}
