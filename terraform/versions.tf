terraform {
  # Arguments that no state holds (`sensitive_body` in event_grid.tf) need 1.11.
  required_version = ">= 1.11"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
    azapi = {
      source  = "Azure/azapi"
      version = "~> 2.5"
    }
  }
}

# The subscription is taken from ARM_SUBSCRIPTION_ID, the login from `az login` or from OIDC.
provider "azurerm" {
  # Containers and queues are asked for with the login; the account has no keys to ask with.
  storage_use_azuread = true

  # The provider registers nothing by itself from 5.0 on.
  resource_providers_to_register = [
    "Microsoft.App",
    "Microsoft.Cache",
    "Microsoft.ContainerRegistry",
    "Microsoft.DataFactory",
    "Microsoft.EventGrid",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Sql",
    "Microsoft.Storage",
    "Microsoft.Web",
  ]

  features {
    # A destroyed vault keeps its name for as long as it can be called back: the next apply takes
    # it back, with its secrets, instead of failing at the name.
    key_vault {
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
      recover_soft_deleted_secrets    = true
    }

    # An account that is closed to whoever applies could not be asked; nothing of ours asks it.
    storage {
      data_plane_available = false
    }

    # Logs are of no use to the next stack of this name, and would come back with their age.
    log_analytics_workspace {
      permanently_delete_on_destroy = true
    }

    # Azure adds a rule and a group of its own to the component, which would keep the group.
    application_insights {
      disable_generated_rule = true
    }

    resource_group {
      prevent_deletion_if_contains_resources = true
    }
  }
}

provider "azapi" {}

# The same login once more. Tests put mocks in front of the other one, and mocks know no ephemeral
# resources: this one stays what it is there.
provider "azapi" {
  alias = "keys"
}
