"""What scripts/terraform-check consists of: Terraform is held to the providers' own schema, offline."""
