# The ledger and the log have moved into a module of their own; an installation of before keeps them.

moved {
  from = alicloud_log_project.this
  to   = module.records.alicloud_log_project.this
}

moved {
  from = alicloud_log_store.this
  to   = module.records.alicloud_log_store.this
}

moved {
  from = alicloud_log_store_index.this
  to   = module.records.alicloud_log_store_index.this
}

moved {
  from = alicloud_oss_bucket.ledger
  to   = module.records.alicloud_oss_bucket.ledger
}

moved {
  from = alicloud_oss_bucket_acl.ledger
  to   = module.records.alicloud_oss_bucket_acl.ledger
}

moved {
  from = alicloud_oss_bucket_public_access_block.ledger
  to   = module.records.alicloud_oss_bucket_public_access_block.ledger
}

moved {
  from = alicloud_oss_bucket_server_side_encryption.ledger
  to   = module.records.alicloud_oss_bucket_server_side_encryption.ledger
}

moved {
  from = alicloud_ram_role.function[0]
  to   = alicloud_ram_role.function["function"]
}
