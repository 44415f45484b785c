variable "name" {
  description = "What this deployment is called. Part of every name, many of which are known to the whole world, so 3 to 12 characters."
  type        = string
  default     = "vitrine"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,11}$", var.name))
    error_message = "name must be 3 to 12 lower-case letters or digits and begin with a letter: a Key Vault's name has at most 24 characters, and environment and suffix come behind it."
  }
}

variable "environment" {
  description = "Which sizes are taken (sizes.tf): dev idles below 50 USD a month, prod serves."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment must be dev or prod."
  }
}

variable "location" {
  description = "The region of everything, as `az account list-locations` spells it (swedencentral)."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[0-9]?(euap)?$", var.location))
    error_message = "location must be a region's short name in lower case without spaces, such as swedencentral."
  }

  validation {
    condition     = var.container || contains(local.flex_locations, var.location) || contains(var.flex_locations_more, var.location)
    error_message = "The Flex Consumption plan is not known to be in the region of location. `az functionapp list-flexconsumption-locations -o table` tells where it is: take another region, name this one in flex_locations_more, or set container = true, whose plan is everywhere."
  }
}

variable "flex_locations_more" {
  description = "Regions that got the Flex Consumption plan after the list in names.tf was made."
  type        = set(string)
  default     = []
}

variable "name_suffix" {
  description = "4 to 6 lower-case letters or digits that make names unique in the world. Null takes six of a hash of subscription, name, environment and location, so the same deployment has the same names after it was destroyed. Set it when a name is taken by somebody else."
  type        = string
  default     = null

  validation {
    condition     = var.name_suffix == null || can(regex("^[a-z0-9]{4,6}$", var.name_suffix))
    error_message = "name_suffix must be 4 to 6 lower-case letters or digits, or null."
  }
}

variable "tags" {
  description = "Tags of every resource, beside application, environment and managed-by."
  type        = map(string)
  default     = {}

  validation {
    # 50 tags are the limit of a resource, three are ours.
    condition     = length(var.tags) <= 47 && alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256])
    error_message = "tags may be 47 at most, with keys of up to 128 and values of up to 256 characters (a storage account's limits)."
  }

  validation {
    condition     = length(setintersection(keys(var.tags), ["application", "environment", "managed-by"])) == 0
    error_message = "tags must not name application, environment or managed-by: these are set here."
  }
}

variable "sql_administrator" {
  description = "The user, group or application of Entra ID that administers the SQL server, the only administrator there is: login as it is shown, object_id of the directory. Whoever runs scripts/deploy has to be it, or in it."
  type = object({
    login     = string
    object_id = string
  })

  validation {
    condition     = length(trimspace(var.sql_administrator.login)) > 0 && length(var.sql_administrator.login) <= 128
    error_message = "sql_administrator.login must be the display name of a group or application, or a user's principal name."
  }

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.sql_administrator.object_id))
    error_message = "sql_administrator.object_id must be an object id of the directory, a UUID in lower case (`az ad group show -g NAME --query id`), not an application's client id."
  }
}

variable "operator_object_ids" {
  description = "Object ids of those who may set secrets in the vault and upload files for import. Empty: whoever runs apply; name a group where several do, so that the roles stay."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.operator_object_ids : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))])
    error_message = "operator_object_ids must be UUIDs in lower case."
  }
}

variable "redis" {
  description = "Whether instances share a cache (Azure Managed Redis). Null: no for dev, yes for prod."
  type        = bool
  default     = null
}

variable "private_network" {
  description = "Whether storage, database, vault and cache are reached through private endpoints alone. The API itself stays public."
  type        = bool
  default     = false
}

variable "container" {
  description = "Whether the app is an image from a registry of its own, on an Elastic Premium plan, instead of a package on Flex Consumption. Changing it replaces the app, so set event_grid to false with it."
  type        = bool
  default     = false
}

variable "container_image_tag" {
  description = "The tag of the image `vitrine` in the registry. One that is never moved, a commit say: a moved tag is not noticed."
  type        = string
  default     = "latest"

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.container_image_tag))
    error_message = "container_image_tag must be a tag: up to 128 letters, digits, dots, dashes and underscores, the first no dot or dash."
  }
}

variable "data_factory" {
  description = "Whether a Data Factory pipeline is made: a file of the container `bulk` into amazon.import_stage, then amazon.import_staged."
  type        = bool
  default     = false

  validation {
    condition     = !(var.data_factory && var.private_network)
    error_message = "data_factory and private_network exclude each other: the pipeline's shared runtime cannot reach a database behind private endpoints, and endpoints of its own have to be approved by hand. Uploads to the container `imports` work in both."
  }
}

variable "event_grid" {
  description = "Whether uploads are announced to the app. The second phase: the key that the announcement needs is made by the app's code, so false until the code has been published once, true from then on."
  type        = bool
  default     = false
}

variable "import_trigger" {
  description = "Which function imports: `blob` (ImportBlob), or `queue`, its plan B (ImportQueue; the announcement goes through the queue `imports` and needs no key)."
  type        = string
  default     = "blob"

  validation {
    condition     = contains(["blob", "queue"], var.import_trigger)
    error_message = "import_trigger must be blob or queue."
  }
}

variable "cors_origins" {
  description = "Origins of web pages that may call the API, beside the Azure portal: https://shop.example. No path, no wildcard."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?|http://localhost)(:[0-9]{1,5})?$", origin))])
    error_message = "cors_origins must be https origins such as https://shop.example or https://shop.example:8443, without a path or a final slash, and without wildcards; http is for localhost alone."
  }
}

variable "admin_emails" {
  description = "Addresses of those who administer from the beginning (ADMIN_EMAILS); with Firebase once the address is verified."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.admin_emails : can(regex("^[^@\\s,]+@[^@\\s,]+\\.[^@\\s,]+$", email))])
    error_message = "admin_emails must be addresses, one an element."
  }
}

variable "firebase_project_id" {
  description = "The Firebase project that holds the accounts; null keeps them in the database."
  type        = string
  default     = null

  validation {
    condition     = (var.firebase_project_id == null) == (var.firebase_api_key == null)
    error_message = "firebase_project_id and firebase_api_key go together: set both or neither."
  }
}

variable "firebase_api_key" {
  description = "The web API key of that project. It names the project to Firebase and is no secret; the service account is one, and goes into the vault as firebase-secret."
  type        = string
  default     = null
}

variable "alert_emails" {
  description = "Who gets a mail when an alert fires. Empty: alerts are seen in the portal only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s,]+@[^@\\s,]+\\.[^@\\s,]+$", email))])
    error_message = "alert_emails must be addresses, one an element."
  }
}

variable "allowed_ips" {
  description = "IPv4 addresses from which deployers reach database, vault and storage when private_network is on, and the database when it is off."
  type        = set(string)
  default     = []

  validation {
    # A storage account refuses /31, /32 and private ranges: single addresses suit all three.
    condition     = alltrue([for ip in var.allowed_ips : can(cidrnetmask("${ip}/32")) && !can(regex("^(0|10|127|169\\.254|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)\\.", ip))])
    error_message = "allowed_ips must be single public IPv4 addresses such as 203.0.113.7, without a mask."
  }
}

variable "sizes" {
  description = "Parts of the sizes of the environment that shall differ; see sizes.tf for what there is."
  type = object({
    sql_sku              = optional(string)
    sql_max_gb           = optional(number)
    sql_min_vcores       = optional(number)
    sql_zone_redundant   = optional(bool)
    sql_pool_max         = optional(number)
    redis_sku            = optional(string)
    redis_replicated     = optional(bool)
    storage_replication  = optional(string)
    instance_memory_mb   = optional(number)
    instances_max        = optional(number)
    instances_ready      = optional(number)
    requests_an_instance = optional(number)
    container_sku        = optional(string)
    log_days             = optional(number)
    log_daily_gb         = optional(number)
    backup_days          = optional(number)
    alert_every_minutes  = optional(number)
  })
  default = {}

  validation {
    condition     = can(regex("^(Basic|S[0-9]{1,2}|P[0-9]{1,2}|GP_(S_)?Gen5_[0-9]{1,3}|HS_(S_)?Gen5_[0-9]{1,3}|BC_Gen5_[0-9]{1,3})$", coalesce(var.sizes.sql_sku, "S0")))
    error_message = "sizes.sql_sku must be a size of a single Azure SQL database: S0, GP_Gen5_2, GP_S_Gen5_2."
  }

  validation {
    # An unsharded database ends at 25 GB.
    condition     = can(regex("^(Balanced_B(0|1|3|5|10|20)|MemoryOptimized_M(10|20)|ComputeOptimized_X(3|5|10|20))$", coalesce(var.sizes.redis_sku, "Balanced_B0")))
    error_message = "sizes.redis_sku must be a size of Azure Managed Redis such as Balanced_B0, at most Balanced_B20, MemoryOptimized_M20 or ComputeOptimized_X20: the app speaks to an unsharded Redis, which has 25 GB at most."
  }

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], coalesce(var.sizes.storage_replication, "LRS"))
    error_message = "sizes.storage_replication must be LRS, ZRS, GRS or GZRS."
  }

  validation {
    condition     = contains([512, 2048, 4096], coalesce(var.sizes.instance_memory_mb, 2048))
    error_message = "sizes.instance_memory_mb must be 512, 2048 or 4096."
  }

  validation {
    condition     = coalesce(var.sizes.instances_max, 100) >= 1 && coalesce(var.sizes.instances_max, 100) <= 1000 && coalesce(var.sizes.instances_ready, 0) >= 0 && coalesce(var.sizes.instances_ready, 0) <= coalesce(var.sizes.instances_max, 1000)
    error_message = "sizes.instances_max must be 1 to 1000, and sizes.instances_ready at most that."
  }

  validation {
    condition     = coalesce(var.sizes.requests_an_instance, 100) >= 1 && coalesce(var.sizes.requests_an_instance, 100) <= 1000
    error_message = "sizes.requests_an_instance must be 1 to 1000."
  }

  validation {
    condition     = can(regex("^EP[123]$", coalesce(var.sizes.container_sku, "EP1")))
    error_message = "sizes.container_sku must be EP1, EP2 or EP3."
  }

  validation {
    condition     = contains([30, 60, 90, 120, 180, 270, 365, 550, 730], coalesce(var.sizes.log_days, 30))
    error_message = "sizes.log_days must be 30, 60, 90, 120, 180, 270, 365, 550 or 730."
  }

  validation {
    condition     = coalesce(var.sizes.backup_days, 7) >= 1 && coalesce(var.sizes.backup_days, 7) <= 35
    error_message = "sizes.backup_days must be 1 to 35."
  }

  validation {
    condition     = contains([5, 10, 15, 30, 45, 60], coalesce(var.sizes.alert_every_minutes, 5))
    error_message = "sizes.alert_every_minutes must be 5, 10, 15, 30, 45 or 60."
  }
}

variable "network_cidr" {
  description = "Addresses of the network that private_network makes, /25 or larger; a quarter each for the app of either kind and for the endpoints."
  type        = string
  default     = "10.20.0.0/24"

  validation {
    # A quarter of a /25 is a /27, the least that Flex Consumption takes.
    condition     = can(cidrnetmask(var.network_cidr)) && can(regex("/(8|9|1[0-9]|2[0-5])$", var.network_cidr))
    error_message = "network_cidr must be an IPv4 range from /8 to /25, such as 10.20.0.0/24."
  }
}
