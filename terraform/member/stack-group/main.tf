# The roles of ../ in every member of a Resource Directory: a service-managed ROS stack group gives them to the
# members of today and, by itself, to each new one. Run it as the management account or as a delegated administrator
# of ROS. It never reaches the management account: use ../ there.

module "policies" {
  source = "../policies"
  egress = var.egress
}

locals {
  # in an order that does not tell which of them is in use: to switch changes no role
  external_ids = sort(distinct(concat([var.external_id], var.other_external_ids)))
  trust = {
    Version = "1"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { RAM = var.trusted_role_arns }
      Condition = { StringEquals = { "sts:ExternalId" = local.external_ids } }
    }]
  }
  roles = {
    Read      = { key = "read", does = "reads security groups", statements = module.policies.read_statements }
    Remediate = { key = "remediate", does = "reads and changes security group rules", statements = module.policies.remediate_statements }
  }
  template = {
    ROSTemplateFormatVersion = "2015-09-01"
    Description              = "The roles through which sgsweep enters a member account."
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

# The external ids stand in the template, as they stand in each role's trust policy: a parameter with NoEcho is read
# back as asterisks, and every apply would roll everything out anew.
resource "alicloud_ros_stack_group" "roles" {
  stack_group_name = "${var.prefix}-member-roles"
  description      = "The roles through which sgsweep enters the members."
  permission_model = "SERVICE_MANAGED"
  template_body    = local.body
  capabilities     = var.capabilities
  tags             = var.tags

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }
}

locals {
  body = jsonencode(local.template)
  # names what is rolled out, and tells nothing of it
  version = nonsensitive(substr(sha256(local.body), 0, 12))
}

# One for each folder: a folder more is one more of these, a folder less one less. (A changed target of one of them
# would only be updated, which gives no role to anybody new.) A new template makes another description, and so another
# roll-out: under these preferences, waited for, with each member's result. ROS's own update of the group has neither.
resource "alicloud_ros_stack_instances" "members" {
  for_each = toset(var.folder_ids)

  stack_group_name      = alicloud_ros_stack_group.roles.stack_group_name
  region_ids            = [var.region_id]
  operation_description = "${var.prefix} roles ${local.version}, attempt ${var.attempt}"
  # what an interrupted roll-out has made already is no error the next time
  deployment_options = ["IgnoreExisting"]

  deployment_targets {
    rd_folder_ids = [each.value]
  }

  operation_preferences {
    max_concurrent_count         = var.max_concurrent_accounts
    failure_tolerance_percentage = var.failure_tolerance_percentage
  }

  # the group works on one folder at a time, and the others wait
  timeouts {
    create = "12h"
    update = "12h"
    delete = "12h"
  }
}

# How it stands with each member, read after the roll-out where there is one.
data "alicloud_ros_stack_instances" "members" {
  stack_group_name = alicloud_ros_stack_group.roles.stack_group_name

  depends_on = [alicloud_ros_stack_instances.members]
}

locals {
  behind = sort([
    for one in data.alicloud_ros_stack_instances.members.instances : one.stack_instance_account_id
    if one.status != "CURRENT" && !contains(var.left_out_account_ids, one.stack_instance_account_id)
  ])
}

# While the external id is being changed, whatever comes after the roles (a function that presents the other one, above
# all) waits until every member accepts both. The provider does not: the plan after a roll-out that failed sees no
# difference.
resource "terraform_data" "rolled_out" {
  input = local.version

  lifecycle {
    precondition {
      condition     = length(local.behind) == 0 || length(var.other_external_ids) == 0
      error_message = "The external id is being changed, and these members have not got it: ${join(", ", local.behind)}. ROS, stack group ${alicloud_ros_stack_group.roles.stack_group_name}, says why. Put it right and apply with attempt raised by one; or go on without them: add them to left_out_account_ids."
    }
  }
}

# A first roll-out that fails in a member leaves nothing old there: it stops nothing, and each plan names the member until
# it is put right. From the first change of the roles on, a member that is behind may keep the old trust or the old
# rights, so no apply succeeds until it has the new ones or is left out; the others, and whatever comes after the roles,
# are done all the same. ROS says OUTDATED of both, and Terraform of neither: the two ids remember which it is.
resource "terraform_data" "version" {
  triggers_replace = local.version
}

resource "terraform_data" "first_version" {
  input = terraform_data.version.id

  lifecycle {
    ignore_changes = [input]
  }
}

resource "terraform_data" "changed" {
  input = terraform_data.version.id

  lifecycle {
    precondition {
      condition     = length(local.behind) == 0 || terraform_data.version.id == terraform_data.first_version.output
      error_message = "The roles have changed, and these members may still have the old ones, with the trust and the rights they had: ${join(", ", local.behind)}. ROS, stack group ${alicloud_ros_stack_group.roles.stack_group_name}, says why. Put it right and apply with attempt raised by one; or go on without them: add them to left_out_account_ids."
    }
  }
}

check "members" {
  assert {
    condition     = length(local.behind) == 0
    error_message = "sgsweep cannot rely on its roles in ${join(", ", local.behind)}: their stacks are not up to date. ROS, stack group ${alicloud_ros_stack_group.roles.stack_group_name}, says why. Put it right and apply with attempt raised by one."
  }
}
