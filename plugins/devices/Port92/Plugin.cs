[assembly: Vmm.Sdk.VmmPlugin("vmm.port-92", Description = "The system control port of the PS/2")]
