# Every promise about who gets in, each with a message of its own: scripts/terraform-check breaks
# them one by one and looks for that message.

mock_provider "azurerm" {
  source          = "./tests/mocks/azurerm"
  override_during = plan
}

mock_provider "azapi" {
  source          = "./tests/mocks/azapi"
  override_during = plan
}

variables {
  environment = "prod"
  location    = "swedencentral"
  sql_administrator = {
    login     = "administrators"
    object_id = "00000000-0000-4000-8000-000000000001"
  }
}

run "public_network" {
  command = plan

  assert {
    condition     = azurerm_storage_account.main.shared_access_key_enabled == false
    error_message = "storage: an account key must open nothing"
  }
  assert {
    condition     = azurerm_storage_account.main.default_to_oauth_authentication == true
    error_message = "storage: the portal must ask by login"
  }
  assert {
    condition     = azurerm_storage_account.main.local_user_enabled == false && try(azurerm_storage_account.main.sftp_enabled, false) != true
    error_message = "storage: no local users"
  }
  assert {
    condition     = azurerm_storage_account.main.allow_nested_items_to_be_public == false
    error_message = "storage: no container may be made public"
  }
  assert {
    condition = alltrue([for container in [
      azurerm_storage_container.imports, azurerm_storage_container.rejects,
      azurerm_storage_container.deployment, azurerm_storage_container.dead_letters,
    ] : container.container_access_type == "private"])
    error_message = "storage: every container is private"
  }
  assert {
    condition     = azurerm_storage_account.main.cross_tenant_replication_enabled == false
    error_message = "storage: nothing is replicated to another tenant"
  }
  assert {
    condition     = azurerm_storage_account.main.https_traffic_only_enabled && azurerm_storage_account.main.min_tls_version == "TLS1_2"
    error_message = "storage: https and TLS 1.2"
  }
  assert {
    condition     = azurerm_storage_account.main.infrastructure_encryption_enabled
    error_message = "storage: encrypted twice"
  }
  assert {
    condition     = azurerm_storage_account.main.blob_properties[0].delete_retention_policy[0].days >= 7 && azurerm_storage_account.main.blob_properties[0].container_delete_retention_policy[0].days >= 7
    error_message = "storage: what is deleted can be called back for a week"
  }

  assert {
    condition     = azurerm_key_vault.main.rbac_authorization_enabled
    error_message = "vault: by roles, not by access policies"
  }
  assert {
    condition     = azurerm_key_vault.main.purge_protection_enabled && azurerm_key_vault.main.soft_delete_retention_days == 90
    error_message = "vault: what is deleted can be called back for 90 days"
  }
  assert {
    condition     = !anytrue([azurerm_key_vault.main.enabled_for_deployment == true, azurerm_key_vault.main.enabled_for_disk_encryption == true, azurerm_key_vault.main.enabled_for_template_deployment == true])
    error_message = "vault: nobody but those with a role reads it"
  }

  assert {
    condition     = azurerm_mssql_server.main.azuread_administrator[0].azuread_authentication_only == true
    error_message = "database: users of the directory only"
  }
  assert {
    condition     = azurerm_mssql_server.main.administrator_login == null || azurerm_mssql_server.main.administrator_login_password == null
    error_message = "database: no password"
  }
  assert {
    condition     = azurerm_mssql_server.main.minimum_tls_version == "1.2"
    error_message = "database: TLS 1.2"
  }
  assert {
    condition     = azurerm_mssql_database.catalogue.transparent_data_encryption_enabled
    error_message = "database: encrypted at rest"
  }
  assert {
    condition     = azurerm_mssql_database.catalogue.short_term_retention_policy[0].retention_days >= 7
    error_message = "database: can be restored for a week"
  }
  assert {
    condition     = azurerm_mssql_firewall_rule.azure[0].start_ip_address == "0.0.0.0" && azurerm_mssql_firewall_rule.azure[0].end_ip_address == "0.0.0.0"
    error_message = "database: open to Azure's own addresses at most, not to the internet"
  }
  assert {
    condition     = azurerm_mssql_server_extended_auditing_policy.main.enabled && contains(azurerm_mssql_server_extended_auditing_policy.main.audit_actions_and_groups, "FAILED_DATABASE_AUTHENTICATION_GROUP")
    error_message = "database: who was refused is written down"
  }

  assert {
    condition     = azurerm_managed_redis.main[0].default_database[0].access_keys_authentication_enabled == false
    error_message = "cache: no keys"
  }
  assert {
    condition     = azurerm_managed_redis.main[0].default_database[0].client_protocol == "Encrypted"
    error_message = "cache: TLS"
  }
  assert {
    condition     = azurerm_managed_redis.main[0].default_database[0].clustering_policy == "NoCluster"
    error_message = "cache: the app's client follows no cluster"
  }
  assert {
    condition     = startswith(azurerm_managed_redis.main[0].default_database[0].eviction_policy, "Volatile")
    error_message = "cache: versions are never evicted"
  }
  assert {
    condition     = azurerm_managed_redis_access_policy_assignment.app[0].object_id == azurerm_user_assigned_identity.app.principal_id
    error_message = "cache: the app's principal, not its client id"
  }

  assert {
    condition     = azapi_resource.function_app.body.properties.httpsOnly == true
    error_message = "app: https only"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.minTlsVersion == "1.2" && azapi_resource.function_app.body.properties.siteConfig.scmMinTlsVersion == "1.2"
    error_message = "app: TLS 1.2, the publishing site included"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.remoteDebuggingEnabled == false
    error_message = "app: no remote debugging"
  }
  assert {
    condition     = toset([for name, policy in azapi_update_resource.no_publishing_password : "${policy.name}=${policy.body.properties.allow}"]) == toset(["ftp=false", "scm=false"])
    error_message = "app: published by login, not by password"
  }
  assert {
    condition     = !contains(azapi_resource.function_app.body.properties.siteConfig.cors.allowedOrigins, "*") && azapi_resource.function_app.body.properties.siteConfig.cors.supportCredentials == false
    error_message = "app: named origins only, and without cookies"
  }
  assert {
    condition     = azapi_resource.function_app.identity[0].type == "UserAssigned" && toset(azapi_resource.function_app.identity[0].identity_ids) == toset([azurerm_user_assigned_identity.app.id])
    error_message = "app: one identity, its own"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.functionAppConfig.deployment.storage.authentication.type == "UserAssignedIdentity"
    error_message = "app: the package is read by identity"
  }
  assert {
    condition     = azurerm_log_analytics_workspace.main.local_authentication_enabled == false
    error_message = "logs: the workspace takes no keys"
  }
  assert {
    condition     = azurerm_application_insights.main.ip_masking_enabled
    error_message = "logs: no addresses of clients"
  }
}

run "private_network" {
  command = plan

  variables {
    private_network = true
    container       = true
  }

  assert {
    condition     = azurerm_storage_account.main.public_network_access_enabled == false && azurerm_storage_account.main.network_rules[0].default_action == "Deny"
    error_message = "private storage: nobody from outside"
  }
  assert {
    condition     = toset(azurerm_storage_account.main.network_rules[0].bypass) == toset(["AzureServices"])
    error_message = "private storage: Event Grid comes in, nobody else does"
  }
  assert {
    condition     = azurerm_key_vault.main.public_network_access_enabled == false && azurerm_key_vault.main.network_acls[0].default_action == "Deny"
    error_message = "private vault: nobody from outside"
  }
  assert {
    condition     = azurerm_mssql_server.main.public_network_access_enabled == false && length(azurerm_mssql_firewall_rule.azure) == 0
    error_message = "private database: nobody from outside"
  }
  assert {
    condition     = azurerm_managed_redis.main[0].public_network_access == "Disabled"
    error_message = "private cache: nobody from outside"
  }
  assert {
    condition     = azurerm_container_registry.main[0].public_network_access_enabled == false && azurerm_container_registry.main[0].sku == "Premium"
    error_message = "private registry: nobody from outside"
  }
  assert {
    condition     = azurerm_container_registry.main[0].admin_enabled == false && azurerm_container_registry.main[0].anonymous_pull_enabled == false
    error_message = "registry: no password, nobody unnamed"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.acrUseManagedIdentityCreds == true && azapi_resource.function_app.body.properties.siteConfig.acrUserManagedIdentityID == azurerm_user_assigned_identity.app.client_id
    error_message = "registry: the image is pulled by identity"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.ftpsState == "Disabled"
    error_message = "app: no FTP"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.vnetRouteAllEnabled == true && azapi_resource.function_app.body.properties.vnetImagePullEnabled == true
    error_message = "private app: everything goes through the network, the image too"
  }
  assert {
    condition     = try(azapi_resource.function_app.body.properties.virtualNetworkSubnetId, null) == azurerm_subnet.app[0].id
    error_message = "private app: in the network"
  }
  assert {
    condition = { for key, endpoint in azurerm_private_endpoint.main : key => endpoint.private_service_connection[0].subresource_names[0] } == {
      blob = "blob", queue = "queue", redis = "redisEnterprise", registry = "registry", sql = "sqlServer", vault = "vault",
    }
    error_message = "private network: one endpoint each, and for the right part"
  }
  assert {
    condition = { for key, zone in azurerm_private_dns_zone.main : key => zone.name } == {
      blob     = "privatelink.blob.core.windows.net"
      queue    = "privatelink.queue.core.windows.net"
      redis    = "privatelink.redis.azure.net"
      registry = "privatelink.azurecr.io"
      sql      = "privatelink.database.windows.net"
      vault    = "privatelink.vaultcore.azure.net"
    }
    error_message = "private network: one zone each, under its right name"
  }
  assert {
    condition     = toset(keys(azurerm_private_dns_zone_virtual_network_link.main)) == toset(keys(azurerm_private_endpoint.main))
    error_message = "private network: every zone is seen by the app"
  }
  assert {
    condition = alltrue([for rule in azurerm_network_security_group.endpoints[0].security_rule :
      rule.access == "Deny" || (rule.source_address_prefix == azurerm_subnet.app[0].address_prefixes[0] && rule.protocol == "Tcp")
    ])
    error_message = "private network: only the app's subnet reaches the endpoints"
  }
  assert {
    condition     = azurerm_subnet.endpoints[0].private_endpoint_network_policies == "NetworkSecurityGroupEnabled"
    error_message = "private network: rules count for endpoints too"
  }
}

run "private_network_with_deployers" {
  command = plan

  variables {
    private_network = true
    allowed_ips     = ["203.0.113.7"]
  }

  assert {
    condition     = azurerm_storage_account.main.network_rules[0].default_action == "Deny" && toset(azurerm_storage_account.main.network_rules[0].ip_rules) == toset(["203.0.113.7"])
    error_message = "deployers: storage is open to their addresses alone"
  }
  assert {
    condition     = azurerm_key_vault.main.network_acls[0].default_action == "Deny" && toset(azurerm_key_vault.main.network_acls[0].ip_rules) == toset(["203.0.113.7/32"])
    error_message = "deployers: the vault is open to their addresses alone"
  }
  assert {
    condition     = length(azurerm_mssql_firewall_rule.azure) == 0 && toset([for rule in azurerm_mssql_firewall_rule.deployer : "${rule.start_ip_address}-${rule.end_ip_address}"]) == toset(["203.0.113.7-203.0.113.7"])
    error_message = "deployers: the database is open to their addresses alone"
  }
}
