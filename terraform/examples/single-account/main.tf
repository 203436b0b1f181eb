# The tutorial's system for one account, done right: the managed rule, its remediation by a function, and what keeps
# them honest. Changes nothing until mode is "apply".

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
  description = "Where the function, its logs and its ledger live. Cloud Config watches every region."
  type        = string
  default     = "cn-shanghai"
}

variable "site" {
  description = "\"china\" or \"international\"."
  type        = string
  default     = "china"
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
  description = "Also act on ActionTrail's events, within seconds."
  type        = bool
  default     = false
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
  default     = 0
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

provider "alicloud" {
  region = var.region_id
}

module "remediation" {
  source = "../../remediation"

  region_id   = var.region_id
  site        = var.site
  zip_path    = var.zip_path
  ports       = var.ports
  mode        = var.mode
  invoke_type = var.invoke_type
  event_path  = var.event_path
  exemptions  = var.exemptions
  prefix      = var.prefix

  action_policy_id     = var.action_policy_id
  alarm_contact_groups = var.alarm_contact_groups
  lock_days            = var.lock_days
  service_linked_roles = var.service_linked_roles
}

output "remediation" {
  description = "The functions, the rules, the log, the ledger, the dead letter."
  value       = module.remediation
}
