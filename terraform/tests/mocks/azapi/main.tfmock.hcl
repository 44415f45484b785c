mock_resource "azapi_resource" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Web/sites/func"
    output = {
      hostname = "func.azurewebsites.net"
    }
  }
}
