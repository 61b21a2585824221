[assembly: Vmm.Sdk.VmmPlugin("vmm.fw-cfg", Description = "The firmware configuration device of QEMU's machines")]
