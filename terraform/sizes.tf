# What a size means. Monthly costs stand in handler/docs/infrastructure.md.

locals {
  sizes_of = {
    dev = {
      sql_sku              = "S0" # 10 DTU: always on, as the timer asks every five minutes
      sql_max_gb           = 10
      sql_min_vcores       = 0.5
      sql_zone_redundant   = false
      sql_pool_max         = 8 # an S0 has 600 sessions, 40 instances come to 320
      redis                = false
      redis_sku            = "Balanced_B0"
      redis_replicated     = false
      storage_replication  = "LRS"
      instance_memory_mb   = 512
      instances_max        = 40
      instances_ready      = 0
      requests_an_instance = 100
      container_sku        = "EP1"
      log_days             = 30
      log_daily_gb         = 0.5
      backup_days          = 7
      alert_every_minutes  = 15
    }
    prod = {
      sql_sku              = "GP_S_Gen5_2" # pays by the second above sql_min_vcores
      sql_max_gb           = 32
      sql_min_vcores       = 0.5
      sql_zone_redundant   = false
      sql_pool_max         = 16
      redis                = true
      redis_sku            = "Balanced_B1"
      redis_replicated     = true
      storage_replication  = "ZRS"
      instance_memory_mb   = 2048
      instances_max        = 100
      instances_ready      = 1
      requests_an_instance = 100
      container_sku        = "EP1"
      log_days             = 90
      log_daily_gb         = 5
      backup_days          = 14
      alert_every_minutes  = 5
    }
  }

  size = merge(
    local.sizes_of[var.environment],
    { for key, value in var.sizes : key => value if value != null },
  )
  redis = coalesce(var.redis, local.size.redis)

  sql_is_serverless = can(regex("_S_", local.size.sql_sku))
  sql_is_dtu        = can(regex("^(Basic|[SP][0-9]+)$", local.size.sql_sku))
}
