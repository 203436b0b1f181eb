# What to look for and what to do about it

variable "mode" {
  description = "What the function does: \"plan\" only records what it would do, \"apply\" does it."
  type        = string
  default     = "plan"

  validation {
    condition     = contains(["plan", "apply"], var.mode)
    error_message = "mode is \"plan\" or \"apply\"."
  }
}

variable "invoke_type" {
  description = "Who starts a remediation: a person in the console (MANUAL_EXECUTION) or Cloud Config by itself (AUTO_EXECUTION)."
  type        = string
  default     = "MANUAL_EXECUTION"

  validation {
    condition     = contains(["MANUAL_EXECUTION", "AUTO_EXECUTION"], var.invoke_type)
    error_message = "invoke_type is \"MANUAL_EXECUTION\" or \"AUTO_EXECUTION\"."
  }
}

variable "event_path" {
  description = "Also judge a group within seconds of a change, by ActionTrail's events through EventBridge. Does what mode says, whoever starts remediations."
  type        = bool
  default     = false
}

variable "ports" {
  description = "The risky ports, comma-separated: the whole list of checks."
  type        = string
  default     = "22,3389"

  validation {
    condition     = can(regex("^[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})*$", var.ports)) && !anytrue([for port in split(",", var.ports) : try(tonumber(port), 0) > 65535])
    error_message = "ports is a comma-separated list of numbers from 1 to 65535, like \"22,3389\"."
  }
}

variable "exemptions" {
  description = "Exemptions, as [[exemptions]] in config.toml has them, but not by folder, and by tags of the group only: a list of objects with owner, reason and expires."
  type        = any
  default     = []
}

variable "exclude_resource_ids" {
  description = "Ids of security groups that the Config rules leave out."
  type        = list(string)
  default     = []
}

variable "max_changes" {
  description = "The brake: after so many changes in 10 minutes, in one account or in all, the function only plans and raises an alarm."
  type        = number
  default     = 50

  validation {
    condition     = var.max_changes >= 1 && floor(var.max_changes) == var.max_changes
    error_message = "max_changes is a whole number, 1 or more."
  }
}

# Where

variable "region_id" {
  description = "The region of the function, its logs and its ledger: the provider's region."
  type        = string
}

variable "site" {
  description = "\"china\" or \"international\": decides Cloud Config's endpoint."
  type        = string
  default     = "china"

  validation {
    condition     = contains(["china", "international"], var.site)
    error_message = "site is \"china\" or \"international\"."
  }
}

variable "organization" {
  description = "For an organization: the aggregator, and the role to assume in each member. null for one account."
  type        = object({ aggregator_id = string, member_role = string })
  default     = null
}

variable "external_id" {
  description = "For an organization: the external id that the members' roles ask for."
  type        = string
  default     = ""
  sensitive   = true
}

variable "function_role" {
  description = "An existing role for the function, {name, arn}: the hub module's function_role. null makes one."
  type        = object({ name = string, arn = string })
  default     = null
}

variable "prefix" {
  description = "Names begin with it; it begins with sgsweep."
  type        = string
  default     = "sgsweep"

  validation {
    condition     = can(regex("^sgsweep(-[a-z0-9]+)*$", var.prefix)) && length(var.prefix) <= 32
    error_message = "prefix is \"sgsweep\" or \"sgsweep-something\", in lower case, at most 32 characters."
  }
}

# The function

variable "zip_path" {
  description = "The function's zip, made by `make function`."
  type        = string
}

variable "runtime" {
  description = "The zip's runtime. python3.12 is not offered in every region."
  type        = string
  default     = "python3.10"

  validation {
    condition     = contains(["python3.10", "python3.12"], var.runtime)
    error_message = "runtime is \"python3.10\" or \"python3.12\"; the zip has wheels for one of them."
  }
}

variable "timeout_seconds" {
  description = "A run's limit, 30 to 900 seconds. The function stops early and reports what is left."
  type        = number
  default     = 300

  validation {
    condition     = var.timeout_seconds >= 30 && var.timeout_seconds <= 900
    error_message = "timeout_seconds is 30 to 900."
  }
}

variable "reserved_concurrency" {
  description = "Instances reserved for, and allowed to, each of the functions."
  type        = number
  default     = 5

  validation {
    condition     = var.reserved_concurrency >= 1 && var.reserved_concurrency <= 100
    error_message = "reserved_concurrency is 1 to 100."
  }
}

variable "log_retention_days" {
  description = "How long the function's log, with its audit records, is kept."
  type        = number
  default     = 365

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 3650
    error_message = "log_retention_days is 30 to 3650."
  }
}

variable "action_policy_id" {
  description = "The Log Service action policy that an alarm is sent by: who gets it and how."
  type        = string
  default     = "sls.builtin"
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
