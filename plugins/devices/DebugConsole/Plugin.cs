[assembly: Vmm.Sdk.VmmPlugin("vmm.debug-console", Description = "The port that firmware writes its log to")]
