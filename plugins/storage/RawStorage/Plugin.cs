[assembly: Vmm.Sdk.VmmPlugin("vmm.raw", Description = "Disk images that are a plain file")]
