# The roles of ../ in every member of a Resource Directory: a service-managed ROS stack group gives them to the
# members of today and, by itself, to each new one. Run it as the management account or as a delegated administrator
# of ROS. It never reaches the management account: use ../ there.

module "policies" {
  source = "../policies"
  egress = var.egress
}

locals {
  trust = {
    Version = "1"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { RAM = var.trusted_role_arns }
      Condition = { StringEquals = { "sts:ExternalId" = [{ Ref = "ExternalId" }] } }
    }]
  }
  roles = {
    Read      = { key = "read", does = "reads security groups", statements = module.policies.read_statements }
    Remediate = { key = "remediate", does = "reads and changes security group rules", statements = module.policies.remediate_statements }
  }
  template = {
    ROSTemplateFormatVersion = "2015-09-01"
    Description              = "The roles through which sgsweep enters a member account."
    Parameters = {
      ExternalId = { Type = "String", NoEcho = true, MinLength = 8, MaxLength = 128 }
    }
    Resources = {
      for name, role in local.roles : name => {
        Type = "ALIYUN::RAM::Role"
        Properties = {
          RoleName                 = "${var.prefix}-${role.key}"
          Description              = "sgsweep ${role.does} from the hub."
          AssumeRolePolicyDocument = local.trust
          MaxSessionDuration       = var.max_session_seconds
          # lets a member that leaves lose the role although a policy hangs on it
          DeletionForce = true
          Policies = [{
            PolicyName     = "${var.prefix}-${role.key}"
            PolicyDocument = { Version = "1", Statement = role.statements }
          }]
        }
      }
    }
    Outputs = {
      for name, role in local.roles : "${name}RoleArn" => { Value = { "Fn::GetAtt" = [name, "Arn"] } }
    }
  }
}

resource "alicloud_ros_stack_group" "roles" {
  stack_group_name = "${var.prefix}-member-roles"
  description      = "The roles through which sgsweep enters the members."
  permission_model = "SERVICE_MANAGED"
  template_body    = jsonencode(local.template)
  capabilities     = var.capabilities
  tags             = var.tags

  parameters {
    parameter_key   = "ExternalId"
    parameter_value = var.external_id
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }
}

resource "alicloud_ros_stack_instances" "members" {
  stack_group_name = alicloud_ros_stack_group.roles.stack_group_name
  region_ids       = [var.region_id]

  deployment_targets {
    rd_folder_ids = var.folder_ids
  }

  operation_preferences {
    max_concurrent_count    = var.max_concurrent_accounts
    failure_tolerance_count = var.failure_tolerance_accounts
  }
}
