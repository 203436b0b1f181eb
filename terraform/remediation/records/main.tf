# What must outlive everything else: the ledger, with the before-image of each change, and the log, with the audit
# records. Terraform never destroys them: `terraform destroy` refuses as long as they are in its state. How to end an
# installation and keep them, or remove them too, is in ../README.md.

variable "name" {
  description = "The name of the bucket and of the log project."
  type        = string
}

variable "region_id" {
  description = "Where they live."
  type        = string
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
}

variable "lock_days" {
  description = "How long an object of the ledger can be neither changed nor deleted; 0 for no lock."
  type        = number
}

variable "tags" {
  description = "Their tags."
  type        = map(string)
}

locals {
  token = " ,;:\"'{}[]()=\n\t\r"
  # what Function Compute writes beside each line, and into the metrics of each request
  fields = ["functionName", "message", "hasFunctionError", "errorType"]
}

resource "alicloud_log_project" "this" {
  project_name = var.name
  description  = "sgsweep's function: its log and its audit records."
  tags         = var.tags

  lifecycle {
    prevent_destroy = true
    precondition {
      condition     = length(var.name) <= 63
      error_message = "The name ${var.name} has ${length(var.name)} characters, and 63 are allowed: choose a shorter prefix."
    }
  }
}

resource "alicloud_log_store" "this" {
  project_name          = alicloud_log_project.this.project_name
  logstore_name         = "function"
  retention_period      = var.log_retention_days
  auto_split            = true
  max_split_shard_count = 8
  append_meta           = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "alicloud_log_store_index" "this" {
  project  = alicloud_log_project.this.project_name
  logstore = alicloud_log_store.this.logstore_name

  full_text {
    case_sensitive = false
    token          = local.token
  }

  dynamic "field_search" {
    for_each = local.fields
    content {
      name  = field_search.value
      type  = "text"
      token = local.token
    }
  }
}

# No versioning: in a versioned bucket OSS ignores x-oss-forbid-overwrite, and two runs could both believe that they
# were the first to write an intent.
resource "alicloud_oss_bucket" "ledger" {
  bucket = var.name
  tags   = var.tags

  lifecycle {
    prevent_destroy = true
    precondition {
      condition     = length(var.name) <= 63
      error_message = "The name ${var.name} has ${length(var.name)} characters, and 63 are allowed: choose a shorter prefix."
    }
  }
}

resource "alicloud_oss_bucket_acl" "ledger" {
  bucket = alicloud_oss_bucket.ledger.bucket
  acl    = "private"
}

resource "alicloud_oss_bucket_public_access_block" "ledger" {
  bucket              = alicloud_oss_bucket.ledger.bucket
  block_public_access = true
}

resource "alicloud_oss_bucket_server_side_encryption" "ledger" {
  bucket        = alicloud_oss_bucket.ledger.bucket
  sse_algorithm = "AES256"
}

# Once locked, nobody shortens or removes it, the account's owner included.
resource "alicloud_oss_bucket_worm" "ledger" {
  count = var.lock_days > 0 ? 1 : 0

  bucket                   = alicloud_oss_bucket.ledger.bucket
  retention_period_in_days = var.lock_days
  status                   = "Locked"

  lifecycle {
    prevent_destroy = true
  }
}

output "bucket" {
  description = "The ledger's bucket."
  value       = alicloud_oss_bucket.ledger.bucket
  # nobody writes into a bucket that is still open or not encrypted
  depends_on = [
    alicloud_oss_bucket_acl.ledger,
    alicloud_oss_bucket_public_access_block.ledger,
    alicloud_oss_bucket_server_side_encryption.ledger,
    alicloud_oss_bucket_worm.ledger,
  ]
}

output "project" {
  description = "The log project."
  value       = alicloud_log_project.this.project_name
}

output "logstore" {
  description = "The function's log."
  value       = alicloud_log_store.this.logstore_name
  depends_on  = [alicloud_log_store_index.this]
}
