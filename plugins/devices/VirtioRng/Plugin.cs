[assembly: Vmm.Sdk.VmmPlugin("vmm.virtio-rng", Description = "virtio entropy source")]
