# Where the function writes, and who is told when it needs a person.

module "records" {
  source = "./records"

  name               = "${var.prefix}-${local.account_id}-${var.region_id}"
  region_id          = var.region_id
  log_retention_days = var.log_retention_days
  lock_days          = var.lock_days
  tags               = var.tags
}

# What could not be worked off after all retries waits here for a person.
resource "alicloud_message_service_queue" "dead_letter" {
  queue_name               = "${var.prefix}-dead-letter"
  message_retention_period = 604800
  maximum_message_size     = 65536
  tags                     = var.tags
}

# The function writes one line with "sgsweep_alarm" when the brake is pulled, a rule keeps coming back, or a group
# could not be remedied. A function that cannot even start, that runs out of time or of memory writes nothing: the
# platform's metrics of the request say so.
resource "alicloud_sls_alert" "alarm" {
  project_name = module.records.project
  alert_name   = "${var.prefix}-alarm"
  display_name = "${var.prefix} needs a person"
  description  = "The brake was pulled, a rule keeps coming back, a group could not be remedied, or the function failed."
  status       = "ENABLED"

  configuration {
    type            = "default"
    version         = "2.0"
    threshold       = 1
    no_data_fire    = false
    send_resolved   = true
    auto_annotation = true
    dashboard       = "internal-alert-analysis"

    query_list {
      project        = module.records.project
      store          = module.records.logstore
      region         = var.region_id
      store_type     = "log"
      query          = "sgsweep_alarm or hasFunctionError: true | select count(*) as alarms"
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
}

# An event that was lost on the way to the function is in no log: it lies in the dead letter.
resource "alicloud_cms_alarm" "dead_letter" {
  name              = "${var.prefix}-dead-letter"
  project           = "acs_mns_new"
  metric            = "ActiveMessages"
  metric_dimensions = jsonencode([{ userId = local.account_id, region = var.region_id, queue = alicloud_message_service_queue.dead_letter.queue_name }])
  contact_groups    = var.alarm_contact_groups
  period            = 300
  silence_time      = 3600

  escalations_critical {
    statistics          = "Average"
    comparison_operator = ">"
    threshold           = "0"
    times               = 1
  }
}
