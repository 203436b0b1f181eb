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
    condition     = alltrue([for one in alicloud_ros_stack_instances.members : one.region_ids == tolist(["cn-shanghai"])])
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
      one.Properties.AssumeRolePolicyDocument.Statement[0].Condition.StringEquals["sts:ExternalId"] == ["an-external-id"]
    ])
    error_message = "Each role asks for the external id."
  }
  assert {
    condition     = length(alicloud_ros_stack_group.roles.parameters) == 0
    error_message = "No parameter: a hidden one is read back as asterisks, and everything would be rolled out at each apply."
  }
}

run "a_resource_for_each_folder" {
  command = apply
  variables {
    folder_ids = ["fd-shop", "fd-bank"]
  }

  assert {
    condition     = { for key, one in alicloud_ros_stack_instances.members : key => one.deployment_targets[0].rd_folder_ids } == { fd-shop = tolist(["fd-shop"]), fd-bank = tolist(["fd-bank"]) }
    error_message = "A folder more is one more of them."
  }
}

run "the_root_folder_alone" {
  command = plan
  variables {
    folder_ids = ["r-AbCdEf", "fd-shop"]
  }
  expect_failures = [var.folder_ids]
}
