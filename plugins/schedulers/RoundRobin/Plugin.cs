[assembly: Vmm.Sdk.VmmPlugin("vmm.round-robin", Description = "Weighted round robin over the virtual processors of a CPU pool")]
