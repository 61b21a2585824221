[assembly: Vmm.Sdk.VmmPlugin("vmm.coprocessor-error", Description = "The x87 error interrupt of the PC")]
