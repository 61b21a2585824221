[assembly: Vmm.Sdk.VmmPlugin("vmm.nvme", Description = "NVM Express disks")]
