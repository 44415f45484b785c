"""What scripts/terraform-check is made of: Terraform held to the providers' schemas, offline."""
