[assembly: Vmm.Sdk.VmmPlugin("vmm.isa-debug-exit", Description = "Lets a guest end the VM with a status")]
