# The same for a whole Resource Directory. Two accounts are spoken to: the security account (a delegated administrator
# of Cloud Config, where the aggregator, the rules and the function live) and the management account (which alone may
# delegate, rolls out the members' roles, and gets its own).

terraform {
  required_version = ">= 1.5"
  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = "~> 1.279"
    }
  }
}

variable "region_id" {
  description = "Where the function, its logs, its ledger and the stack group live."
  type        = string
  default     = "cn-shanghai"
}

variable "site" {
  description = "\"china\" or \"international\"."
  type        = string
  default     = "china"
}

variable "security_account_id" {
  description = "The security account: a delegated administrator of Cloud Config."
  type        = string
}

variable "security_role_arn" {
  description = "The role by which Terraform works in the security account."
  type        = string
}

variable "delegate" {
  description = "Whether to make the security account a delegated administrator of Cloud Config; false where it is one already."
  type        = bool
  default     = true
}

variable "folder_ids" {
  description = "The Resource Directory's root folder (r-…), or the folders to cover, as a list."
  type        = list(string)
}

variable "aggregator_id" {
  description = "An account group of Cloud Config that exists already (ca-…) and holds the folders; null makes one of exactly the folders."
  type        = string
  default     = null
}

variable "aggregator_members" {
  description = "How many members Cloud Config allows in an account group; more where a ticket has raised it."
  type        = number
  default     = 200
}

variable "external_id" {
  description = "A random text of your own, for instance of `openssl rand -hex 24`."
  type        = string
  sensitive   = true
}

variable "other_external_ids" {
  description = "External ids that the members accept besides, while it is being changed."
  type        = list(string)
  default     = []
  sensitive   = true
}

variable "left_out_account_ids" {
  description = "Members in which the roles are known to fail: go on without them."
  type        = list(string)
  default     = []
}

variable "attempt" {
  description = "Raise it to have the roles rolled out to every member once more."
  type        = number
  default     = 1
}

variable "operator_arns" {
  description = "Who may run the sgsweep command: ARNs of RAM users or roles of the security account."
  type        = list(string)
  default     = []
}

variable "zip_path" {
  description = "The function's zip: run `make function` first."
  type        = string
  default     = "../../../dist/sgsweep-function-python3.10.zip"
}

variable "ports" {
  description = "The risky ports."
  type        = string
  default     = "22,3389"
}

variable "mode" {
  description = "\"plan\" to look on for a week, then \"apply\"."
  type        = string
  default     = "plan"
}

variable "invoke_type" {
  description = "\"MANUAL_EXECUTION\", or \"AUTO_EXECUTION\" to let Cloud Config start remediations."
  type        = string
  default     = "MANUAL_EXECUTION"
}

variable "event_path" {
  description = "Also act on ActionTrail's events that reach the security account's default bus."
  type        = bool
  default     = false
}

variable "account_ids" {
  description = "The accounts that the function may enter; empty for all that the Resource Directory lists."
  type        = list(string)
  default     = []
}

variable "exemptions" {
  description = "What is let be: a list of objects with id, owner, reason, expires and what they match. See the remediation module."
  type        = any
  default     = []
}

variable "action_policy_id" {
  description = "Your Log Service action policy: who is told of an alarm, and how."
  type        = string
}

variable "alarm_contact_groups" {
  description = "Your Cloud Monitor contact groups: who is told when an event was lost."
  type        = list(string)
}

variable "lock_days" {
  description = "How many days nobody can change or delete what is in the ledger; 0 for none. It cannot be shortened later."
  type        = number
  default     = 180
}

variable "service_linked_roles" {
  description = "With event_path: EventBridge's service-linked roles to make. Leave out those that the account has already."
  type        = list(string)
  default     = ["AliyunServiceRoleForEventBridgeSourceActionTrail", "AliyunServiceRoleForEventBridgeSendToFC", "AliyunServiceRoleForEventBridgeSendToMNS"]
}

variable "prefix" {
  description = "Names begin with it; it begins with sgsweep. Another one makes a second installation beside the first."
  type        = string
  default     = "sgsweep"
}

# Credentials of the management account, from the environment.
provider "alicloud" {
  alias  = "management"
  region = var.region_id
}

provider "alicloud" {
  region = var.region_id
  assume_role {
    role_arn     = var.security_role_arn
    session_name = "sgsweep-terraform"
  }
}

resource "alicloud_resource_manager_delegated_administrator" "config" {
  provider = alicloud.management
  count    = var.delegate ? 1 : 0

  account_id        = var.security_account_id
  service_principal = "config.aliyuncs.com"
}

data "alicloud_resource_manager_delegated_administrators" "config" {
  provider = alicloud.management
  count    = var.delegate ? 0 : 1

  service_principal = "config.aliyuncs.com"

  lifecycle {
    postcondition {
      condition     = contains([for one in self.administrators : one.account_id], var.security_account_id)
      error_message = "The security account ${var.security_account_id} is no delegated administrator of Cloud Config: leave delegate at true, or register it."
    }
  }
}

data "alicloud_resource_manager_accounts" "all" {
  provider = alicloud.management
}

data "alicloud_config_aggregators" "here" {
  depends_on = [alicloud_resource_manager_delegated_administrator.config]
}

locals {
  everywhere = anytrue([for one in var.folder_ids : startswith(one, "r-")])
  # only one account group may hold the whole directory
  global_groups = [
    for one in data.alicloud_config_aggregators.here.aggregators : one.aggregator_id
    if one.aggregator_type == "RD" && one.aggregator_name != var.prefix
  ]
}

# Of exactly the accounts that have the roles: what is found elsewhere could not be looked at.
resource "alicloud_config_aggregator" "organization" {
  count = var.aggregator_id == null ? 1 : 0

  aggregator_name = var.prefix
  aggregator_type = local.everywhere ? "RD" : "FOLDER"
  folder_id       = local.everywhere ? null : join(",", var.folder_ids)
  description     = local.everywhere ? "Every account of the Resource Directory." : "The accounts of the folders ${join(", ", var.folder_ids)}."

  lifecycle {
    precondition {
      condition     = !local.everywhere || length(local.global_groups) == 0
      error_message = "Cloud Config has a global account group already, ${join(", ", local.global_groups)}, and only one may exist: set aggregator_id to it."
    }
    precondition {
      condition     = !local.everywhere || length(data.alicloud_resource_manager_accounts.all.ids) <= var.aggregator_members
      error_message = "The directory has ${length(data.alicloud_resource_manager_accounts.all.ids)} accounts, and an account group of Cloud Config holds ${var.aggregator_members}: cover folders (folder_ids), in several installations (prefix) if need be."
    }
  }

  depends_on = [alicloud_resource_manager_delegated_administrator.config]
}

# An account group of all accounts, roles in some: Cloud Config asks about the others too.
check "covered" {
  assert {
    condition     = var.aggregator_id == null || local.everywhere
    error_message = "The account group ${coalesce(var.aggregator_id, "-")} may hold accounts outside of folder_ids. The function has no role there: it says so for each, and changes nothing. Cover the root folder, or leave aggregator_id out."
  }
}

# Whoever presents an external id that is not accepted yet is shut out everywhere. What is accepted now is read from the
# management account's role, before anything is changed.
data "alicloud_ram_roles" "accepting" {
  provider   = alicloud.management
  name_regex = "^${var.prefix}-read$"

  lifecycle {
    postcondition {
      condition     = alltrue([for one in self.roles : strcontains(one.assume_role_policy_document, var.external_id)])
      error_message = "The members do not accept this external_id yet. Add it to other_external_ids, beside the present external_id, and apply; then make it the external_id."
    }
  }
}

module "hub" {
  source = "../../hub"

  operator_arns = var.operator_arns
  prefix        = var.prefix
}

module "members" {
  source    = "../../member/stack-group"
  providers = { alicloud = alicloud.management }

  trusted_role_arns    = module.hub.trusted_role_arns
  external_id          = var.external_id
  other_external_ids   = var.other_external_ids
  folder_ids           = var.folder_ids
  left_out_account_ids = var.left_out_account_ids
  attempt              = var.attempt
  region_id            = var.region_id
  prefix               = var.prefix
}

module "management" {
  source    = "../../member"
  providers = { alicloud = alicloud.management }

  trusted_role_arns  = module.hub.trusted_role_arns
  external_id        = var.external_id
  other_external_ids = var.other_external_ids
  prefix             = var.prefix
}

locals {
  # The same names there and there. Naming both makes rules and functions wait for both; a depends_on would make
  # Terraform read the account's number only while it applies, and replace everything that is named by it.
  read_role   = one(distinct([module.members.read_role_name, module.management.read_role_name]))
  member_role = one(distinct([module.members.remediation_role_name, module.management.remediation_role_name]))
}

module "remediation" {
  source = "../../remediation"

  region_id     = var.region_id
  site          = var.site
  zip_path      = var.zip_path
  ports         = var.ports
  mode          = var.mode
  invoke_type   = var.invoke_type
  event_path    = var.event_path
  exemptions    = var.exemptions
  prefix        = var.prefix
  function_role = module.hub.function_role
  judge_role    = module.hub.judge_role
  organization = {
    aggregator_id = try(alicloud_config_aggregator.organization[0].id, var.aggregator_id)
    member_role   = local.member_role
    read_role     = local.read_role
  }
  external_id = var.external_id
  account_ids = var.account_ids

  action_policy_id     = var.action_policy_id
  alarm_contact_groups = var.alarm_contact_groups
  lock_days            = var.lock_days
  service_linked_roles = var.service_linked_roles
}

output "remediation" {
  description = "The functions, the rules, the log, the ledger, the dead letter."
  value       = module.remediation
}

output "members" {
  description = "Each member that has a stack of the roles, and how it stands."
  value       = module.members.members
}

output "command" {
  description = "For config.toml: the roles, and the role to run the command under."
  value = {
    role             = local.read_role
    remediation_role = local.member_role
    command_role_arn = module.hub.command_role_arn
  }
}
