variable "trusted_role_arns" {
  description = "ARNs of the roles that may enter the members: the hub module's trusted_role_arns."
  type        = list(string)

  validation {
    condition     = length(var.trusted_role_arns) > 0 && alltrue([for arn in var.trusted_role_arns : !endswith(arn, ":root")])
    error_message = "trusted_role_arns names the hub's roles, at least one, and no whole account (…:root)."
  }
}

variable "external_id" {
  description = "The random text that the hub must present (sts:ExternalId), 8 to 128 characters."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@:/_-]{8,128}$", var.external_id))
    error_message = "external_id is 8 to 128 letters, digits or + = , . @ : / _ - ."
  }
}

variable "egress" {
  description = "Whether sgsweep may change egress rules as well; needed only where a check of yours looks at egress."
  type        = bool
  default     = false
}

variable "prefix" {
  description = "Names begin with it; it begins with sgsweep."
  type        = string
  default     = "sgsweep"

  validation {
    condition     = can(regex("^sgsweep(-[a-z0-9]+)*$", var.prefix)) && length(var.prefix) <= 40
    error_message = "prefix is \"sgsweep\" or \"sgsweep-something\", in lower case, at most 40 characters."
  }
}

variable "folder_ids" {
  description = "Resource Directory folders whose members get the roles, now and when they join; the root folder (r-…) covers every member."
  type        = list(string)

  validation {
    condition     = length(var.folder_ids) > 0 && length(var.folder_ids) <= 20
    error_message = "folder_ids holds 1 to 20 folders; the root folder alone covers every member."
  }
}

variable "region_id" {
  description = "The one region in which the stacks live. RAM is global: one region is enough, two would collide."
  type        = string
}

variable "max_session_seconds" {
  description = "How long a session in a member may last, 3600 to 43200 seconds."
  type        = number
  default     = 3600
}

variable "max_concurrent_accounts" {
  description = "How many members are worked on at once, 1 to 20."
  type        = number
  default     = 10
}

variable "failure_tolerance_accounts" {
  description = "How many members may fail before the roll-out stops, 0 to 20."
  type        = number
  default     = 5
}

variable "capabilities" {
  description = "Capabilities that ROS asks for a template that makes RAM resources; [] if it asks for none."
  type        = list(string)
  default     = ["ExpandedPermissions"]
}

variable "tags" {
  description = "Tags of the stack group."
  type        = map(string)
  default     = {}
}
