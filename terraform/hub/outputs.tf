# What may enter waits for what it may do.

output "command_role_arn" {
  description = "The role to run the command under; null without operators."
  value       = try(alicloud_ram_role.this["command"].arn, null)
  depends_on  = [alicloud_ram_role_policy_attachment.this]
}

output "function_role" {
  description = "For the remediation module's function_role; null where not asked for."
  value       = var.function ? { name = alicloud_ram_role.this["function"].role_name, arn = alicloud_ram_role.this["function"].arn } : null
  depends_on  = [alicloud_ram_role_policy_attachment.this]
}

output "judge_role" {
  description = "For the remediation module's judge_role; null where not asked for."
  value       = var.function ? { name = alicloud_ram_role.this["judge"].role_name, arn = alicloud_ram_role.this["judge"].arn } : null
  depends_on  = [alicloud_ram_role_policy_attachment.this]
}

output "trusted_role_arns" {
  description = "For the member modules: the roles that may enter."
  value       = [for role in alicloud_ram_role.this : role.arn]
}
