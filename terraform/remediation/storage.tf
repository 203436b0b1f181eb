# Where the function writes: its log, with the audit records, and the ledger without which it changes nothing.

resource "alicloud_log_project" "this" {
  project_name = "${var.prefix}-${local.account_id}-${var.region_id}"
  description  = "sgsweep's function: its log and its audit records."
  tags         = var.tags
}

resource "alicloud_log_store" "this" {
  project_name          = alicloud_log_project.this.project_name
  logstore_name         = "function"
  retention_period      = var.log_retention_days
  auto_split            = true
  max_split_shard_count = 8
  append_meta           = true
}

resource "alicloud_log_store_index" "this" {
  project  = alicloud_log_project.this.project_name
  logstore = alicloud_log_store.this.logstore_name

  full_text {
    case_sensitive = false
    token          = " ,;:\"'{}[]()=\n\t\r"
  }

  # the fields that Function Compute writes beside each line
  dynamic "field_search" {
    for_each = ["functionName", "message"]
    content {
      name  = field_search.value
      type  = "text"
      token = " ,;:\"'{}[]()=\n\t\r"
    }
  }
}

# No versioning: in a versioned bucket OSS ignores x-oss-forbid-overwrite, and two runs could both believe that they
# were the first to write an intent.
resource "alicloud_oss_bucket" "ledger" {
  bucket = "${var.prefix}-${local.account_id}-${var.region_id}"
  tags   = var.tags
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

# The function writes one line with "sgsweep_alarm" when the brake is pulled, a rule keeps coming back, or a group
# could not be remedied.
resource "alicloud_sls_alert" "alarm" {
  project_name = alicloud_log_project.this.project_name
  alert_name   = "${var.prefix}-alarm"
  display_name = "sgsweep needs a person"
  description  = "The brake was pulled, a rule keeps coming back, or a group could not be remedied."

  configuration {
    type    = "default"
    version = "2.0"

    query_list {
      project        = alicloud_log_project.this.project_name
      store          = alicloud_log_store.this.logstore_name
      region         = var.region_id
      store_type     = "log"
      query          = "sgsweep_alarm | select count(*) as alarms"
      time_span_type = "Relative"
      start          = "-300s"
      end            = "now"
    }

    group_configuration {
      type = "no_group"
    }

    severity_configurations {
      severity = 8
      eval_condition {
        condition = "alarms > 0"
      }
    }

    policy_configuration {
      alert_policy_id  = "sls.builtin.dynamic"
      action_policy_id = var.action_policy_id
      repeat_interval  = "30m"
    }
  }

  schedule {
    type           = "FixedRate"
    interval       = "1m"
    run_immdiately = true # the provider's own spelling
  }

  depends_on = [alicloud_log_store_index.this]
}
