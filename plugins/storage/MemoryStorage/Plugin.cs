[assembly: Vmm.Sdk.VmmPlugin("vmm.memory", Description = "Disks in the host's memory")]
