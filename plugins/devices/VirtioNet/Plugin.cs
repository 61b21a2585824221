[assembly: Vmm.Sdk.VmmPlugin("vmm.virtio-net", Description = "virtio network devices")]
