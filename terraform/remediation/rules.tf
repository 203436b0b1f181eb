# The two Cloud Config rules and their remediation. The managed rule is the one everybody knows; it looks for 0.0.0.0/0
# only. The custom rule asks our own judgement, so ::/0, halves of the Internet, prefix lists and port lists count too,
# and a scheduled run catches what no change announces, such as a longer prefix list.

locals {
  group_type = "ACS::ECS::SecurityGroup"
  on_change  = "ConfigurationItemChangeNotification"
  excluded   = length(var.exclude_resource_ids) == 0 ? null : join(",", var.exclude_resource_ids)
  rules = {
    managed = {
      name       = "sg-risky-ports-check"
      owner      = "ALIYUN"
      identifier = "sg-risky-ports-check"
      triggers   = local.on_change
      frequency  = null
      parameters = { ports = var.ports }
      does       = "No security group opens a risky port (${var.ports}) to 0.0.0.0/0."
    }
    custom = {
      name       = "${var.prefix}-risky-ports"
      owner      = "CUSTOM_FC"
      identifier = module.evaluate.arn
      triggers   = "${local.on_change},ScheduledNotification"
      frequency  = "TwentyFour_Hours"
      parameters = { ports = var.ports }
      does       = "No security group opens a risky port (${var.ports}) to the Internet, by sgsweep's judgement."
    }
  }
  here       = var.organization == null ? local.rules : {}
  everywhere = var.organization == null ? {} : local.rules
  rule_ids = merge(
    { for key, rule in alicloud_config_rule.this : key => rule.config_rule_id },
    { for key, rule in alicloud_config_aggregate_config_rule.this : key => rule.config_rule_id },
  )
}

resource "alicloud_config_rule" "this" {
  for_each = local.here

  rule_name                   = each.value.name
  description                 = each.value.does
  source_owner                = each.value.owner
  source_identifier           = each.value.identifier
  risk_level                  = 1
  config_rule_trigger_types   = each.value.triggers
  maximum_execution_frequency = each.value.frequency
  resource_types_scope        = [local.group_type]
  exclude_resource_ids_scope  = local.excluded
  input_parameters            = each.value.parameters
}

resource "alicloud_config_remediation" "this" {
  for_each = local.here

  config_rule_id          = alicloud_config_rule.this[each.key].config_rule_id
  invoke_type             = var.invoke_type
  remediation_type        = "FC"
  remediation_source_type = "CUSTOM"
  remediation_template_id = module.remediate.arn
  params                  = "{}"
}

resource "alicloud_config_aggregate_config_rule" "this" {
  for_each = local.everywhere

  aggregator_id               = local.member.aggregator_id
  aggregate_config_rule_name  = each.value.name
  description                 = each.value.does
  source_owner                = each.value.owner
  source_identifier           = each.value.identifier
  risk_level                  = 1
  config_rule_trigger_types   = each.value.triggers
  maximum_execution_frequency = each.value.frequency
  resource_types_scope        = [local.group_type]
  exclude_resource_ids_scope  = local.excluded
  input_parameters            = each.value.parameters
}

resource "alicloud_config_aggregate_remediation" "this" {
  for_each = local.everywhere

  aggregator_id             = local.member.aggregator_id
  config_rule_id            = alicloud_config_aggregate_config_rule.this[each.key].config_rule_id
  invoke_type               = var.invoke_type
  remediation_type          = "FC"
  remediation_source_type   = "CUSTOM"
  remediation_template_id   = module.remediate.arn
  remediation_origin_params = "{}"
}

# The fast way: ActionTrail tells EventBridge of every change, seconds after the call. A revoked Drop rule can open a
# port as well, so revocations count. The default bus holds the events of its own region and account.
resource "alicloud_event_bridge_rule" "changes" {
  count = var.event_path ? 1 : 0

  event_bus_name = "default"
  rule_name      = "${var.prefix}-group-changed"
  description    = "A security group's rules were changed."
  status         = "ENABLE"
  filter_pattern = jsonencode({
    source = ["acs.ecs"]
    type   = [{ suffix = ":ActionTrail:ApiCall" }, { suffix = ":ActionTrail:ConsoleOperation" }]
    data = {
      eventName = ["AuthorizeSecurityGroup", "ModifySecurityGroupRule", "RevokeSecurityGroup"]
    }
  })

  targets {
    target_id           = "${var.prefix}-on-event"
    type                = "acs.fc.function"
    endpoint            = module.on_event[0].arn
    push_retry_strategy = "BACKOFF_RETRY"

    dead_letter_queue {
      arn = local.queue
    }
    param_list {
      resource_key = "functionName"
      form         = "CONSTANT"
      value        = module.on_event[0].name
    }
    param_list {
      resource_key = "Qualifier"
      form         = "CONSTANT"
      value        = "LATEST"
    }
    param_list {
      resource_key = "Body"
      form         = "ORIGINAL"
    }
  }
}
