[assembly: Vmm.Sdk.VmmPlugin("vmm.post-port", Description = "The diagnostic port of PC firmware")]
