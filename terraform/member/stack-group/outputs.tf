output "stack_group_name" {
  description = "Where to see which member has the roles: ROS, stack groups."
  value       = alicloud_ros_stack_group.roles.stack_group_name
}

output "read_role_name" {
  description = "For [organization] role in config.toml."
  value       = "${var.prefix}-read"
}

output "remediation_role_name" {
  description = "For [organization] remediation_role in config.toml, and the function's SGSWEEP_REMEDIATION_ROLE."
  value       = "${var.prefix}-remediate"
}
