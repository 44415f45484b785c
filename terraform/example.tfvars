# terraform apply -var-file=example.tfvars, with ARM_SUBSCRIPTION_ID set. Every variable is
# described in variables.tf.

name        = "vitrine"
environment = "dev"
location    = "swedencentral"

# az ad group show -g NAME --query '{login: displayName, object_id: id}'
sql_administrator = {
  login     = "vitrine-administrators"
  object_id = "00000000-0000-4000-8000-000000000001"
}

admin_emails = ["ann@shop.example"]
alert_emails = ["operations@shop.example"]
cors_origins = ["https://shop.example"]

# The second apply, once the code has been published (scripts/deploy does both).
event_grid = false

tags = {
  owner = "shop"
}
