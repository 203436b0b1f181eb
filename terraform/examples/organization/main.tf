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
  description = "The security account: it becomes a delegated administrator of Cloud Config."
  type        = string
}

variable "security_role_arn" {
  description = "The role by which Terraform works in the security account."
  type        = string
}

variable "folder_ids" {
  description = "The Resource Directory's root folder (r-…), or the folders to cover, as a list."
  type        = list(string)
}

variable "external_id" {
  description = "A random text of your own, for instance of `openssl rand -hex 24`."
  type        = string
  sensitive   = true
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

  account_id        = var.security_account_id
  service_principal = "config.aliyuncs.com"
}

resource "alicloud_config_aggregator" "organization" {
  aggregator_name = "sgsweep"
  aggregator_type = "RD"
  description     = "Every account of the Resource Directory."

  depends_on = [alicloud_resource_manager_delegated_administrator.config]
}

module "hub" {
  source = "../../hub"

  operator_arns = var.operator_arns
}

module "members" {
  source    = "../../member/stack-group"
  providers = { alicloud = alicloud.management }

  trusted_role_arns = module.hub.trusted_role_arns
  external_id       = var.external_id
  folder_ids        = var.folder_ids
  region_id         = var.region_id
}

module "management" {
  source    = "../../member"
  providers = { alicloud = alicloud.management }

  trusted_role_arns = module.hub.trusted_role_arns
  external_id       = var.external_id
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
  function_role = module.hub.function_role
  organization = {
    aggregator_id = alicloud_config_aggregator.organization.id
    member_role   = module.members.remediation_role_name
  }
  external_id = var.external_id
}

output "remediation" {
  description = "The functions, the rules, the log, the ledger, the dead letter."
  value       = module.remediation
}

output "command" {
  description = "For config.toml: the roles, and the role to run the command under."
  value = {
    role             = module.members.read_role_name
    remediation_role = module.members.remediation_role_name
    command_role_arn = module.hub.command_role_arn
  }
}
