[assembly: Vmm.Sdk.VmmPlugin("vmm.virtio-block", Description = "virtio disks")]
