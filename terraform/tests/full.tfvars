# Everything that can be switched on together, for checkov.
name        = "vitrine"
environment = "prod"
location    = "swedencentral"

sql_administrator = {
  login     = "vitrine-administrators"
  object_id = "00000000-0000-4000-8000-000000000001"
}

private_network = true
container       = true
event_grid      = true
