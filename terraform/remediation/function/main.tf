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
  description = "Its environment variables; empty ones are left out."
  type        = map(string)
}

variable "settings" {
  description = "What the functions have in common."
  type = object({
    runtime              = string
    role_arn             = string
    timeout_seconds      = number
    reserved_concurrency = number
    bucket               = string
    code                 = string
    log_project          = string
    logstore             = string
    dead_letter          = string
    tags                 = map(string)
  })
}

resource "alicloud_fcv3_function" "this" {
  function_name = var.name
  description   = var.description
  runtime       = var.settings.runtime
  handler       = var.handler
  role          = var.settings.role_arn
  timeout       = var.settings.timeout_seconds
  memory_size   = 1024
  cpu           = 0.5
  disk_size     = 512
  # one event at a time in an instance: two remediations share nothing
  instance_concurrency  = 1
  internet_access       = true
  environment_variables = { for key, value in var.environment : key => value if nonsensitive(value != "") }
  tags                  = var.settings.tags

  code {
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
