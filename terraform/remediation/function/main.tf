# One function of the zip, with what keeps it from losing an event: retries, a dead letter, reserved instances, a log.

variable "name" {
  description = "The function's name."
  type        = string
}

variable "handler" {
  description = "index.handler, index.evaluate or index.on_event."
  type        = string
}

variable "description" {
  description = "What it does."
  type        = string
}

variable "environment" {
  description = "Its environment variables."
  type        = map(string)
}

variable "role_arn" {
  description = "The role it runs under."
  type        = string
}

variable "settings" {
  description = "What the functions have in common. Without a bucket the zip goes up with the function itself."
  type = object({
    runtime              = string
    timeout_seconds      = number
    reserved_concurrency = number
    environment_bytes    = number
    zip_path             = string
    bucket               = optional(string)
    code                 = optional(string)
    log_project          = string
    logstore             = string
    dead_letter          = string
    tags                 = map(string)
  })
}

resource "alicloud_fcv3_function" "this" {
  function_name = var.name
  # tells in the plan, and in the console, which code it is
  description = "${var.description} Code ${substr(filesha256(var.settings.zip_path), 0, 12)}."
  runtime     = var.settings.runtime
  handler     = var.handler
  role        = var.role_arn
  timeout     = var.settings.timeout_seconds
  memory_size = 1024
  cpu         = 0.5
  disk_size   = 512
  # one event at a time in an instance: two remediations share nothing
  instance_concurrency  = 1
  internet_access       = true
  environment_variables = var.environment
  tags                  = var.settings.tags

  code {
    # no secret, but 16 MB of text that a plan would print
    zip_file        = var.settings.bucket == null ? sensitive(filebase64(var.settings.zip_path)) : null
    oss_bucket_name = var.settings.bucket
    oss_object_name = var.settings.code
  }

  log_config {
    project                 = var.settings.log_project
    logstore                = var.settings.logstore
    log_begin_rule          = "None"
    enable_request_metrics  = true
    enable_instance_metrics = true
  }

  lifecycle {
    precondition {
      condition     = var.settings.environment_bytes <= 4096
      error_message = "The function's environment variables would need ${var.settings.environment_bytes} bytes, and Function Compute takes 4096 in all."
    }
  }
}

resource "alicloud_fcv3_async_invoke_config" "this" {
  function_name                  = alicloud_fcv3_function.this.function_name
  qualifier                      = "LATEST"
  max_async_retry_attempts       = 2
  max_async_event_age_in_seconds = 3600

  destination_config {
    on_failure {
      destination = var.settings.dead_letter
    }
  }
}

resource "alicloud_fcv3_concurrency_config" "this" {
  function_name        = alicloud_fcv3_function.this.function_name
  reserved_concurrency = var.settings.reserved_concurrency
}

output "arn" {
  description = "The function's ARN."
  value       = alicloud_fcv3_function.this.function_arn
}

output "name" {
  description = "The function's name."
  value       = alicloud_fcv3_function.this.function_name
}
