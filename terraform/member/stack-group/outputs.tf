# Whoever uses the roles waits until they are rolled out.

output "stack_group_name" {
  description = "Where to see which member has the roles: ROS, stack groups."
  value       = alicloud_ros_stack_group.roles.stack_group_name
}

output "read_role_name" {
  description = "For [organization] role in config.toml."
  value       = "${var.prefix}-read"
  depends_on  = [terraform_data.rolled_out]
}

output "remediation_role_name" {
  description = "For [organization] remediation_role in config.toml, and the function's SGSWEEP_REMEDIATION_ROLE."
  value       = "${var.prefix}-remediate"
  depends_on  = [terraform_data.rolled_out]
}

output "members" {
  description = "The members that have a stack of the roles, and how it stands: CURRENT or OUTDATED. After a narrowing, whoever is here still has them."
  value       = { for one in data.alicloud_ros_stack_instances.members.instances : one.stack_instance_account_id => one.status }
}
