# One zip, three functions: one remedies what Cloud Config names, one judges what Cloud Config asks about, one answers
# ActionTrail's events.

data "alicloud_caller_identity" "here" {}

# A rule in an account where Cloud Config is off would be made and never evaluated.
data "alicloud_config_configuration_recorders" "here" {
  lifecycle {
    postcondition {
      condition     = anytrue([for one in self.recorders : one.status == "REGISTERED"])
      error_message = "Cloud Config is not switched on in this account. Switch it on in its console, or by `aliyun config StartConfigurationRecorder`, and apply again."
    }
  }
}

locals {
  account_id = data.alicloud_caller_identity.here.account_id
  member     = var.organization == null ? { aggregator_id = "", member_role = "", read_role = "" } : var.organization
  queue      = "acs:mns:${var.region_id}:${local.account_id}:/queues/${alicloud_message_service_queue.dead_letter.queue_name}"
  acts       = var.mode == "apply"

  # Function Compute takes 4 KB of variables in all. What a person writes without end are the exemptions: where they
  # are many, they are an object beside the ledger, whose name is its hash.
  exemptions        = length(var.exemptions) == 0 ? "" : jsonencode(var.exemptions)
  exemptions_object = length(base64encode(local.exemptions)) * 3 / 4 > 2000
  exemptions_key    = "exemptions/${sha256(local.exemptions)}.json"

  # only what is said: an empty variable would mean something
  judging = merge(
    { SGSWEEP_PORTS = var.ports, SGSWEEP_SITE = var.site },
    local.exemptions == "" ? {} : { SGSWEEP_EXEMPTIONS = local.exemptions_object ? "oss://${module.records.bucket}/${local.exemptions_key}" : local.exemptions },
    var.organization == null ? {} : { SGSWEEP_REMEDIATION_ROLE = local.member.read_role },
    nonsensitive(var.external_id == "") ? {} : { SGSWEEP_EXTERNAL_ID = var.external_id },
    length(var.account_ids) == 0 ? {} : { SGSWEEP_ACCOUNTS = join(",", var.account_ids) },
    var.oss_network == "internal" ? {} : { SGSWEEP_OSS_NETWORK = var.oss_network },
    var.rule_count == "check" ? {} : { SGSWEEP_RULE_COUNT = var.rule_count },
    var.balancers == "ask" ? {} : { SGSWEEP_BALANCERS = var.balancers },
  )
  ready = merge(
    local.judging,
    {
      SGSWEEP_MODE        = var.mode
      SGSWEEP_LEDGER      = "oss://${module.records.bucket}/ledger"
      SGSWEEP_MAX_CHANGES = tostring(var.max_changes)
    },
    var.max_changes_in_all == null ? {} : { SGSWEEP_MAX_CHANGES_IN_ALL = tostring(var.max_changes_in_all) },
    # who only looks on enters an account by the role that only reads
    var.organization == null ? {} : {
      SGSWEEP_REMEDIATION_ROLE = local.acts ? local.member.member_role : local.member.read_role
      SGSWEEP_AGGREGATOR       = local.member.aggregator_id
    },
  )
  acting = merge(local.ready, { SGSWEEP_CONFIG_RULES = join(",", values(local.rule_ids)) })
  # Known at plan: the ids that only Cloud Config gives are counted as long as they get.
  sized = merge(local.ready, {
    SGSWEEP_EXTERNAL_ID  = join("", [for _ in range(nonsensitive(length(var.external_id))) : "x"])
    SGSWEEP_AGGREGATOR   = "ca-${join("", [for _ in range(21) : "x"])}"
    SGSWEEP_CONFIG_RULES = "cr-${join("", [for _ in range(21) : "x"])},cr-${join("", [for _ in range(21) : "x"])}"
  })
  environment_bytes = sum([for key, value in local.sized : length(key) + ceil(length(base64encode(value)) * 3 / 4)])

  settings = {
    runtime              = var.runtime
    timeout_seconds      = var.timeout_seconds
    reserved_concurrency = var.reserved_concurrency
    environment_bytes    = local.environment_bytes
    zip_path             = var.zip_path
    bucket               = var.upload == "oss" ? module.records.bucket : null
    code                 = var.upload == "oss" ? alicloud_oss_bucket_object.code[0].key : null
    log_project          = module.records.project
    logstore             = module.records.logstore
    dead_letter          = "${local.queue}/messages"
    tags                 = var.tags
  }
}

resource "alicloud_oss_bucket_object" "code" {
  count = var.upload == "oss" ? 1 : 0

  bucket = module.records.bucket
  # the hash in the name: the provider sees new code only under a new name
  key    = "code/${filesha256(var.zip_path)}.zip"
  source = var.zip_path
}

resource "alicloud_oss_bucket_object" "exemptions" {
  count = local.exemptions_object ? 1 : 0

  bucket  = module.records.bucket
  key     = local.exemptions_key
  content = local.exemptions

  lifecycle {
    # the function reads the new one before the old one goes
    create_before_destroy = true
  }
}

module "remediate" {
  source = "./function"

  name        = "${var.prefix}-remediate"
  handler     = "index.handler"
  description = "sgsweep: remedies the groups that Cloud Config names."
  environment = local.acting
  role_arn    = local.acts ? local.function.arn : local.judge.arn
  settings    = local.settings
  # the first run must not meet a role without rights, nor a name without its object
  depends_on = [alicloud_ram_role_policy_attachment.this, alicloud_oss_bucket_object.exemptions]
}

module "evaluate" {
  source = "./function"

  name        = "${var.prefix}-evaluate"
  handler     = "index.evaluate"
  description = "sgsweep: judges a group for the custom rule."
  environment = local.judging
  role_arn    = local.judge.arn
  settings    = local.settings
  depends_on  = [alicloud_ram_role_policy_attachment.this, alicloud_oss_bucket_object.exemptions]
}

module "on_event" {
  source = "./function"
  count  = var.event_path ? 1 : 0

  name        = "${var.prefix}-on-event"
  handler     = "index.on_event"
  description = "sgsweep: judges a group when ActionTrail tells of a change."
  environment = local.acting
  role_arn    = local.acts ? local.function.arn : local.judge.arn
  settings    = local.settings
  depends_on  = [alicloud_ram_role_policy_attachment.this, alicloud_oss_bucket_object.exemptions]
}
