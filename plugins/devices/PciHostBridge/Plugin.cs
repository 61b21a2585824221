[assembly: Vmm.Sdk.VmmPlugin("vmm.pci-host-bridge", Description = "The processor's door to PCI configuration space")]
