variable "operator_arns" {
  description = "ARNs of the RAM users or roles who may run the command (assume the command's role)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operator_arns : !endswith(arn, ":root")])
    error_message = "operator_arns holds a whole account (…:root): name users or roles."
  }
}

variable "function" {
  description = "Whether to make the roles of the functions, for the remediation module."
  type        = bool
  default     = true
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

variable "max_session_seconds" {
  description = "How long a session of the command's role may last, 3600 to 43200 seconds."
  type        = number
  default     = 43200

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
