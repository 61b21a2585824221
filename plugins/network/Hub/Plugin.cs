[assembly: Vmm.Sdk.VmmPlugin("vmm.hub", Description = "Ethernet segments inside one process")]
