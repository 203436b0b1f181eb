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

variable "other_external_ids" {
  description = "Further external ids that are accepted while the external id is being changed; [] otherwise."
  type        = list(string)
  default     = []
  sensitive   = true

  validation {
    condition     = alltrue([for one in var.other_external_ids : can(regex("^[A-Za-z0-9+=,.@:/_-]{8,128}$", one))])
    error_message = "Each of other_external_ids is 8 to 128 letters, digits or + = , . @ : / _ - ."
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
    condition     = can(regex("^sgsweep(-[a-z0-9]+)*$", var.prefix)) && length(var.prefix) <= 28
    error_message = "prefix is \"sgsweep\" or \"sgsweep-something\", in lower case, at most 28 characters."
  }
}

variable "folder_ids" {
  description = "Resource Directory folders whose members get the roles, now and when they join; the root folder (r-…) covers every member. None lies in another: see the README, \"Other folders\"."
  type        = list(string)

  validation {
    condition     = length(var.folder_ids) > 0 && length(distinct(var.folder_ids)) == length(var.folder_ids)
    error_message = "folder_ids holds at least one folder, each once."
  }
  validation {
    condition     = length(var.folder_ids) == 1 || !anytrue([for one in var.folder_ids : startswith(one, "r-")])
    error_message = "folder_ids holds the root folder and others that lie in it: name the root folder alone."
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

  validation {
    condition     = var.max_concurrent_accounts >= 1 && var.max_concurrent_accounts <= 20
    error_message = "max_concurrent_accounts is 1 to 20."
  }
}

variable "failure_tolerance_percentage" {
  description = "How many of the members may fail, in percent, before ROS leaves the rest alone. 100: each member for itself."
  type        = number
  default     = 100

  validation {
    condition     = var.failure_tolerance_percentage >= 0 && var.failure_tolerance_percentage <= 100
    error_message = "failure_tolerance_percentage is 0 to 100."
  }
}

variable "left_out_account_ids" {
  description = "Members known to fail: they are not warned of, and a change of the external id goes on without them."
  type        = list(string)
  default     = []
}

variable "attempt" {
  description = "Raise it to have ROS work on every member once more, after what stood in its way was put right."
  type        = number
  default     = 1
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
