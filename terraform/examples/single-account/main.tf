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
}

output "remediation" {
  description = "The functions, the rules, the log, the ledger, the dead letter."
  value       = module.remediation
}
