# A role is of use once its policy is attached.

output "read_role_name" {
  description = "For [organization] role in config.toml."
  value       = alicloud_ram_role.this["read"].role_name
  depends_on  = [alicloud_ram_role_policy_attachment.this]
}

output "remediation_role_name" {
  description = "For [organization] remediation_role in config.toml, and the function's SGSWEEP_REMEDIATION_ROLE."
  value       = alicloud_ram_role.this["remediate"].role_name
  depends_on  = [alicloud_ram_role_policy_attachment.this]
}

output "role_arns" {
  description = "The ARNs of both roles, by what they do."
  value       = { for key, role in alicloud_ram_role.this : key => role.arn }
}
