# One zip, three functions: one remedies what Cloud Config names, one judges what Cloud Config asks about, one answers
# ActionTrail's events.

data "alicloud_caller_identity" "here" {}

locals {
  account_id = data.alicloud_caller_identity.here.account_id
  member     = var.organization == null ? { aggregator_id = "", member_role = "" } : var.organization
  queue      = "acs:mns:${var.region_id}:${local.account_id}:/queues/${alicloud_message_service_queue.dead_letter.queue_name}"
  judging = {
    SGSWEEP_PORTS            = var.ports
    SGSWEEP_EXEMPTIONS       = length(var.exemptions) == 0 ? "" : jsonencode(var.exemptions)
    SGSWEEP_SITE             = var.site
    SGSWEEP_REMEDIATION_ROLE = local.member.member_role
    SGSWEEP_EXTERNAL_ID      = var.external_id
  }
  acting = merge(local.judging, {
    SGSWEEP_MODE         = var.mode
    SGSWEEP_LEDGER       = "oss://${alicloud_oss_bucket.ledger.bucket}/ledger"
    SGSWEEP_MAX_CHANGES  = tostring(var.max_changes)
    SGSWEEP_AGGREGATOR   = local.member.aggregator_id
    SGSWEEP_CONFIG_RULES = join(",", values(local.rule_ids))
  })
  settings = {
    runtime              = var.runtime
    role_arn             = local.role.arn
    timeout_seconds      = var.timeout_seconds
    reserved_concurrency = var.reserved_concurrency
    bucket               = alicloud_oss_bucket.ledger.bucket
    code                 = alicloud_oss_bucket_object.code.key
    log_project          = alicloud_log_project.this.project_name
    logstore             = alicloud_log_store.this.logstore_name
    dead_letter          = "${local.queue}/messages"
    tags                 = var.tags
  }
}

resource "alicloud_oss_bucket_object" "code" {
  bucket = alicloud_oss_bucket.ledger.bucket
  # the hash in the name: the provider sees new code only under a new name
  key    = "code/${filesha256(var.zip_path)}.zip"
  source = var.zip_path
}

module "remediate" {
  source = "./function"

  name        = "${var.prefix}-remediate"
  handler     = "index.handler"
  description = "sgsweep: remedies the groups that Cloud Config names."
  environment = local.acting
  settings    = local.settings
  # the first run must not meet a role without rights
  depends_on = [alicloud_ram_role_policy_attachment.this]
}

module "evaluate" {
  source = "./function"

  name        = "${var.prefix}-evaluate"
  handler     = "index.evaluate"
  description = "sgsweep: judges a group for the custom rule."
  environment = local.judging
  settings    = local.settings
  depends_on  = [alicloud_ram_role_policy_attachment.this]
}

module "on_event" {
  source = "./function"
  count  = var.event_path ? 1 : 0

  name        = "${var.prefix}-on-event"
  handler     = "index.on_event"
  description = "sgsweep: judges a group when ActionTrail tells of a change."
  environment = local.acting
  settings    = local.settings
  depends_on  = [alicloud_ram_role_policy_attachment.this]
}

# What could not be worked off after all retries waits here for a person.
resource "alicloud_message_service_queue" "dead_letter" {
  queue_name               = "${var.prefix}-dead-letter"
  message_retention_period = 604800
  maximum_message_size     = 65536
  tags                     = var.tags
}
