# The two Cloud Config rules and their remediation. The managed rule is the one everybody knows; it looks for 0.0.0.0/0
# only. The custom rule asks our own judgement, so ::/0, halves of the Internet, prefix lists and port lists count too,
# and a scheduled run catches what no change announces, such as a longer prefix list.
#
# An evaluation begins as soon as there is a rule. Both rules name a function, which waits for its rights and, by the
# names of the roles it enters by, for these.

locals {
  group_type = "ACS::ECS::SecurityGroup"
  on_change  = "ConfigurationItemChangeNotification"
  excluded   = length(var.exclude_resource_ids) == 0 ? null : join(",", var.exclude_resource_ids)
  rules = {
    managed = {
      name       = "${var.prefix}-sg-risky-ports-check"
      owner      = "ALIYUN"
      identifier = "sg-risky-ports-check"
      triggers   = local.on_change
      frequency  = null
      parameters = { ports = var.ports }
      excluded   = local.excluded
      does       = "No security group opens a risky port (${var.ports}) to 0.0.0.0/0."
    }
    custom = {
      name       = "${var.prefix}-risky-ports"
      owner      = "CUSTOM_FC"
      identifier = module.evaluate.arn
      triggers   = "${local.on_change},ScheduledNotification"
      frequency  = "TwentyFour_Hours"
      parameters = { ports = var.ports }
      excluded   = null # Cloud Config takes it for managed rules only; exemptions are our judgement's own
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
  exclude_resource_ids_scope  = each.value.excluded
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
  exclude_resource_ids_scope  = each.value.excluded
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
      eventName = ["AuthorizeSecurityGroup", "ModifySecurityGroupPolicy", "ModifySecurityGroupRule", "RevokeSecurityGroup"]
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

    dynamic "param_list" {
      for_each = {
        functionName = module.on_event[0].name
        Qualifier    = "LATEST"
        # asynchronous, so that Function Compute's own retries and dead letter apply
        InvocationType = "Async"
        DataFormat     = "Object"
      }
      content {
        resource_key = param_list.key
        form         = "CONSTANT"
        value        = param_list.value
      }
    }
    param_list {
      resource_key = "Body"
      form         = "ORIGINAL"
    }
  }

  depends_on = [alicloud_event_bridge_service_linked_role.this]
}

# Without them EventBridge takes the rule and delivers nothing: they let it read ActionTrail's events, call a function
# and write to the dead letter.
resource "alicloud_event_bridge_service_linked_role" "this" {
  for_each = toset(var.event_path ? var.service_linked_roles : [])

  product_name = each.value
}
