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
  description = "Exemptions, as [[exemptions]] in config.toml has them, but not by folder, nor by an account's name or tag (account_tag): a list of objects with owner, reason and expires. A group's name or tag, which members can write, needs member_writable = true."
  type        = any
  default     = []
}

variable "exclude_resource_ids" {
  description = "Ids of security groups that the managed rule leaves out. The custom rule and the function follow the exemptions."
  type        = list(string)
  default     = []
}

variable "max_changes" {
  description = "The brake of each account: how many changes there may be in it in 10 minutes; what is more waits, with an alarm."
  type        = number
  default     = 50

  validation {
    condition     = var.max_changes >= 1 && floor(var.max_changes) == var.max_changes
    error_message = "max_changes is a whole number, 1 or more."
  }
}

variable "max_changes_in_all" {
  description = "The brake of all accounts together, in 10 minutes; null for ten times max_changes."
  type        = number
  default     = null

  validation {
    condition     = var.max_changes_in_all == null ? true : var.max_changes_in_all >= 1 && floor(var.max_changes_in_all) == var.max_changes_in_all
    error_message = "max_changes_in_all is a whole number, and not less than max_changes: one account could hold up all others."
  }
}

variable "rule_count" {
  description = "\"check\" holds each group's rules against the count of its listing, \"ignore\" does not: for a cloud that counts something else there (`sgsweep accounts --check` tells)."
  type        = string
  default     = "check"

  validation {
    condition     = contains(["check", "ignore"], var.rule_count)
    error_message = "rule_count is \"check\" or \"ignore\"."
  }
}

variable "balancers" {
  description = "Load balancers that join a group decide what gets in. Where they cannot be read, \"ask\" says so beside each change, \"required\" leaves the group alone and answers INSUFFICIENT_DATA."
  type        = string
  default     = "ask"

  validation {
    condition     = contains(["ask", "required"], var.balancers)
    error_message = "balancers is \"ask\" or \"required\"."
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
  description = "For an organization: the aggregator, and the roles to assume in each member, the one that changes and the one that reads. null for one account."
  type        = object({ aggregator_id = string, member_role = string, read_role = string })
  default     = null
}

variable "account_ids" {
  description = "For an organization: the accounts that may be entered, beside the function's own; what an event says of any other is not followed. Empty for all that the Resource Directory lists."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.account_ids : can(regex("^[0-9]{1,32}$", one))])
    error_message = "account_ids holds account ids, digits alone, as texts."
  }
}

variable "external_id" {
  description = "For an organization: the external id that the members' roles ask for."
  type        = string
  default     = ""
  sensitive   = true
}

variable "function_role" {
  description = "An existing role for the functions that change, {name, arn}: the hub module's function_role. null makes one."
  type        = object({ name = string, arn = string })
  default     = null
}

variable "judge_role" {
  description = "An existing role for the functions that only judge, {name, arn}: the hub module's judge_role. null makes one."
  type        = object({ name = string, arn = string })
  default     = null
}

variable "prefix" {
  description = "Names begin with it; it begins with sgsweep."
  type        = string
  default     = "sgsweep"

  validation {
    condition     = can(regex("^sgsweep(-[a-z0-9]+)*$", var.prefix)) && length(var.prefix) <= 28
    error_message = "prefix is \"sgsweep\" or \"sgsweep-something\", in lower case, at most 28 characters: with account and region it names the bucket, which has 63."
  }
}

# The function

variable "zip_path" {
  description = "The function's zip, made by `make function`."
  type        = string
}

variable "upload" {
  description = "How the zip goes up: \"zip_file\" with each function (every account can), \"oss\" through the bucket (a smaller state; not from outside for an account that opened OSS in a mainland region since 2025-03-20)."
  type        = string
  default     = "zip_file"

  validation {
    condition     = contains(["zip_file", "oss"], var.upload)
    error_message = "upload is \"zip_file\" or \"oss\"."
  }
}

variable "oss_network" {
  description = "How the function reaches the ledger: by OSS's \"internal\" endpoint, as Function Compute does, or by the \"public\" one, which many accounts may not use. Of its own, whatever the network to ECS is."
  type        = string
  default     = "internal"

  validation {
    condition     = contains(["internal", "public"], var.oss_network)
    error_message = "oss_network is \"internal\" or \"public\"."
  }
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
  description = "Instances reserved for, and allowed to, each of the three functions: 1 to 6, 20 in all of the 100 that a region may have."
  type        = number
  default     = 5

  validation {
    condition     = var.reserved_concurrency >= 1 && var.reserved_concurrency <= 6 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency is 1 to 6: three functions take it three times, and it is taken from all other functions of the region."
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

variable "lock_days" {
  description = "How many days nobody, its owner included, can change or delete what is in the ledger. It cannot be shortened later. 0 for a trial: no lock."
  type        = number

  validation {
    condition     = var.lock_days >= 0 && var.lock_days <= 25550 && floor(var.lock_days) == var.lock_days
    error_message = "lock_days is a whole number, 0 (no lock) to 25550."
  }
}

# Who is told

variable "action_policy_id" {
  description = "The Log Service action policy that an alarm is sent by: who gets it and how. One of your own, made in the console."
  type        = string

  validation {
    condition     = var.action_policy_id != "" && !startswith(var.action_policy_id, "sls.builtin")
    error_message = "action_policy_id is an action policy of your own: the built-in one notifies nobody you know of."
  }
}

variable "alarm_contact_groups" {
  description = "Cloud Monitor's contact groups that are told when something lies in the dead letter."
  type        = list(string)

  validation {
    condition     = length(var.alarm_contact_groups) > 0
    error_message = "alarm_contact_groups is empty: nobody would be told of what was lost."
  }
}

variable "service_linked_roles" {
  description = "With event_path: EventBridge's service-linked roles to make. Leave out those that the account has already."
  type        = list(string)
  default     = ["AliyunServiceRoleForEventBridgeSourceActionTrail", "AliyunServiceRoleForEventBridgeSendToFC", "AliyunServiceRoleForEventBridgeSendToMNS"]
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
