[assembly: Vmm.Sdk.VmmPlugin("vmm.trace", Description = "Traces VM exits")]
