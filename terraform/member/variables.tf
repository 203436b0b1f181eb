variable "trusted_role_arns" {
  description = "ARNs of the roles that may enter this account: the hub module's trusted_role_arns."
  type        = list(string)

  validation {
    condition     = length(var.trusted_role_arns) > 0
    error_message = "trusted_role_arns is empty: nobody could enter. Give the ARNs of the hub's roles."
  }
  validation {
    condition     = alltrue([for arn in var.trusted_role_arns : !endswith(arn, ":root")])
    error_message = "trusted_role_arns holds a whole account (…:root): name the hub's roles instead."
  }
}

variable "external_id" {
  description = "A random text that the hub must present (sts:ExternalId), one per installation, 8 to 128 characters."
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
  description = "Names begin with it. The hub may assume only roles named \"sgsweep-…\", so it begins with sgsweep."
  type        = string
  default     = "sgsweep"

  validation {
    condition     = can(regex("^sgsweep(-[a-z0-9]+)*$", var.prefix)) && length(var.prefix) <= 28
    error_message = "prefix is \"sgsweep\" or \"sgsweep-something\", in lower case, at most 28 characters."
  }
}

variable "max_session_seconds" {
  description = "How long a session in this account may last, 3600 to 43200 seconds."
  type        = number
  default     = 3600

  validation {
    condition     = var.max_session_seconds >= 3600 && var.max_session_seconds <= 43200
    error_message = "max_session_seconds is 3600 to 43200."
  }
}

variable "tags" {
  description = "Tags of the roles and policies."
  type        = map(string)
  default     = {}
}
