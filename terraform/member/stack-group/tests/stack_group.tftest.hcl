# The members' roles by a stack group: the same roles as the module for one account.

mock_provider "alicloud" {}

variables {
  trusted_role_arns = ["acs:ram::1234567890123456:role/sgsweep-command"]
  external_id       = "an-external-id"
  folder_ids        = ["r-AbCdEf"]
  region_id         = "cn-shanghai"
}

run "every_member_now_and_later" {
  command = apply

  assert {
    condition     = alicloud_ros_stack_group.roles.permission_model == "SERVICE_MANAGED" && alicloud_ros_stack_group.roles.auto_deployment[0].enabled
    error_message = "New members get the roles by themselves."
  }
  assert {
    condition     = !alicloud_ros_stack_group.roles.auto_deployment[0].retain_stacks_on_account_removal
    error_message = "A member that leaves loses the roles."
  }
  assert {
    condition     = alicloud_ros_stack_instances.members.region_ids == tolist(["cn-shanghai"])
    error_message = "RAM is global: one region."
  }
}

run "the_roles" {
  command = apply

  assert {
    condition     = toset([for one in jsondecode(alicloud_ros_stack_group.roles.template_body).Resources : one.Properties.RoleName]) == toset(["sgsweep-read", "sgsweep-remediate"])
    error_message = "The template makes the two roles."
  }
  assert {
    condition = alltrue([
      for one in jsondecode(alicloud_ros_stack_group.roles.template_body).Resources :
      one.Properties.AssumeRolePolicyDocument.Statement[0].Condition.StringEquals["sts:ExternalId"] == [{ Ref = "ExternalId" }]
    ])
    error_message = "Each role asks for the external id."
  }
  assert {
    condition     = !strcontains(alicloud_ros_stack_group.roles.template_body, "an-external-id")
    error_message = "The external id is a parameter, not part of the template."
  }
}
