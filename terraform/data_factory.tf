# The bulk path: a products file of the container `bulk` into amazon.import_stage, then
# amazon.import_staged, which brings all of it into the catalogue or nothing. Started by hand:
#
#     az datafactory pipeline create-run -g GROUP --factory-name NAME --name products \
#       --parameters '{"file":"amazon_products.csv"}'
#
# Its login is the factory's own identity; scripts/deploy makes the user.

resource "azurerm_data_factory" "main" {
  count = var.data_factory ? 1 : 0

  name                   = local.names.data_factory
  resource_group_name    = azurerm_resource_group.main.name
  location               = azurerm_resource_group.main.location
  public_network_enabled = false

  identity {
    type = "SystemAssigned"
  }

  tags = local.tags
}

# To read the file, and to write down the rows that were left out.
resource "azurerm_role_assignment" "data_factory_bulk" {
  count = var.data_factory ? 1 : 0

  scope                = azurerm_storage_container.bulk[0].id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_data_factory.main[0].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_data_factory_linked_service_azure_blob_storage" "main" {
  count = var.data_factory ? 1 : 0

  name                 = "storage"
  data_factory_id      = azurerm_data_factory.main[0].id
  service_endpoint     = azurerm_storage_account.main.primary_blob_endpoint
  storage_kind         = "StorageV2"
  use_managed_identity = true
}

resource "azurerm_data_factory_linked_service_azure_sql_database" "main" {
  count = var.data_factory ? 1 : 0

  name                 = "catalogue"
  data_factory_id      = azurerm_data_factory.main[0].id
  connection_string    = "Server=tcp:${azurerm_mssql_server.main.fully_qualified_domain_name},1433;Database=${azurerm_mssql_database.catalogue.name};Encrypt=True;TrustServerCertificate=False;Connection Timeout=60"
  use_managed_identity = true
}

resource "azurerm_data_factory_dataset_delimited_text" "products" {
  count = var.data_factory ? 1 : 0

  name                = "products_file"
  data_factory_id     = azurerm_data_factory.main[0].id
  linked_service_name = azurerm_data_factory_linked_service_azure_blob_storage.main[0].name

  parameters          = { file = "" }
  first_row_as_header = true
  column_delimiter    = ","
  quote_character     = "\""
  escape_character    = "\""
  encoding            = "UTF-8"
  # An empty field is not known; 0 stays 0.
  null_value = ""

  azure_blob_storage_location {
    container                = azurerm_storage_container.bulk[0].name
    filename                 = "@dataset().file"
    dynamic_filename_enabled = true
  }
}

resource "azurerm_data_factory_dataset_azure_sql_table" "stage" {
  count = var.data_factory ? 1 : 0

  name              = "import_stage"
  data_factory_id   = azurerm_data_factory.main[0].id
  linked_service_id = azurerm_data_factory_linked_service_azure_sql_database.main[0].id
  schema            = "amazon"
  table             = "import_stage"
}

locals {
  # The stage's columns and the types that they are read as.
  stage_columns = {
    asin              = "String"
    title             = "String"
    imgUrl            = "String"
    productURL        = "String"
    stars             = "Decimal"
    reviews           = "Int64"
    price             = "Decimal"
    listPrice         = "Decimal"
    category_id       = "Int32"
    isBestSeller      = "Boolean"
    boughtInLastMonth = "Int64"
  }

  apply_stage = {
    type = "SqlServerStoredProcedure"
    # All at once or nothing, so it may be tried again.
    policy            = { retry = 2, retryIntervalInSeconds = 60, timeout = "0.02:00:00" }
    linkedServiceName = { referenceName = "catalogue", type = "LinkedServiceReference" }
    typeProperties    = { storedProcedureName = "[amazon].[import_staged]" }
  }

  pipeline_activities = [
    # What a run that was cut off has left in the stage would meet its own key again.
    merge(local.apply_stage, { name = "apply_left_overs", dependsOn = [] }),
    {
      name      = "stage"
      type      = "Copy"
      dependsOn = [{ activity = "apply_left_overs", dependencyConditions = ["Succeeded"] }]
      # Not tried again by itself: part of the rows may be there. The next run begins with them.
      policy = { retry = 0, timeout = "0.02:00:00" }
      typeProperties = {
        source = {
          type           = "DelimitedTextSource"
          storeSettings  = { type = "AzureBlobStorageReadSettings", recursive = false }
          formatSettings = { type = "DelimitedTextReadSettings" }
        }
        sink = { type = "AzureSqlSink", writeBatchSize = 10000, writeBehavior = "insert", sqlWriterUseTableLock = false }
        # A row that cannot be read, or the second of an asin, is left out and written down.
        enableSkipIncompatibleRow = true
        logSettings = {
          enableCopyActivityLog   = true
          copyActivityLogSettings = { logLevel = "Warning", enableReliableLogging = false }
          logLocationSettings = {
            linkedServiceName = { referenceName = "storage", type = "LinkedServiceReference" }
            path              = "${local.names.bulk}/left-out"
          }
        }
        translator = {
          type = "TabularTranslator"
          mappings = [for column in keys(local.stage_columns) : {
            source = { name = column, type = "String" }
            sink   = { name = column, type = local.stage_columns[column] }
          }]
          typeConversion         = true
          typeConversionSettings = { allowDataTruncation = false, treatBooleanAsNumber = false }
        }
      }
      inputs = [{
        referenceName = "products_file"
        type          = "DatasetReference"
        parameters    = { file = { value = "@pipeline().parameters.file", type = "Expression" } }
      }]
      outputs = [{ referenceName = "import_stage", type = "DatasetReference" }]
    },
    merge(local.apply_stage, {
      name      = "apply"
      dependsOn = [{ activity = "stage", dependencyConditions = ["Succeeded"] }]
    }),
  ]
}

resource "azurerm_data_factory_pipeline" "products" {
  count = var.data_factory ? 1 : 0

  name            = "products"
  data_factory_id = azurerm_data_factory.main[0].id
  # There is one stage.
  concurrency     = 1
  parameters      = { file = "amazon_products.csv" }
  activities_json = jsonencode(local.pipeline_activities)

  # Named in the activities by text alone.
  depends_on = [
    azurerm_data_factory_dataset_delimited_text.products,
    azurerm_data_factory_dataset_azure_sql_table.stage,
    azurerm_role_assignment.data_factory_bulk,
  ]
}
