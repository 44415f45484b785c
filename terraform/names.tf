# Every name, and where the app may be.
#
# Many names are known to the whole world, and some are kept for a while after what they named is
# gone. They end in a hash of what the deployment is, so they are the same after destroy and apply:
# a vault that was destroyed is found again under its name (versions.tf), everything else gives its
# name back at once. `name_suffix` is for the rest: a name that somebody else has, or a vault that
# cannot be called back.

data "azurerm_client_config" "current" {}

locals {
  suffix = var.name_suffix != null ? var.name_suffix : substr(sha256(join("/", [
    data.azurerm_client_config.current.subscription_id, var.name, var.environment, var.location,
  ])), 0, 6)
  stem = "${var.name}-${var.environment}"

  names = {
    # Of this subscription or group alone.
    resource_group = "rg-${local.stem}-${local.suffix}"
    identity       = "id-${local.stem}"
    workspace      = "log-${local.stem}"
    insights       = "appi-${local.stem}"
    action_group   = "ag-${local.stem}"
    system_topic   = "evgt-${local.stem}"
    network        = "vnet-${local.stem}"
    # A plan cannot be made into one of the other kind.
    plan     = "plan-${local.stem}-${var.container ? "premium" : "flex"}"
    workbook = uuidv5("url", "vitrine/${local.stem}-${local.suffix}")
    # Of the whole world. Longest last part: 12 + 4 + 6 characters and dashes.
    function_app  = "func-${local.stem}-${local.suffix}"
    sql_server    = "sql-${local.stem}-${local.suffix}"
    redis         = "redis-${local.stem}-${local.suffix}"
    data_factory  = "adf-${local.stem}-${local.suffix}"
    key_vault     = "kv${var.name}${var.environment}${local.suffix}" # 24 at most
    storage       = "st${var.name}${var.environment}${local.suffix}" # 24 at most, no dashes
    registry      = "cr${var.name}${var.environment}${local.suffix}" # no dashes
    sql_database  = "catalogue"
    image         = "vitrine"
    imports       = "imports"
    rejects       = "rejects"
    deployment    = "deployment"
    dead_letters  = "dead-letters"
    bulk          = "bulk"
    imports_queue = "imports"
  }

  tags = merge(var.tags, {
    application = "vitrine"
    environment = var.environment
    managed-by  = "terraform"
  })

  # Where Flex Consumption is: the list of Azure's own quickstart for it
  # (Azure-Samples/functions-quickstart-python-http-azd, infra/main.bicep, commit 0bb0f106).
  flex_locations = [
    "australiaeast",
    "australiasoutheast",
    "brazilsouth",
    "canadacentral",
    "centralindia",
    "centralus",
    "eastasia",
    "eastus",
    "eastus2",
    "eastus2euap",
    "francecentral",
    "germanywestcentral",
    "italynorth",
    "japaneast",
    "koreacentral",
    "northcentralus",
    "northeurope",
    "norwayeast",
    "southafricanorth",
    "southcentralus",
    "southeastasia",
    "southindia",
    "spaincentral",
    "swedencentral",
    "uaenorth",
    "uksouth",
    "ukwest",
    "westcentralus",
    "westeurope",
    "westus",
    "westus2",
    "westus3",
  ]
}

resource "azurerm_resource_group" "main" {
  name     = local.names.resource_group
  location = var.location
  tags     = local.tags
}
