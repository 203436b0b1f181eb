output "function_arns" {
  description = "The functions, by what they do."
  value = merge(
    { remediate = module.remediate.arn, evaluate = module.evaluate.arn },
    var.event_path ? { on_event = module.on_event[0].arn } : {},
  )
}

output "function_role_arns" {
  description = "The roles the functions run under: for the member modules' trusted_role_arns."
  value       = [local.function.arn, local.judge.arn]
}

output "config_rule_ids" {
  description = "The Cloud Config rules, for ListConfigRuleEvaluationResults and ListRemediationExecutions."
  value       = local.rule_ids
}

output "log" {
  description = "Where the function's log and its audit records are."
  value       = { project = module.records.project, logstore = module.records.logstore }
}

output "ledger" {
  description = "The ledger, as SGSWEEP_LEDGER."
  value       = local.acting.SGSWEEP_LEDGER
}

output "dead_letter_queue" {
  description = "The queue of what could not be worked off."
  value       = alicloud_message_service_queue.dead_letter.queue_name
}

output "kept" {
  description = "What `terraform destroy` never removes, and what holds its state: see the README, \"The end\"."
  value       = { bucket = module.records.bucket, project = module.records.project, locked_days = var.lock_days }
}

output "alarm_test" {
  description = "Run it after apply: the function refuses what is no event, which raises the alarm. Who should be told is told within 5 minutes, or the action policy is wrong."
  value       = "aliyun fc InvokeFunction --region ${var.region_id} --functionName ${module.remediate.name} --body 'this is a test of the alarm'"
}

output "event_test" {
  description = "With event_path: run it after apply; it makes an event by a call that is sure to fail, and says whether it has reached the function. null without."
  value       = var.event_path ? "sgsweep accounts --check --events ${local.acting.SGSWEEP_LEDGER}" : null
}
