output "resource_group_name" {
  description = "The group that holds everything."
  value       = azurerm_resource_group.main.name
}

output "function_app_name" {
  description = "The app, to publish to."
  value       = azapi_resource.function_app.name
}

output "function_app_hostname" {
  description = "Where the API is, without https://."
  value       = local.hostname
}

output "storage_account_name" {
  description = "The account of uploads, refused rows and the package."
  value       = azurerm_storage_account.main.name
}

output "deployment_container_name" {
  description = "Where Flex Consumption keeps the package."
  value       = azurerm_storage_container.deployment.name
}

output "sql_server_fqdn" {
  description = "The database server's address."
  value       = azurerm_mssql_server.main.fully_qualified_domain_name
}

output "sql_server_name" {
  description = "The database server's name."
  value       = azurerm_mssql_server.main.name
}

output "sql_database_name" {
  description = "The database."
  value       = azurerm_mssql_database.catalogue.name
}

output "key_vault_name" {
  description = "The vault, to put jwt-secret-key and firebase-secret into."
  value       = azurerm_key_vault.main.name
}

output "key_vault_url" {
  description = "The vault's address."
  value       = azurerm_key_vault.main.vault_uri
}

output "identity_name" {
  description = "The app's identity; its user in the database has this name."
  value       = azurerm_user_assigned_identity.app.name
}

output "identity_client_id" {
  description = "The identity as tokens are asked for."
  value       = azurerm_user_assigned_identity.app.client_id
}

output "identity_principal_id" {
  description = "The identity as roles are given to it."
  value       = azurerm_user_assigned_identity.app.principal_id
}

output "redis_host" {
  description = "The shared cache as host:port, null without one."
  value       = local.redis_host
}

output "application_insights_name" {
  description = "Where telemetry goes."
  value       = azurerm_application_insights.main.name
}

output "container_registry_login_server" {
  description = "The registry to push the image to, null without `container`."
  value       = one(azurerm_container_registry.main[*].login_server)
}

output "container_image" {
  description = "The image that the app is, null without `container`."
  value       = local.image
}

output "event_grid_system_topic_name" {
  description = "What announces uploads."
  value       = azurerm_eventgrid_system_topic.uploads.name
}

output "data_factory_name" {
  description = "The factory of the bulk path, and its user in the database; null without `data_factory`."
  value       = one(azurerm_data_factory.main[*].name)
}
